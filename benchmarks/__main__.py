"""Runs the benchmarks and prints one table of ratios.

python -m benchmarks [--only=step,input] [--quick] [--json=benchmarks/speed/results.json]

`make bench` runs all of them; see docs/benchmarks.md for what each one does.
"""

import argparse
import importlib
import json
import os
import sys
from dataclasses import asdict

from pipeline.console import quiet

quiet.start(gpu=True)

import tensorflow as tf

from benchmarks.harness.measure import Row, conditions, product_gflops

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
    parser.add_argument(
        "--json", default="benchmarks/speed/results.json", help="file for all figures"
    )
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
    missed = 0
    for name in names:
        loads[name] = round(os.getloadavg()[0], 2)
        print(f"\n{name} (load average {loads[name]} at its start)", flush=True)
        rows = []
        for row in importlib.import_module(f"benchmarks.speed.{name}").run(quick=args.quick):
            print(line(row), flush=True)
            missed += row.holds is False
            rows.append(asdict(row))
        results[name] = rows
        with tf.io.gfile.GFile(args.json, "w") as file:
            file.write(json.dumps(results, indent=1, default=float))
    return int(missed > 0)


def _show_conditions() -> dict[str, object]:
    found = conditions()
    for dtype in ("float32", "bfloat16"):
        found[f"{dtype}_product_gflops"] = round(product_gflops(dtype), 1)
    for name, value in found.items():
        print(f"{name:26}{value}")
    return found


def line(row: Row) -> str:
    """One line of the table: what, ours, the peer's, the ratio, the target."""
    peer = "" if row.peer is None else f"{_figure(row.peer)}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} x"
    verdict = {True: "yes", False: "NO", None: ""}[row.holds]
    return (
        f"{row.what:48}{_figure(row.ours):>10}{peer:>10}  {row.unit:24}{ratio:>9}"
        f"  {row.target:20}{verdict}"
    ).rstrip()


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
