"""Writes docs/terminal.md: what conversion and training show, on a terminal and in a file.

python -m benchmarks.results.terminal_page --recordings=demo/recordings [--output=docs/terminal.md]

`make demo` leaves the recordings. Each command runs twice: on a pseudo-terminal of 80 columns,
whose screen is kept as it stands half-way and at the end, and with its output in a file.
"""

import contextlib
import os
import pathlib
import pty
import re
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import temporary_folder
from benchmarks.results.watch_recordings import CONVERSION

_COLUMNS = 80
_EPOCHS = 3
_COPIES = 20
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[mK]")
_PAGE = """# What you see

Written by `python -m benchmarks.results.terminal_page` from the recordings of `make demo`,
with {epochs} epochs in place of 90. Lines that are redrawn are shown as they stood half-way. On a
terminal the names of columns are bold and errors red, unless `NO_COLOR` is set.

## A dry run, 80 columns

```
{dry_run}
```

## A conversion, 80 columns

```
{conversion}
```

While a longer one runs, of {copies} times as many recordings, this line is redrawn every second:

```
{progress}
```

## The conversion, piped to a file

```
{conversion_file}
```

## A training, 80 columns

```
{training}
```

While an epoch runs, this line is redrawn:

```
{bar}
```

## The training, piped to a file

```
{training_file}
```

## A mistake

```
{mistake}
```
"""


def main() -> None:
    """Runs the commands and writes the page."""
    arguments = parse_flags(__doc__, recordings=pathlib.Path, output="docs/terminal.md")
    with temporary_folder() as folder:
        (folder / "demo").mkdir()
        (folder / "demo" / "recordings").symlink_to(arguments.recordings.absolute())
        (folder / "trainer").symlink_to(pathlib.Path("trainer").absolute())
        page = make_page(folder)
    pathlib.Path(arguments.output).write_text(page)


def make_page(folder: pathlib.Path) -> str:
    """The page, from commands that run in a folder with `demo/recordings` and `trainer/`."""
    convert = [*CONVERSION, "--input_dir=demo/recordings", "--output_dir=demo/datasets"]
    convert += ["--name=watch", "--split_regex=(?P<test>subject_0[34])|(?P<validation>subject_08)"]
    train = [
        "--flagfile=trainer/configs/watch.flags", "--dataset=demo/datasets/watch/1.0.0",
        "--run_dir=demo/run", f"--epochs={_EPOCHS}",
    ]  # fmt: skip
    dry_run = on_terminal(["pipeline", *convert, "--dry_run"], folder)
    conversion = on_terminal(["pipeline", *convert], folder)
    training = on_terminal(["trainer", *train], folder)
    return _PAGE.format(
        epochs=_EPOCHS,
        dry_run=shown(dry_run, folder),
        conversion=shown(conversion, folder),
        copies=_COPIES,
        progress=half_way(on_terminal(["pipeline", *convert, *_copies(folder)], folder), "wrote"),
        conversion_file=shown(in_file(["pipeline", *convert, "--overwrite"], folder), folder),
        training=shown(training, folder),
        bar=half_way(training, rf"\d/{_EPOCHS} \["),
        training_file=shown(in_file(["trainer", *train, "--run_dir=demo/run2"], folder), folder),
        mistake=shown(in_file(["trainer", *train, "--bach_size=4"], folder), folder),
    )


def _copies(folder: pathlib.Path) -> list[str]:
    """Links to each recording many times; flags of a conversion that takes longer than a second."""
    demo = folder / "demo"
    for path in (demo / "recordings").rglob("*.npz"):
        for number in range(_COPIES):
            link = demo / "many" / str(number) / path.relative_to(demo / "recordings")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    return ["--input_dir=demo/many", "--name=many"]


def on_terminal(command: Sequence[str], folder: pathlib.Path) -> str:
    """Everything that a command writes to a terminal of 80 columns, with its escapes."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
        env=_environment(),
    )  # fmt: skip
    os.close(theirs)
    parts = []
    with contextlib.suppress(OSError):  # On Linux the end of a pseudo-terminal is an error.
        while part := os.read(ours, 65536):
            parts.append(part)
    process.wait()
    return b"".join(parts).decode()


def in_file(command: Sequence[str], folder: pathlib.Path) -> str:
    """Everything that a command writes to a file."""
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, text=True, env=_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return result.stdout


def _environment() -> dict[str, str]:
    here = str(pathlib.Path.cwd())
    known = {"PYTHONPATH": here, "PYTHONSAFEPATH": "1", "TERM": "xterm", "COLUMNS": str(_COLUMNS)}
    return {**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, **known}


def shown(written: str, folder: pathlib.Path) -> str:
    """What is left to see: of a line that was redrawn, what came last."""
    lines = [
        _ESCAPES.sub("", line.split("\r")[-1]) for line in written.replace("\r\n", "\n").split("\n")
    ]
    text = "\n".join(line.rstrip() for line in lines).strip("\n")
    text = text.replace(f"{os.path.realpath(folder)}/", "").replace(f"{folder}/", "")
    # A longer line is wrapped by the terminal.
    cut = (re.sub(rf"(.{{{_COLUMNS}}})(?=.)", r"\1\n", line) for line in text.splitlines())
    return "\n".join(cut)


def half_way(written: str, pattern: str) -> str:
    """Of the lines that match, the one in the middle."""
    drawn = [_ESCAPES.sub("", line) for line in re.split(r"[\r\n]+", written)]
    found = [line for line in drawn if re.match(pattern, line)]
    return found[len(found) // 2] if found else ""


if __name__ == "__main__":
    main()
