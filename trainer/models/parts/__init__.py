"""Parts of models that are built on Keras when they are imported; families import them late."""

WITHOUT_WEIGHTS = "none"  # A backbone that is not trained before.
