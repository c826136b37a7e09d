"""What a row's next token is drawn from: libs/lm/src/token-distribution.ts, sum by sum."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_BLOCK = 128
"""Sums are kept of so many neighbouring tokens."""
_BUCKET_BITS = np.uint32(16)
_BUCKETS = 0x3F81
"""Weights of a bucket agree in their sign, exponent and first 7 bits. A weight of 1 is in bucket 0x3f80."""

Weights = NDArray[np.float32]


def draw(weights: Weights, likeliest: float, temperature: float, top_p: float, u: float) -> tuple[int, float]:
    """
    Inverse-CDF draw with `u`, uniform in [0, 1): the token and its log p under the model as it is, neither tempered nor cut.

    `weights` [V] are each token's probability at the temperature, and are changed; `likeliest` is the greatest probability at
    temperature 1.
    """
    greatest = float(weights.max())
    if top_p < 1:
        _keep_top(weights, top_p)
    ends = np.arange(_BLOCK, len(weights) + _BLOCK, _BLOCK)
    padded = np.zeros(len(ends) * _BLOCK)
    padded[: len(weights)] = weights
    # cumsum adds one by one, in order.
    before = np.concatenate([[0.0], np.cumsum(np.cumsum(padded.reshape(-1, _BLOCK), 1)[:, -1])])
    position = u * before[-1]
    block = min(int(np.searchsorted(before[1:], position, side="right")), len(ends) - 1)
    own = weights[block * _BLOCK : (block + 1) * _BLOCK]
    filled = np.flatnonzero(own)
    reached = np.cumsum(np.concatenate([[before[block]], own[filled].astype(np.float64)]))[1:]
    token = block * _BLOCK + int(filled[min(int(np.searchsorted(reached, position, side="right")), len(filled) - 1)])
    # log p = logit - log sum exp logit = (logit - greatest logit) + log p of the likeliest.
    return token, temperature * math.log(float(weights[token]) / greatest) + math.log(likeliest)


def _keep_top(weights: Weights, top_p: float) -> None:
    """Sets all but the greatest weights, which together reach the part `top_p` of their sum, to 0; of equal ones the first stay."""
    # Floats that are not negative are ordered as their bits are.
    own = weights.view(np.uint32) >> _BUCKET_BITS
    sums = np.bincount(own, weights=weights, minlength=_BUCKETS)
    enough = top_p * float(np.cumsum(weights, dtype=np.float64)[-1])
    fallen = np.cumsum(sums[::-1])
    passed = min(int(np.searchsorted(fallen, enough, side="left")), _BUCKETS - 1)
    kept = float(fallen[passed - 1]) if passed > 0 else 0.0
    bucket = _BUCKETS - 1 - passed
    # The cut goes through this bucket.
    cut = np.flatnonzero(own == bucket)
    cut = cut[np.argsort(-weights[cut], kind="stable")]
    reached = np.cumsum(np.concatenate([[kept], weights[cut].astype(np.float64)]))[:-1]
    weights[own < bucket] = 0
    weights[cut[reached >= enough]] = 0
