"""Functions of people's own as models: how they are found, and what is said of every mistake."""

import re
import sys

import keras
import numpy as np
import pytest

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_RECORD
from tfrecords_schema import InputSpec
from tfrecords_schema.errors import UserError
from trainer.models.family import ChosenModel, DataSpec
from trainer.models.named import family_named, kinds_beside, names_for_rules
from trainer.runs.asked import COMMAND, asked, recorded
from trainer.runs.identity import changed_options
from trainer.studies.search.space import is_read, read_space

_MODULE = "tests.trainer.models.own_models"
_BUILD = f"{_MODULE}:build"
_SIGNAL = InputSpec("signal", "float32", (3,))


def _built(function, label=CLASS_PER_STEP, spec=_SIGNAL, **options):
    family = family_named(f"{_MODULE}:{function}")
    given = tuple(kind(**options) for kind in family.options)
    return ChosenModel(family, given).build(DataSpec(spec, label, None)).full


def _require_said(messages, call, *given):
    with pytest.raises(UserError) as raised:
        call(*given)
    assert [message for message in messages if message not in str(raised.value)] == []


def _answer(model, signal, lengths):
    return model({"signal": signal, "lengths": np.asarray(lengths, np.int32)}).numpy()


@pytest.mark.parametrize(
    ("function", "label"), [("recurrent", CLASS_PER_STEP), ("build", CLASS_PER_RECORD)]
)
def test_a_mask_becomes_lengths(function, label):
    model = _built(function, label)
    assert [tensor.name for tensor in model.inputs] == ["lengths", "signal"]
    signal = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)
    together = _answer(model, signal, [6, 2])[1]
    alone = _answer(model, signal[1:, :2], [2])[0]
    kept = together[:2] if label.per == "step" else together
    np.testing.assert_allclose(kept, alone, rtol=1e-5, atol=1e-6)


def test_a_subclass_of_a_keras_model_gets_everything_by_name():
    model = _built("subclassed", VALUE_PER_RECORD)
    signal = np.ones((2, 4, 3), np.float32)
    signal[1, 1:] = 99
    kernel, bias = (variable.numpy() for variable in model.variables)
    np.testing.assert_allclose(_answer(model, signal, [4, 1]), [kernel.sum(0) + bias] * 2, 1e-5)


