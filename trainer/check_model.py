"""`python -m trainer.check_model --model=...`: shows on a model what must hold of every model."""

# ruff: noqa: E402
import dataclasses
from collections.abc import Sequence
from typing import Any

from pipeline.console import exit_codes, program
from pipeline.console.command import Command, with_help
from pipeline.console.errors import UsageError
from pipeline.console.options import Options, option, read
from trainer.models.family import ChosenModel, DataSpec
from trainer.models.named import family_named, kinds_beside
from trainer.runs.asked import AUTO, ModelOptions, named_model, refuse_other_models


@dataclasses.dataclass(frozen=True)
class CheckOptions(Options):
    """What the model is checked on: a few random recordings, like those of a dataset or made up."""

    dataset: str = option("", "Dataset whose recordings it is for.", common=True)
    example_input: str = option(
        "signal", "Without --dataset: what recordings are.", ("signal", "frames"), common=True
    )
    example_shape: tuple[int, ...] = option(
        (3,), "Without --dataset: shape of a step; of frames height, width, 3.", low=1, common=True
    )
    example_label: str = option(
        "record", "Without --dataset: what has a label.", ("record", "step"), common=True
    )
    example_classes: int = option(
        3, "Without --dataset: classes; 0: a label is two values.", low=0, common=True
    )
    check_replicas: int = option(
        2, "Replicas on this machine's CPU; below 2: that is not checked.", low=0, common=True
    )

    def check(self) -> None:
        """See `Options`."""
        given = [
            f"--{field.name}"
            for field in dataclasses.fields(self)
            if field.name.startswith("example_") and getattr(self, field.name) != field.default
        ]
        if self.dataset and given:
            raise UsageError(f"{given[0]} has no effect with --dataset; leave one of them out")
        if self.example_input == "frames" and self.example_shape[2:] != (3,):
            shape = ",".join(map(str, self.example_shape))
            raise UsageError(
                f"--example_shape={shape}: expected height, width and 3 of frames, as 32,48,3"
            )


def _kinds(given: Sequence[str]) -> tuple[type[Options], ...]:
    name = named_model(given)
    return (CheckOptions, ModelOptions, *kinds_beside(name if name not in ("", AUTO) else "signal"))


COMMAND = Command(
    "python -m trainer.check_model",
    "Checks a model, one of your own or a family of the trainer: that its answers depend on "
    "neither batch nor padding nor replicas, and that it is saved and loaded as it is.",
    _kinds(()),
    kinds_of=_kinds,
)

if __name__ == "__main__":
    program.begin(COMMAND, gpu=True)

from pipeline.console.run import run_command
from pipeline.console.terminal import say
from tfrecords_schema import DatasetError, InputSpec, LabelSpec, open_dataset
from trainer.checks.finding import Finding
from trainer.checks.model_checks import findings
from trainer.checks.on_replicas import replicas_finding
from trainer.distribution.strategy import configure
from trainer.options.options import RunOptions
from trainer.runs.run_folder import LearntFrom


def main(argv: Sequence[str]) -> int:
    """Checks a model; returns the exit status, 1 where something does not hold."""
    return run_command(_check, argv)


def _check(argv: Sequence[str]) -> int:
    values = COMMAND.parse(argv).values
    options, name = read(CheckOptions, values), read(ModelOptions, values).model
    if name == AUTO:
        raise UsageError(with_help("no --model is named", COMMAND.prog))
    family = family_named(name)
    refuse_other_models(values, family)
    chosen = ChosenModel(family, tuple(read(kind, values) for kind in family.options))
    configure(RunOptions(dataset="-", run_dir="-", cpu_replicas=options.check_replicas))
    data = _described(options, chosen)
    failed = [not _said(finding) for finding in findings(chosen, data)]
    if options.check_replicas > 1 and data.label.per in ("record", "step"):
        failed.append(not _said(replicas_finding(chosen, data, options.check_replicas)))
    say(f"{name}: {sum(failed)} of {len(failed)} do not hold" if any(failed) else f"{name}: holds")
    return exit_codes.ERROR if any(failed) else exit_codes.OK


def _said(finding: Finding) -> bool:
    say(f"{'holds' if finding.holds else 'FAILS'}  {finding.what}: {finding.seen}")
    return finding.holds


def _described(options: CheckOptions, chosen: ChosenModel) -> DataSpec:
    """What the model would know of the data."""
    learnt = None
    if options.dataset:
        learnt = LearntFrom.of(open_dataset(options.dataset))
        spec, found = learnt.schema.input, learnt.schema.label
    else:
        kind: Any = options.example_input
        spec = InputSpec(kind, "uint8" if kind == "frames" else "float32", options.example_shape)
        found = _label(options)
    label = chosen.label(spec, found)
    if label is None:
        raise DatasetError(f"{options.dataset} has no labels; convert it with --label_key")
    return learnt.spec(label) if learnt else DataSpec(spec, label, None)


def _label(options: CheckOptions) -> LabelSpec:
    per: Any = options.example_label
    names = tuple(f"class_{number}" for number in range(options.example_classes))
    if names:
        return LabelSpec(per, "class", class_names=names)
    return LabelSpec(per, "value", "float32", (2,))


if __name__ == "__main__":
    program.run(main)
