"""What the embedded engine says of the bundled model (tools/parity/engine-answers.mjs), said here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from solopo_torch.device import Memory, choose_device
from solopo_torch.lora import LoraOptions, adapter_parameters
from solopo_torch.models import AdapterSource, Models, ModelSource
from solopo_torch.tasks import TaskRunner

ROOT = Path(__file__).parent.parent.parent.parent
FOLDER = str(ROOT / "data" / "models" / "retrieval-144k")
EXPECTED = json.loads((Path(__file__).parent / "fixtures" / "engine-answers.json").read_text())


def arrays(value: Any) -> Any:
    """Lists of tokens as they come in messages."""
    if isinstance(value, dict):
        return {key: arrays(each) if key != "key" else each for key, each in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], int):
        return np.array(value, dtype=np.int32)
    return [arrays(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def runner() -> TaskRunner:
    chosen = choose_device("cpu")
    return TaskRunner(chosen, Memory(chosen, None), 1)


def run(runner: TaskRunner, task: str, **given: Any) -> Any:
    return runner.run(task, {"model": {"folder": FOLDER}, "batchTokens": 4096, **given}, lambda _: None)


def test_scores(runner: TaskRunner) -> None:
    found = run(runner, "score", trees=arrays(EXPECTED["trees"]))
    for tree, expected in zip(found["logps"], EXPECTED["logps"], strict=True):
        for logps, others in zip(tree, expected, strict=True):
            np.testing.assert_allclose(logps, others, atol=2e-5)


def test_measures(runner: TaskRunner) -> None:
    found = run(runner, "measure", trees=arrays(EXPECTED["trees"]), scorePrompt=True)
    for tree, expected in zip(found, EXPECTED["measured"], strict=True):
        for own, other in zip(
            [*tree["branches"], tree["prompt"]], [*expected["branches"], expected["prompt"]], strict=True
        ):
            assert own == pytest.approx(other, abs=1e-3, rel=1e-5)


def test_inspections(runner: TaskRunner) -> None:
    found = run(runner, "inspect", rows=arrays(EXPECTED["rows"]))
    for own, other in zip(found, EXPECTED["inspected"], strict=True):
        np.testing.assert_allclose(own["logps"], other["logps"], atol=2e-5)
        for mass, expected in zip(own["attention"], other["attention"], strict=True):
            assert mass == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("way", ["drawn", "greedy"])
def test_answers(way: str, runner: TaskRunner) -> None:
    options = EXPECTED["drawn"]["options"]
    if way == "greedy":
        options = {**options, "temperature": 0, "samplesPerPrompt": 1}
    expected = EXPECTED["drawn"]["samples"] if way == "drawn" else EXPECTED["greedy"]
    prompts = [{"tokens": np.array(each["tokens"], np.int32), "key": each["key"]} for each in EXPECTED["prompts"]]
    found = run(runner, "sample", prompts=prompts, options=options)
    for answers, others in zip(found["samples"], expected, strict=True):
        for own, other in zip(answers, others, strict=True):
            assert own["tokens"].tolist() == other["tokens"]
            assert own["finish"] == other["finish"]
            assert own["logp"] == pytest.approx(other["logp"], abs=1e-4)


def test_a_fresh_adapter() -> None:
    expected = EXPECTED["adapter"]
    models = Models(torch.device("cpu"), Memory(choose_device("cpu"), None))
    adapter = AdapterSource(LoraOptions.of(expected["options"]), seed=expected["seed"])
    matrices = adapter_parameters(models.open(ModelSource(FOLDER, adapter=adapter)).module)
    assert [name.removeprefix("base_model.model.") for name in matrices] == list(expected["matrices"])
    for matrix, other in zip(matrices.values(), expected["matrices"].values(), strict=True):
        assert list(matrix.shape) == other["dims"]
        numbers = matrix.detach().flatten().numpy()
        assert numbers[:8].tolist() == np.array(other["first"], np.float32).tolist()
        assert numbers[-8:].tolist() == np.array(other["last"], np.float32).tolist()
