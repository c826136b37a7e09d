"""
A sequence over several ranks (DeepSpeed-Ulysses, arXiv 2309.14509): each has some of the columns for everything that is done token by
token; for attention, each has all columns of some of the heads.

Legend of shapes: B rows, H heads, T columns, S ranks, t = T / S, D head size.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .ranks import Ranks


class Split:
    """How the ranks that share sequences divide them."""

    def __init__(self, ranks: Ranks) -> None:
        self.parts = ranks.sequence_ranks
        self.part = ranks.sequence_rank
        self._group = ranks.groups.sequence

    def columns_of(self, tensor: Tensor) -> Tensor:
        """This rank's columns: [B, T] -> [B, t]."""
        size = tensor.shape[1] // self.parts
        return tensor[:, self.part * size : (self.part + 1) * size]

    def has_column(self, column: int, columns: int) -> bool:
        return column // (columns // self.parts) == self.part

    def own_heads(self, vector: Tensor) -> Tensor:
        """[H] -> [H / S]."""
        return vector.tensor_split(self.parts)[self.part]

    def by_heads(self, tensor: Tensor) -> Tensor:
        """[B, H, t, D] of all heads -> [B, H / S, T, D] of this rank's."""
        rows, heads, columns, size = tensor.shape
        sent = tensor.reshape(rows, self.parts, heads // self.parts, columns, size).movedim(1, 0)
        got = _exchanged(sent, self._group)
        return got.movedim(0, 2).reshape(rows, heads // self.parts, self.parts * columns, size)

    def by_columns(self, tensor: Tensor) -> Tensor:
        """[B, H / S, T, D] of this rank's heads -> [B, H, t, D] of all."""
        rows, heads, columns, size = tensor.shape
        sent = tensor.reshape(rows, heads, self.parts, columns // self.parts, size).movedim(2, 0)
        got = _exchanged(sent, self._group)
        return got.movedim(0, 1).reshape(rows, self.parts * heads, columns // self.parts, size)

    def shared_heads(self, tensor: Tensor) -> Tensor:
        """Heads of keys and values as often as every rank needs one of them: [B, H, t, D] -> [B, n H, t, D]."""
        times = self.parts // gcd(self.parts, tensor.shape[1])
        return tensor if times == 1 else tensor.repeat_interleave(times, 1)


def _exchanged(sent: Tensor, group: dist.ProcessGroup) -> Tensor:
    got: Tensor = _Exchanged.apply(sent, group)
    return got


class _Exchanged(torch.autograd.Function):
    """[S, ...]: the part i goes to the rank i, and comes from there. Gradients go the same way back."""

    @staticmethod
    def forward(ctx: Any, sent: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        return _exchange(sent, group)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        return _exchange(slopes[0], ctx.group), None


def _exchange(sent: Tensor, group: dist.ProcessGroup) -> Tensor:
    sent = sent.contiguous()
    got = torch.empty_like(sent)
    dist.all_to_all_single(got, sent, group=group)
    return got
