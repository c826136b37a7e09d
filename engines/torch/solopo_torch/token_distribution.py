"""What a row's next token is drawn from: libs/lm/src/token-distribution.ts, sum by sum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_BLOCK = 128
"""Sums are kept of so many neighbouring tokens."""
_BUCKET_BITS = np.uint32(16)
_BUCKETS = 0x3F81
"""Weights of a bucket agree in their sign, exponent and first 7 bits. A weight of 1 is in bucket 0x3f80."""
_FIRST = 512
"""So many likeliest tokens are looked at alone, where they reach top p: a vocabulary is large, and comes from a GPU."""

Weights = NDArray[np.float32]
Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """Tokens that can be drawn, in their order, with their probabilities at the temperature; of the others none is drawn."""

    tokens: Tokens
    weights: Weights
    total: float
    """Sum over all tokens."""
    greatest: float
    likeliest: float
    """The greatest probability at temperature 1."""


def candidates(logits: Tensor, temperature: float, top_p: float) -> list[Candidates]:
    """Of each row of logits [R, V]."""
    weights = (logits / temperature).softmax(-1)
    greatest = weights.amax(-1).tolist()
    likeliest = (logits.amax(-1) - logits.logsumexp(-1)).exp().tolist()
    totals = weights.double().sum(-1)
    first = weights.topk(min(_FIRST, weights.shape[1]), sorted=True)
    # Tokens as likely as the last of the first ones may stand among the others.
    above = first.values * (first.values > first.values[:, -1:])
    suffice = (above.double().sum(-1) > top_p * totals * (1 + 1e-9)).tolist() if top_p < 1 else [False] * len(weights)
    tokens, order = first.indices.sort(-1)
    few = tokens.cpu().numpy(), first.values.gather(1, order).cpu().numpy()
    made = []
    for row, enough in enumerate(suffice):
        own, others = (few[0][row], few[1][row]) if enough else _all(weights[row])
        made.append(Candidates(own, others, float(totals[row]), greatest[row], likeliest[row]))
    return made


def _all(weights: Tensor) -> tuple[Tokens, Weights]:
    return np.arange(len(weights)), weights.cpu().numpy()


def draw(of: Candidates, temperature: float, top_p: float, u: float) -> tuple[int, float]:
    """
    Inverse-CDF draw with `u`, uniform in [0, 1): the token and its log p under the model as it is, neither tempered nor cut.
    """
    weights = _top(of.weights, top_p * of.total) if top_p < 1 else of.weights
    filled = np.flatnonzero(weights)
    tokens, weights = of.tokens[filled], weights[filled].astype(np.float64)
    blocks = tokens // _BLOCK
    # bincount and cumsum add one by one, in order.
    before = np.concatenate([[0.0], np.cumsum(np.bincount(blocks, weights))])
    position = u * before[-1]
    block = int(np.searchsorted(before[1:], position, side="right"))
    first, end = np.searchsorted(blocks, [block, block + 1])
    reached = np.cumsum(np.concatenate([before[block : block + 1], weights[first:end]]))[1:]
    place = min(first + int(np.searchsorted(reached, position, side="right")), end - 1)
    # log p = logit - log sum exp logit = (logit - greatest logit) + log p of the likeliest.
    logp = temperature * math.log(float(weights[place]) / of.greatest) + math.log(of.likeliest)
    return int(tokens[place]), logp


def _top(weights: Weights, enough: float) -> Weights:
    """The greatest weights, which together reach `enough`, and 0 for the others; of equal ones the first stay."""
    # Floats that are not negative are ordered as their bits are.
    own = weights.view(np.uint32) >> _BUCKET_BITS
    fallen = np.cumsum(np.bincount(own, weights=weights, minlength=_BUCKETS)[::-1])
    passed = min(int(np.searchsorted(fallen, enough, side="left")), _BUCKETS - 1)
    kept = float(fallen[passed - 1]) if passed > 0 else 0.0
    bucket = _BUCKETS - 1 - passed
    # The cut goes through this bucket.
    cut = np.flatnonzero(own == bucket)
    cut = cut[np.argsort(-weights[cut], kind="stable")]
    reached = np.cumsum(np.concatenate([[kept], weights[cut].astype(np.float64)]))[:-1]
    left = np.where(own < bucket, np.float32(0), weights)
    left[cut[reached >= enough]] = 0
    return left
