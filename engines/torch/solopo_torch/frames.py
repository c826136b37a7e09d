"""
Messages of a pipe (docs/engine-protocol.md): two lengths (32 bits, little-endian), then so many bytes of JSON and so many of arrays. In
the JSON an array of numbers is {"$array": [dtype, byteOffset, length]}, a place in the second part.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

import numpy as np

_HEADER = struct.Struct("<II")
_ALIGNMENT = 8
_MAX_BYTES = 2**32 - 1
_MAX_JSON_BYTES = 2**29
_DTYPES: dict[str, Any] = {"int32": np.dtype("<i4"), "float32": np.dtype("<f4"), "float64": np.dtype("<f8")}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


class FrameError(Exception):
    """The bytes are no frame, or the value does not fit in one."""


def write_frame(stream: BinaryIO, message: Any) -> None:
    """Raises FrameError for what the other side could not read as it was."""
    parts: list[bytes] = []
    size = 0

    def place(value: Any) -> Any:
        nonlocal size
        if isinstance(value, np.generic):
            return value.item()
        if not isinstance(value, np.ndarray):
            raise FrameError(f"{type(value).__name__} has no place in a message")
        name = _NAMES.get(value.dtype.newbyteorder("<"))
        if name is None:
            raise FrameError(f"an array of {value.dtype} has no place in a message")
        start = size
        data = np.ascontiguousarray(value, dtype=_DTYPES[name]).tobytes()
        padding = bytes(-len(data) % _ALIGNMENT)
        parts.extend((data, padding))
        size += len(data) + len(padding)
        return {"$array": [name, start, value.size]}

    try:
        text = json.dumps(message, default=place, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise FrameError(f"a number is not finite, which JSON does not have: {error}") from error
    if len(text) > _MAX_JSON_BYTES or size > _MAX_BYTES:
        raise FrameError("the message has more than 512 MiB of JSON or 4 GiB of arrays; ask for less at a time")
    stream.write(b"".join((_HEADER.pack(len(text), size), text, *parts)))
    stream.flush()


def read_frame(stream: BinaryIO) -> Any:
    """
    The next message; None at the end of the stream. Arrays are the message's own memory and may be written to.

    Raises FrameError where the bytes are no frames.
    """
    header = stream.read(_HEADER.size)
    if not header:
        return None
    if len(header) < _HEADER.size:
        raise FrameError("the stream ends within a message")
    length, size = _HEADER.unpack(header)
    if length > _MAX_JSON_BYTES:
        raise FrameError(f"a message of {length} bytes of JSON is none")
    text, binary = stream.read(length), bytearray(stream.read(size))
    if len(text) < length or len(binary) < size:
        raise FrameError("the stream ends within a message")

    def placed(value: dict[str, Any]) -> Any:
        if "$array" not in value:
            return value
        dtype, start, count = value["$array"]
        if dtype not in _DTYPES:
            raise FrameError(f"an array is of {dtype}, not of {', '.join(_DTYPES)}")
        if start + count * _DTYPES[dtype].itemsize > size:
            raise FrameError(f"an array of {count} at {start} is outside its message")
        return np.frombuffer(binary, _DTYPES[dtype], count, start)

    try:
        return json.loads(text, object_hook=placed)
    except ValueError as error:
        raise FrameError(f"a message is no JSON: {error}") from error
