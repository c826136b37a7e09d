import io
import json
import struct

import numpy as np
import pytest

from solopo_torch.frames import FrameError, read_frame, write_frame


def test_a_message_is_read_as_it_was_written() -> None:
    stream = io.BytesIO()
    message = {
        "id": 3,
        "text": "größer",
        "rows": [{"tokens": np.arange(3, dtype=np.int32)}, {"tokens": np.zeros(0, dtype=np.int32)}],
        "logps": [[np.array([0.5, -1], dtype=np.float32)]],
        "sums": np.array([1e300]),
    }
    write_frame(stream, message)
    write_frame(stream, {"id": 4})
    stream.seek(0)
    found = read_frame(stream)
    assert found["id"] == 3
    assert found["text"] == "größer"
    for array, expected in (
        (found["rows"][0]["tokens"], message["rows"][0]["tokens"]),  # type: ignore[index]
        (found["rows"][1]["tokens"], message["rows"][1]["tokens"]),  # type: ignore[index]
        (found["logps"][0][0], message["logps"][0][0]),  # type: ignore[index]
        (found["sums"], message["sums"]),
    ):
        assert array.dtype == expected.dtype
        assert array.tolist() == expected.tolist()
    assert read_frame(stream) == {"id": 4}
    assert read_frame(stream) is None


def test_arrays_begin_at_multiples_of_eight_bytes() -> None:
    stream = io.BytesIO()
    write_frame(stream, [np.ones(3, dtype=np.float32), np.ones(1, dtype=np.int32), np.ones(2)])
    length, size = struct.unpack("<II", stream.getvalue()[:8])
    assert json.loads(stream.getvalue()[8 : 8 + length]) == [
        {"$array": ["float32", 0, 3]},
        {"$array": ["int32", 16, 1]},
        {"$array": ["float64", 24, 2]},
    ]
    assert size == 40


@pytest.mark.parametrize(
    ("value", "told"),
    [(float("nan"), "not finite"), (np.ones(1, dtype=np.int64), "int64"), ({1, 2}, "set")],
)
def test_what_has_no_place_in_a_message_is_told(value: object, told: str) -> None:
    with pytest.raises(FrameError, match=told):
        write_frame(io.BytesIO(), {"value": value})


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (b"\x02\x00\x00", "ends within"),
        (b"Loading the model ...", "is none"),
        (struct.pack("<II", 9, 0) + b"{}", "ends within"),
        (struct.pack("<II", 2, 0) + b"}{", "no JSON"),
        (struct.pack("<II", 27, 8) + b'{"$array": ["int8", 0, 123]}'[:27] + bytes(8), "no JSON"),
        (struct.pack("<II", 26, 0) + b'{"$array":["float32",0,1]}', "outside"),
        (struct.pack("<II", 23, 8) + b'{"$array":["int8",0,1]}' + bytes(8), "int8"),
    ],
)
def test_what_is_no_frame_is_told(frame: bytes, told: str) -> None:
    with pytest.raises(FrameError, match=told):
        read_frame(io.BytesIO(frame))
