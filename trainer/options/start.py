"""Options of a training that starts from another run, or leaves layers as they are."""

import dataclasses

from pipeline.console.errors import UsageError
from pipeline.console.options import Options, option


@dataclasses.dataclass(frozen=True)
class StartOptions(Options):
    """What a training starts from, and what of it is trained."""

    init_from: str = option(
        "",
        "Run folder of an earlier training. Its weights are loaded where name and shape fit, its "
        "last layers only for the same label; of the model's options those that are not given are "
        "its own, as are the statistics that values are normalized by.",
        common=True,
    )
    init_rate_factor: float = option(
        1.0,
        "Learning rate of what was loaded, as a share of that of all else.",
        positive=True,
    )
    freeze: tuple[str, ...] = option(
        (),
        "Layers that are not trained, by name: *, ? and [...] stand for anything, as in "
        "--freeze='block_[0-2]*'; of several networks member_0/block_0* for one alone.",
        common=True,
    )

    def check(self) -> None:
        """See `Options`."""
        if self.init_rate_factor != 1 and not self.init_from:
            raise UsageError(
                f"--init_rate_factor={self.init_rate_factor:g} is for what --init_from loads; give "
                "that, or leave it out"
            )
