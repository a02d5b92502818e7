"""Files in object stores do what local files do."""

import contextlib
import io
import random
import threading
import time
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.harness.object_stores import S3
from tfrecords_schema import storage
from tfrecords_schema.places import gfile, tries
from tfrecords_schema.places.store import Store
from tfrecords_schema.places.store_error import StoreError
from tfrecords_schema.places.store_files import StoreReader


def _told(action: Any, *args: Any) -> Any:
    try:
        return action(*args)
    except tf.errors.NotFoundError:
        return "not found"


def _done_in(folder: str) -> list[Any]:
    """What comes of the same operations in any folder."""
    a, log = f"{folder}/x/a", f"{folder}/x/log"
    said: list[Any] = [gfile.exists(a), gfile.isdir(folder), _told(gfile.stat, a), storage.read(a)]
    storage.make_folder(folder, "x")
    storage.atomic_write(a, b"first")
    storage.atomic_write(a, b"second")
    storage.append(log, "one\n")
    storage.append(log, "two\n")
    said += [storage.read(a), storage.read(log), gfile.stat(a).length]
    said += [gfile.exists(folder), gfile.isdir(f"{folder}/x"), gfile.isdir(a), gfile.exists(a)]
    said += [sorted(storage.names_in(f"{folder}/x")), storage.names_in(f"{folder}/nothing")]
    gfile.makedirs(f"{folder}/y/b")
    storage.atomic_write(f"{folder}/y/b/empty", b"")
    storage.replace_tree(f"{folder}/x", f"{folder}/y")
    found = sorted(gfile.files_below(folder))
    said += [[(one.path.removeprefix(folder), one.length) for one in found]]
    said += [abs(one.mtime_nsec / 1e9 - time.time()) < 100 for one in found]
    storage.remove(f"{folder}/y/a")
    said += [sorted(storage.names_in(f"{folder}/y")), _told(gfile.stat, f"{folder}/y/a")]
    storage.remove(f"{folder}/y")
    storage.remove(f"{folder}/y")
    return [*said, gfile.exists(f"{folder}/y")]


def test_a_store_does_what_a_local_folder_does(folder: str, tmp_path: Any) -> None:
    assert gfile.in_store(folder)
    assert not gfile.in_store(str(tmp_path))
    assert _done_in(folder) == _done_in(f"{tmp_path}/local")


def test_a_file_is_read_where_it_is_asked_for(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = np.random.default_rng(0).bytes(70_000)
    storage.atomic_write(f"{folder}/a", content)
    monkeypatch.setattr("tfrecords_schema.places.store_files._BLOCK_BYTES", 5_000)
    monkeypatch.setattr("tfrecords_schema.places.store_files._PIECE_BYTES", 30_000)
    with gfile.open_file(f"{folder}/a", "rb") as file:
        assert file.size() == len(content)
        assert file.read() == content
        plain = io.BytesIO(content)
        for offset, whence, count in [(5, 0, 3), (-9, 2, 99), (10, 0, 20_000), (7, 1, 1)]:
            assert file.seek(offset, whence) == plain.seek(offset, whence)
            assert file.read(count) == plain.read(count)
        assert file.seek(99_999) == len(content)  # Past the end is the end.
        with pytest.raises(OSError, match="before the start"):
            file.seek(-1)


def test_what_failed_within_a_block_is_not_written(folder: str) -> None:
    storage.atomic_write(f"{folder}/a", b"before")
    file = gfile.open_file(f"{folder}/a", "wb")
    file.write(b"half of")
    file.__exit__(KeyError, KeyError(), None)
    assert storage.read(f"{folder}/a") == b"before"


def test_what_tensorflow_writes_itself_is_sent_when_it_is_whole(folder: str) -> None:
    module = tf.Module()
    module.value = tf.Variable([1.0, 2.0])
    with gfile.written_by_tensorflow(f"{folder}/saved") as place:
        tf.saved_model.save(module, place)
        assert not gfile.exists(f"{folder}/saved")
    found = {one.path.removeprefix(f"{folder}/saved/") for one in gfile.files_below(folder)}
    assert {"saved_model.pb", "variables/variables.index"} <= found


def test_failing_requests_are_tried_again_but_not_for_ever(s3: S3) -> None:
    s3.failing = 0.3
    for number in range(8):
        storage.atomic_write(f"{s3.url}/tried/{number}", bytes([number]) * 9)
    assert [storage.read(f"{s3.url}/tried/{n}") for n in range(8)] == [
        bytes([n]) * 9 for n in range(8)
    ]
    assert s3.failed > 0
    s3.failing = 1.0
    with pytest.raises(StoreError, match=r"cannot be reached, 7 times over.*same command again"):
        storage.read(f"{s3.url}/tried/0")


def test_what_is_not_there_is_not_asked_for_again(s3: S3) -> None:
    asked = s3.asked
    with pytest.raises(tf.errors.NotFoundError):
        gfile.stat(f"{s3.url}/never")
    assert s3.asked - asked <= 3  # An object, then a folder of the name.
    with pytest.raises(tf.errors.NotFoundError, match="bucket"):
        storage.atomic_write("s3://no_such_bucket/a", b"")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("s3:///a", "expected the name of a bucket"),
        ("s3://bucket//a", "with one / between"),
        ("s3://bucket/../a", "lead nowhere"),
        ("s3://bucket/a/./b", "lead nowhere"),
        ("s3://bucket/a?versionId=1", "no name with"),
        ("s3://bucket/a?versionId=1/b", "no name with"),
        ("local:///tmp/a", "give the path alone"),
    ],
)
def test_a_name_that_clients_take_for_another_is_refused(path: str, why: str, s3: S3) -> None:
    asked = s3.asked
    for action in (
        storage.read, storage.names_in, storage.remove, gfile.exists, gfile.stat,
        lambda path: storage.atomic_write(path, b""), lambda path: [*gfile.files_below(path)],
    ):  # fmt: skip
        with pytest.raises(StoreError, match=why):
            action(path)
    assert s3.asked == asked


