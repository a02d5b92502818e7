"""Time of an epoch with --batch_steps=auto, beside the default and sizes chosen by hand.

    python -m benchmarks.speed.batch_steps [--quick] [--only=signal] [--json=FILE] [--plot=FILE.png]

The published signal model on recordings of lognormal length, and FCN on raw samples whose lengths
are a hundred times those. First memory is limited to a little more than the least size takes: an
epoch of what is chosen then must stay below that. Then all sizes are epochs of the same session,
in turn, by processor time, which other work on the machine disturbs less. `--json` keeps what was
timed for the choice, and `--plot` draws all that is kept there, with what was fitted; `--only=none`
draws alone.
"""

import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from pipeline.console import quiet

quiet.start(gpu=True)

import numpy as np
import tensorflow as tf

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import Row, against, alternately, kernel_kb, within
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.recordings import SAMPLES, lognormal_lengths, signal_dataset
from benchmarks.harness.tables import show
from pipeline.batches.plan import BatchOptions
from trainer import batch_trials
from trainer.distribution.strategy import configure
from trainer.runs.asked import Asked, asked
from trainer.session import Data, Session, build, open_data, open_session
from trainer.training import room
from trainer.training.batch_cost import Shapes, fit

REPEATS = 3
BY_HAND = (1, 2, 4, 8)  # Times the longest record.
AT_LEAST = 0.95  # Of the speed of the best by hand.
# Records, shape of a step, how much longer than the lognormal lengths, flags.
MODELS: dict[str, tuple[int, tuple[int, ...], int, tuple[str, ...]]] = {
    "signal": (120, (SAMPLES, 1), 1, ("--flagfile=trainer/configs/signal_epochs.flags",)),
    "fcn": (
        60, (1,), 100,
        ("--model=fcn", "--norandom_convolutions", "--ensemble=1", "--front_end=none",
         "--patch_samples=1", "--crop_steps=0", "--normalization=record", "--batching=length"),
    ),
}  # fmt: skip


def run(quick: bool = False, only: str = "", json_file: str = "") -> list[Row]:
    """Measures; some five minutes for each model."""
    rows = []
    for name in only.split(",") if only else MODELS:
        records, step_shape, factor, flags = MODELS[name]
        with temporary_folder() as folder:
            lengths = factor * lognormal_lengths(24 if quick else records)
            dataset = signal_dataset(folder, lengths, step_shape)
            places = (f"--dataset={dataset}", f"--run_dir={folder}/none", "--batch_steps=auto")
            command = asked([*places, *flags])
            configure(command.run)
            found, measured = _rows(name, command, 1 if quick else REPEATS)
        rows += found
        if json_file:
            _keep(pathlib.Path(json_file), name, measured)
    return rows


def _keep(file: pathlib.Path, name: str, measured: batch_trials.Measured) -> None:
    found = json.loads(file.read_text()) if file.exists() else {}
    found[name] = np.array([*measured.shapes, measured.secs, measured.peak_bytes]).tolist()
    file.write_text(json.dumps(found))


def _rows(name: str, command: Asked, repeats: int) -> tuple[list[Row], batch_trials.Measured]:
    alone, data = tf.distribute.get_strategy(), open_data(command)
    assert data.train is not None
    session = open_session(command, data, alone, build(command, data, alone))
    limited = _limited(name, command, data, session)
    measured: list[batch_trials.Measured] = []
    measure = batch_trials.measure

    def kept(*given: Any) -> batch_trials.Measured:
        measured.append(measure(*given))
        return measured[-1]

    with mock.patch.object(batch_trials, "measure", kept):
        auto = _chosen(name, command, data)
    longest = int(data.train.lengths.max())
    sizes = {f"{n} x longest": n * longest for n in BY_HAND} | {"auto": auto}
    in_order = sorted(sizes, key=lambda key: sizes[key])  # Memory that was taken may not come back.
    epochs = {key: _epoch(session, _steps(sizes[key])) for key in in_order}
    epochs["32 records"] = _epoch(session, {"batch_size": 32, "batch_steps": None})
    peaks = {key: _peak(epoch) for key, epoch in epochs.items()}  # And the first steps.
    per_step = 1e3 / data.train.lengths.sum()
    times = {
        key: [per_step * secs for secs in found]
        for key, found in alternately(
            {key: lambda epoch=epoch: _cpu_secs(epoch) for key, epoch in epochs.items()}, repeats
        ).items()
    }
    by_hand = min((key for key in times if "longest" in key), key=lambda key: min(times[key]))
    unit = "CPU ms/valid step"
    rows = [
        against(f"{name}: auto / {by_hand}", times["auto"], times[by_hand], unit, AT_LEAST),
        *(
            against(f"{name}: auto / {key}, {peaks[key] / 1e6:,.0f} MB", times["auto"], found, unit)
            for key, found in times.items()
        ),
    ]
    return [*rows, limited], measured[0]


