"""What was rejected, left out or changed, by reason, for people."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.console.texts import counted, wrapped
from pipeline.sources.source import Reject
from tfrecords_schema.left_out import LeftOut, pattern

_SHOWN_EXAMPLES = 3
MAX_REASONS = 20
_SHOWN_REASONS = 12


def group_rejects(rejects: Sequence[Reject]) -> list[dict[str, Any]]:
    """Groups rejects by stage and reason, the commonest first, with a few example paths.

    Numbers and quoted names in a reason do not make it another reason.
    """
    groups: dict[tuple[str, str], list[Reject]] = {}
    for reject in rejects:
        groups.setdefault((reject.stage, pattern(reject.reason)), []).append(reject)
    return [
        {
            "count": len(group),
            "stage": group[0].stage,
            "reason": group[0].reason,
            "examples": [reject.path for reject in group[:_SHOWN_EXAMPLES]],
        }
        for _, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def rejects_text(groups: Sequence[dict[str, Any]], total: int) -> str:
    """Rejects by reason, with examples; empty without any."""
    if not groups:
        return ""
    lines = [f"rejected {sum(group['count'] for group in groups):,} of {total:,} inputs:"]
    for group in groups[:MAX_REASONS]:
        more = ", ..." if group["count"] > len(group["examples"]) else ""
        lines.append(f"  {group['count']:,} at {group['stage']}: {group['reason']}")
        lines.append(f"      {', '.join(group['examples'])}{more}")
    if rest := groups[MAX_REASONS:]:
        lines.append(f"  {sum(group['count'] for group in rest):,} for {len(rest):,} other reasons")
    return "\n".join(map(wrapped, lines))


def left_out_text(rows: Sequence[LeftOut]) -> str:
    """What was left out or changed, and why, a line for each reason; empty without any."""
    if not rows:
        return ""
    lines = ["left out or changed:", *(f"  {left_out_line(row)}" for row in rows[:_SHOWN_REASONS])]
    if rows[_SHOWN_REASONS:]:
        lines.append(f"  and for {counted(len(rows) - _SHOWN_REASONS, 'more reason')}")
    return "\n".join(map(wrapped, lines))


def left_out_line(row: LeftOut) -> str:
    """A number of things, why they were left out or changed, and one of them."""
    number = f"{counted(row.count, row.what)}: " if row.what else ""
    return f"{number}{row.reason}{f' (as {row.example})' if row.example else ''}"


def noted(left_out: Iterable[LeftOut], path: str) -> list[LeftOut]:
    """What a description or a record says of itself, with its path as the example."""
    return [dataclasses.replace(row, example=path) for row in left_out]
