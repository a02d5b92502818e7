"""`python -m pipeline`: from the command line to a dataset folder."""

import contextlib
import dataclasses
import posixpath
import re
import shutil
import sys
from collections.abc import Sequence

import apache_beam as beam
import tensorflow as tf

from pipeline.console.errors import UsageError
from pipeline.console.options import Effect
from pipeline.console.output_problems import output_problem
from pipeline.console.run import run_command
from pipeline.console.terminal import say
from pipeline.conversion.asked import COMMAND, asked
from pipeline.conversion.beam_files import BeamFiles
from pipeline.conversion.commit import recorded_options
from pipeline.conversion.dry_run import dry_run
from pipeline.conversion.job import build
from pipeline.conversion.progress import ProgressLine
from pipeline.conversion.runner import make_pipeline
from pipeline.conversion.summary import summary_text
from pipeline.conversion.work_dir import WorkDir, finished_text
from pipeline.sources.kinds import make_source
from pipeline.sources.options import ConvertOptions, as_folder
from pipeline.sources.rejects import left_out_text, rejects_text
from pipeline.sources.source import Source
from tfrecords_schema.dataset import open_dataset
from tfrecords_schema.decoding import decode
from tfrecords_schema.errors import UserError
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.places import gfile
from tfrecords_schema.places.store_error import StoreError
from tfrecords_schema.storage import reading

# Errors by which a step refuses the whole conversion.
_REFUSALS = "(?:Usage|Dataset|Link|Locked|Store)Error"


def main(argv: Sequence[str]) -> int:
    """Converts as the command line says.

    Args:
      argv: arguments without the program's name.

    Returns:
      0, or 1 if nothing was committed, or 2 if the command line makes no sense.
    """
    return run_command(_run, argv, goes_on="")


def _run(argv: Sequence[str]) -> None:
    given = COMMAND.parse(argv)
    # First: of a flag that is missing and a wrong name, the wrong name is the cause.
    pipeline = make_pipeline(given.rest)
    try:
        options = asked(given.values)
        _require_folders(options)
        _convert_or_show(options, pipeline)
    finally:  # Beam removes it only where the pipeline ran.
        shutil.rmtree(pipeline.local_tempdir, ignore_errors=True)


def _convert_or_show(options: ConvertOptions, pipeline: beam.Pipeline) -> None:
    try:
        say(_show(options) if options.dry_run else convert(options, pipeline))
    except UsageError as error:  # The command line makes sense; what it names is not as needed.
        raise UserError(str(error)) from error


def _show(options: ConvertOptions) -> str:
    """What a conversion would do."""
    with reading(options.dataset_dir):
        if WorkDir(options.dataset_dir).has_dataset and not options.overwrite:
            raise UsageError(finished_text(options.dataset_dir))
    return dry_run(_source(options), options)


def convert(options: ConvertOptions, pipeline: beam.Pipeline) -> str:
    """Converts.

    Args:
      options: the conversion's options.
      pipeline: takes the graph, and runs it.

    Returns:
      What came of it, as text.

    Raises:
      UserError: nothing was committed; the message says why, and what to do.
    """
    work_dir = WorkDir(options.dataset_dir)
    work_dir.start(overwrite=options.overwrite)
    try:
        if work_dir.is_committed and not options.overwrite:
            _require_same_options(options, work_dir)
        else:
            work_dir.clear()
            with ProgressLine(work_dir):
                build(pipeline, _source(options), options, work_dir.lock_path)
                pipeline.run().wait_until_finish()
        return _report(options, work_dir)
    except Exception as error:
        if message := _refusal(error):
            raise UserError(message) from error
        if problem := output_problem(error):
            raise UserError(
                f"cannot write to {options.dataset_dir} ({problem}); what is written stays, so "
                "make space, or make it writable, and run the same command again: it goes on where "
                "it was"
            ) from error
        raise
    finally:
        # Nothing that cannot be written can be freed.
        with contextlib.suppress(tf.errors.OpError, StoreError):
            work_dir.release()


def _require_folders(options: ConvertOptions) -> None:
    for field in dataclasses.fields(options):
        is_read = field.metadata["parse"] is as_folder and field.metadata["effect"] is Effect.NONE
        folder = getattr(options, field.name) if is_read else ""
        with reading(folder):
            if folder and not gfile.isdir(folder):
                raise UsageError(f"--{field.name}={folder}: no such folder; give one that exists")


def _source(options: ConvertOptions) -> Source:
    """The inputs; datasets below them, of any name and version, are none."""
    is_below = options.output_dir.startswith(posixpath.join(options.input_dir, ""))
    return make_source(options, BeamFiles(options.output_dir if is_below else options.dataset_dir))


def _refusal(error: Exception) -> str:
    """What a step refused; empty for other errors. Beam adds to it, or passes it on as text."""
    text = f"{type(error).__name__}: {error}"
    found = re.search(rf"\b{_REFUSALS}: (.*?)( \[while running .*)?$", text, re.MULTILINE)
    return found[1] if found else ""


def _require_same_options(options: ConvertOptions, work_dir: WorkDir) -> None:
    """After a kill that came behind the manifest: there is nothing left but to clean up."""
    found = open_dataset(options.dataset_dir).manifest.options
    rate_hz = found.get("sample_rate_hz") or 0.0  # If none is named, it is that of the inputs.
    of_channels = (found.get(name) or [] for name in ("channels", "units"))
    if found != recorded_options(options, rate_hz, *of_channels):
        work_dir.remove()
        raise UsageError(finished_text(options.dataset_dir))


def _report(options: ConvertOptions, work_dir: WorkDir) -> str:
    outcome = work_dir.read_outcome()
    if not outcome:
        raise UsageError(
            f"the conversion ended, but its outcome is not in {work_dir.path}; workers and this "
            "process must see the same --output_dir, so name a folder that all of them share"
        )
    if outcome["refusal"]:
        has_changed = any(group["stage"] == "changed" for group in outcome["rejects"])
        # An older dataset stays as it was, beside nothing but what a next start goes on from.
        if work_dir.has_dataset and not has_changed:
            work_dir.remove()
        left_out = decode(tuple[LeftOut, ...], outcome["left_out"])
        said = [rejects_text(outcome["rejects"], outcome["total"]), left_out_text(left_out)]
        for text in filter(None, said):
            say(text, sys.stderr)
        raise UserError(f"{outcome['refusal']}\nnothing was committed to {options.dataset_dir}")
    text = summary_text(open_dataset(options.dataset_dir), outcome)
    work_dir.remove()
    return text