def _steps(most: int) -> dict[str, Any]:
    return {"batch_size": None, "batch_steps": most}


def _epoch(session: Session, size: dict[str, Any]) -> Callable[[], None]:
    """Trains for an epoch of batches of one size."""
    train = session.train
    assert train is not None

    def epoch() -> None:
        train.options = BatchOptions(**{**dataclasses.asdict(train.options), **size})
        plan = train.plan()
        batches, spec = train.batches(plan, session.strategy)
        for _ in range(plan.num_steps):
            session.steps.train(next(batches), spec)

    return epoch


def _cpu_secs(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _peak(work: Callable[[], None]) -> int:
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # The peak is from now on (Linux).
    work()
    return 1024 * kernel_kb("/proc/self/status", "VmHWM")


def _limited(name: str, command: Asked, data: Data, session: Session) -> Row:
    """The share of a limit that an epoch of the choice within it takes."""
    assert data.train is not None
    limit = int(1.4 * _peak(_epoch(session, _steps(int(data.train.lengths.max())))))
    with mock.patch.object(room, "limit_bytes", return_value=limit):
        choice = _chosen(name, command, data)
    what = f"{name}: memory with auto, of {limit / 1e6:,.0f} MB that there are"
    return within(what, [_peak(_epoch(session, _steps(choice))) / limit], "of it", "at most", 1)


def _chosen(name: str, command: Asked, data: Data) -> int:
    choice = batch_trials.batch_steps(command, data, tf.distribute.get_strategy())
    print(f"{name}: --batch_steps={choice.value}  ({choice.reason})", flush=True)
    return int(choice.value)


def _draw(found: dict[str, list[list[float]]], path: str) -> None:
    """What a valid step took in batches of few and many records, short and long; and the fit."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (5.5 * len(found), 4)
    figure, axes = pyplot.subplots(1, len(found), figsize=size, layout="constrained", squeeze=False)
    for axis, (name, columns) in zip(axes[0], found.items(), strict=True):
        records, padded, valid, secs, _ = map(np.array, columns)
        cost = fit(Shapes(records, padded, valid), secs)
        for number, length in enumerate(sorted({*padded})):
            own = (padded == length) & (valid >= 0.9 * records * padded)
            count = np.geomspace(1, max(records[own].max(initial=1), 2), 50)
            line = Shapes(count, np.full(50, length), count * length)
            axis.plot(line.valid, 1e3 * cost.of(line) / line.valid, color=f"C{number}", lw=1)
            each = 1e3 * secs[own] / valid[own]
            axis.plot(valid[own], each, "o", color=f"C{number}", label=f"records of {length:,.0f}")
        mixed = valid < 0.9 * records * padded
        each = 1e3 * secs[mixed] / valid[mixed]
        axis.plot(valid[mixed], each, "kx", label="of any length")
        axis.set(xscale="log", title=name, xlabel="valid steps of a batch", ylim=(0, None))
        axis.xaxis.set_minor_formatter("")
        axis.set_ylabel("ms a valid step")
        axis.legend(fontsize="small")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Prints the rows; exits with 1 where a target is missed."""
    args = parse_flags(__doc__, quick=False, only="", json="", plot="")
    rows = show(run(args.quick, args.only, args.json)) if args.only != "none" else []
    if args.plot:
        _draw(json.loads(pathlib.Path(args.json).read_text()), args.plot)
    sys.exit(any(row.holds is False for row in rows))


if __name__ == "__main__":
    main()
