import numpy as np
import pytest

from solopo_torch.philox import philox4x32, stream_floats, uniforms


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # The known answers that Random123 1.14 publishes (kat_vectors).
        ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers(counter: list[int], key: list[int], expected: list[int]) -> None:
    words = philox4x32(np.array([counter], dtype=np.uint64), np.array([key], dtype=np.uint64))
    assert words[0].tolist() == expected


def test_every_row_has_its_own_key() -> None:
    counters = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.uint64)
    keys = np.array([[9, 10], [11, 12]], dtype=np.uint64)
    together = uniforms(counters, keys)
    assert together.tolist() == [uniforms(counters[i : i + 1], keys[i : i + 1])[0] for i in range(2)]


def test_a_stream_is_the_one_of_the_other_engine() -> None:
    # libs/random/src/random.test.ts: what stored data and digests depend on.
    words = [3907053399, 2566253401, 4097817241, 4139712947, 2533982213]
    expected = [((high >> 5) * 2**26 + (low >> 6)) / 2**53 for high, low in (words[0:2], words[2:4])]
    assert stream_floats(2, "solopo", 0).tolist() == expected
    assert stream_floats(3, "solopo", 0)[:2].tolist() == expected
