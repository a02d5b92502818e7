"""Mutated npz, JPEG, PNG and JSON files: of their structure, and of any byte."""

import io
import json
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from PIL import Image

Random = np.random.Generator

_DTYPES = ("<f4", "<f8", ">f4", "<f2", "<i2", "<u8", "|b1", "|O", "<U3", "<U90000000", "|S2", "|V0",
           "<U0", "<c16", "<M8[ns]", "nonsense", "", "<f99", "|V4000000000")  # fmt: skip
_SHAPES = ("(5, 2)", "(5,)", "()", "(0, 2)", "(-1, 2)", "(1000000000000,)", "(99999999, 99999999)",
           "(0, 99999999999999999999)", "(2.0, 5)", "('a',)", "(True, 10)", "[5, 2]", "None", "5",
           "(" * 90, "(1,) * 10**9", "(" + "1," * 70 + ")", "((5,), 2)")  # fmt: skip
_KEYS = ("signal", "label", "subject", "", "../../up", "/etc/passwd", "\u202esignal", "a" * 5000,
         "x\ny", "signal.npy", "\x00")  # fmt: skip
_NUMBERS = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutate_bytes(content: bytes, rng: Random) -> bytes:
    """Flips, cuts, repeats, removes or overwrites a few places."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        if not data:
            break
        place = int(rng.integers(len(data)))
        # Headers and directories are at the ends.
        place = (
            place if rng.random() < 0.5 else (place % 64 if rng.random() < 0.5 else -place % 160)
        )
        place = min(place, len(data) - 1)
        length = int(rng.integers(1, 64))
        match rng.integers(6):
            case 0:
                data[place] ^= 1 << int(rng.integers(8))
            case 1:
                del data[place:]
            case 2:
                data[place:place] = data[place : place + length]
            case 3:
                del data[place : place + length]
            case 4:
                size = int(rng.choice([1, 2, 4, 8]))
                number = int(rng.choice(_NUMBERS)) % (1 << 8 * size)
                order: Any = rng.choice(["little", "big"])
                data[place : place + size] = number.to_bytes(size, order)
            case _:
                data[place : place + length] = rng.bytes(length)
    return bytes(data)


def good_arrays(rng: Random) -> dict[str, np.ndarray]:
    """A recording as most of a set are."""
    steps = int(rng.integers(4, 9))
    return {
        "signal": rng.standard_normal((steps, 2), np.float32),
        "label": rng.integers(0, 3, steps),
        "subject": np.array(f"s{rng.integers(9)}"),
    }


def npz(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An npz file of ready npy files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, member in members.items():
            archive.writestr(f"{name}.npy", member)
    return content.getvalue()


def npy(array: np.ndarray) -> bytes:
    """An npy file; Python objects are pickled, so that reading them would run what they say."""
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=True)
    return content.getvalue()


def mutate_npz(rng: Random) -> bytes:
    """A recording with another array, another header, another directory, or other bytes."""
    members = {name: npy(array) for name, array in good_arrays(rng).items()}
    kind = rng.integers(6)
    name = str(rng.choice(["signal", "label", "subject"]))
    if kind == 0:
        members[name] = npy(_odd_array(rng))
    elif kind == 1:
        members[name] = _odd_header(rng)
    elif kind == 2:
        members[str(rng.choice(_KEYS))] = members.pop(name)
    elif kind == 3:
        members[name] = mutate_bytes(members[name], rng)
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    content = npz(members, int(rng.choice(methods, p=[0.4, 0.4, 0.1, 0.1])))
    return mutate_bytes(content, rng) if kind >= 4 else content


def _odd_header(rng: Random) -> bytes:
    shape, dtype = str(rng.choice(_SHAPES)), str(rng.choice(_DTYPES))
    described = repr(dtype) if rng.random() < 0.8 else f"[('a', {dtype!r}), ('b', '<f4')]"
    text = f"{{'descr': {described}, 'fortran_order': {rng.random() < 0.5}, 'shape': {shape}}}"
    if rng.random() < 0.2:
        text = mutate_bytes(text.encode(), rng).decode("latin1")
    if rng.random() < 0.1:
        text = text + " " * int(rng.integers(70_000))
    version = int(rng.choice([1, 2, 3, 9], p=[0.6, 0.2, 0.1, 0.1]))
    data = text.encode("utf8", "replace") + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", min(len(data), 65535))
    return b"\x93NUMPY" + bytes([version, 0]) + size + data + rng.bytes(40)


def _odd_array(rng: Random) -> np.ndarray:
    choices: list[Any] = [
        np.array([[1], [2, 3]], object), np.full((5, 2), np.nan), np.full((5, 2), 1e300),
        np.array(2**63 + 5, np.uint64), np.arange(9000), np.array(["a\ud800", "b"]),
        np.array("x" * 5000), np.array([b"\xff\xfe", b"ok"]), np.zeros((0, 2)), np.zeros((5, 0)),
        np.ones((5, 2), complex), np.ones(5, "M8[s]"), np.ones((5, 2), bool), np.array("a\nb"),
        np.ones((2,) * 12), np.float16([6e4, -6e4]), np.array([[0.5]]), np.array(""),
        np.zeros((5, 2), [("a", "<f4"), ("b", "<i2")]), np.zeros(6_000_000, np.uint8),
        np.array(["wake", "sleep", "wake", "rem", "wake"]), np.int64([-(2**63), 2**63 - 1]),
    ]  # fmt: skip
    return choices[int(rng.integers(len(choices)))]


def good_image(rng: Random, kind: str, height: int = 12, width: int = 16) -> bytes:
    """A JPEG or PNG."""
    content = io.BytesIO()
    mode = str(rng.choice(["RGB", "L"]))
    pixels = rng.integers(0, 256, (height, width, 3) if mode == "RGB" else (height, width))
    options: dict[str, Any] = {"progressive": rng.random() < 0.3} if kind == "JPEG" else {}
    Image.fromarray(pixels.astype(np.uint8), mode).save(content, kind, **options)
    return content.getvalue()


def mutate_png(rng: Random) -> bytes:
    """A PNG with another header or another chunk, its checksums right, or other bytes."""
    content = good_image(rng, "PNG")
    if rng.random() < 0.5:
        return mutate_bytes(content, rng)
    chunks = _chunks(content)
    place = int(rng.integers(len(chunks)))
    name, data = chunks[place]
    match rng.integers(5):
        case 0:
            sizes = [int(rng.choice([0, 1, 12, 16, 65535, 2**31 - 1, 2**32 - 1])) for _ in "hw"]
            rest = bytes(rng.integers(0, 20, 5).astype(np.uint8))
            chunks[0] = (b"IHDR", struct.pack(">II", *sizes) + rest)
        case 1:
            chunks[place] = (name, mutate_bytes(data, rng))
        case 2:
            bomb = zlib.compress(bytes(50_000_000), 1)
            chunks.insert(1, (b"zTXt", b"a\0\0" + bomb))
        case 3:
            chunks = [chunk for chunk in chunks for _ in range(int(rng.integers(0, 3)))]
        case _:
            chunks[place] = (rng.bytes(4), data)
    return _png(chunks)


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        found.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += size + 12
    return found


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        content += struct.pack(">I", len(data)) + name + data + checksum
    return content


def mutate_jpeg(rng: Random) -> bytes:
    """A JPEG with another size, other segments, or other bytes."""
    content = good_image(rng, "JPEG")
    if rng.random() < 0.5:
        return mutate_bytes(content, rng)
    start = next(i for i in (content.find(b"\xff\xc0"), content.find(b"\xff\xc2")) if i > 0)
    match rng.integers(4):
        case 0:
            sizes = [int(rng.choice([0, 1, 12, 16, 8000, 65535])) for _ in "hw"]
            return content[: start + 5] + struct.pack(">HH", *sizes) + content[start + 9 :]
        case 1:
            marker = bytes([0xFF, int(rng.integers(0xC0, 0xFF))])
            size = int(rng.choice([0, 1, 2, 20, 65535]))
            return content[:2] + marker + struct.pack(">H", size) + rng.bytes(18) + content[2:]
        case 2:
            return content[:start] + content[start : start + 19] * 3 + content[start:]
        case _:
            return content[:-2] + mutate_bytes(content[start:], rng) + b"\xff\xd9"


def mutate_json(rng: Random) -> bytes:
    """An annotation with another value, another form of it, or other bytes."""
    good = {"velocity": [0.5, -1.5], "drive": "a", "text": "caf\u00e9"}
    kind = rng.integers(4)
    if kind == 0:
        return mutate_bytes(json.dumps([good]).encode(), rng)
    if kind == 1:
        choices = [
            b"[" * 1_000_000, b'{"velocity":' * 200_000, b"[" + b"[]," * 900_000 + b"[]]",
            b"\xef\xbb\xbf" + json.dumps(good).encode(), json.dumps(good).encode("utf-16"),
            b'{"velocity": ' + b"1" * 100_000 + b"}", b'{"velocity": [1e400, -1e400]}', b"",
            b'{"velocity": [NaN, Infinity]}', b'{"velocity": [0.5, 1], "velocity": "b"}',
            b'{"velocity": [0.5, 1], "drive": "\\ud800"}', b"null", b"\x00" * 100,
            b'{"velocity": [0.5, 1], "drive": ' + b"[" * 400 + b"]" * 400 + b"}",
        ]  # fmt: skip
        return choices[int(rng.integers(len(choices)))]
    value = _odd_value(rng, 3)
    return json.dumps({**good, str(rng.choice(["velocity", "drive"])): value}).encode()


def _odd_value(rng: Random, depth: int) -> Any:
    choices: list[Any] = [None, True, -1, 2**80, 1e308, "", "a\nb", "\ud800", "x" * 3000, [], {}]
    if depth and rng.random() < 0.5:
        inner = [_odd_value(rng, depth - 1) for _ in range(int(rng.integers(1, 4)))]
        return inner if rng.random() < 0.7 else {"a": inner}
    return choices[int(rng.integers(len(choices)))]
