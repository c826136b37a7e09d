"""The schedule, the clipping and AdamW."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from solopo_torch.adamw import AdamW, AdamWOptions, clip_factor
from solopo_torch.schedule import ScheduleOptions, learning_rate_at

ROOT = Path(__file__).parents[3]
CURVES = json.loads((ROOT / "libs/lm/src/fixtures/pairs.json").read_text())["curves"]
OPTIONS: AdamWOptions = {"betas": (0.9, 0.98), "epsilon": 1e-6, "weightDecay": 0.05}


@pytest.mark.parametrize(
    ("curve", "schedule", "peak"),
    [
        ("dpo, solo", "cosine", 0.004),
        ("dpo, solo, adapter", "linear", 0.01),
        ("simpo, solo-both", "constant-then-linear", 0.004),
    ],
)
def test_learning_rates_are_those_of_the_recorded_curves(curve: str, schedule: Any, peak: float) -> None:
    options: ScheduleOptions = {
        "learningRate": peak,
        "schedule": schedule,
        "warmupRatio": 0.2,
        "finalLearningRateRatio": 0.1,
    }
    recorded = [step["learning_rate"] for step in CURVES[curve]["steps"]]
    assert [learning_rate_at(options, step, 10) for step in range(1, 11)] == pytest.approx(recorded, rel=1e-8)
    assert learning_rate_at({**options, "schedule": "constant"}, 9, 10) == peak


def parameters(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    shapes = {"matrix": (3, 4), "vector": (5,), "idle": (2, 2)}
    return {name: torch.randn(shape, generator=generator).to(dtype).requires_grad_() for name, shape in shapes.items()}


def take_steps(optimizer: AdamW, count: int, begin: int = 0) -> None:
    for step in range(begin, begin + count):
        generator = torch.Generator().manual_seed(step)
        for name in ("matrix", "vector"):
            parameter = optimizer.parameters[name]
            (parameter * torch.randn(parameter.shape, generator=generator).to(parameter.dtype)).sum().backward()
        optimizer.update(0.01, clip_factor(optimizer.gradient_norm(), 1.0))


def test_a_step_is_adamw_by_its_formula_and_vectors_do_not_decay() -> None:
    own = parameters()
    before = {name: parameter.detach().double() for name, parameter in parameters().items()}
    optimizer = AdamW(OPTIONS, own)
    (own["matrix"].sum() * 3 + own["vector"].sum() * 4).backward()
    norm = optimizer.gradient_norm()
    assert norm == pytest.approx((12 * 9 + 5 * 16) ** 0.5)
    factor = clip_factor(norm, 1.0)
    assert factor == pytest.approx(1 / (norm + 1e-6))
    optimizer.update(0.01, factor)
    for name, gradient in (("matrix", 3.0), ("vector", 4.0), ("idle", 0.0)):
        g = gradient * factor
        m, v = 0.1 * g, 0.02 * g * g
        moved = 0.01 * (m / 0.1) / ((v / 0.02) ** 0.5 + 1e-6)
        decay = 1 - 0.01 * 0.05 if name != "vector" else 1.0
        torch.testing.assert_close(own[name].detach().double(), before[name] * decay - moved, rtol=1e-6, atol=1e-7)
        assert optimizer.tensors()[f"m.{name}"].flatten()[0].item() == pytest.approx(m, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_from_a_stored_state_are_the_steps_in_one_go(dtype: torch.dtype) -> None:
    whole = AdamW(OPTIONS, parameters(dtype))
    take_steps(whole, 4)
    first = AdamW(OPTIONS, parameters(dtype))
    take_steps(first, 2)
    masters = {name: master.detach().clone() for name, master in first.masters.items()}
    rest = {name: master.to(dtype).requires_grad_() for name, master in masters.items()}
    second = AdamW(OPTIONS, rest, step=first.step, state=first.tensors(), masters=masters)
    take_steps(second, 2, begin=2)
    for name in whole.parameters:
        assert torch.equal(second.masters[name], whole.masters[name])
        assert torch.equal(rest[name], whole.parameters[name])
    for name, tensor in whole.tensors().items():
        assert torch.equal(second.tensors()[name], tensor)


def test_numbers_rounded_to_bfloat16_have_masters_that_small_steps_move() -> None:
    own = {"w": torch.full((4, 4), 100.0, dtype=torch.bfloat16).requires_grad_()}
    optimizer = AdamW({"betas": (0.9, 0.98), "epsilon": 1e-6, "weightDecay": 0.0}, own)
    for _ in range(30):
        own["w"].sum().backward()
        optimizer.update(0.01)
    # A step of 0.01 is lost in bfloat16, whose next number below 100 is 99.5.
    assert optimizer.masters["w"][0, 0].item() == pytest.approx(99.7, abs=1e-2)
    assert own["w"].dtype == torch.bfloat16
    assert own["w"][0, 0].item() == 99.5
