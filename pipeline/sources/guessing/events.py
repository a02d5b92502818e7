"""Tables of events in a folder of recordings: beside each of them, or one for all."""

import collections
import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.console.errors import UsageError
from pipeline.sources.guessing.readings import Guess, Reading
from pipeline.sources.guessing.tables import match_inputs
from pipeline.sources.outside.event_table import EventColumns, Events, columns_of, read_events
from pipeline.sources.source import Source

_BESIDE = re.compile(r"[-_.](events|labels|annotations)\.(tsv|csv)$")
_MIN_SHARE = 0.5  # Of the inputs.
_LOOKED_INTO = 20
_STEP_SECS = ("1", "0.1")
_EXAMPLES = 5


class FoundEvents(NamedTuple):
    """How events are said, and how long steps may be.

    Attributes:
      flags: of the tables.
      why: for people.
      steps: how long they may be.
      is_one_each: whether no recording has two, so that they may be labels of recordings.
      table: the one for all; empty if there are many.
    """

    flags: tuple[str, ...]
    why: str
    steps: Sequence[Reading]
    is_one_each: bool
    table: str = ""

    def take(self, guess: Guess) -> None:
        """Adds them to a guess."""
        guess.take("", [Reading(self.flags, self.why)])
        guess.take("How long is a step, for which there is one label?", [*self.steps])


def beside(paths: Sequence[str], inputs: Sequence[str]) -> str:
    """How tables of events beside recordings end; empty if there are none."""
    ends = collections.Counter(match[0] for path in paths if (match := _BESIDE.search(path)))
    suffix, count = next(iter(ends.most_common(1)), ("", 0))
    others = [path for path in inputs if not path.endswith(suffix)]
    return suffix if count and count >= _MIN_SHARE * len(others) > 0 else ""


def find_events(
    source: Source, inputs: Sequence[str], tables: Sequence[str], suffix: str
) -> FoundEvents | None:
    """The events of a folder, if it has some.

    Args:
      source: reads the inputs.
      inputs: paths of them.
      tables: relative paths of tables.
      suffix: from `beside`.
    """
    if suffix:
        of_one = [table for table in tables if table.endswith(suffix)][:_LOOKED_INTO]
        places = [source.full_path(table) for table in of_one]
        return _found(
            (f"--events_suffix={suffix}",),
            f"events: in tables beside the recordings that end in {suffix}",
            [_read(source, place, EventColumns(), is_of_one=True) for place in places],
        )
    for table in tables[:_LOOKED_INTO]:
        found = match_inputs(source, inputs, table)
        if not found:
            continue
        given = EventColumns(event_file=found.id_column)
        if not all(columns_of([*found.columns], given)[:2]):
            continue
        is_named = columns_of([*found.columns], EventColumns()).event_file == found.id_column
        column = () if is_named else (f"--event_file_column={found.id_column}",)
        place = source.full_path(table)
        if events := _found(
            (f"--events={place}", *column),
            f"events: {table}, in {found.share:.0%} of the inputs",
            [_read(source, place, given, is_of_one=False)],
        ):
            return events._replace(table=table)
    return None


def _read(source: Source, place: str, columns: EventColumns, *, is_of_one: bool) -> Events | None:
    try:
        return read_events(source.files, place, columns, is_of_one)
    except UsageError:
        return None


def _found(flags: tuple[str, ...], why: str, tables: Sequence[Events | None]) -> FoundEvents | None:
    lists = [found for table in tables if table for found in table.by_key.values()]
    events = [event for found in lists for event in found]
    if not events:
        return None
    texts = [text for text, _ in collections.Counter(e.text for e in events).most_common(_EXAMPLES)]
    lengths = {event.duration_secs for event in events} - {0.0}
    shortest = min(lengths, default=0.0)
    is_regular = shortest > 0 and all(
        abs(length / shortest - round(length / shortest)) < 1e-6 for length in lengths
    )
    secs = (f"{shortest:g}",) if is_regular and len(lists) < len(events) else _STEP_SECS
    steps = [Reading((f"--window_secs={text}",), f"a label for every {text} s") for text in secs]
    is_one_each = max(map(len, lists)) == 1
    return FoundEvents(flags, f"{why} ({', '.join(texts)})", steps, is_one_each)
