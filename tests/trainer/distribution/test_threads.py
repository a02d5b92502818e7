"""Threads of an operation: one, where networks or processes fill the cores by themselves."""

import dataclasses
import subprocess
import sys

import pytest
import tensorflow as tf

from trainer.distribution import threads
from trainer.models.family import ChosenModel, families

_SWITCH = "TF_NUM_INTRAOP_THREADS"


@pytest.fixture
def machine(monkeypatch):
    """Two cores, no GPU, a TensorFlow that has computed nothing; the numbers that it is given."""
    given: list[int] = []
    monkeypatch.delenv(_SWITCH, raising=False)
    monkeypatch.setattr(threads, "_cores", lambda: 2)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    set_threads = "set_intra_op_parallelism_threads"
    monkeypatch.setattr(tf.config.threading, set_threads, given.append)
    return given


@pytest.mark.parametrize(("networks", "undivided"), [(1, False), (2, True), (3, True)])
def test_as_many_networks_as_cores_share_them(machine, networks, undivided):
    line = threads.share_cores(networks)
    assert machine == [1] * undivided
    assert bool(line) is undivided
    assert not line or f"{networks} networks side by side on 2 processor cores" in line


def test_one_core_needs_no_decision(machine, monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: 1)
    assert threads.share_cores(3) == ""
    assert threads.of_each_process(3) == {}
    assert machine == []


def test_what_the_user_has_set_stays(machine, monkeypatch):
    monkeypatch.setenv(_SWITCH, "2")
    assert threads.share_cores(3) == ""
    assert threads.of_each_process(3) == {}
    assert machine == []


def test_a_gpu_leaves_it_to_tensorflow(machine, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert threads.share_cores(3) == ""
    assert threads.of_each_process(3) == {}
    assert machine == []


def test_as_many_processes_as_cores_share_them(machine):
    assert threads.of_each_process(1) == {}
    assert threads.of_each_process(2) == {_SWITCH: "1"}


@pytest.mark.parametrize(
    ("name", "networks"),
    [("inception_time", 3), ("fcn", 3), ("conformer", 3), ("video", 1)],
)
def test_small_networks_of_a_model_are_counted(name, networks):
    family = families()[name]
    first, *others = (kind() for kind in family.options)
    several = dataclasses.replace(first, ensemble=3)
    assert ChosenModel(family, (several, *others)).side_by_side() == networks
    assert ChosenModel(family, (first, *others)).side_by_side() == 1


def test_a_model_of_one_network_is_one():
    family = families()["signal"]
    assert ChosenModel(family, tuple(kind() for kind in family.options)).side_by_side() == 1


def test_tensorflow_takes_it_until_it_computes():
    code = f"""
import os
os.environ.pop({_SWITCH!r}, None)
from pipeline.console import quiet
quiet.start(gpu=True)
import tensorflow as tf
from trainer.distribution import threads
threads._cores = lambda: 2
given = tf.config.threading.get_intra_op_parallelism_threads
if os.fork() == 0:
    tf.constant(1) + 1
    print([threads.share_cores(2), given()], flush=True)
    os._exit(0)
os.wait()
print([threads.share_cores(2)[:26], given()])
assert int(tf.constant(1) + 1) == 2
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines() == ["['', 0]", "['one thread for each operat', 1]"]
