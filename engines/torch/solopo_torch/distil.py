"""Self-distillation (OPSDL, arXiv 2604.17535): how far the policy's next token is from the teacher's, over the whole vocabulary.

Legend of shapes: N targets, n of a chunk, d hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .head import Head
from .models import LanguageModel
from .trees import TargetRows, Tree, pack, target_states


@dataclass(frozen=True)
class Teaching:
    """What a teacher says of a group's answers, as far as it is kept."""

    head: Head
    states: Tensor
    """[N, d]: its decoder's output where the answers' tokens are predicted."""

    def of(self, places: Sequence[int]) -> Teaching:
        """Of some of the tokens."""
        return Teaching(self.head, self.states[list(places)])


class Teacher:
    """The frozen reference on the short context: a model of its own or, where an adapter is trained, what is beneath it."""

    def __init__(self, model: LanguageModel, *, beneath: bool) -> None:
        self._model = model
        self._beneath = beneath

    @torch.no_grad()
    def teach(self, trees: Sequence[Tree]) -> Teaching:
        model = self._model
        with model.without_adapter() if self._beneath else nullcontext():
            batch = pack(model, trees, split=False)
            return Teaching(model.head, model.within(lambda: target_states(model, batch)))


class DivergenceRows:
    """Of a chunk's logits [n, V] the divergence KL(policy || teacher) of each row [n], and the statistics of its target.

    The teacher's logits of the same rows are made when the chunk's are, so that no two tables [N, V] are ever there.
    """

    def __init__(self, teaching: Teaching, tokens: Tensor) -> None:
        self._teaching = teaching
        self._statistics = TargetRows(tokens, statistics=True)

    def __call__(self, logits: Tensor, place: slice) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            logps, more = self._statistics(logits, place)
            theirs = self._teaching.head.logits(self._teaching.states[place]).float().log_softmax(-1)
        return _ReverseDivergence.apply(logits, theirs), {"logps": logps, **more}


class _ReverseDivergence(torch.autograd.Function):
    """KL = sum_v p_v (log p_v - log q_v), with dKL / dz_v = p_v (log p_v - log q_v - KL); log q is overwritten by that."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, theirs: Tensor) -> Tensor:
        own = logits.log_softmax(-1)
        difference = torch.sub(own, theirs, out=theirs)
        p = own.exp_()
        divergence = (p * difference).sum(-1)
        ctx.save_for_backward(difference.sub_(divergence[:, None]).mul_(p))
        return divergence

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * slopes[0][:, None], None
