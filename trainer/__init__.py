"""Training, evaluation, prediction and export of models for sequences of steps.

Commands stand here: `python -m trainer`, `trainer.launch`, `trainer.check_model`,
`trainer.cross_validate`, `trainer.compare` and `trainer.search`; for Python `train` and `Run`, and
for models of one's own `DataSpec`, `Options` and `option`. The rooms, from the bottom up:
`metrics`, `options`, `step`, `layers`, `models`, `distribution`, `data`, `runs`, `evaluation`,
`training`, `report`, `serving`, `checks`, `studies`; each imports only from those before it, from
`pipeline` (never its conversion) and from `tfrecords_schema`. Begin with `__main__`, which reads
top to bottom.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.console.options import Options as Options
    from pipeline.console.options import option as option
    from trainer.api import Prediction as Prediction
    from trainer.api import Run as Run
    from trainer.api import train as train
    from trainer.models.family import DataSpec as DataSpec

# Where each is; imported when it is asked for, as TensorFlow takes seconds.
_WHERE = {
    "DataSpec": "trainer.models.family",
    "Options": "pipeline.console.options",
    "Prediction": "trainer.api",
    "Run": "trainer.api",
    "option": "pipeline.console.options",
    "train": "trainer.api",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
