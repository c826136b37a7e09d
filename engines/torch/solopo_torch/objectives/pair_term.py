"""What one pair contributes to the loss, and to what is logged."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from .alignment import align_response, alignment_metrics
from .options import Context, Objective, ObjectiveOptions, PreferenceObjective
from .reads import aligned_responses, trained_context
from .rewards import margin_loss, reward_of
from .rows import RowName, Rows, divergence_of, reference_of, row_of


@dataclass(frozen=True)
class PairTerm:
    """Values, and the derivative of the loss with respect to each row's summed log-probability; where the objective distils, with
    respect to its summed divergence from the teacher."""

    loss: float
    """L_PO + L_RA"""
    gradients: Mapping[RowName, float]
    metrics: Mapping[str, float]

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.loss)


def pair_term(options: ObjectiveOptions, rows: Rows, aligned: bool = True) -> PairTerm:
    """The loss of one pair. Metric names are TRL's; `solo/*` are the alignment's own.

    `aligned`: whether the pair is of the aligned fraction.
    """
    objective = options["objective"]
    loss, metrics = _context_loss(objective, rows, trained_context(options))
    metrics["solo/loss_po"] = loss.item()
    responses = aligned_responses(options["arm"])
    if responses:
        alignment = loss.new_zeros(())
        for response in responses if aligned else ():
            alignment = alignment + align_response(objective, options["alignment"], rows, response).loss
        metrics["solo/loss_ra"] = alignment.item()
        if aligned:
            metrics |= alignment_metrics(objective, options["alignment"], rows)
        loss = loss + alignment
    return PairTerm(loss.item(), _gradients(loss, rows), metrics)


def _gradients(loss: Tensor, rows: Rows) -> dict[RowName, float]:
    sums = {name: row.policy if row.kl is None else row.kl for name, row in rows.items()}
    slopes = torch.autograd.grad(loss, list(sums.values()), allow_unused=True)
    return {name: slope.item() for name, slope in zip(sums, slopes, strict=True) if slope is not None}


def _context_loss(objective: Objective, rows: Rows, context: Context) -> tuple[Tensor, dict[str, float]]:
    """The objective under one context, without alignment."""
    chosen, rejected = f"{context}Chosen", f"{context}Rejected"
    if objective["kind"] == "sft":
        loss = _negative_log_likelihood(rows, [chosen])
        return loss, {"logps/chosen": row_of(rows, chosen).value, "nll_loss": loss.item()}
    if objective["kind"] == "distil":
        loss = divergence_of(rows, chosen) / row_of(rows, chosen).tokens
        return loss, {"logps/chosen": row_of(rows, chosen).value, "kl": loss.item()}
    margin = reward_of(objective, rows, chosen) - reward_of(objective, rows, rejected)
    loss = margin_loss(objective, margin)
    metrics = _preference_metrics(objective, rows, chosen, rejected)
    if objective["kind"] == "orpo":
        read = [f"{context}Prompt", chosen] if objective["nll"] == "all" else [chosen]
        likelihood = _negative_log_likelihood(rows, read)
        loss = loss + objective["nllWeight"] * likelihood
        # As TRL names them: the logarithm of the sigmoid, and its argument.
        metrics["nll_loss"] = likelihood.item()
        metrics["log_odds_ratio"] = logsigmoid(margin).item()
        metrics["log_odds_chosen"] = margin.item()
    return loss, metrics


def _negative_log_likelihood(rows: Rows, names: list[RowName]) -> Tensor:
    """Of some rows together, per token."""
    read = [row_of(rows, name) for name in names]
    return -torch.stack([row.policy for row in read]).sum() / sum(row.tokens for row in read)


def _preference_metrics(
    objective: PreferenceObjective, rows: Rows, chosen: RowName, rejected: RowName
) -> dict[str, float]:
    """As TRL prints them: `logps` are sums for DPO, means over the tokens for SimPO and ORPO, and `rewards` are beta times
    them, for DPO beta times what they are above the reference's. The objective's own rewards are `solo/r_*`."""

    def logp(name: RowName) -> float:
        row = row_of(rows, name)
        return row.value if objective["kind"] == "dpo" else row.value / row.tokens

    def reward(name: RowName) -> float:
        reference = reference_of(rows, name) if objective["kind"] == "dpo" else 0.0
        return objective["beta"] * (logp(name) - reference)

    return {
        "rewards/chosen": reward(chosen),
        "rewards/rejected": reward(rejected),
        "rewards/margins": reward(chosen) - reward(rejected),
        "rewards/accuracies": float(reward(chosen) > reward(rejected)),
        "logps/chosen": logp(chosen),
        "logps/rejected": logp(rejected),
    }
