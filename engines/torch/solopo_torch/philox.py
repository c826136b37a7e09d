"""
Random numbers that are the same in every language and on every machine: Philox4x32-10, the counter-based generator of Salmon, Moraes,
Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), and streams of it that are named by a key.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Words = NDArray[np.uint64]


def philox4x32(counters: Words, keys: Words) -> Words:
    """Of each counter [N, 4] of 32-bit words under its key [N, 2], or one key [1, 2] for all, four words [N, 4]."""
    c0, c1, c2, c3 = (counters[:, i] for i in range(4))
    k0, k1 = keys[:, 0], keys[:, 1]
    for _ in range(_ROUNDS):
        first, second = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (second >> _HALF) ^ c1 ^ k0,
            second & _LOW,
            (first >> _HALF) ^ c3 ^ k1,
            first & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return np.stack([c0, c1, c2, c3], 1)


def _floats(high: Words, low: Words) -> NDArray[np.float64]:
    """In [0, 1), in steps of 2^-53."""
    return ((high >> np.uint64(5)) * np.uint64(1 << 26) + (low >> np.uint64(6))).astype(np.float64) / float(1 << 53)


def uniforms(counters: Words, keys: Words) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), each of which depends on nothing but its counter [N, 4] and its key [N, 2]."""
    words = philox4x32(counters, keys)
    return _floats(words[:, 0], words[:, 1])


def stream_floats(count: int, *key: str | int) -> NDArray[np.float64]:
    """
    The first uniform numbers in [0, 1) of the stream that the key names: the first 128 bits of the SHA-256 of the key's JSON are, as
    four big-endian words, the Philox key (two) and the upper half of its counter (two); the lower half counts blocks of four words.
    """
    name = json.dumps(list(key), separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(name.encode()).digest()
    words = [int.from_bytes(digest[4 * i : 4 * i + 4], "big") for i in range(4)]
    blocks = np.arange((2 * count + 3) // 4, dtype=np.uint64)
    counters = np.empty((len(blocks), 4), dtype=np.uint64)
    counters[:, 0], counters[:, 1] = blocks & _LOW, blocks >> _HALF
    counters[:, 2], counters[:, 3] = words[2], words[3]
    drawn = philox4x32(counters, np.array([words[:2]], dtype=np.uint64)).reshape(-1)[: 2 * count]
    return _floats(drawn[0::2], drawn[1::2])
