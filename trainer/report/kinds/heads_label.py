"""Several labels side by side: pages show each of them alone."""

from trainer.report.shown_kind import ShownKind


class HeadsLabel(ShownKind):
    """Nothing is shown of them together."""
