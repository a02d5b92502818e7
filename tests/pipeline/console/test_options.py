"""One declaration of an option: its flag, its help, its checks, flagfiles."""

import dataclasses
import os
import threading

import pytest

from pipeline.console.command import Command
from pipeline.console.errors import UsageError
from pipeline.console.options import (
    REQUIRED,
    Effect,
    Options,
    fill_in,
    flagfile_text,
    option,
    read,
    refuse_unused,
)


@dataclasses.dataclass(frozen=True)
class _Toy(Options):
    """What a toy is made of."""

    name: str = option(REQUIRED, "What it is called.", common=True)
    size: int = option(3, "How large it is.", low=1, high=9)
    weights: tuple[float, ...] = option((), "Of its parts.", low=0)
    colour: str = option("red", "Of what colour.", ("red", "blue"), common=True)
    rate: float | None = option(None, "How fast.", low=0.5)
    loud: bool = option(False, "Whether it is.")
    folder: str = option("", "Where it is kept.", effect=Effect.PLACE)

    def check(self) -> None:
        """See `Options`."""
        if self.loud and self.size < 2:
            raise UsageError("--loud needs --size=2 at least")


@dataclasses.dataclass(frozen=True)
class _Other(Options):
    """Something else."""

    depth: int = option(1, "How deep it is.")


_COMMAND = Command("toy", "Makes a toy.", [_Toy])


def _read(*argv: str) -> _Toy:
    return read(_Toy, _COMMAND.parse(argv).values)


def test_flags_become_typed_fields():
    assert _read("--name=a") == _Toy("a")
    given = ("--name=a", "--size=5", "--weights=1,.5", "--colour=blue", "--rate=2", "--loud")
    assert _read(*given) == _Toy("a", 5, (1.0, 0.5), "blue", 2.0, True)
    assert _read("--name", "a", "--loud", "--noloud", "--weights=").loud is False


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "--name is required"),
        (("--name=a", "--size=0"), "--size=0: expected 1 to 9"),
        (("--name=a", "--size=many"), "--size=many: expected a whole number"),
        (("--name=a", "--weights=1,x"), "--weights=1,x: expected numbers with commas"),
        (("--name=a", "--weights=1,-2"), "--weights=1.0,-2.0: expected at least 0"),
        (("--name=a", "--rate=nan"), "--rate=nan: expected at least 0.5"),
        (("--name=a", "--colour=bleu"), "'bleu' is none of red, blue; did you mean blue?"),
        (("--name=a", "--colr=red"), "unknown flag --colr; did you mean --colour?"),
        (("--name=a", "--size=1", "--loud"), "--loud needs --size=2 at least"),
        (("--name=a", "left_over"), "unexpected argument 'left_over'"),
    ],
)
def test_wrong_flags_are_told(flags, message):
    with pytest.raises(UsageError) as error:
        _read(*flags)
    assert message in str(error.value)


def test_options_check_themselves_without_a_command_line():
    for wrong in ({"size": 10}, {"colour": "green"}, {"weights": (-1.0,)}, {"rate": 0.1}):
        with pytest.raises(UsageError, match=f"--{next(iter(wrong))}="):
            _Toy("a", **wrong)


def test_the_help_has_every_flag_once_and_its_default(capsys):
    for flag in ("--help", "--helpfull"):
        with pytest.raises(SystemExit):
            _COMMAND.answer([flag])
    short, _, full = capsys.readouterr().out.partition("\nusage: toy")
    assert "what a toy is made of:" in short
    assert "--colour" in short
    assert "--size" not in short
    for field in dataclasses.fields(_Toy):
        assert full.count(f"  --{field.name} ") == 1
    assert "How large it is. (default: 3)" in full
    assert "One of red, blue. (default: red)" in full


def test_a_flagfile_gives_the_options_back(tmp_path):
    options = _Toy("a b", 5, (1e-7,), "blue", None, True)
    path = tmp_path / "toy.flags"
    path.write_text(f"# a comment\n\n// another\n{flagfile_text([options])}")
    assert _read(f"--flagfile={path}") == options
    assert _read("--flagfile", str(path), "--size=6").size == 6
    (tmp_path / "outer.flags").write_text(f"--flagfile={path}\n--size=7\n")
    assert _read(f"--flagfile={tmp_path}/outer.flags").size == 7


