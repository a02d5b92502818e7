"""A pipeline for Beam's flags; its in-process runner by its own name, with quiet workers.

`DirectRunner` tries Prism first (Beam 2.77), which downloads a binary at run time and ignores
--direct_num_workers. Every other runner is Beam's affair.
"""

import logging
import sys
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import (
    ExtendedProvisionInfo,
    FnApiRunner,
)
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineRunner, create_runner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from pipeline.console.command import with_help
from pipeline.console.errors import UsageError
from pipeline.console.near_misses import near_flag, nearest
from pipeline.conversion.asked import COMMAND

_IN_PROCESS = ("", "direct", "directrunner", "fnapi", "fnapirunner")
_WORKER_COMMAND = f"{sys.executable} -m pipeline.conversion.worker"


def _is_in_process(options: PipelineOptions) -> bool:
    """Whether the conversion runs in this process, and worker processes that it starts."""
    return (options.view_as(StandardOptions).runner or "").lower() in _IN_PROCESS


def make_pipeline(beam_args: Sequence[str]) -> beam.Pipeline:
    """An empty pipeline, as Beam's flags have it.

    Raises:
      UsageError: if they make no sense.
    """
    options = make_beam_options(beam_args)
    return beam.Pipeline(runner=make_runner(options), options=options)


def make_beam_options(beam_args: Sequence[str]) -> PipelineOptions:
    """Beam's options.

    Raises:
      UsageError: if an argument is no flag of ours, nor one that Beam knows; a runner elsewhere may
        know more, and only near misses of our flags are refused for it.
    """
    options = PipelineOptions(list(beam_args))
    unknown: list[str] = []
    beams = options.get_all_options(
        add_extra_args_fn=lambda parser: unknown.extend(parser.parse_known_args(beam_args)[1])
    )
    message = near_flag(unknown, COMMAND.flags())
    if not message and unknown and _is_in_process(options):
        message = near_flag(unknown, [f"--{name}" for name in beams])
        message = message or f"unknown argument {unknown[0]}; flags are given as --name=value"
    if message:
        raise UsageError(with_help(message, COMMAND.prog))
    return options


def make_runner(options: PipelineOptions) -> PipelineRunner:
    """The runner that `--runner` names; without one, the in-process runner.

    Args:
      options: Beam's options. For worker processes of the in-process runner,
        `direct_running_mode` is set back, as they get a command of their own; and nothing of
        `__main__` is sent to workers, as nothing of the job is in it.

    Raises:
      UsageError: if there is no such runner.
    """
    setup = options.view_as(SetupOptions)
    if setup.save_main_session is None:
        setup.save_main_session = False
    if _is_in_process(options):
        # What fails is raised here; Beam would show it besides.
        logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)
        level = options.view_as(WorkerOptions)
        if level.default_sdk_harness_log_level is None:
            level.default_sdk_harness_log_level = "ERROR"
        return FnApiRunner(_environment(options), provision_info=_provision(options))
    name = options.view_as(StandardOptions).runner
    try:
        return create_runner(name)
    except ValueError:
        near = nearest(name, StandardOptions.KNOWN_RUNNER_NAMES)
        hint = f"did you mean {near}?" if near else "expected one such as FlinkRunner"
        problem = f"Beam has no such runner; {hint}"
    except (ImportError, AttributeError) as error:
        problem = str(error)
    raise UsageError(with_help(f"--runner={name}: {problem}", COMMAND.prog))


def _environment(options: PipelineOptions) -> SubprocessSDKEnvironment | None:
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "multi_processing":
        return None
    # Otherwise the runner would replace the environment by Beam's own worker command.
    direct.direct_running_mode = "in_memory"
    return SubprocessSDKEnvironment.from_command_string(_WORKER_COMMAND)


def _provision(options: PipelineOptions) -> ExtendedProvisionInfo:
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    return ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded))
