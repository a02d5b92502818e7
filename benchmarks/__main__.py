"""Runs the benchmarks and prints one table of ratios.

python -m benchmarks [--only=step,input] [--quick] [--json=benchmarks/speed/results.json]

`make bench` runs all of them; see docs/benchmarks.md for what each one does.
"""

import argparse
import importlib
import json
import os
import pathlib
import sys
from dataclasses import asdict

from pipeline.console import quiet

quiet.start(gpu=True)

from benchmarks.harness.measure import conditions, product_gflops
from benchmarks.harness.tables import show

SECTIONS = (
    "planning",
    "input",
    "conversion_speed",
    "waiting",
    "memory",
    "step",
    "start",
    "scaling",
)


def main() -> int:
    """Prints the conditions and the rows of each section; returns 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by commas")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it out")
    default = "benchmarks/speed/results.json"
    parser.add_argument("--json", default=default, help="file for all figures")
    args = parser.parse_args()
    names = args.only.split(",")
    if unknown := set(names) - set(SECTIONS):
        parser.error(
            f"--only={args.only}: no {', '.join(unknown)}; there are {', '.join(SECTIONS)}"
        )
    if missing := [name for name, version in conditions().items() if version is None]:
        parser.error(f"{', '.join(missing)} missing; run `make bench`, or pip install '.[bench]'")
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
