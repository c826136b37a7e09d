"""
Attention over trees, for every model that asks transformers for its masks and its attention.

A batch's rows are [prompt | branch 0 | branch 1 ...]. What a layer may see is what the model says of two *positions* (causal,
sliding window, chunks: transformers gives the function), of tokens that are on one path of the tree. So windows reach over the
places that a row apart would have.

No mask is made for the columns that hold prompt tokens in every row: they are causal, which kernels know, and a window is worked off
in blocks of queries. What remains are the branches' rows of the mask: [B, 1, Q, K] with Q the columns behind the shortest prompt.

Legend of shapes: B rows, H heads, T columns, P columns of the constant prefix, K = P + T keys, D head size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, causal_mask_function, sdpa_mask

from .apart import apart
from .sequence import Split

NAME = "solopo"
"""What `attn_implementation` calls it."""

_QUERY_BLOCK = 512
_FEW_QUERIES = 64

_MaskFunction = Callable[..., Any]
"""Of indices of rows and heads, and positions of queries and keys: whether it is seen."""
_CAUSAL: _MaskFunction = causal_mask_function


@dataclass
class Prefix:
    """Keys and values of tokens that are run without gradients, by layer: [B, H, P, D]. Rows are padded at the end."""

    lengths: Tensor
    """[B]"""
    columns: int
    layers: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)


@dataclass
class Watch:
    """Where the queries from `first` on look: shares of their attention, by layer and group of keys, mean over heads and queries."""

    first: int
    end: int
    groups: Tensor
    """[K, S], one-hot."""
    masses: dict[int, Tensor] = field(default_factory=dict)


class Seeing(Protocol):
    """How the tokens of a pass see each other."""

    positions: Tensor
    """[B, T]"""
    shared: int
    """So many first columns are causal, in every row."""
    watch: Watch | None
    split: Split | None
    """Where ranks share the sequences: queries, keys and values come in this rank's columns."""

    def extended(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values that a layer's queries see, of which these are the tokens' own."""

    def visible(self, mask_function: _MaskFunction, first: int, end: int) -> Tensor:
        """Of the queries in columns `first` up to `end`: [B, 1, end - first, K], by what the model says of rows, heads and positions."""


@dataclass
class Layout:
    """How a batch's tokens see each other. Columns of keys are those of the prefix and then those of the row."""

    positions: Tensor
    """[B, T]"""
    prompt_end: Tensor
    """[B, T]: a token sees keys before this column, and those from `branch_start` up to itself."""
    branch_start: Tensor
    """[B, T]"""
    shared: int
    """So many first columns hold prompt tokens, or padding that nothing sees, in every row. 0 behind a prefix."""
    prefix: Prefix | None = None
    keep: Prefix | None = None
    """Where this batch's keys and values are put."""
    watch: Watch | None = None
    split: Split | None = None
    _keys: tuple[Tensor, Tensor] | None = None

    @property
    def keys(self) -> tuple[Tensor, Tensor]:
        """Positions of the keys [B, K], and which of them are there [B, K]."""
        if self._keys is None:
            positions, prefix = self.positions, self.prefix
            there = torch.ones_like(positions, dtype=torch.bool)
            if prefix is not None:
                columns = torch.arange(prefix.columns, device=positions.device).expand(len(positions), -1)
                there = torch.cat([columns < prefix.lengths[:, None], there], 1)
                positions = torch.cat([columns, positions], 1)
            self._keys = (positions, there)
        return self._keys

    def extended(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        if self.keep is not None:
            self.keep.layers[layer] = (apart(key), apart(value))
        if self.prefix is None:
            return key, value
        prefix_key, prefix_value = self.prefix.layers[layer]
        return torch.cat([prefix_key, key], 2), torch.cat([prefix_value, value], 2)

    def visible(self, mask_function: _MaskFunction, first: int, end: int) -> Tensor:
        key_positions, there = self.keys
        device = self.positions.device
        before = self.prefix.columns if self.prefix is not None else 0
        rows = torch.arange(len(self.positions), device=device)[:, None, None, None]
        heads = torch.zeros((1, 1, 1, 1), dtype=torch.long, device=device)
        query = self.positions[:, None, first:end, None]
        key = key_positions[:, None, None, :]
        column = torch.arange(key_positions.shape[1], device=device)[None, None, None, :]
        own = torch.arange(before + first, before + end, device=device)[None, None, :, None]
        on_path = (column < self.prompt_end[:, None, first:end, None]) | (
            column >= self.branch_start[:, None, first:end, None]
        )
        seen = there[:, None, None, :] & (column <= own) & on_path
        # Padding stands at position 0 and sees itself.
        return seen & (mask_function(rows, heads, query, key) | (column == own))


_current: ContextVar[Seeing | None] = ContextVar("layout", default=None)


@contextmanager
def laid_out(layout: Seeing) -> Iterator[None]:
    """Masks that are made within are the layout's."""
    token = _current.set(layout)
    try:
        yield
    finally:
        _current.reset(token)


class _Seen:
    """What a mask's tensor carries with it, also to where a layer is computed again for the backward pass."""

    def __init__(self, layout: Seeing, mask_function: _MaskFunction, window: int | None) -> None:
        self.layout = layout
        self.mask_function = mask_function
        self.window = window


def _tree_mask(
    *, mask_function: _MaskFunction = _CAUSAL, local_size: int | None = None, **options: Any
) -> Tensor | None:
    """transformers' interface to masks: of a layout, its rows from column `shared` on, boolean."""
    layout = _current.get()
    if layout is None:
        return sdpa_mask(mask_function=mask_function, local_size=local_size, **options)
    if mask_function is not _CAUSAL and local_size is None:
        # A mask of the model's own, of which nothing is known: made whole.
        layout = replace(layout, shared=0) if isinstance(layout, Layout) else layout
    mask = layout.visible(mask_function, layout.shared, layout.positions.shape[1])
    reached = layout.positions.shape[1] if layout.shared > 0 else 0
    window = local_size if local_size is not None and reached > local_size else None
    mask.solopo = _Seen(layout, mask_function, window)  # type: ignore[attr-defined]
    return mask


def _tree_attention(
    module: Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    s_aux: Tensor | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """transformers' interface to attention: query [B, H, T, D] -> [B, T, H, D]. Key and value may have fewer heads."""
    kernel = _Kernel(scaling, s_aux, softcap)
    seen: _Seen | None = getattr(attention_mask, "solopo", None)
    if seen is None:
        out = (
            kernel.causal(query, key, value)
            if attention_mask is None
            else kernel.masked(query, key, value, attention_mask)
        )
        return out.transpose(1, 2).contiguous(), None
    assert attention_mask is not None
    layout = seen.layout
    layer: int = module.layer_idx  # type: ignore[assignment]
    if layout.split is not None:
        query = layout.split.by_heads(query)
        key, value = (layout.split.by_heads(layout.split.shared_heads(each)) for each in (key, value))
        kernel = kernel.of_heads(layout.split)
    key, value = layout.extended(layer, key, value)
    if layout.watch is not None:
        layout.watch.masses[layer] = _mass(kernel, layout.watch, seen, query, key)
    shared = layout.shared
    parts = []
    if shared > 0 and seen.window is None:
        parts.append(kernel.causal(query[:, :, :shared], key[:, :, :shared], value[:, :, :shared]))
    elif shared > 0:
        parts.extend(_windowed(kernel, seen, query, key, value))
    if query.shape[2] > shared:
        parts.append(kernel.masked(query[:, :, shared:], key, value, attention_mask))
    out = parts[0] if len(parts) == 1 else torch.cat(parts, 2)
    if layout.split is not None:
        out = layout.split.by_columns(out)
    return out.transpose(1, 2).contiguous(), None


def _windowed(kernel: _Kernel, seen: _Seen, query: Tensor, key: Tensor, value: Tensor) -> Iterator[Tensor]:
    """The shared columns, in blocks of queries, each with the keys that it can see."""
    assert seen.window is not None
    for first in range(0, seen.layout.shared, _QUERY_BLOCK):
        end = min(seen.layout.shared, first + _QUERY_BLOCK)
        start = max(0, first - seen.window)
        mask = seen.layout.visible(seen.mask_function, first, end)[..., start:end]
        yield kernel.masked(query[:, :, first:end], key[:, :, start:end], value[:, :, start:end], mask)


def _mass(kernel: _Kernel, watch: Watch, seen: _Seen, query: Tensor, key: Tensor) -> Tensor:
    total = torch.zeros(watch.groups.shape[1], dtype=torch.float64, device=query.device)
    for first in range(watch.first, watch.end, _QUERY_BLOCK):
        end = min(watch.end, first + _QUERY_BLOCK)
        mask = seen.layout.visible(seen.mask_function, first, end)
        weights = kernel.weights(query[:, :, first:end], key, mask)
        total += (weights.float() @ watch.groups.float()).double().mean((0, 1)).sum(0)
    return total / (watch.end - watch.first)


class _Kernel:
    """Attention of one layer, fused where it is a plain softmax of scaled products."""

    def __init__(self, scaling: float | None, sinks: Tensor | None, softcap: float | None) -> None:
        self.scaling = scaling
        self.sinks = sinks
        self.softcap = softcap

    def of_heads(self, split: Split) -> _Kernel:
        """For the heads that this rank has."""
        return _Kernel(self.scaling, None if self.sinks is None else split.own_heads(self.sinks), self.softcap)

    @property
    def plain(self) -> bool:
        return self.sinks is None and self.softcap is None

    def causal(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if self.plain:
            return scaled_dot_product_attention(
                query,
                key,
                value,
                is_causal=query.shape[2] > 1,
                scale=self.scaling,
                enable_gqa=query.shape[1] != key.shape[1],
            )
        columns = torch.arange(query.shape[2], device=query.device)
        return self.masked(query, key, value, (columns[None, :] <= columns[:, None])[None, None])

    def masked(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        if self.plain:
            groups = query.shape[1] // key.shape[1]
            if groups > 1 and query.shape[2] * groups <= _FEW_QUERIES:
                # The queries of heads that share keys are one head's: keys are read once.
                few = query.reshape(len(query), key.shape[1], -1, query.shape[3])
                out = scaled_dot_product_attention(
                    few, key, value, attn_mask=mask.repeat(1, 1, groups, 1), scale=self.scaling
                )
                return out.reshape(*query.shape[:3], value.shape[-1])
            # On CUDA no fused kernel takes both a mask and fewer heads of keys.
            if query.device.type != "cpu":
                key, value = _repeated(key, query.shape[1]), _repeated(value, query.shape[1])
            return scaled_dot_product_attention(
                query, key, value, attn_mask=mask, scale=self.scaling, enable_gqa=query.shape[1] != key.shape[1]
            )
        blocks = [
            self.weights(query[:, :, first : first + _QUERY_BLOCK], key, mask[:, :, first : first + _QUERY_BLOCK])
            @ _repeated(value, query.shape[1])
            for first in range(0, query.shape[2], _QUERY_BLOCK)
        ]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks, 2)

    def weights(self, query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
        """[B, H, Q, K]"""
        scale = query.shape[-1] ** -0.5 if self.scaling is None else self.scaling
        products = (query @ _repeated(key, query.shape[1]).transpose(2, 3)) * scale
        if self.softcap is not None:
            products = torch.tanh(products / self.softcap) * self.softcap
        products = products.float().masked_fill(~mask, float("-inf"))
        if self.sinks is None:
            return products.softmax(-1).to(query.dtype)
        # A key that every query sees and that has no value.
        sinks = self.sinks.float().reshape(1, -1, 1, 1).expand(len(query), -1, query.shape[2], -1)
        return torch.cat([products, sinks], -1).softmax(-1)[..., :-1].to(query.dtype)


def _repeated(heads: Tensor, count: int) -> Tensor:
    if heads.shape[1] == count:
        return heads
    groups = count // heads.shape[1]
    # A sum in the backward pass, in one order on every device.
    return heads[:, :, None].expand(-1, -1, groups, -1, -1).flatten(1, 2)


AttentionInterface.register(NAME, _tree_attention)
AttentionMaskInterface.register(NAME, _tree_mask)
