"""The echo problem, three ways, from generated recordings to trained models, as published.

    python -m benchmarks.results.echo WORK_DIR

Prints what each flagfile's model answers, its parameters, and the seconds of the training.
"""

import json
import subprocess
import sys
import time

from tfrecords_schema.names import join

_KINDS = {
    "one_to_one": "record_value",
    "many_to_one": "record_value",
    "many_to_many": "step_value",
}


def main(work_dir: str) -> None:
    """Generates, converts and trains below `work_dir`, which is new or empty."""
    _python("-m", "pipeline.generate", "echo", f"--output_dir={join(work_dir, 'echo')}")
    print(f"{'flagfile':<20} {'parameters':>10} {'secs':>6}  answer")
    for problem, kind in _KINDS.items():
        _python(
            "-m", "pipeline", "--source=signals", f"--input_dir={join(work_dir, 'echo', problem)}",
            f"--output_dir={join(work_dir, 'datasets')}", f"--name=echo_{problem}",
            f"--label_kind={kind}", "--splits=train=1",
        )  # fmt: skip
        run_dir = join(work_dir, "runs", problem)
        started = time.monotonic()
        output = _python(
            "-m", "trainer", f"--flagfile=trainer/configs/echo_{problem}.flags",
            f"--dataset={join(work_dir, 'datasets', f'echo_{problem}', '1.0.0')}",
            f"--run_dir={run_dir}", "--noreport",
        )  # fmt: skip
        secs = time.monotonic() - started
        with open(join(run_dir, "versions.json")) as file:
            parameters = json.load(file)["parameters"]
        answer = output.split("predicted values: ")[1].splitlines()[0]
        print(f"{'echo_' + problem:<20} {parameters:>10} {secs:>6.0f}  {answer}", flush=True)


def _python(*arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return result.stdout


if __name__ == "__main__":
    main(sys.argv[1])
