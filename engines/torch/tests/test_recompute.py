"""Which layers keep what their backward pass reads."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from solopo_torch.recompute import LayerCheckpoints

SIZE = 1000
BYTES = 4 * SIZE


class Layer(nn.Module):
    """Keeps its output alone, of `BYTES` bytes."""

    runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return torch.tanh(x)


def run(layers: list[Layer], checkpoints: LayerCheckpoints, x: Tensor) -> Tensor:
    with checkpoints.applied():
        for layer in layers:
            x = layer(x)
    return x


@pytest.mark.parametrize(
    ("recompute", "free", "runs"),
    [
        ("auto", 2 * 3 * BYTES, [1, 1, 1, 2]),
        ("auto", 2 * 100 * BYTES, [1, 1, 1, 1]),
        # The first is what shows how much a layer keeps.
        ("auto", 0, [1, 2, 2, 2]),
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
