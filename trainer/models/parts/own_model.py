"""`--model=package.module:function`: a function of one's own as a family of models."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.machinery
import inspect
import os
import re
import sys
import traceback
import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any

from absl import flags

from pipeline.console import quiet
from pipeline.console.errors import UsageError
from pipeline.console.near_misses import nearest
from pipeline.console.options import Options, declarations, define
from tfrecords_schema.errors import UserError
from trainer.models.family import BuiltModel, DataSpec, Family

_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_EXAMPLE = "def build(data: DataSpec, options: MyOptions) -> keras.Model"


def is_path(name: str) -> bool:
    """Whether a name is that of a function, and not of a file in the room of models."""
    return ":" in name


def require_path(name: str) -> str:
    """The name of a function as it is.

    Raises:
      ValueError: it is none.
    """
    if not _PATH.fullmatch(name):
        raise ValueError("expected package.module:function, as my_package.models:build")
    return name


def require_code_elsewhere(name: str, folder: str) -> None:
    """Refuses a function in the folder that names it: whoever handed that on would run code here.

    Nothing is imported for that, as a module's code runs then.

    Args:
      name: of the function.
      folder: of a run, whose flagfile names it.

    Raises:
      UsageError: its module, or a package around that, is in there.
    """
    # TensorFlow is slow to import.
    from tfrecords_schema.flushing import local_path

    local, search = local_path(folder), None
    if local is None:
        return
    root = os.path.join(os.path.realpath(local), "")
    for part in name.partition(":")[0].split("."):
        spec = importlib.machinery.PathFinder.find_spec(part, search)
        if spec is None:
            return
        search = [*(spec.submodule_search_locations or ())]
        for place in filter(None, (spec.origin, *search)):
            if os.path.join(os.path.realpath(place), "").startswith(root):
                raise UsageError(
                    f"config.flags of {folder} names --model={name}, which is code in that folder "
                    f"({place}); if you trust it, give --model={name} in this command"
                )


class OwnModel(Family):
    """A function of one's own."""

    labels = ("step", "record")
    joins_beside = True
    automatic = True
    undecided = frozenset({"batching"})  # Its cost may follow padding, so like lengths meet.
    note = (
        "your own: size, dropout and normalization are up to its function; what it costs is not "
        "known, so the time of a training bounds it, and records of like length share a batch"
    )

    def __init__(self, name: str, function: Callable[..., Any], options: tuple[type[Options], ...]):
        self._name, self._function, self.options = name, function, options

    @property
    def name(self) -> str:
        """Where the function is."""
        return self._name

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self._function.__doc__ or "").strip().partition("\n")[0]

    def build(self, data: DataSpec, *options: Any) -> Any:
        """See `Family.build`."""
        from trainer.models.parts.own_inputs import with_our_inputs

        return with_our_inputs(self._function(data, *options), data, self.name)

    def check(self, built: BuiltModel, data: DataSpec) -> None:
        """See `Family.check`."""
        from trainer.models.parts.own_outputs import require_outputs

        require_outputs(built.full, data, self.name)

    def doubts(self, model: Any, data: DataSpec) -> list[str]:
        """See `Family.doubts`."""
        from trainer.models.parts.own_outputs import padding_doubts

        return padding_doubts(model, data, self.name)


def own_family(name: str) -> OwnModel:
    """The family that a function makes.

    Raises:
      UserError: it cannot be imported, or takes other arguments than a family's `build`.
    """
    if "tensorflow" not in sys.modules:
        quiet.start(gpu=True, shared=True)  # Before its module imports it.
    path, _, attribute = name.partition(":")
    function = getattr(_module(path, name), attribute, None)
    if function is None:
        raise UsageError(f"--model={name}: {_missing(sys.modules[path], attribute)}")
    if not callable(function) or isinstance(function, type):
        raise UsageError(
            f"--model={name} is {_article(type(function).__name__)}, expected a function that "
            f"returns a model: {_EXAMPLE}"
        )
    return OwnModel(name, function, _options(name, function))


def _module(path: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        missing = error.name or path
        if path == missing or path.startswith(f"{missing}."):
            raise UsageError(
                f"--model={name}: there is no module {missing!r} where Python looks; install its "
                f"package into this environment ({sys.prefix}) with pip, or give the command in "
                "the folder that it is in"
            ) from error
        raise UsageError(
            f"--model={name}: {path} imports {missing!r}, which is not installed; install it into "
            f"this environment ({sys.prefix})"
        ) from error
    except UserError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise UsageError(
            f"--model={name}: importing {path} ended with {type(error).__name__}: {error} "
            f"({frame.filename}, line {frame.lineno}); mend it there (--traceback shows the way)"
        ) from error


def _missing(module: ModuleType, attribute: str) -> str:
    found = sorted(
        known
        for known, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    )
    near = nearest(attribute, found)
    hint = f"; did you mean {module.__name__}:{near}?" if near else ""
    return (
        f"{module.__name__} ({getattr(module, '__file__', 'this session')}) has no {attribute!r}; "
        f"its functions are {', '.join(found) or 'none'}{hint}"
    )


def _options(name: str, function: Callable[..., Any]) -> tuple[type[Options], ...]:
    """The kind of options that the second parameter of a function is annotated with."""
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    positional = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    if len(positional) != len(parameters) or len(parameters) not in (1, 2):
        raise UsageError(
            f"--model={name} takes {inspect.signature(function)}, expected a description of the "
            f"data and, if it has options, these: {_EXAMPLE}"
        )
    if len(parameters) == 1:
        return ()
    try:
        hint: Any = typing.get_type_hints(function).get(parameters[1].name)
    except NameError as error:
        raise UsageError(
            f"--model={name}: the types of its parameters cannot be read ({error}); import them "
            "where the module is run, not only for type checkers"
        ) from error
    _check_options(name, parameters[1].name, hint)
    return (hint,)


def _check_options(name: str, parameter: str, kind: Any) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Options)):
        found = "no type" if kind is None else f"the type {getattr(kind, '__name__', kind)}"
        raise UsageError(
            f"--model={name}: its parameter {parameter!r} has {found}, expected a frozen dataclass "
            f"derived from trainer.Options, whose fields become flags: {_EXAMPLE}"
        )
    try:
        declarations((kind,))
    except TypeError as error:
        raise UsageError(f"--model={name}: {error}") from error
    plain = [field.name for field in dataclasses.fields(kind) if "effect" not in field.metadata]
    if plain:
        raise UsageError(
            f"--model={name}: the field {plain[0]!r} of {kind.__name__} says nothing of its flag; "
            f'write {plain[0]}: int = trainer.option(8, "What it is.")'
        )
    try:
        define((kind,), flags.FlagValues())
    except (StopIteration, TypeError, flags.Error) as error:
        raise UsageError(
            f"--model={name}: the fields of {kind.__name__} become flags; expected str, int, float "
            f"or bool, one of these or None, or a tuple of them ({error or type(error).__name__})"
        ) from error


def _article(word: str) -> str:
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
