"""`python -m pipeline` as people meet it: help, versions, wrong lines, a dry run."""

import io
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import pytest

from pipeline.console import terminal as console
from pipeline.conversion.asked import COMMAND, asked
from pipeline.conversion.convert import main
from tests.forks.process import Process
from tests.pipeline.conversions import (
    Converter,
    Folders,
    base_flags,
    hashes,
    write_npz,
    write_recordings,
)
from tfrecords_schema import open_dataset
from tfrecords_schema.errors import UserError

_PROGRESS = ("starting", "described", "wrote")


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code
    return capsys.readouterr().out


def test_help_is_short_and_helpfull_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    short, full = _printed(capsys, "--help"), _printed(capsys, "--helpfull")
    kinds = COMMAND.declared.values()
    flags = [f"--{field.name}" for fields in kinds for field, _ in fields]
    assert all(f"  {flag}" in full for flag in flags)
    hidden = [flag for flag in flags if f"  {flag} " not in short]
    assert 5 < len(hidden) < len(flags) - 10
    assert f"{len(hidden)} more flags: python -m pipeline --helpfull" in short
    assert len(short.splitlines()) < 100 < len(full.splitlines())
    for flag in ("--source", "--input_dir", "--output_dir", "--name", "--label_key", "--splits"):
        assert f"  {flag} " in short


def test_the_version_names_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    printed = _printed(capsys, "--version")
    for package in ("variable-length-training", "python 3.", "tensorflow 2.", "apache-beam 2."):
        assert package in printed


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("--sorce=signals", "unknown flag --sorce; did you mean --source?"),
        ("--inputdir=x", "unknown flag --inputdir; did you mean --input_dir?"),
        (
            "--source=signal",
            "tables, video, wfdb; did you mean signals? See python -m pipeline --help",
        ),
        ("--label_kind=step_clas", "did you mean step_class?"),
        ("--runer=DirectRunner", "unknown flag --runer; did you mean --runner?"),
        ("--direct_num_worker=2", "did you mean --direct_num_workers?"),
        ("--colour=red", "unknown argument --colour=red; flags are given as --name=value"),
        ("recordings", "unknown argument recordings; flags are given as --name=value"),
        ("--num_shards=many", "--num_shards=many: expected a whole number"),
        ("--input_dir=/nowhere", "--input_dir=/nowhere: no such folder; give one that exists"),
        ("--output_dir=", "--output_dir=: no folder is named; is a variable of the shell not set?"),
        ("--input_dir=", "--input_dir=: no folder is named"),
        ("--output_dir=s3://", "--output_dir=s3://: s3:// names no bucket or folder"),
        ("--target_dir= ", "--target_dir= : no folder is named"),
        ("--runner=FlnikRunner", "Beam has no such runner; did you mean FlinkRunner?"),
        ("--runner=mine", "--runner=mine: Beam has no such runner; expected one such as Flink"),
        ("--runner=pipeline.Runner", "'pipeline' has no attribute 'Runner'"),
        ("--shard_size_mib=inf", "--shard_size_mib=inf: expected a finite number above 0"),
        ("--shard_size_mib=1e-7", "--shard_size_mib=1e-07 is not a byte; give more"),
        ("--dataset_version=2026.01.05", "three numbers without leading zeros, as in 1.0.0"),
        ("--split_regex=(?P<all>_1)", "'all' is no name of a split; use letters, not all"),
        ("--splits=train=2", "shares must be above 0 and sum to 1"),
    ],
)
def test_a_wrong_line_is_said_in_a_line_and_ends_with_2(
    wrong: str, message: str, folders: Folders, converter: Converter
) -> None:
    outcome = converter.run(wrong)
    assert outcome.code == 2
    assert outcome.text.startswith("error: ")
    assert message in outcome.text
    assert len(outcome.text) < 300
    assert not folders.output.exists()


@pytest.mark.parametrize(
    ("rate", "secs", "message"),
    [
        ("inf", "1", "expected a finite number above 0"),
        ("nan", "1", "expected a number above 0"),
        ("1e300", "1e300", "samples; it must be a whole number of at least 1"),
    ],
)
def test_a_window_without_an_end_is_refused(
    converter: Converter, rate: str, secs: str, message: str
) -> None:
    outcome = converter.run(f"--sample_rate_hz={rate}", f"--window_secs={secs}")
    assert outcome.code == 2
    assert message in outcome.text


