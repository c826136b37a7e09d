"""Metrics of a step from those of its pairs and responses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ResponseStatistics:
    """What one response's tokens add up to."""

    tokens: int
    logp: float
    """log pi(y | x)"""
    hits: float
    """Tokens that were the most likely ones."""
    entropy: float
    """Sum of the predicted distributions' entropies, in nats."""
    mean_logit: float
    """Sum of the logits' means over the vocabulary."""


def mean_metrics(pairs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means, of each metric over the pairs that have it, and the 95th percentile (nearest rank) of the absolute gap."""
    names = dict.fromkeys(name for pair in pairs for name in pair)
    values = {name: [pair[name] for pair in pairs if name in pair] for name in names}
    means = {name: _sum(of) / len(of) for name, of in values.items()}
    gaps = sorted(values.get("solo/gap_abs", ()))
    if gaps:
        means["solo/gap_p95"] = gaps[math.ceil(0.95 * len(gaps)) - 1]
    return means


def token_metrics(chosen: Sequence[ResponseStatistics], rejected: Sequence[ResponseStatistics]) -> dict[str, float]:
    """TRL's `logits/*`, `entropy` (of both responses) and `mean_token_accuracy` (of the chosen one): means over all tokens."""
    metrics = {"logits/chosen": _per_token(chosen, "mean_logit")}
    if rejected:
        metrics["logits/rejected"] = _per_token(rejected, "mean_logit")
    metrics["entropy"] = _per_token([*chosen, *rejected], "entropy")
    metrics["mean_token_accuracy"] = _per_token(chosen, "hits")
    return metrics


def _per_token(responses: Sequence[ResponseStatistics], name: str) -> float:
    return _sum([getattr(response, name) for response in responses]) / sum(response.tokens for response in responses)


def _sum(values: Sequence[float]) -> float:
    """One after another, as the other engine adds: `sum` of Python 3.12 compensates."""
    total = 0.0
    for value in values:
        total += value
    return total
