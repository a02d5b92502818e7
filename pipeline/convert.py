"""`python -m pipeline`: from the command line to a dataset folder."""

import contextlib
import difflib
import sys
from collections.abc import Sequence

import apache_beam as beam
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.beam_files import BeamFiles
from pipeline.errors import UsageError
from pipeline.job import build
from pipeline.options import ConvertOptions, make_parser, parse_args
from pipeline.progress import ProgressLine
from pipeline.runner import make_runner
from pipeline.source import Source
from pipeline.sources import make_source
from pipeline.summary import rejects_text, summary_text
from pipeline.work_dir import WorkDir, finished_text
from tfrecords_schema.dataset import open_dataset
from tfrecords_schema.output_problems import output_problem


def main(argv: Sequence[str]) -> int:
    """Converts as the command line says.

    Args:
      argv: arguments without the program's name.

    Returns:
      0, or 1 if nothing was committed, or 2 if the command line makes no sense.
    """
    try:
        options, beam_args = parse_args(argv)
        beam_options = make_beam_options(beam_args)
        _require_folders(options)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return convert(options, beam_options)


def convert(options: ConvertOptions, beam_options: PipelineOptions) -> int:
    """Converts, and prints what came of it.

    Returns:
      0, or 1 if nothing was committed.
    """
    work_dir = WorkDir(options.dataset_dir)
    try:
        work_dir.start(overwrite=options.overwrite)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        if work_dir.is_committed and not options.overwrite:
            return _finish(options, work_dir)
        work_dir.clear()
        with ProgressLine(work_dir):
            _run(make_source(options, BeamFiles()), options, beam_options)
        return _report(options, work_dir)
    except Exception as error:
        problem = output_problem(error)
        if not problem:
            raise
        print(
            f"error: cannot write to {options.dataset_dir} ({problem}); what is written stays, so "
            "make space, or make it writable, and run the same command again: it goes on where it "
            "was",
            file=sys.stderr,
        )
        return 1
    finally:
        with contextlib.suppress(tf.errors.OpError):  # Nothing that cannot be written can be freed.
            work_dir.release()


def make_beam_options(beam_args: Sequence[str]) -> PipelineOptions:
    """Beam's options.

    Raises:
      UsageError: if an argument is nobody's flag, or looks like a misspelt one of ours.
    """
    _refuse_misspelt(beam_args)
    return PipelineOptions(list(beam_args))


def _refuse_misspelt(beam_args: Sequence[str]) -> None:
    ours = [flag for action in make_parser()._actions for flag in action.option_strings]
    unknown = PipelineOptions(list(beam_args))
    beams = set(unknown.get_all_options())
    for arg in beam_args:
        name = arg.partition("=")[0]
        if not name.startswith("--") or name.removeprefix("--") in beams:
            continue
        near = difflib.get_close_matches(name, ours, n=1, cutoff=0.75)
        if near:
            raise UsageError(f"unknown flag {name}; did you mean {near[0]}?")


def _require_folders(options: ConvertOptions) -> None:
    for flag in ("input_dir", "target_dir"):
        folder = getattr(options, flag)
        if folder and not tf.io.gfile.isdir(folder):
            raise UsageError(f"--{flag}={folder}: no such folder; give one that exists")


def _run(source: Source, options: ConvertOptions, beam_options: PipelineOptions) -> None:
    pipeline = beam.Pipeline(runner=make_runner(beam_options), options=beam_options)
    build(pipeline, source, options)
    pipeline.run().wait_until_finish()


def _finish(options: ConvertOptions, work_dir: WorkDir) -> int:
    """After a kill that came behind the manifest: there is nothing left but to clean up."""
    if open_dataset(options.dataset_dir).manifest.options == options.recorded():
        return _report(options, work_dir)
    work_dir.remove()
    print(f"error: {finished_text(options.dataset_dir)}", file=sys.stderr)
    return 1


def _report(options: ConvertOptions, work_dir: WorkDir) -> int:
    outcome = work_dir.read_outcome()
    if outcome["refusal"]:
        if outcome["rejects"]:
            print(rejects_text(outcome["rejects"], outcome["total"]), file=sys.stderr)
        print(f"error: {outcome['refusal']}", file=sys.stderr)
        print(f"nothing was committed to {options.dataset_dir}", file=sys.stderr)
        if work_dir.has_dataset:  # It stays as it was, with nothing else in its folder.
            work_dir.remove()
        return 1
    dataset = open_dataset(options.dataset_dir)
    print(summary_text(options.dataset_dir, dataset.manifest, outcome))
    work_dir.remove()
    return 0
