"""Options of values of a whole recording, which kinds of continuous signals have."""

import dataclasses

from pipeline.console.errors import UsageError
from pipeline.console.options import Effect, Options, option
from pipeline.sources.channels import ChannelName
from pipeline.sources.names import normal
from pipeline.sources.outside.options import as_file


@dataclasses.dataclass(frozen=True)
class ValueOptions(Options):
    """Values of a whole recording."""

    input_values: tuple[str, ...] = option(
        (),
        "Arrays or fields with a number, or a few, for the whole recording, such as age: channels "
        "that are the same at all times. Models normalize them by the training split.",
    )
    values_table: str = option(
        "",
        "Table (.csv, .tsv, .jsonl, .parquet) with columns of --input_values, and a row for every "
        "recording by its path, id or file name, or for every group of --group_regex.",
        effect=Effect.NONE,
        parse=as_file,
    )
    value_classes: tuple[str, ...] = option(
        (),
        "Texts that --input_values may be: phone,watch. Each is a channel, 1 in recordings that "
        "have it and 0 in others.",
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        for name in ("input_values", "value_classes"):
            given = [*map(normal, getattr(self, name))]
            if "" in given or len({*given}) < len(given):
                raise UsageError(f"--{name}: a name is empty or occurs twice; name each once")
        for name in ("values_table", "value_classes"):
            if getattr(self, name) and not self.input_values:
                raise UsageError(f"--{name} is of --input_values; name those, or leave it out")

    @property
    def adds_values(self) -> bool:
        """Whether channels that are the same at all times are added to a signal."""
        return bool(self.input_values)

    def is_added(self, channel: str) -> bool:
        """Whether a channel of this name is one of them."""
        names = (channel, channel.rpartition(":")[0])
        is_class = any(channel == class_channel(text) for text in self.value_classes)
        return is_class or any(name in self.input_values for name in names)


def value_channel(name: str) -> ChannelName:
    """The channel of a value; of several numbers the first part of its name."""
    return ChannelName(name, kind="value")


def class_channel(text: str) -> str:
    """What the channel is called that says whether a value is this text."""
    return f"is_{text}"