def test_flagfiles_that_name_others_many_times_are_not_read_that_often(tmp_path):
    for number in range(19):
        (tmp_path / f"{number}").write_text(f"--flagfile={tmp_path}/{number + 1}\n" * 100)
    (tmp_path / "19").write_text("--size=4\n")
    with pytest.raises(UsageError, match="flagfiles that name each other; take one out"):
        _read(f"--flagfile={tmp_path}/0")


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0c", "\x1e"])
def test_nothing_in_a_comment_is_a_flag(end, tmp_path):
    path = tmp_path / "toy.flags"
    path.write_text(f"--name=a\r--size=4\n# harmless{end}--size=5\r\n", encoding="utf-8")
    assert _read(f"--flagfile={path}") == _Toy("a", 4)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_flagfile_may_begin_with_the_mark_that_editors_write(encoding, tmp_path):
    path = tmp_path / "toy.flags"
    path.write_text("--name=Łódź\r\n--size=4\r\n", encoding=encoding)
    assert _read(f"--flagfile={path}") == _Toy("Łódź", 4)


def _fifo(path):
    os.mkfifo(path)


def _endless(path):
    path.symlink_to("/dev/zero")


def _large(path):
    path.write_bytes(b"--name=a\n" * 200_000)


def _other_encoding(path):
    path.write_bytes("--name=Łódź\n".encode("cp1250"))


def _circle(path):
    path.write_text(f"--flagfile={path}\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no such file"),
        (_fifo, "it is no file"),
        (_endless, "it is no file"),
        (_large, "so it is no flagfile"),
        (_other_encoding, "it is not UTF-8 text; save it as UTF-8"),
        (_circle, "flagfiles that name each other"),
    ],
)
def test_a_flagfile_that_is_none_is_refused_at_once(make, message, tmp_path):
    path = tmp_path / "toy.flags"
    make(path)
    errors = []

    def parse():
        try:
            _read(f"--flagfile={path}")
        except UsageError as error:
            errors.append(str(error))

    thread = threading.Thread(target=parse, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "it waits for ever"
    assert len(errors) == 1
    assert message in errors[0]
    assert str(path) in errors[0]


def test_a_recorded_flagfile_never_says_where_something_is_written():
    values = _COMMAND.parse(["--size=2"]).values
    fill_in("--name=a\n--size=7\n--folder=/elsewhere\n", values, [_Toy], "it")
    assert read(_Toy, values) == _Toy("a", 2, folder="")


def test_what_only_another_choice_reads_is_refused_where_it_is_given():
    kinds = {"toy": [_Toy], "other": [_Other], "both": [_Other, _Toy]}
    values = Command("toy", "Makes a toy.", [_Toy, _Other]).parse(["--depth=1"]).values
    for used in ("other", "both"):
        refuse_unused(values, kinds, used, "kind")
    message = "--depth has no effect with --kind=toy; leave it out, or .* reads it: other, both"
    with pytest.raises(UsageError, match=message):
        refuse_unused(values, kinds, "toy", "kind")


def test_an_option_of_two_classes_and_a_class_without_the_decorator_are_told():
    @dataclasses.dataclass(frozen=True)
    class Clash(Options):
        size: float = option(0.0, "Of something else.")

    class Bare(Options):
        length: int = option(1, "How long it is.")

    with pytest.raises(TypeError, match=r"_Toy and .*\.Clash both declare --size; rename one"):
        Command("toy", "Makes a toy.", [_Toy, Clash])
    with pytest.raises(TypeError, match=r"\.Bare lacks @dataclasses.dataclass"):
        Command("toy", "Makes a toy.", [Bare])


@pytest.mark.parametrize("line", ["--unknown=1", "--size=many", "no flag at all"])
def test_a_recorded_flagfile_with_a_wrong_line_is_told(line):
    values = _COMMAND.parse(["--name=a"]).values
    with pytest.raises(UsageError, match="the flags of it"):
        fill_in(line, values, [_Toy], "the flags of it")
