"""Which runner a conversion gets, and what it sends to workers."""

import tempfile

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline.conversion.asked import COMMAND
from pipeline.conversion.runner import make_beam_options, make_runner
from tests.pipeline.conversions import Converter, write_recordings


@pytest.mark.parametrize("flags", [[], ["--runner=DirectRunner"], ["--runner", "direct"]])
def test_the_in_process_runner_never_is_one_that_downloads_itself(flags: list[str]) -> None:
    assert type(make_runner(make_beam_options(flags))) is FnApiRunner


def test_other_runners_are_beams_own_and_get_their_flags() -> None:
    flags = ["--runner=FlinkRunner", "--flink_master=host:1", "--parallelism=4"]
    required = ["--source=signals", "--input_dir=i", "--output_dir=o", "--name=n"]
    beam_args = COMMAND.parse([*required, *flags]).rest
    assert beam_args == flags
    options = make_beam_options(beam_args)
    assert options.get_all_options()["flink_master"] == "host:1"
    assert isinstance(make_runner(options), FlinkRunner)


@pytest.mark.parametrize(("flags", "sent"), [([], False), (["--save_main_session"], True)])
def test_main_is_not_sent_to_workers_unless_asked(flags: list[str], sent: bool) -> None:
    options = PipelineOptions(["--runner=FlinkRunner", *flags])
    make_runner(options)
    assert options.view_as(SetupOptions).save_main_session is sent


@pytest.mark.parametrize("flags", [["--dry_run"], ["--tail=pad"], ["--no_such_flag"]])
def test_what_does_not_run_leaves_no_folder_of_beam_behind(
    converter: Converter, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    write_recordings(converter.folders, 3)
    folder = converter.folders.output.parent / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    converter.run(*flags)
    assert not [*folder.glob("beam*")]
