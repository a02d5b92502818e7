"""Training, evaluation, prediction and export of models for sequences of steps."""
