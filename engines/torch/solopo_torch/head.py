"""
Where a pass ends: from the decoder's output to the vocabulary. Only the rows that are asked for reach it, in chunks.

Legend of shapes: N rows, d hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

_CPU_LOGITS = 1 << 24
_GPU_LOGITS = 1 << 25
"""The head is run on so many rows at a time that their logits stay below this many numbers."""

RowFunction = Callable[[Tensor, slice], tuple[Tensor, dict[str, Tensor]]]
"""
Of logits [n, V] in float32, and where among all rows they stand: one number for each row, of that row's logits alone, and more that
needs no gradient.
"""


class Head:
    """
    The last part of a causal language model as its class has it, scales and soft caps included: the class's own forward pass, whose
    body is made to answer with the hidden states that are given.
    """

    def __init__(self, causal: PreTrainedModel) -> None:
        self.causal = causal
        self._body: torch.nn.Module = causal.base_model
        self.decoder: torch.nn.Module = causal.get_decoder()
        """Of the text, where a model sees images too."""
        self.vocab_size: int = causal.get_output_embeddings().weight.shape[0]

    @property
    def trained(self) -> bool:
        """Whether the output layer's own weights have gradients."""
        return any(p.requires_grad for p in self.causal.get_output_embeddings().parameters())

    def logits(self, hidden: Tensor) -> Tensor:
        """[N, d] -> [N, V], in the model's precision."""
        self._body.forward = lambda *_, **__: _Output(hidden[None])
        try:
            return self.causal(inputs_embeds=hidden[None], use_cache=False).logits[0]
        finally:
            del self._body.forward  # the class's own again

    def rows(self, hidden: Tensor, function: RowFunction) -> tuple[Tensor, dict[str, Tensor]]:
        """
        The function over all rows of [N, d], in chunks: its numbers [N], which can be differentiated, and what more it gives.

        No logits are kept for the backward pass. Under a frozen head the derivative of each row's number by its hidden state is
        taken right away, since rows depend on nothing but themselves; a trained head's chunks are computed again.
        """
        if len(hidden) == 0:
            return hidden.sum(-1).float(), {}
        size = max(1, (_CPU_LOGITS if hidden.device.type == "cpu" else _GPU_LOGITS) // self.vocab_size)
        values: list[Tensor] = []
        more: list[dict[str, Tensor]] = []
        for first in range(0, len(hidden), size):
            place = slice(first, min(len(hidden), first + size))
            chunk = hidden[place]
            if not torch.is_grad_enabled() or not (self.trained or chunk.requires_grad):
                with torch.no_grad():
                    value, extra = function(self.logits(chunk).float(), place)
            elif self.trained:
                value, extra = checkpoint(self._chunk, chunk, function, place, use_reentrant=False)
            else:
                value, extra = _frozen_rows(self, chunk, function, place)
            values.append(value)
            more.append({name: tensor.detach() for name, tensor in extra.items()})
        return torch.cat(values), {name: torch.cat([each[name] for each in more]) for name in more[0]}

    def _chunk(self, chunk: Tensor, function: RowFunction, place: slice) -> tuple[Tensor, dict[str, Tensor]]:
        return function(self.logits(chunk).float(), place)


def _frozen_rows(head: Head, chunk: Tensor, function: RowFunction, place: slice) -> tuple[Tensor, dict[str, Tensor]]:
    extra: dict[str, Tensor] = {}
    value = _FrozenRows.apply(chunk, head, function, place, extra)
    return value, extra


class _FrozenRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, chunk: Tensor, head: Head, function: RowFunction, place: slice, extra: dict[str, Tensor]
    ) -> Tensor:
        with torch.enable_grad():
            leaf = chunk.detach().requires_grad_()
            value, more = function(head.logits(leaf).float(), place)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        extra.update(more)
        ctx.save_for_backward(gradient)
        return value.detach()

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return (gradient * outputs[0][:, None]).to(gradient.dtype), None, None, None, None


class _Output:
    """What a decoder returns: hidden states, and nothing of the rest."""

    def __init__(self, hidden: Tensor) -> None:
        self.last_hidden_state = hidden

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)

    def __getitem__(self, index: int) -> Tensor:
        if index != 0:
            raise IndexError(index)
        return self.last_hidden_state
