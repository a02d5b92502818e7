"""Rejects by reason, for people."""

import re
from collections.abc import Sequence
from typing import Any

from pipeline.console.texts import wrapped
from pipeline.sources.source import Reject

_SHOWN_EXAMPLES = 3


def group_rejects(rejects: Sequence[Reject]) -> list[dict[str, Any]]:
    """Groups rejects by stage and reason, the commonest first, with a few example paths.

    Numbers and quoted names in a reason do not make it another reason.
    """
    groups: dict[tuple[str, str], list[Reject]] = {}
    for reject in rejects:
        pattern = re.sub(r"'[^']*'|\d+", "#", reject.reason)
        groups.setdefault((reject.stage, pattern), []).append(reject)
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
    for group in groups:
        more = ", ..." if group["count"] > len(group["examples"]) else ""
        lines.append(f"  {group['count']:,} at {group['stage']}: {group['reason']}")
        lines.append(f"      {', '.join(group['examples'])}{more}")
    return "\n".join(map(wrapped, lines))