def test_a_folder_may_be_named_from_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    folders = ["--input_dir=~/in", "--target_dir=~/targets", "--output_dir=~"]
    options = asked(COMMAND.parse(["--source=signals", "--name=test", *folders]).values)
    assert options.input_dir == "/home/someone/in"
    assert options.target_dir == "/home/someone/targets"
    assert options.dataset_dir == "/home/someone/test/1.0.0"


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--source=signals", "--name=a"]) == 2
    assert capsys.readouterr().err == "error: --input_dir, --output_dir are required\n"


def test_a_flagfile_has_flags_of_the_conversion_and_of_beam(
    folders: Folders, converter: Converter, tmp_path: pathlib.Path
) -> None:
    write_recordings(folders, 2)
    path = tmp_path / "convert.flags"
    path.write_text("# Division.\n--splits=train=1\n--direct_num_workers=1\n--num_shards=2\n")
    dataset = converter.dataset(f"--flagfile={path}", "--num_shards=1")
    assert len(dataset.manifest.splits["train"].shards) == 1
    text = "--splits=train=1\r\n--num_shards=2\r\n"
    for encoding in ("utf-8-sig", "utf-16"):  # As editors and shells of Windows write it.
        path.write_bytes(text.encode(encoding))
        options = asked(COMMAND.parse([*base_flags(folders), f"--flagfile={path}"]).values)
        assert (options.splits, options.num_shards) == ("train=1", 2)
    for content in (b"--name=caf\xe9", text.encode("utf-16-le"), text.encode("utf-32")):
        path.write_bytes(content)
        said = f"the --flagfile {path} cannot be read: it is not UTF-8 text; save it as UTF-8"
        assert said in converter.run(f"--flagfile={path}").text
    path.write_text("--splits=train=1\n--direct_num_worker=1\n")
    assert "did you mean --direct_num_workers?" in converter.run(f"--flagfile={path}").text


def test_a_traceback_is_shown_to_who_asks_for_it(folders: Folders, converter: Converter) -> None:
    write_recordings(folders, 2)
    refused = ("--splits=train=5,test=rest", "--dry_run")
    assert converter.run(*refused).code == 1
    with pytest.raises(UserError, match="split 'test' has no group"):
        converter.run(*refused, "--traceback")


def test_ctrl_c_is_answered_with_a_line_by_all_processes_together(folders: Folders) -> None:
    write_recordings(folders, 100)
    workers = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    started = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *base_flags(folders), "--num_shards=100", *workers],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # A process group, as that of a terminal.
    )
    while not any(folders.dataset.glob(".conversion/*.tfrecord-*")) and started.poll() is None:
        time.sleep(0.01)
    os.killpg(started.pid, signal.SIGINT)
    printed = started.communicate(timeout=60)[0]
    assert started.returncode == 130, printed
    lines = [line for line in printed.splitlines() if line and not line.startswith(_PROGRESS)]
    assert lines == ["interrupted; the same command goes on where it was"]


def _counts(text: str, columns: int) -> dict[str, list[str]]:
    rows = (line.split() for line in text.splitlines())
    return {row[0]: row[1:columns] for row in rows if row and row[0] in ("train", "test")}


