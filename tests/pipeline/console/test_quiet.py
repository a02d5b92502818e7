"""TensorFlow starts without a word; only what trains nothing hides the GPU and leaves out Keras.

Matplotlib, which Keras would import for itself, is left out where no other code uses Keras.
"""

import os
import subprocess
import sys

import pytest

from pipeline.console import quiet

_SEEN = """
import os, sys, tensorflow as tf
tf.constant(1) + 1
print(os.environ.get("CUDA_VISIBLE_DEVICES"), *[x in sys.modules for x in ("keras", "matplotlib")])
import matplotlib
"""


def _python(code: str) -> tuple[str, str]:
    known = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA_", "TF_", "GRPC_"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=known
    )
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    ("given", "seen"),
    [("gpu=True", "None True False"), ("gpu=True, shared=True", "None True True")],
)
def test_tensorflow_starts_without_a_word_and_imports_of_the_trainer_have_no_side_effect(
    given: str, seen: str
) -> None:
    code = f"from pipeline.console import quiet; quiet.start({given})\n"
    # Whatever is imported later: the trainer imports Keras itself.
    code += f"import keras\n{_SEEN}\nbefore = dict(os.environ)\n"
    code += "import trainer.data.raw_batches\nimport pipeline.inspect.plan\n"
    assert _python(f"{code}print(os.environ == before)") == (f"{seen}\nTrue", "")


@pytest.mark.parametrize(("given", "expected"), [("", "1"), ("0", "0")])
def test_onednn_is_on_unless_the_user_says_otherwise(
    given: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"TF_ENABLE_ONEDNN_OPTS": given} if given else {}
    monkeypatch.setattr(os, "environ", environment)
    quiet.start(gpu=True)
    assert environment["TF_ENABLE_ONEDNN_OPTS"] == expected


def test_the_graph_of_a_conversion_starts_both_in_the_workers_of_any_runner() -> None:
    """Beam stays as silent as its workers have made it by then."""
    beam = "logging.getLogger('apache_beam')"
    code = f"import logging\n{beam}.setLevel(logging.CRITICAL)\nimport pipeline.conversion.job\n"
    code += f"print({beam}.level == logging.CRITICAL, end=' ')\n{_SEEN}"
    printed, warned = _python(code)
    assert printed == "True -1 False False"
    assert all("apitools" in line for line in warned.splitlines())  # Which Beam misses.
