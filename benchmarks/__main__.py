"""Runs the benchmarks and prints one table of ratios.

python -m benchmarks [--only=step,input] [--quick] [--json=benchmarks/speed/results.json]

`make bench` runs all of them; see docs/benchmarks.md for what each one does.
"""

import importlib
import json
import os
import pathlib
import sys
from dataclasses import asdict

from pipeline.console import quiet

quiet.start(gpu=True)

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import conditions, product_gflops
from benchmarks.harness.tables import show

SECTIONS = "planning,input,conversion_speed,waiting,memory,step,start,scaling"


def main() -> int:
    """Prints the conditions and the rows of each section; returns 1 where a target is missed."""
    results_file = "benchmarks/speed/results.json"
    args = parse_flags(__doc__, only=SECTIONS, quick=False, json=results_file)
    names = args.only.split(",")
    if unknown := ", ".join(set(names) - set(SECTIONS.split(","))):
        sys.exit(f"error: --only={args.only}: no {unknown}; there are {SECTIONS}")
    if missing := [name for name, version in conditions().items() if version is None]:
        sys.exit(
            f"error: {', '.join(missing)} missing; run `make bench`, or pip install '.[bench]'"
        )
    loads: dict[str, float] = {}
    results = {"quick": args.quick, "conditions": _show_conditions(), "load_averages": loads}
    missed = False
    for name in names:
        loads[name] = round(os.getloadavg()[0], 2)
        print(f"\n{name} (load average {loads[name]} at its start)", flush=True)
        section = importlib.import_module(f"benchmarks.speed.{name}")
        rows = show(section.run(quick=args.quick))
        missed |= any(row.holds is False for row in rows)
        results[name] = [asdict(row) for row in rows]
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1, default=float))
    return int(missed)


def _show_conditions() -> dict[str, object]:
    found = conditions()
    for dtype in ("float32", "bfloat16"):
        found[f"{dtype}_product_gflops"] = round(product_gflops(dtype), 1)
    for name, value in found.items():
        print(f"{name:26}{value}")
    return found


if __name__ == "__main__":
    sys.exit(main())