def test_layers_have_the_same_names_whatever_was_built_before():
    first = [variable.path for variable in _built("packed").variables]
    keras.layers.Dense(3)
    assert [variable.path for variable in _built("packed").variables] == first
    assert "dense/kernel" in first


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("nowhere.models:build", ["no module 'nowhere' where Python looks", "with pip"]),
        (f"{_MODULE}s:build", [f"no module '{_MODULE}s'"]),
        (f"{_MODULE}:biuld", ["has no 'biuld'", f"did you mean {_BUILD}?"]),
        (f"{_MODULE}:A_NUMBER", ["is an int, expected a function that returns a model"]),
        (f"{_MODULE}:OwnOptions", ["is a type, expected a function"]),
        (f"{_MODULE}:three", ["takes (data, options:", "expected a description of the data"]),
        (f"{_MODULE}:no_type", ["its parameter 'options' has no type", "trainer.Options"]),
        (f"{_MODULE}:wrong_type", ["has the type dict", "a frozen dataclass derived from"]),
        (f"{_MODULE}:plain_field", ["the field 'units' of Plain", "trainer.option("]),
        (f"{_MODULE}:no_dataclass", ["NoDataclass lacks @dataclasses.dataclass(frozen=True)"]),
        (f"{_MODULE}:odd_type", ["the fields of OddType become flags; expected str, int"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_function_of_that_kind_is_said(name, messages):
    _require_said([f"--model={name}", *messages], family_named, name)


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ("import einopz\n", ["broken_models imports 'einopz', which is not installed"]),
        ("x = 1 / 0\n", ["ZeroDivisionError: division by zero", "broken_models.py, line 1"]),
    ],
)
def test_a_module_that_cannot_be_imported_is_said_with_its_place(
    content, messages, tmp_path, monkeypatch
):
    (tmp_path / "broken_models.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    _require_said(messages, family_named, "broken_models:build")


@pytest.mark.parametrize(
    ("function", "messages"),
    [
        ("returns_nothing", ["returned builtins.NoneType", "expected a model of Keras 3"]),
        ("sequential", ["a Sequential model, which takes one input", 'name="lengths"']),
        ("unnamed", ["has the inputs x, expected signal, lengths, mask; name them so"]),
        ("without_lengths", ["takes signal alone and cannot tell padding from data"]),
        ("fixed_time", ["input signal is float32 [None, 50, 3]", "gives float32 [None, None, 3]"]),
        (
            "four_classes",
            ["gives [None, None, 4], expected [batch, time, 3]", "3 classes per step"],
        ),
        ("one_answer", ["gives [None, 3], expected [batch, time, 3]"]),
        ("softmax", ["answers probabilities (softmax), expected logits", "leave the activation"]),
        ("softmax_at_the_end", ["answers probabilities (softmax)"]),
        ("sigmoid", ["answers probabilities (sigmoid)", "--class_activation=sigmoid"]),
        ("strided", ["answers [3, 4, 3] to recordings of [3, 7, 3], expected [3, 7, 3]"]),
        ("untracked", ["variables that are not the model's: factor", "self.add_weight"]),
        ("penalized", ["adds to the loss what depends on the recordings", "kernel_regularizer"]),
        ("not_finite", ["answers what is not finite to recordings of 7, 4 and 1 steps"]),
    ],
)
def test_what_a_function_returns_is_refused_with_what_is_expected(function, messages):
    _require_said([f"--model={_MODULE}:{function}", *messages], _built, function)


def test_per_record_one_answer_for_every_step_is_refused():
    with pytest.raises(UserError, match=re.escape("gives [None, None, 3], expected [batch, 3]")):
        _built("packed", CLASS_PER_RECORD)


def test_an_input_of_another_dtype_is_refused():
    with pytest.raises(UserError, match=r"input signal is float32 .* the trainer gives int16"):
        _built("fixed_time", spec=InputSpec("signal", "int16", (3,)))


@pytest.mark.parametrize("name", ["evil:build", "handed.evil:build"])
def test_code_in_a_run_folder_runs_only_if_it_is_named_in_the_command(name, tmp_path, monkeypatch):
    run_dir = tmp_path / "handed"
    run_dir.mkdir()
    (run_dir / "config.flags").write_text(f"--model={name}\n")
    (run_dir / "evil.py").write_text("import pathlib\npathlib.Path(__file__ + '.ran').touch()\n")
    for place in (tmp_path, run_dir):  # As `python -m` has the folder that it is started in.
        monkeypatch.syspath_prepend(place)
    for line in ((f"--run_dir={run_dir}", "--mode=predict"), (f"--init_from={run_dir}",)):
        with pytest.raises(UserError, match=r"names --model=.*, which is code in that folder"):
            asked([*line, "--dataset=a", "--run_dir=b"] if len(line) == 1 else line)
    assert not (run_dir / "evil.py.ran").exists()
    with pytest.raises(UserError, match="build"):
        asked([f"--run_dir={run_dir}", "--mode=predict", f"--model={name}"])
    assert (run_dir / "evil.py.ran").exists()
    for module in ("evil", "handed", "handed.evil"):
        sys.modules.pop(module, None)


def test_its_options_are_flags():
    given = [f"--model={_BUILD}", "--units=7", "--width=0.25"]
    values = COMMAND.parse(given).values
    assert (values["units"].value, values["width"].value) == (7, 0.25)
    with pytest.raises(UserError, match="unknown flag --unitz; did you mean --units"):
        COMMAND.parse([f"--model={_BUILD}", "--unitz=7"])
    with pytest.raises(UserError, match="unknown flag --units"):
        COMMAND.parse(["--model=fcn", "--units=7"])
    with pytest.raises(UserError, match=r"TrainingOptions and .*Colliding both declare --epochs"):
        COMMAND.parse([f"--model={_MODULE}:colliding"])
    with pytest.raises(UserError, match=r"expected package\.module:function"):
        COMMAND.parse(["--model=models/mine.py:build"])


def test_help_has_its_options(capsys):
    with pytest.raises(SystemExit):
        COMMAND.parse([f"--model={_BUILD}", "--help"])
    assert "--units                   Units of the recurrent layer. (default: 3)" in (
        capsys.readouterr().out
    )
    with pytest.raises(SystemExit) as ended:
        COMMAND.parse(["--model=nowhere:build", "--help"])
    assert ended.value.code == 2
    assert "there is no module 'nowhere'" in capsys.readouterr().err


def test_an_option_of_its_own_hides_that_of_a_family_but_no_other():
    kinds = {field for kind in recorded(_BUILD) for field in kind.__dataclass_fields__}
    assert {"units", "width", "rnn_units"} <= kinds  # The last is known, so that it is refused.
    assert "random_convolutions" not in kinds  # It stands beside another --width.
    assert len(kinds_beside(_BUILD)) == len({*kinds_beside(_BUILD)})
    assert names_for_rules(_BUILD) == set()  # No rule knows what they mean.
    assert "normalization" in names_for_rules("fcn")


def test_a_space_may_have_its_options_and_other_models():
    space = read_space(f"model=fcn,{_BUILD} units=2,3", (), "auto")
    assert [one.name for one in space] == ["model", "units"]
    assert (is_read("units", _BUILD), is_read("units", "fcn")) == (True, False)
    assert is_read("epochs", _BUILD)
    with pytest.raises(UserError, match="'units' is no option of the trainer"):
        read_space("model=fcn,resnet units=2,3", (), "auto")


def test_another_function_is_another_run_and_a_changed_option_is_named():
    found = {"dataset": "d", "model": _BUILD, "units": "3", "epochs": "2"}
    assert changed_options(found, {**found, "units": "4"}) == ["units"]
    others = {"dataset": "d", "model": "fcn", "epochs": "2"}
    assert changed_options(found, others) == ["model"]
