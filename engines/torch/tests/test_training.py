"""Steps of training on tiny models: the other engine's curves, checkpoints, and what must not change a number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils.checkpoint import checkpoint
from training import ADAPTER, Folder, Slices, options

from solopo_torch import context_pass, preference_trainer, recompute
from solopo_torch.device import Memory, choose_device
from solopo_torch.errors import DeviceMemoryError, LossNotFiniteError
from solopo_torch.models import Models
from solopo_torch.train_slice import train_slice

ROOT = Path(__file__).parents[3]
CURVES = json.loads((Path(__file__).parent / "fixtures/engine-curves.json").read_text())


@pytest.fixture
def slices(models: Models, folder_of: Folder, tmp_path: Path) -> Slices:
    return Slices(models, folder_of("llama"), tmp_path)


@pytest.mark.parametrize("name", CURVES["curves"])
def test_ten_steps_are_those_of_the_embedded_engine(models: Models, tmp_path: Path, name: str) -> None:
    curve = CURVES["curves"][name]
    out = {"weights": str(tmp_path / "weights"), "optimizerState": str(tmp_path / "state")}
    given: Any = {
        "model": {"folder": str(ROOT / "data/models/retrieval-144k"), **curve["model"]},
        "fromStep": 0,
        "options": curve["options"],
        "pairs": CURVES["pairs"],
        "batches": CURVES["batches"],
        "out": out,
    }
    steps = train_slice(models, given, lambda _: None)["steps"]
    for step, (own, theirs) in enumerate(zip(steps, curve["steps"], strict=True), 1):
        assert own["step"] == step
        assert own["policyTokens"] == theirs["policyTokens"]
        assert own["metrics"].keys() == theirs["metrics"].keys()
        for metric, value in theirs["metrics"].items():
            if metric == "rewards/accuracies" and abs(theirs["metrics"]["rewards/margins"]) < 1e-4:
                # Before the first step rewards differ by rounding alone.
                continue
            # Differences of numbers near each other have no relative precision.
            assert own["metrics"][metric] == pytest.approx(value, rel=1e-4, abs=1e-5), f"step {step}: {metric}"
    norms = {tensor: data.double().norm().item() for tensor, data in load_file(out["weights"]).items()}
    assert norms == pytest.approx(curve["weights"], rel=1e-4)


@pytest.mark.parametrize("family", ["gpt_neox", "bloom", "falcon", "gpt2"])
def test_any_linear_layer_is_trained(models: Models, folder_of: Folder, tmp_path: Path, family: str) -> None:
    slices = Slices(models, folder_of(family), tmp_path)
    every = {"options": {**ADAPTER["options"], "targets": "all-linear"}, "seed": 7}
    # The same pairs at each step.
    steps = slices.take("all", options(steps=4), [1], model={"adapter": every})
    assert steps[0]["metrics"]["grad_norm"] > 0
    trained = load_file(slices.out("all")["weights"])
    assert {name for name, matrix in trained.items() if not bool(matrix.any())} == set()


WHAT = {
    "an adapter": None,
    "an adapter over bfloat16": {"adapter": ADAPTER, "precision": "bfloat16"},
    "all parameters": {},
    "all parameters in bfloat16": {"precision": "bfloat16"},
}


@pytest.mark.parametrize("model", WHAT.values(), ids=WHAT)
def test_two_runs_are_equal_and_slices_are_the_steps_in_one_go_to_the_last_bit(
    slices: Slices, model: dict[str, Any] | None
) -> None:
    steps, half = (10, 5) if model is None else (4, 2)
    whole = slices.take("whole", options(), range(1, steps + 1), model=model)
    again = slices.take("again", options(), range(1, steps + 1), model=model)
    assert [step["metrics"] for step in again] == [step["metrics"] for step in whole]
    assert slices.bytes_of("again") == slices.bytes_of("whole")
    first = slices.take("first", options(), range(1, half + 1), model=model)
    rest = slices.take("rest", options(), range(half + 1, steps + 1), model=model, after="first")
    assert [step["metrics"] for step in first + rest] == [step["metrics"] for step in whole]
    assert [step["step"] for step in first + rest] == list(range(1, steps + 1))
    assert slices.bytes_of("rest") == slices.bytes_of("whole")
    assert whole[0]["metrics"]["loss"] != whole[-1]["metrics"]["loss"]


def test_a_slice_tells_its_phases_as_the_embedded_engine_does(slices: Slices) -> None:
    steps = slices.take("phases", options(), range(1, 4))
    each = {"data", "forward", "loss", "backward", "optimizer"}
    assert [set(step["phaseSeconds"]) for step in steps] == [each | {"load"}, each, each | {"checkpoint"}]
    for step in steps:
        inside = sum(seconds for phase, seconds in step["phaseSeconds"].items() if phase in each)
        assert inside == pytest.approx(step["seconds"], rel=0.2)


class Full(Memory):
    """A device whose memory the model has filled."""

    @property
    def free(self) -> int:
        return 0

    def demand(self, needed: int, what: str) -> None:
        pass


@pytest.mark.parametrize(
    ("family", "model"), [("llama", None), ("gemma3", {}), ("qwen3_moe", {}), ("gpt_oss", None)], ids=str
)
def test_without_room_layers_run_again_for_the_backward_pass_and_give_the_same_bits(
    models: Models, folder_of: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, model: Any
) -> None:
    settings = options()
    slices = Slices(models, folder_of(family), tmp_path)
    slices.take("kept", settings, range(1, 3), model=model)
    again = 0

    def counted(*args: Any, **given: Any) -> Any:
        nonlocal again
        again += 1
        return checkpoint(*args, **given)

    monkeypatch.setattr(recompute, "checkpoint", counted)
    full = Models(torch.device("cpu"), Full(choose_device("cpu"), None))
    Slices(full, folder_of(family), tmp_path).take("again", settings, range(1, 3), model=model)
    # Of two layers the first shows what a layer takes, in the passes on short and on long contexts.
    assert again >= 2 * 2
    assert slices.bytes_of("again") == slices.bytes_of("kept")


@pytest.mark.parametrize("tail", [19, 1000])
def test_a_tail_of_at_least_the_prompt_is_the_full_gradient(slices: Slices, tail: int) -> None:
    slices.take("full", options(backward="full"), range(1, 4))
    slices.take("tail", options(backward={"tail": tail}), range(1, 4))
    assert slices.bytes_of("tail") == slices.bytes_of("full")


def test_micro_batches_add_up(slices: Slices) -> None:
    whole = slices.take("whole", options(microBatchTokens=10_000), range(1, 4))
    parts = slices.take("parts", options(microBatchTokens=1), range(1, 4))
    for one, other in zip(whole, parts, strict=True):
        assert one["metrics"] == pytest.approx(other["metrics"], rel=1e-4, abs=1e-6)
        assert one["policyTokens"] == other["policyTokens"]


def test_a_loss_or_a_gradient_that_is_not_finite_ends_the_slice_before_anything_is_written(slices: Slices) -> None:
    slices.take("sound", options(), [1])
    weights = load_file(slices.out("sound")["weights"])
    name = next(iter(weights))
    save_file({**weights, name: weights[name] * float("nan")}, slices.out("sound")["weights"])
    with pytest.raises(LossNotFiniteError, match=r"the loss of step 2 is not finite: parameter .*lora_A"):
        slices.take("spoilt", options(), [2], after="sound")
    assert not Path(slices.out("spoilt")["weights"]).exists()
    with pytest.raises(LossNotFiniteError, match="of step 1 is not finite; lower the learning rate"):
        slices.take("spoilt", options(alpha=1e300), [1])
    assert not Path(slices.out("spoilt")["weights"]).exists()


def test_a_step_that_the_device_has_no_room_for_is_taken_in_smaller_groups(
    slices: Slices, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = slices.take("small", options(microBatchTokens=80), range(1, 4))
    run_forward = context_pass.run_forward
    tried: list[int] = []

    def with_room_for(tokens: int) -> Any:
        def run(model: Any, batch: Any, *given: Any) -> Any:
            tried.append(batch.trees.token_count)
            if tried[-1] > tokens:
                raise MemoryError("no room")
            return run_forward(model, batch, *given)

        return run

    monkeypatch.setattr(preference_trainer, "run_forward", with_room_for(60))
    halved = slices.take("halved", options(microBatchTokens=320), range(1, 4))
    assert max(tried) > 60
    assert [step["policyTokens"] for step in halved] == [step["policyTokens"] for step in small]
    for one, other in zip(halved, small, strict=True):
        assert one["metrics"] == pytest.approx(other["metrics"], rel=1e-4, abs=1e-6)
    monkeypatch.setattr(preference_trainer, "run_forward", with_room_for(5))
    with pytest.raises(DeviceMemoryError, match="has no room for 36 tokens at a time: no room; raise maxDeviceMemory"):
        slices.take("none", options(), [1])
