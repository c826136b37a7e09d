"""Which layers keep what their backward pass reads."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from solopo_torch.fused import _Gated, gated_layers
from solopo_torch.recompute import LayerCheckpoints

SIZE = 1000
BYTES = 4 * SIZE


class Layer(nn.Module):
    """Keeps its output alone, of `BYTES` bytes."""

    runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return torch.tanh(x)


def run(layers: Sequence[nn.Module], checkpoints: LayerCheckpoints, x: Tensor) -> Tensor:
    with checkpoints.applied():
        for layer in layers:
            x = layer(x)
    return x


@pytest.mark.parametrize(
    ("recompute", "free", "runs"),
    [
        ("auto", 2 * 3 * BYTES, [1, 1, 1, 2]),
        ("auto", 2 * 100 * BYTES, [1, 1, 1, 1]),
        # The first is what shows how much a layer keeps: it is run once more.
        ("auto", 0, [3, 2, 2, 2]),
        # More is held already than is allowed.
        ("auto", -6 * BYTES, [3, 2, 2, 2]),
        ("none", 0, [1, 1, 1, 1]),
        ("all", 2 * 100 * BYTES, [2, 2, 2, 2]),
    ],
)
def test_as_many_layers_keep_theirs_as_fill_half_of_the_free_memory(recompute: Any, free: int, runs: list[int]) -> None:
    layers = [Layer() for _ in range(4)]
    x = torch.linspace(-1, 1, SIZE, requires_grad=True)
    run(layers, LayerCheckpoints(layers, recompute, lambda: free), x).sum().backward()
    assert [layer.runs for layer in layers] == runs
    plain = torch.linspace(-1, 1, SIZE, requires_grad=True)
    plain.tanh().tanh().tanh().tanh().sum().backward()
    assert x.grad is not None
    assert plain.grad is not None
    assert torch.equal(x.grad, plain.grad)
    assert all("forward" not in vars(layer) for layer in layers)


TOKENS, HIDDEN, FEATURES = 64, 16, 32
LEAN_BYTES = 4 * TOKENS * HIDDEN
SPARED_BYTES = 2 * 4 * TOKENS * FEATURES


class GatedLayer(nn.Module):
    """Keeps what its tanh gave, of `LEAN_BYTES` bytes, and gate and up, of `SPARED_BYTES`, where it is not lean."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(HIDDEN, FEATURES)
        self.up_proj = nn.Linear(HIDDEN, FEATURES)
        self.down_proj = nn.Linear(FEATURES, HIDDEN)
        self.lean: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.lean.append(gated_layers.lean)
        return _Gated(self)(torch.tanh(x))


@pytest.mark.parametrize(
    ("free", "lean"),
    [
        (2 * 4 * (LEAN_BYTES + SPARED_BYTES), [[False]] * 4),
        # Two have room for more than the least that is kept of all.
        (2 * (4 * LEAN_BYTES + 2 * SPARED_BYTES), [[False], [False], [True], [True]]),
        (2 * 4 * LEAN_BYTES, [[False, True], [True], [True], [True]]),
        (2 * 2 * LEAN_BYTES, [[False, True], [True], [True, True], [True, True]]),
        (0, [[False, True, True], [True, True], [True, True], [True, True]]),
    ],
)
def test_gated_layers_make_gate_and_up_again_before_layers_run_again(free: int, lean: list[list[bool]]) -> None:
    torch.manual_seed(3)
    layers = [GatedLayer() for _ in range(4)]
    x = torch.linspace(-1, 1, TOKENS * HIDDEN).reshape(TOKENS, HIDDEN).requires_grad_()
    run(layers, LayerCheckpoints(layers, "auto", lambda: free), x).square().sum().backward()
    assert [layer.lean for layer in layers] == lean
    plain = x.detach().clone().requires_grad_()
    y = plain
    for layer in layers:
        y = torch.tanh(y)
        y = layer.down_proj(nn.functional.silu(layer.gate_proj(y)) * layer.up_proj(y))
    own = [parameter.grad for layer in layers for parameter in layer.parameters()]
    expected = torch.autograd.grad(y.square().sum(), [plain, *(p for layer in layers for p in layer.parameters())])
    torch.testing.assert_close([x.grad, *own], list(expected), rtol=1e-5, atol=1e-6)


def test_a_pass_that_never_runs_backward_leaves_nothing_in_memory() -> None:
    layers = [Layer() for _ in range(2)]
    gc.disable()
    try:
        out = run(layers, LayerCheckpoints(layers, "auto", lambda: 1 << 40), torch.ones(SIZE, requires_grad=True))
        known = weakref.ref(out)
        del out
        assert known() is None
        first = Layer()
        kept = run([first], LayerCheckpoints([first], "auto", lambda: 0), torch.ones(SIZE, requires_grad=True))
        known = weakref.ref(kept)
        del kept
        assert known() is None
    finally:
        gc.enable()
