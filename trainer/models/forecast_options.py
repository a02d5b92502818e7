"""The options of the forecaster."""

import dataclasses

from trainer.flags import option


@dataclasses.dataclass(frozen=True)
class ForecastOptions:
    """What is forecast, and how; the recurrent layers are those of the signal model's options."""

    horizon_steps: int = option(150, "Steps at a record's end that the forecaster predicts.")
    teacher_forcing: float = option(
        0.0, "Share of the forecaster's steps that read the true step before them in training."
    )
    forecast_residual: bool = option(False, "Forecast the difference to the step before.")
    forecast_apart: bool = option(
        False, "Forecast each feature from itself alone, all with the same weights."
    )

    def __post_init__(self) -> None:
        if self.horizon_steps < 1:
            raise ValueError(f"--horizon_steps={self.horizon_steps}: expected at least 1")
        if not 0 <= self.teacher_forcing <= 1:
            raise ValueError(f"--teacher_forcing={self.teacher_forcing}: expected 0 to 1")
