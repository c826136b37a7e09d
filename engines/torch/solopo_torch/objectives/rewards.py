"""Rewards r(x, y) of the objectives and losses of their margins r_w - r_l, as differentiable scalars in double precision."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu

from .options import DpoOptions, Objective, PreferenceObjective
from .rows import RowName, Rows, reference_of, row_of

MAX_MEAN_LOGP = -1e-4
"""ORPO's mean log-probability is capped here: the slope 1 / (1 - p) has no bound as p -> 1."""


def reward_of(objective: Objective, rows: Rows, name: RowName) -> Tensor:
    """r(x, y) of the objective; DPO reads the row's own reference.

    dpo    beta (log pi - log pi_ref), of `ipo` the mean over the tokens   (arXiv 2305.18290, eq. 7; 2310.12036, eq. 17)
    simpo  beta / |y| log pi                                              (arXiv 2405.14734, eq. 6)
    orpo   log odds of the mean log pi                                    (arXiv 2403.07691, eqs. 4 to 7)
    sft, distil   the mean log pi, where held-out pairs are compared
    """
    row = row_of(rows, name)
    match objective["kind"]:
        case "dpo":
            slope = objective["beta"] / (row.tokens if objective["loss"] == "ipo" else 1)
            return slope * (row.policy - reference_of(rows, name))
        case "simpo":
            return objective["beta"] / row.tokens * row.policy
        case "orpo":
            mean = (row.policy / row.tokens).clamp(max=MAX_MEAN_LOGP)
            return mean - log1mexp(mean)
        case "sft" | "distil":
            return row.policy / row.tokens


def margin_loss(objective: PreferenceObjective, margin: Tensor) -> Tensor:
    """The preference loss of a margin r_w - r_l: for ORPO, without its likelihood."""
    match objective["kind"]:
        case "dpo":
            return _dpo_loss(objective, margin)
        case "simpo":
            return -logsigmoid(margin - objective["gamma"])
        case "orpo":
            return -objective["beta"] * logsigmoid(margin)


def _dpo_loss(objective: DpoOptions, margin: Tensor) -> Tensor:
    """sigmoid (e: label smoothing, "cDPO"), hinge (arXiv 2309.06657) and ipo, which regresses on a fixed target."""
    match objective["loss"]:
        case "sigmoid":
            e = objective["labelSmoothing"]
            return -(1 - e) * logsigmoid(margin) - e * logsigmoid(-margin)
        case "hinge":
            return relu(1 - margin)
        case "ipo":
            return ((margin - 0.5) / objective["beta"]) ** 2


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp x) for x < 0, with every digit at both ends (Mächler 2012)."""
    return torch.where(x > -math.log(2), torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))
