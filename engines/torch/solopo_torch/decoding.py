"""
Keys and values of answers under way: a row for each prompt, which its answers share.

Legend of shapes: B rows (prompts), n answers of each, C columns, H heads of keys, D head size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .attention import Prefix, Watch
from .sequence import Split

_PROMPT = -1
_NOTHING = -2
_ROUND = 128


@dataclass
class AnswerStore:
    """A layout (attention.py) of one token of every answer: a token sees its prompt and its own answer."""

    prompt_lengths: Tensor
    """[B]"""
    answers: int
    positions: Tensor = field(init=False)
    """[B, n], of the tokens that are run."""
    columns: int = field(init=False)
    """In use."""
    shared: int = 0
    watch: Watch | None = None
    split: Split | None = None
    _key_positions: Tensor = field(init=False)
    """[B, C]"""
    _owners: Tensor = field(init=False)
    """[B, C]: whose keys stand there."""
    _layers: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    _steps: int = 0

    @staticmethod
    def of(prompts: Prefix, answers: int) -> AnswerStore:
        """After the prompts have been run."""
        store = AnswerStore(prompts.lengths, answers)
        device = prompts.lengths.device
        store.columns = prompts.columns
        place = torch.arange(prompts.columns, device=device)
        store._key_positions = place.repeat(len(prompts.lengths), 1)
        store._owners = torch.where(place[None] < prompts.lengths[:, None], _PROMPT, _NOTHING)
        store._layers = prompts.layers
        return store

    def begin_step(self) -> None:
        """Columns for one more token of every answer."""
        first, device = self.columns, self._owners.device
        self.columns += self.answers
        if self.columns > self._owners.shape[1]:
            more = self.columns + max(_ROUND, self.columns // 4) - self._owners.shape[1]
            rows = len(self._owners)
            self._owners = torch.cat([self._owners, self._owners.new_full((rows, more), _NOTHING)], 1)
            self._key_positions = torch.cat([self._key_positions, self._key_positions.new_zeros((rows, more))], 1)
        self._owners[:, first : self.columns] = torch.arange(self.answers, device=device)
        self.positions = (self.prompt_lengths + self._steps)[:, None].expand(-1, self.answers)
        self._key_positions[:, first : self.columns] = self.positions
        self._steps += 1

    def extended(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        first, end = self.columns - self.answers, self.columns
        keys, values = self._layers[layer]
        if keys.shape[2] < end:
            keys, values = _widened(keys, self._owners.shape[1], first), _widened(values, self._owners.shape[1], first)
            self._layers[layer] = (keys, values)
        keys[:, :, first:end] = key
        values[:, :, first:end] = value
        return keys[:, :, :end], values[:, :, :end]

    def visible(self, mask_function: Any, first: int, end: int) -> Tensor:
        """[B, 1, n, C]"""
        device = self._owners.device
        owner = self._owners[:, None, None, : self.columns]
        own = torch.arange(first, end, device=device)[None, None, :, None]
        rows = torch.arange(len(self._owners), device=device)[:, None, None, None]
        heads = torch.zeros((1, 1, 1, 1), dtype=torch.long, device=device)
        query = self.positions[:, None, first:end, None]
        key = self._key_positions[:, None, None, : self.columns]
        return ((owner == _PROMPT) | (owner == own)) & mask_function(rows, heads, query, key)

    def keep_rows(self, rows: Tensor) -> None:
        """Gives back what other rows hold."""
        self.prompt_lengths = self.prompt_lengths[rows]
        self._owners, self._key_positions = self._owners[rows], self._key_positions[rows]
        for layer, (keys, values) in self._layers.items():
            self._layers[layer] = (keys[rows], values[rows])


def _widened(tensor: Tensor, columns: int, used: int) -> Tensor:
    wide = tensor.new_zeros((*tensor.shape[:2], columns, tensor.shape[3]))
    wide[:, :, :used] = tensor[:, :, :used]
    return wide