@pytest.mark.parametrize("name", ["a b#c?d+e&f", "%2e%2e", "...", "e\u0301", "-", "[*]", "a//b"])
def test_any_other_name_is_that_of_one_file(name: str, folder: str) -> None:
    storage.atomic_write(f"{folder}/{name}/x", b"one")
    storage.atomic_write(f"{folder}/{name}", b"both file and folder")
    storage.atomic_write(f"{folder}/beside", b"two")
    assert storage.read(f"{folder}/{name}/x") == b"one"
    assert storage.read(f"{folder}/{name}") == b"both file and folder"
    assert storage.names_in(f"{folder}/{name}") in ([], ["x"])
    gfile.rmtree(f"{folder}/{name}")
    assert storage.read(f"{folder}/{name}/x") is None
    storage.remove(f"{folder}/{name}")
    assert [one.path for one in gfile.files_below(folder)] == [f"{folder}/beside"]


def test_a_bucket_that_cannot_be_is_asked_for_once(s3: S3) -> None:
    with pytest.raises(StoreError, match=r"cannot be reached \(ParamValidationError: .*name"):
        storage.read("s3://key:secret@bucket/a")


def test_a_store_that_stopped_is_waited_for(s3: S3) -> None:
    storage.atomic_write(f"{s3.url}/stopped", b"kept")
    s3.stop()
    threading.Timer(0.2, s3.start).start()
    assert storage.read(f"{s3.url}/stopped") == b"kept"


def test_less_than_was_asked_for_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        answers: ClassVar = [b"012", b"0123456789"]

        def cat_file(self, path: str, *, start: int, end: int) -> bytes:
            return self.answers.pop(0)[start:end]

    client = Client()
    monkeypatch.setattr("fsspec.filesystem", lambda *_, **__: client)
    assert Store("memory").read("memory://a", 0, 10) == b"0123456789"
    assert not client.answers


def test_a_request_that_fails_changes_no_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        def cat_file(self, path: str, *, start: int, end: int) -> bytes:
            random.random()  # As clients do that wait for some time.
            return bytes(end if random.getrandbits(1) else 0)

    monkeypatch.setattr("fsspec.filesystem", lambda *_, **__: Client())
    monkeypatch.setattr(tries, "WAITS_SECS", (0.0,))
    random.seed(3)
    expected = random.random()
    random.seed(3)
    for _ in range(9):
        with contextlib.suppress(StoreError):
            Store("memory").read("memory://a", 0, 10)
    assert random.random() == expected


def test_a_library_cannot_keep_a_failure_to_itself(s3: S3) -> None:
    storage.atomic_write(f"{s3.url}/kept", b"0123456789")
    file = gfile.open_file(f"{s3.url}/kept", "rb")
    assert isinstance(file, StoreReader)
    s3.failing = 1.0
    with pytest.raises(StoreError):
        file.read()
    with pytest.raises(StoreError):
        file.require_answers()


def test_credentials_that_are_not_there_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentialsError(Exception):
        pass

    def fail() -> None:
        raise NoCredentialsError("Unable to locate credentials")

    monkeypatch.setattr(tries, "WAITS_SECS", (99.0,))
    with pytest.raises(StoreError, match=r"reached .NoCredentialsError: Unable to locate"):
        tries.tried("s3://a", fail)


def test_a_client_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(scheme: str) -> None:
        raise ImportError(f"Install {scheme}fs to access {scheme}")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(StoreError, match=r"Install s3fs.*pip install 'variable-length-training.s3"):
        Store("s3")


def test_a_scheme_that_nobody_knows_is_refused() -> None:
    with pytest.raises(StoreError, match=r"nonsense.*give a local path, s3:// or gs://"):
        gfile.exists("nonsense://a/b")
