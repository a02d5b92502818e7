"""The options of the forecaster."""

import dataclasses

from trainer.options.flags import check_range, option


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
        check_range(self, ("horizon_steps",), 1)
        check_range(self, ("teacher_forcing",), 0, 1)
