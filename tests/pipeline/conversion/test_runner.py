"""Which runner a conversion gets, and what it sends to workers."""

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline.conversion.runner import make_runner


@pytest.mark.parametrize("flags", [[], ["--runner=DirectRunner"], ["--runner=direct"]])
def test_the_in_process_runner_never_is_one_that_downloads_itself(flags: list[str]) -> None:
    assert type(make_runner(PipelineOptions(flags))) is FnApiRunner


def test_other_runners_are_beams_own() -> None:
    assert isinstance(make_runner(PipelineOptions(["--runner=FlinkRunner"])), FlinkRunner)


@pytest.mark.parametrize(("flags", "sent"), [([], False), (["--save_main_session"], True)])
def test_main_is_not_sent_to_workers_unless_asked(flags: list[str], sent: bool) -> None:
    options = PipelineOptions(["--runner=FlinkRunner", *flags])
    make_runner(options)
    assert options.view_as(SetupOptions).save_main_session is sent
