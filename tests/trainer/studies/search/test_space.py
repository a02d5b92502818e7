"""What a space says: types and bounds are those of the options' own declarations."""

import pytest

from pipeline.console.errors import UsageError
from trainer.studies.search.space import is_read, read_space


def _read(text, *, given=(), family="inception_time"):
    return {one.name: one for one in read_space(text, given, family)}


class _Trial:
    """Answers every question of a dimension with its least value, and remembers it."""

    def __init__(self):
        self.asked = {}

    def suggest_categorical(self, name, choices):
        self.asked[name] = choices
        return choices[0]

    def _number(self, name, low, high, log):
        self.asked[name] = (type(low), low, high, log)
        return low

    suggest_int = suggest_float = _number


def test_values_are_typed_by_the_declaration_of_the_option():
    space = _read(
        "learning_rate=log:1e-4..1e-2 head_dropout=0..0.6\nbatch_size=4..32 clip_norm=0,1 "
        "optimizer=adam,sgd model=inception_time,signal conv_filters=16,32|8 jit_compile=true,false"
    )
    trial = _Trial()
    assert next(iter(space)) == "model"  # What the others depend on.
    flags = {name: one.suggest(trial) for name, one in space.items()}
    assert trial.asked == {
        "learning_rate": (float, 1e-4, 1e-2, True),
        "head_dropout": (float, 0.0, 0.6, False),
        "batch_size": (int, 4, 32, False),
        "clip_norm": ("0.0", "1.0"),
        "optimizer": ("adam", "sgd"),
        "model": ("inception_time", "signal"),
        "conv_filters": ("16,32", "8"),
        "jit_compile": ("True", "False"),
    }
    assert flags["batch_size"] == "4"
    assert flags["learning_rate"] == "0.0001"


def test_a_file_has_the_same_with_comments(tmp_path):
    (tmp_path / "space.txt").write_text("# rates\n--learning_rate=1e-4..1e-2\n\nbatch_size=4,8\n")
    found = _read(str(tmp_path / "space.txt"))
    assert found == _read("learning_rate=1e-4..1e-2 batch_size=4,8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learnig_rate=1..2", "'learnig_rate' is no option of the trainer; did you mean learning_"),
        ("learning_rate=a..1", "--learning_rate=a: expected a number"),
        ("batch_size=4..9.5", "--batch_size=9.5: expected a whole number"),
        ("batch_size=0..8", "--batch_size=0: expected at least 1"),
        ("head_dropout=0..1.5", "--head_dropout=1.5: expected 0 to 1"),
        ("optimizer=adam,sdg", "'sdg' is none of adam, sgd"),
        ("learning_rate=2..1", "expected the lesser number first"),
        ("head_dropout=log:0..1", "a logarithm needs numbers above 0"),
        ("learning_rate=log:1e-3", "expected a range, as log:1e-4..1e-2"),
        ("optimizer=adam", "expected two values or more, each once"),
        ("learning_rate=1,1.0", "expected two values or more, each once"),
        ("conv_filters=16,32", "with | between lists"),
        ("seed=0..9", "'seed' is not searched: the best of several seeds is luck"),
        ("train_split=a,b", "'train_split' is not searched: folds decide"),
        ("keep_checkpoints=1..3", "'keep_checkpoints' changes nothing of what is learnt"),
        ("calibrate=none,temperature", "'calibrate' changes nothing of what is learnt"),
        ("run_dir=a,b", "'run_dir' changes nothing of what is learnt"),
        ("epochs=1..3", "'epochs' is on the command line, too"),
        ("clip_norm=0,1 clip_norm=2,3", "'clip_norm' is there twice"),
        ("model=auto,signal", "name the models; the first trial is auto"),
        ("rnn_units=4|8", "'rnn_units' has no effect with --model=inception_time"),
        ("nothing", "the --space nothing cannot be read: there is no such file"),
        ("", "--space=: it has no options"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(text, message):
    with pytest.raises(UsageError) as error:
        _read(text, given={"epochs"})
    assert message in str(error.value)


def test_options_depend_on_the_model_that_reads_them():
    assert [*_read("rnn_units=4|8 model=inception_time,signal")] == ["model", "rnn_units"]
    assert is_read("rnn_units", "signal")
    assert not is_read("rnn_units", "inception_time")
    assert is_read("learning_rate", "inception_time")