def test_a_dry_run_says_what_a_conversion_does_and_writes_nothing(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recordings(folders, 40, group_size=2)
    write_npz(folders, "no_label", signal=[[1.0, 2.0]])
    (folders.inputs / "broken.npz").write_bytes(b"no zip")
    before = hashes(folders.inputs.parent)
    flags = [*base_flags(folders), r"--group_regex=^[a-z]\d*", "--splits=train=0.7,test=0.3"]
    assert main([*flags, "--dry_run"]) == 0
    dry = capsys.readouterr().out
    assert hashes(folders.inputs.parent) == before
    assert not folders.output.exists()
    assert main(flags) == 0
    real = capsys.readouterr().out
    # Records, groups, steps: the same numbers in the same columns.
    assert _counts(dry, 4) == _counts(real, 4)
    for line in ("input: signal float32 [time, 2]", "label: one of 2 classes per step"):
        assert line in dry
        assert line in real
    for name in ("no_label.npz", "broken.npz"):
        assert name in dry
    assert "rejected 2 of 42 inputs" in dry
    assert f"nothing was written; the dataset would be {folders.dataset}" in dry
    splits = open_dataset(str(folders.dataset)).manifest.splits
    for name, row in _counts(dry, 5).items():
        assert row[-1] == str(len(splits[name].shards))


def test_a_dry_run_refuses_what_a_conversion_refuses(
    folders: Folders, converter: Converter
) -> None:
    write_recordings(folders, 2)
    for flags in (["--splits=train=5,test=rest"], ["--label_key=lable"]):
        dry, real = converter.run(*flags, "--dry_run"), converter.run(*flags)
        assert dry.code == real.code == 1
        refusal = real.text[real.text.index("error: ") :].partition(" nothing was committed")[0]
        assert refusal in dry.text
        assert not (folders.dataset / "manifest.json").exists()
    converter.dataset("--splits=train=1")
    dry, real = converter.run("--dry_run"), converter.run()
    assert dry == real
    assert (dry.code, dry.text) == (
        1,
        f"error: {folders.dataset} is a finished dataset; use --overwrite to replace it, or "
        "another --dataset_version",
    )
    assert converter.run("--splits=train=1", "--dry_run", "--overwrite").code == 0


def test_a_dry_run_opens_no_file_that_a_conversion_does_not_open(
    folders: Folders, converter: Converter
) -> None:
    write_recordings(folders, 8)
    (folders.inputs / "empty.npz").touch()
    os.mkfifo(folders.inputs / "pipe.npz")
    (folders.inputs / os.fsdecode(b"latin\xe9.npz")).write_text("no npz")
    for same in ("caf\u00e9", "cafe\u0301"):
        write_npz(folders, same, signal=[[1.0, 2.0]], label=[1])
    flags = ("--splits=train=1", "--max_rejected_fraction=0.5")
    dry, real = converter.run(*flags, "--dry_run"), converter.run(*flags)
    assert dry.code == real.code == 0
    rejected = "rejected 5 of 13 inputs: "
    assert rejected in dry.text
    assert dry.text.split(rejected)[1].split(" worth a look")[0] in real.text


def test_that_nobody_reads_is_said_in_a_line(folders: Folders, tmp_path: pathlib.Path) -> None:
    write_recordings(folders, 8)
    command = ("pipeline.conversion.convert", *base_flags(folders), "--dry_run")
    process = Process(*command, log=tmp_path / "log", unread=True)
    said = "error: nobody reads the output any more\n"
    assert (process.wait(), process.output()) == (1, said)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert console.paint("x", "red", _Terminal()) == "\x1b[31mx\x1b[0m"
    assert console.paint("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.paint("x", "red", _Terminal()) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert console.paint("x", "red", _Terminal()) == "x"
    assert not console.is_terminal(_Terminal())


def test_a_line_that_is_redrawn_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = _Terminal()
    console.redraw("x" * 50, stream)
    assert stream.getvalue() == "\r\x1b[K" + "x" * 19


def test_a_notebook_has_one_line_a_cell_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, cell = [], types.SimpleNamespace(execution_count=1)

    def display(data: dict, **_: object) -> types.SimpleNamespace:
        seen.append([data["text/plain"]])
        return types.SimpleNamespace(update=lambda data, raw: seen[-1].append(data["text/plain"]))

    ipython = types.ModuleType("IPython")
    ipython.display = types.SimpleNamespace(display=display)  # type: ignore[attr-defined]
    ipython.get_ipython = lambda: cell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setenv("COLUMNS", "4")
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    assert console.is_terminal(stream)
    console.clear_line(stream)  # There is none.
    for text in ("1/2", "2/2 and more"):
        console.redraw(text, stream)
    console.clear_line(stream)
    cell.execution_count = 2
    console.redraw("1/2", stream)
    assert (stream.getvalue(), seen) == ("", [["1/2", "2/2", ""], ["1/2"]])
