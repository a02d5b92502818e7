"""Frames below other frames: which of the folders is the sample cannot be known."""

import pytest

from tests.pipeline.batches.test_frames_batches import encoded_image
from tests.pipeline.conversions import Converter, Folders, read_records, rejects
from tests.pipeline.sources.kinds.test_image_folders import convert, write_sample
from trainer.data.raw_batches import RawFolder

_JPEG = encoded_image(1)
_BELOW = "its frames are below '{}', which has some, too; a sample is one folder; move or remove"


@pytest.mark.parametrize("thumbs", ["thumbs", "thumbs/imgs"])
def test_of_frames_in_and_below_a_folder_neither_is_a_sample(
    folders: Folders, converter: Converter, thumbs: str
) -> None:
    (folders.inputs / "overview.jpg").write_bytes(_JPEG)  # The input folder is never a sample.
    for number in range(3):
        write_sample(folders.inputs / f"a/s{number}", {"0.jpg": _JPEG, "1.jpg": _JPEG})
    write_sample(folders.inputs / "a/s0" / thumbs, {"0.jpg": _JPEG})
    dataset = convert(converter, "--max_rejected_fraction=0.6")
    found = {reject["path"]: reject["reason"] for reject in rejects(dataset)}
    assert "directly in --input_dir; give every sample a folder" in found.pop(".")
    assert f"frames both in it and in folders below it ({thumbs})" in found.pop("a/s0")
    assert _BELOW.format("a/s0") in found.pop("a/s0/thumbs")
    assert not found
    assert sorted(read_records(dataset)) == ["a/s1", "a/s2"]
    assert dataset.schema.label is not None
    assert dataset.schema.label.class_names == ("a",)


def test_frames_below_a_sample_with_imgs_are_no_sample(
    folders: Folders, converter: Converter
) -> None:
    write_sample(folders.inputs / "a/s0", {"imgs/0.jpg": _JPEG, "thumbs/0.jpg": _JPEG})
    dataset = convert(converter, "--max_rejected_fraction=0.5")
    (reject,) = rejects(dataset)
    assert reject["path"] == "a/s0/thumbs"
    assert _BELOW.format("a/s0") in reject["reason"]
    assert list(read_records(dataset)) == ["a/s0"]
    raw = RawFolder(str(folders.inputs), dataset.schema.input, dataset.manifest.options)
    assert raw.paths == ["a/s0"]
    assert raw.rejects == [(reject["path"], reject["reason"])]
