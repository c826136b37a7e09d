"""SoLo-RA, the short-to-long reward alignment (SoLoPO, arXiv 2505.11166)."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from .options import AlignmentOptions, Objective
from .rewards import reward_of
from .rows import Rows, reference_of, row_of

Metrics: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class AlignedResponse:
    loss: Tensor
    short: float
    """r(x_short, y)"""
    long: float
    """r(x_long, y)"""


def align_response(objective: Objective, options: AlignmentOptions, rows: Rows, response: str) -> AlignedResponse:
    """L_RA = alpha / p D(r(x_short, y) - r(x_long, y)) of one response.

    - `reference: shared` (DPO): both rewards take log pi_ref(y | x_short); `per-context`: each its own.
    - `sides: one` punishes only what makes the long margin smaller: r_short,w > r_long,w, and r_long,l > r_short,l.
    - `detach: short` stops the gradient through the short reward.
    - `deadZone`: where |gap| <= deadZone * |dr / d log pi| * tokens the term is 0, and so is its slope: rounding alone would
      decide its sign.
    """
    short_name, long_name = f"short{response}", f"long{response}"
    short_row, long_row = row_of(rows, short_name), row_of(rows, long_name)
    if objective["kind"] == "dpo" and options["reference"] == "shared":
        # The long row is measured from where the short one is.
        long_row = replace(long_row, reference=reference_of(rows, short_name))
    rewards = [
        reward_of(objective, {name: row}, name) for name, row in ((short_name, short_row), (long_name, long_row))
    ]
    # Rewards may differ in slope (ORPO): the steeper one's rounding is the larger.
    steepest = max(
        torch.autograd.grad(reward, row.policy, retain_graph=True)[0].item()
        for reward, row in zip(rewards, (short_row, long_row), strict=True)
    )
    short, long = rewards
    gap = (short.detach() if options["detach"] == "short" else short) - long
    harm = gap.item() if response == "Chosen" else -gap.item()
    silent = abs(gap.item()) <= options["deadZone"] * steepest * short_row.tokens or (
        options["sides"] == "one" and harm <= 0
    )
    loss = gap * 0 if silent else options["alpha"] / options["fraction"] * _distance(options, gap)
    return AlignedResponse(loss, short.item(), long.item())


def alignment_metrics(objective: Objective, options: AlignmentOptions, rows: Rows) -> Metrics:
    """The chosen response's alignment in figures."""
    aligned = align_response(objective, options, rows, "Chosen")
    gap = aligned.short - aligned.long
    short, long = (row_of(rows, name) for name in ("shortChosen", "longChosen"))
    short_mean, long_mean = short.value / short.tokens, long.value / long.tokens
    return {
        "solo/r_short_chosen": aligned.short,
        "solo/r_long_chosen": aligned.long,
        "solo/gap_abs": abs(gap),
        "solo/gap_signed": gap,
        "solo/logp_short_per_token": short_mean,
        "solo/logp_long_per_token": long_mean,
        "solo/logp_gap_per_token": short_mean - long_mean,
    }


def _distance(options: AlignmentOptions, gap: Tensor) -> Tensor:
    match options["distance"]:
        case "absolute":
            return gap.abs()
        case "squared":
            return gap**2
        case "smooth-l1":
            return smooth_l1_loss(gap, torch.zeros_like(gap))
