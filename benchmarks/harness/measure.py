"""Rows of the table, things measured alternately in one run, and the conditions of both."""

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Figure = TypeVar("Figure")
PACKAGES = ("tensorflow", "keras", "tf_keras", "numpy", "apache-beam", "tensorflow-datasets")


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: what was measured.
        ours: our figure, the median.
        unit: of both.
        peer: the other's; None where a limit is the measure.
        ratio: how many times better ours is, or None.
        target: what must hold of the ratio, or of our figure, as words; empty for none.
        holds: whether it does; None without a target.
        details: all single figures, for the JSON file.
    """

    what: str
    ours: float
    unit: str
    peer: float | None = None
    ratio: float | None = None
    target: str = ""
    holds: bool | None = None
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def against(
    what: str,
    ours: list[float],
    peer: list[float],
    unit: str,
    at_least: float | None = None,
    **details: Any,
) -> Row:
    """A row of medians, both to be small; `at_least` is how many times ours must be smaller."""
    mine, other = statistics.median(ours), statistics.median(peer)
    ratio = other / mine
    return Row(
        what, mine, unit, other, ratio,
        target="" if at_least is None else f"at least {at_least:g} times",
        holds=None if at_least is None else ratio >= at_least,
        details={"ours": ours, "peer": peer, **details},
    )  # fmt: skip


def within(what: str, figures: list[float], unit: str, word: str, limit: float) -> Row:
    """A row of one median that must be "below", "at most" or "above" a limit, as a word says."""
    median = statistics.median(figures)
    holds = {"below": median < limit, "at most": median <= limit, "above": median > limit}[word]
    target = f"{word} {limit:g}"
    return Row(what, median, unit, target=target, holds=holds, details={"ours": figures})


def seconds(run: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def alternately(runs: Mapping[str, Callable[[], Figure]], repeats: int) -> dict[str, list[Figure]]:
    """Calls each in turn, `repeats` rounds; returns what they return, by name."""
    figures: dict[str, list[Figure]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            figures[name].append(run())
    return figures


def conditions() -> dict[str, Any]:
    """The machine and the versions."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def product_gflops(dtype: str, size: int = 2048, repeats: int = 5) -> float:
    """The best matrix product of some: billions of multiplications and additions a second."""
    import tensorflow as tf

    matrix = tf.cast(tf.random.stateless_normal([size, size], seed=(1, 2)), dtype)
    product = tf.function(lambda: tf.matmul(matrix, matrix))
    product()
    return 2e-9 * size**3 / min(seconds(product) for _ in range(repeats))


def kernel_kb(path: str, name: str) -> int:
    """An entry of /proc/meminfo, or of a process's status, in kB; 0 where this is not Linux."""
    return int(_kernel_facts(path).get(name, "0").split()[0])


def _kernel_facts(path: str) -> dict[str, str]:
    file = pathlib.Path(path)
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _cpu() -> str:
    facts = _kernel_facts("/proc/cpuinfo")
    flags = facts.get("flags", "").split()
    extras = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    family = "family {cpu family} model {model}".format_map(facts) if "model" in facts else ""
    return " ".join([facts.get("model name", platform.machine()), family, *extras])


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
