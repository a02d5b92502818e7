"""JPEG files of many scans: a few bytes that take minutes to decode."""

import io

import pytest
from PIL import Image

from pipeline.console.errors import RejectedInputError
from pipeline.sources.frames.decoding import decode_checked
from pipeline.sources.frames.header import read_image_header


@pytest.fixture(scope="module")
def progressive() -> bytes:
    content = io.BytesIO()
    Image.linear_gradient("L").save(content, "JPEG", progressive=True)
    return content.getvalue()


def test_a_progressive_picture_is_decoded(progressive):
    header = read_image_header(io.BytesIO(progressive))
    assert progressive.count(b"\xff\xda") > 3
    assert decode_checked(progressive, header).shape == (256, 256, 3)


def test_a_picture_of_a_thousand_scans_is_refused_undecoded(progressive, monkeypatch):
    start, end = progressive.rindex(b"\xff\xda"), progressive.rindex(b"\xff\xd9")
    bomb = progressive[:end] + progressive[start:end] * 1000 + progressive[end:]
    monkeypatch.setattr("pipeline.sources.frames.decoding.decode_frame", None)
    with pytest.raises(RejectedInputError, match=r"a JPEG of 100\d scans, each of which goes"):
        decode_checked(bomb, read_image_header(io.BytesIO(bomb)))
