"""Fused parts of layers: values and derivatives against plain formulas, and that they stand only where they belong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu
from training import ADAPTER

from solopo_torch import fused
from solopo_torch.fused import (
    _AdaptedProduct,
    _GatedOnward,
    _GatedProduct,
    _GatedSlopes,
    _Parts,
    _RmsNorm,
    _Rotated,
    _Rotation,
    _SwiGlu,
)
from solopo_torch.models import Models, ModelSource

Function = Callable[..., Tensor]


def drawn(*shapes: Sequence[int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


GATED_SHAPES = ((8, 4), (8,), (8, 4), (8,), (4, 8), (4,))
"""Weights and biases of gate, up and down."""
ADAPTER_SHAPES = ((3, 4), (8, 3), (3, 4), (8, 3), (3, 8), (4, 3))


def gated_parts(*tensors: Tensor) -> list[_Parts]:
    ab: list[Any] = [*tensors[6:]] or [None] * 6
    return [_Parts(*tensors[2 * i : 2 * i + 2], *ab[2 * i : 2 * i + 2], 0.7) for i in range(3)]


def lean(x: Tensor, *tensors: Tensor) -> Tensor:
    parts = gated_parts(*tensors)
    out: Tensor = _GatedOnward.apply(_GatedSlopes.apply(x, *parts[0], *parts[1], *parts[2]), *parts)
    return out


def plain(x: Tensor, *tensors: Tensor) -> Tensor:
    gate, up, down = gated_parts(*tensors)

    def product(x: Tensor, parts: _Parts) -> Tensor:
        assert parts.bias is not None
        y = x @ parts.weight.T + parts.bias
        return y if parts.a is None or parts.b is None else y + 0.7 * (x @ parts.a.T) @ parts.b.T

    return product(silu(product(x, gate)) * product(x, up), down)


ANGLES = drawn((5, 4))[0].repeat(1, 2)
PARTS: dict[str, tuple[Function, Function, list[Tensor]]] = {
    "an adapted product": (
        lambda x, a, b: _AdaptedProduct.apply(x, *drawn((6, 8), (6,)), a, b, 0.7),
        lambda x, a, b: x @ drawn((6, 8), (6,))[0].T + drawn((6, 8), (6,))[1] + 0.7 * (x @ a.T) @ b.T,
        drawn((10, 8), (3, 8), (6, 3)),
    ),
    "a gated activation": (_SwiGlu.apply, lambda gate, up: silu(gate) * up, drawn((2, 5, 8), (2, 5, 8))),
    "a gated product": (
        lambda gate, up, w, bias: _GatedProduct.apply(gate, up, w, bias, None, None, 0.0),
        lambda gate, up, w, bias: (silu(gate) * up) @ w.T + bias,
        drawn((10, 8), (10, 8), (6, 8), (6,)),
    ),
    "an adapted gated product": (
        lambda gate, up, a, b: _GatedProduct.apply(gate, up, *drawn((6, 8), (6,)), a, b, 0.7),
        lambda gate, up, a, b: (
            (silu(gate) * up) @ drawn((6, 8), (6,))[0].T + drawn((6, 8), (6,))[1] + 0.7 * (silu(gate) * up @ a.T) @ b.T
        ),
        drawn((10, 8), (10, 8), (3, 8), (6, 3)),
    ),
    "a lean gated layer": (lambda x, *w: lean(x, *w), lambda x, *w: plain(x, *w), drawn((10, 4), *GATED_SHAPES)),
    "a lean adapted gated layer": (
        lambda x, *ab: lean(x, *drawn(*GATED_SHAPES), *ab),
        lambda x, *ab: plain(x, *drawn(*GATED_SHAPES), *ab),
        drawn((10, 4), *ADAPTER_SHAPES),
    ),
    "a norm": (
        lambda x, w: _RmsNorm.apply(x, w, 1e-3),
        lambda x, w: x * (x.square().mean(-1, keepdim=True) + 1e-3).rsqrt() * w,
        drawn((2, 5, 8), (8,)),
    ),
    "a rotation": (
        lambda x: _Rotated.apply(x, ANGLES.cos(), ANGLES.sin()),
        lambda x: rotated(x, ANGLES.cos(), ANGLES.sin()),
        drawn((2, 3, 5, 8)),
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_and_its_derivatives_are_those_of_the_formula(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Some tokens at a time, and fewer at last.
    monkeypatch.setattr(fused, "_CPU_FEATURES", 8 * 4)
    own, formula, inputs = PARTS[name]
    results = []
    for function in (own, formula):
        leaves = [each.clone().requires_grad_() for each in inputs]
        out = function(*leaves)
        (out * drawn(out.shape)[0]).sum().backward()
        results.append([out.detach(), *(leaf.grad for leaf in leaves)])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


def replaced(model: torch.nn.Module) -> set[str]:
    return {type(module).__name__ for module in model.modules() if "forward" in vars(module)}


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("llama", {"LlamaRMSNorm", "LlamaMLP"}),
        ("qwen3_moe", {"Qwen3MoeRMSNorm"}),
        # One more than the weight is the factor, and the activation is another.
        ("gemma3", set()),
        ("bloom", set()),
    ],
)
def test_parts_stand_where_they_give_what_the_class_gives(
    models: Models, folder_of: Callable[..., Path], family: str, expected: set[str]
) -> None:
    for precision in ("bfloat16", "float32"):
        model = models.open(ModelSource.of({"folder": str(folder_of(family)), "precision": precision}))
        assert replaced(model.causal) == expected
    where = sys.modules[type(model.causal).__module__]
    assert isinstance(getattr(where, "apply_rotary_pos_emb", None), _Rotation) == (family != "bloom")


@pytest.mark.parametrize("adapted", [True, False], ids=["an adapter", "all parameters"])
def test_a_gated_layer_keeps_its_inputs_and_no_product(
    models: Models, folder_of: Callable[..., Path], adapted: bool
) -> None:
    source: Any = {"folder": str(folder_of("llama")), **({"adapter": ADAPTER} if adapted else {})}
    model = models.open(ModelSource.of(source))
    layer: Any = next(module for name, module in model.causal.named_modules() if name.endswith(".mlp"))
    for parameter in layer.down_proj.parameters():
        parameter.requires_grad_(not adapted or parameter.shape[0] == 2 or parameter.shape[1] == 2)
    features = layer.gate_proj(drawn((1, 7, 32))[0]).shape[-1]
    wide: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        wide.extend([tensor.data_ptr()] if tensor.numel() == 7 * features else [])
        return tensor

    (x,) = drawn((1, 7, 32))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        layer(x.requires_grad_())
    assert len(set(wide)) == 2


def test_an_adapter_that_is_switched_off_is_its_base(models: Models, folder_of: Callable[..., Path]) -> None:
    adapter: Any = {**ADAPTER, "options": {**ADAPTER["options"], "targets": ["q_proj"]}}
    model = models.open(ModelSource.of({"folder": str(folder_of("llama")), "adapter": adapter}))
    layer: Any = next(module for name, module in model.causal.named_modules() if name.endswith("q_proj"))
    torch.nn.init.ones_(layer.lora_B["default"].weight)
    (x,) = drawn((1, 4, 32))
    assert not torch.allclose(layer(x), layer.base_layer(x))
    with model.without_adapter():
        assert torch.equal(layer(x), layer.base_layer(x))


def test_a_part_of_a_head_is_turned_by_transformers() -> None:
    def theirs(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, **_: int) -> tuple[Tensor, Tensor]:
        turned = [torch.cat([rotated(x[..., :4], cos, sin), x[..., 4:]], -1) for x in (q, k)]
        return turned[0], turned[1]

    q, k, angles = drawn((1, 2, 5, 8), (1, 1, 5, 8), (5, 4))
    own, expected = (by(q, k, angles.cos(), angles.sin()) for by in (_Rotation(theirs), theirs))
    assert torch.equal(own[0], expected[0])
    assert torch.equal(own[1], expected[1])
