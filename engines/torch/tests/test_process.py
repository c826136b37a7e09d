"""The protocol, over a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from training import ADAPTER, options, pairs_of

from solopo_torch.frames import read_frame, write_frame

ROOT = Path(__file__).parent.parent
RETRIEVAL = ROOT.parent.parent / "data" / "models" / "retrieval-144k"


class Child:
    def __init__(self, **options: Any) -> None:
        reading, writing = os.pipe()
        start = (
            f"import os, sys; os.dup2({writing}, 3); os.execv(sys.executable, [sys.executable, '-m', 'solopo_torch'])"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            pass_fds=[writing],
            env={**os.environ, "SOLOPO_ENGINE": json.dumps({"threads": 1, **options})},
        )
        os.close(writing)
        self.replies = os.fdopen(reading, "rb")
        self.states: list[dict[str, Any]] = []
        self.hello = read_frame(self.replies)

    def send(self, number: int, task: str, given: Any, **more: Any) -> None:
        assert self.process.stdin is not None
        write_frame(self.process.stdin, {"id": number, "task": task, "input": given, **more})

    def until_answered(self, number: int) -> tuple[dict[str, Any], list[Any]]:
        progress = []
        while True:
            message = self.read()
            assert message["id"] == number
            if message["kind"] != "progress":
                return message, progress
            progress.append(message["progress"])

    def read(self) -> Any:
        """The next message that is not the engine's state."""
        while (message := read_frame(self.replies))["kind"] == "state":
            self.states.append(message["state"])
        return message

    def ask(self, task: str, given: Any) -> tuple[dict[str, Any], list[Any]]:
        self.send(1, task, given)
        return self.until_answered(1)

    def close(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(20)
        self.replies.close()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    child = Child()
    yield child
    assert child.close() == 0


def test_it_says_what_it_is_and_where_it_computes(child: Child) -> None:
    assert child.hello["kind"] == "hello"
    assert child.hello["protocol"] == 1
    assert child.hello["engine"] == "torch"
    assert set(child.hello["versions"]) == {"python", "torch", "transformers", "peft"}
    answer, _ = child.ask("fingerprint", {"precision": "bfloat16"})
    assert answer["kind"] == "result"
    for part in (child.hello["versions"]["torch"], "cpu bfloat16", "deterministic", "threads 1"):
        assert part in answer["output"]
    assert child.states[0]["device"] == "cpu"
    assert child.states[0]["reason"] == "asked for"
    assert child.states[-1]["allocatedBytes"] > 0


def test_trees_are_scored_with_progress_and_a_trace_is_no_hindrance(child: Child) -> None:
    trees = [
        {"prompt": np.arange(3, 20, dtype=np.int32), "branches": [np.array([4, 9], np.int32), np.array([5], np.int32)]},
        {"prompt": np.arange(5, 12, dtype=np.int32), "branches": [np.array([7, 8, 9], np.int32)]},
    ]
    given = {"model": {"folder": str(RETRIEVAL)}, "trees": trees, "batchTokens": 20}
    child.send(7, "score", given, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    answer, progress = child.until_answered(7)
    assert [[len(branch) for branch in tree] for tree in answer["output"]["logps"]] == [[2, 1], [3]]
    assert answer["output"]["logps"][0][0].dtype == np.float32
    assert answer["output"]["tokens"] == 30
    assert progress == [
        {"kind": "loading"},
        {"kind": "done", "count": 0},
        {"kind": "done", "count": 1},
        {"kind": "done", "count": 2},
    ]
    # The model is kept; a part of the trees has the numbers that it has among all.
    child.send(8, "score", {**given, "from": 1})
    part, progress = child.until_answered(8)
    assert progress[0] == {"kind": "done", "count": 0}
    assert part["output"]["logps"][0][0].tolist() == answer["output"]["logps"][1][0].tolist()
    assert part["output"]["tokens"] == 10


@pytest.mark.parametrize(
    ("task", "given", "name", "told"),
    [
        ("score", {"model": {"folder": "/nowhere"}, "trees": [], "batchTokens": 1}, "ModelError", "/nowhere"),
        ("score", {"model": {"folder": str(RETRIEVAL), "precision": "float8"}}, "ModelError", "float32 or bfloat16"),
        ("score", {"model": {"folder": str(RETRIEVAL), "frozenWeights": "int8"}}, "ModelError", "engine onnx"),
        ("dance", {}, "EngineError", "no task"),
        ("score", {}, "EngineError", "KeyError"),
    ],
)
def test_an_error_has_its_class_and_says_what_to_do(child: Child, task: str, given: Any, name: str, told: str) -> None:
    answer, _ = child.ask(task, given)
    assert (answer["kind"], answer["name"]) == ("error", name)
    assert told in answer["message"]


def test_a_signal_to_the_group_is_left_to_the_parent(child: Child) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        child.process.send_signal(number)
    assert child.ask("fingerprint", {})[0]["kind"] == "result"


def test_the_end_of_its_input_ends_a_task_that_would_take_hours(folder_of: Callable[..., Path]) -> None:
    child = Child()
    prompts = [{"tokens": np.arange(3, 8, dtype=np.int32), "key": [0, 0]}]
    options = {"samplesPerPrompt": 1, "temperature": 0, "topP": 1, "maxNewTokens": 10**8, "eosIds": [], "seed": 1}
    model = {"folder": str(folder_of("llama"))}
    child.send(1, "sample", {"model": model, "prompts": prompts, "options": options, "batchTokens": 10**9})
    while read_frame(child.replies) != {"id": 1, "kind": "progress", "progress": {"kind": "done", "count": 0}}:
        pass
    assert child.close() == 0


def test_a_slice_is_trained_with_each_step_told_as_it_is_taken(
    child: Child, folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    pairs = [
        {name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in pair.items()}
        for pair in pairs_of(2)
    ]
    given = {
        "model": {"folder": str(folder_of("llama")), "adapter": ADAPTER},
        "fromStep": 0,
        "options": options(),
        "pairs": pairs,
        "batches": [[0], [1, 0]],
        "out": {"weights": str(tmp_path / "weights"), "optimizerState": str(tmp_path / "state")},
    }
    answer, progress = child.ask("trainSlice", given)
    assert answer["kind"] == "result"
    steps = answer["output"]["steps"]
    assert [told["kind"] for told in progress] == ["loading", "done", "step", "step"]
    assert [told["step"]["metrics"] for told in progress[2:]] == [step["metrics"] for step in steps]
    assert load_file(tmp_path / "weights").keys() == {
        f"base_model.model.model.layers.{layer}.{module}.lora_{matrix}.weight"
        for layer in range(2)
        for module in ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")
        for matrix in "AB"
    }
    with safe_open(tmp_path / "state", "pt") as state:
        assert state.metadata() == {"step": "2"}
    answer, _ = child.ask("trainSlice", {**given, "options": options(alpha=1e300)})
    assert answer["name"] == "LossNotFiniteError"
