"""
The tables of a model that ranks hold together: its embeddings and its output layer, which are large, stand at both ends of every pass, and
are whole at each rank while one runs.

Under FSDP as any other tensor they would be sent again for every pass, and their gradients copied into buffers as large as they are. A
frozen table is whole at every rank instead, once and for all: that is what a pass needs in any case. One that is trained lies in parts,
is put together once a step, and its gradient is summed over the ranks once a step, a piece at a time.

Legend of shapes: V rows of a table, d their length, R ranks, P = ceil(V / R) rows of a part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from transformers import PreTrainedModel

from .ranks import Ranks

T = TypeVar("T")

_PIECE = 1 << 23
"""So many numbers are summed over the ranks at a time."""


def tables_of(model: PreTrainedModel) -> list[nn.Parameter]:
    """Each once, where both ends of the model share it."""
    found: list[nn.Parameter] = []
    for module in (model.get_input_embeddings(), model.get_output_embeddings()):
        weight = getattr(getattr(module, "base_layer", module), "weight", None)
        if isinstance(weight, nn.Parameter) and all(weight is not other for other in found):
            found.append(weight)
    return found


class Table:
    """One that is there in whole, or, where it is trained, in parts between the steps."""

    def __init__(
        self, ranks: Ranks, root: nn.Module, table: nn.Parameter, device: torch.device, computed_in: torch.dtype
    ) -> None:
        """`table`: without numbers; on `device` those that take its place in the modules below `root` have room for theirs."""
        self._ranks = ranks
        self._places = [
            (module, name) for module in root.modules() for name, each in module._parameters.items() if each is table
        ]
        self._computed_in = computed_in
        empty: Tensor = table.detach()
        if table.requires_grad:
            empty = distribute_tensor(empty, ranks.groups.mesh, [Shard(0)], src_data_rank=None)
        self._kept = nn.Parameter(torch.empty_like(empty, device=device), table.requires_grad)
        self._whole: nn.Parameter | None = None
        self._gradient: Tensor | None = None
        self._put(self._kept)

    def put_together(self) -> None:
        """For the passes of a step, or one without gradients."""
        kept = self._kept
        if self._whole is not None or not isinstance(kept, DTensor):
            return
        rows, columns = kept.shape
        part = -(-rows // self._ranks.count)
        own = kept.to_local().detach()
        sent = own.new_zeros((part, columns), dtype=self._computed_in)
        sent[: len(own)] = own
        received = sent.new_empty((part * self._ranks.count, columns))
        dist.all_gather_into_tensor(received, sent, group=self._ranks.groups.mesh.get_group())
        self._whole = nn.Parameter(received[:rows], kept.requires_grad)
        if self._computed_in != kept.dtype:
            self._whole.register_post_accumulate_grad_hook(self._sum_exactly)
        self._put(self._whole)

    def take_apart(self, *, gradients: bool) -> None:
        """`gradients`: their sum over the ranks is each part's."""
        kept, whole, self._whole = self._kept, self._whole, None
        if whole is None or not isinstance(kept, DTensor):
            return
        self._put(kept)
        gradient, self._gradient = self._gradient if whole.grad is None else whole.grad, None
        del whole
        if gradients:
            summed = self._summed(gradient, kept.to_local())
            kept.grad = DTensor.from_local(
                summed, kept.device_mesh, kept.placements, run_check=False, shape=kept.shape, stride=kept.stride()
            )

    def _summed(self, gradient: Tensor | None, own: Tensor) -> Tensor:
        """This rank's part of the sum over ranks of gradients [V, d]; `None`: zeros."""
        rows, columns = self._kept.shape
        count = self._ranks.count
        part = -(-rows // count)
        summed = torch.empty_like(own)
        height = max(1, _PIECE // (count * columns))
        for first in range(0, part, height):
            piece = own.new_zeros((count, min(height, part - first), columns))
            if gradient is not None:
                for rank in range(count):
                    found = gradient[part * rank + first : min(part * (rank + 1), part * rank + first + height)]
                    piece[rank, : len(found)] = found
            received = piece.new_empty(piece.shape[1:])
            dist.reduce_scatter_tensor(received, piece.flatten(0, 1), group=self._ranks.groups.mesh.get_group())
            there = summed[first : first + height]
            there.copy_(received[: len(there)])
        return summed

    def _sum_exactly(self, whole: Tensor) -> None:
        """In float32, whatever is computed in."""
        if whole.grad is None:
            return
        if self._gradient is None:
            self._gradient = whole.grad.to(self._kept.dtype)
        else:
            self._gradient += whole.grad
        whole.grad = None

    def _put(self, table: nn.Parameter) -> None:
        for module, name in self._places:
            module._parameters[name] = table


class Tables:
    """All of a model."""

    def __init__(self, tables: list[Table]) -> None:
        self._tables = tables
        self._are_held = False

    def within(self, function: Callable[[], T]) -> T:
        """Runs it with all tables whole, and leaves them so until `sum_gradients` where it may ask for gradients."""
        self._are_held |= torch.is_grad_enabled()
        for table in self._tables:
            table.put_together()
        found = function()
        if not self._are_held:
            self._take_apart(gradients=False)
        return found

    def sum_gradients(self) -> None:
        """After the last backward pass of a step."""
        self._take_apart(gradients=True)

    def _take_apart(self, *, gradients: bool) -> None:
        self._are_held = False
        for table in self._tables:
            table.take_apart(gradients=gradients)
