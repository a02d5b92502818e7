"""Channels by name: recordings that have the same in another order, or in other units."""

import collections
import shlex
from collections.abc import Iterator, Mapping

from pipeline.console.texts import listed
from pipeline.sources.channels import ChannelName
from pipeline.sources.recordings.units import factor
from tfrecords_schema.channels import ChannelRole
from tfrecords_schema.left_out import LeftOut

Layout = tuple[ChannelName, ...]


def commonest(layouts: Mapping[Layout, int]) -> Layout:
    """The layout that most recordings have; ties go by name."""
    return min(layouts, key=lambda layout: (-layouts[layout], layout), default=())


def layout_misfit(found: Layout, expected: Layout) -> str:
    """Why a recording's channels do not stand where most of the set's do; empty if they may."""
    names, usual = _names(found), _names(expected)
    if names != usual and collections.Counter(names) == collections.Counter(usual):
        return (
            f"its channels are in the order {listed(names)}, most of the set's in {listed(usual)}; "
            f"choose them by name, --channels={shlex.quote(','.join(usual))}, or remove it"
        )
    if found and expected and _kinds(found) != _kinds(expected):
        return (
            f"its signals have other channels ({_signals(found)}) than most of the set's "
            f"({_signals(expected)}); make all recordings alike, or remove it"
        )
    for channel, other in zip(found, expected, strict=False):
        if factor(channel.unit, other.unit) != 1:
            return (
                f"channel {channel.name!r} is in {channel.unit}, most of the set's in "
                f"{other.unit}; bring all to one unit with --units={other.unit}, or remove it"
            )
    return ""


def other_names(layouts: Mapping[Layout, int], expected: Layout) -> Iterator[LeftOut]:
    """What is said of recordings whose channels have other names than those of most."""
    for layout, count in sorted(layouts.items()):
        pairs = zip(_names(layout), _names(expected), strict=False)
        unlike = next(((a, b) for a, b in pairs if a and b and a != b), None)
        if unlike and not layout_misfit(layout, expected):
            why = (
                f"channel {unlike[0]!r} in the place of {unlike[1]!r}, as the channels are taken "
                "in the order of the file; if they are others, choose with --channels"
            )
            yield LeftOut("recording", why, count)


def chosen_names(layouts: Mapping[Layout, int], expected: Layout) -> list[str]:
    """The channels by name, where all recordings say the same ones; else none."""
    names = _names(expected)
    is_clear = "" not in names and len({*names}) == len(names)
    return [*names] if is_clear and not [*other_names(layouts, expected)] else []


def roles_of(layout: Layout) -> tuple[ChannelRole, ...]:
    """The roles of channels, where they are not alike; else none."""
    like: dict[str | int, int] = {}
    flags: dict[str, int] = {}
    for number, channel in enumerate(layout):
        like.setdefault(channel.like or number, number)
        if channel.kind == "flag" and channel.signal:
            flags[channel.signal] = number
    roles = tuple(
        ChannelRole(
            channel.kind,
            like[channel.like or number],
            flags.get(channel.signal, -1) if channel.kind == "signal" else -1,
        )
        for number, channel in enumerate(layout)
    )
    plain = (ChannelRole("signal", number) for number in range(len(roles)))
    return () if roles == (*plain,) else roles


def _kinds(layout: Layout) -> list[tuple[str, str, str]]:
    return [(channel.kind, channel.signal, channel.like) for channel in layout]


def _signals(layout: Layout) -> str:
    """How many channels each signal has."""
    counts = collections.Counter(channel.signal or channel.kind for channel in layout)
    return ", ".join(f"{signal} {count}" for signal, count in counts.items())


def _names(layout: Layout) -> tuple[str, ...]:
    return tuple(channel.name for channel in layout)
