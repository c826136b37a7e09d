"""Several ranks on one machine: what one rank does, whatever their number and whatever they share."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ranks import Spread
from safetensors.torch import load_file
from training import ADAPTER, Folder, Slices, options

from solopo_torch.frames import read_frame
from solopo_torch.models import Models
from solopo_torch.ranks import divided

DISTIL = {"kind": "distil"}
WORLDS = {
    "two that take other pairs": {"ranks": 2},
    "two that share sequences": {"ranks": 2, "sequenceRanks": 2},
    "four, two by two": {"ranks": 4, "sequenceRanks": 2},
}


@pytest.fixture(scope="module", params=WORLDS.values(), ids=WORLDS)
def spread(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spread]:
    spread = Spread(tmp_path_factory.mktemp("spread"), **request.param)
    yield spread
    assert spread.child.close() == 0


@pytest.fixture
def alone(models: Models, folder_of: Folder, tmp_path: Path) -> Callable[[str], Slices]:
    return lambda family: Slices(models, folder_of(family), tmp_path)


WHAT: dict[str, tuple[str, dict[str, Any] | None, dict[str, Any]]] = {
    "an adapter": ("llama", None, options()),
    "all parameters": ("qwen2", {}, options()),
    "an adapter over bfloat16": ("llama", {"adapter": ADAPTER, "precision": "bfloat16"}, options()),
    "windows, sinks and experts": ("gpt_oss", None, options()),
    "soft caps": ("gemma2", {}, options()),
    "both contexts at once": ("llama", None, options(detach="none")),
    "a tail of the long prompt": ("llama", None, options(backward={"tail": 6})),
    "the answer alone": ("qwen3", None, options(backward="response")),
    "self-distillation": ("llama", None, options("distil", DISTIL)),
    "long contexts alone": ("llama", None, options("expand-long")),
}


@pytest.mark.parametrize("what", WHAT.values(), ids=WHAT)
def test_steps_are_those_of_one_rank(
    spread: Spread, alone: Callable[[str], Slices], what: tuple[str, dict[str, Any] | None, dict[str, Any]]
) -> None:
    family, model, settings = what
    one = alone(family)
    rounded = model is not None and model.get("precision") == "bfloat16"
    expected = one.take("one", settings, range(1, 4), model=model)
    found = spread.take("several", settings, range(1, 4), model=model, folder=one.folder)
    for own, theirs in zip(found, expected, strict=True):
        assert own["policyTokens"] == theirs["policyTokens"]
        assert own["metrics"] == pytest.approx(
            theirs["metrics"], rel=0.05 if rounded else 1e-4, abs=1e-2 if rounded else 1e-5
        )
    if not rounded:
        for file in ("weights", "optimizerState"):
            own_tensors, tensors = load_file(spread.out("several")[file]), load_file(one.out("one")[file])
            assert own_tensors.keys() == tensors.keys()
            for name, tensor in tensors.items():
                torch.testing.assert_close(own_tensors[name], tensor, rtol=1e-3, atol=2e-5)


def test_a_checkpoint_is_gone_on_from_by_another_number_of_ranks(
    spread: Spread, alone: Callable[[str], Slices]
) -> None:
    for family, model in (("llama", None), ("qwen2", {})):
        one = alone(family)
        expected = one.take("whole", options(), range(1, 5), model=model)
        one.take("first", options(), [1, 2], model=model)
        spread.files = one.files
        rest = spread.take("rest", options(), [3, 4], model=model, after="first", folder=one.folder)
        for own, theirs in zip(rest, expected[2:], strict=True):
            assert own["metrics"] == pytest.approx(theirs["metrics"], rel=1e-4, abs=1e-5)
        # And back, with nothing trained: what was written is what is read.
        written = load_file(spread.out("rest")["weights"])
        assert written.keys() == load_file(one.out("whole")["weights"]).keys()


def test_slices_are_the_steps_in_one_go_to_the_last_bit(spread: Spread, folder_of: Folder) -> None:
    folder = folder_of("llama")
    spread.take("whole", options(), range(1, 5), folder=folder)
    spread.take("first", options(), [1, 2], folder=folder)
    spread.take("rest", options(), [3, 4], after="first", folder=folder)
    assert spread.bytes_of("rest") == spread.bytes_of("whole")


def test_scores_are_those_of_one_rank(spread: Spread, folder_of: Folder, models: Models) -> None:
    from solopo_torch.models import ModelSource
    from solopo_torch.scoring import Cut, measure, score
    from solopo_torch.tasks import _trees

    folder = folder_of("llama")
    trees = [
        {
            "prompt": np.arange(3 + i, dtype=np.int32),
            "branches": [np.arange(1, 4, dtype=np.int32), np.arange(5, 7 + i % 2, dtype=np.int32)],
        }
        for i in range(7)
    ]
    model = models.open(ModelSource(str(folder)))
    cut = Cut(25)
    expected = score(model, _trees(trees), cut, lambda _: None)
    given = {"model": {"folder": str(folder)}, "trees": trees, "batchTokens": 25}
    reply, progress = spread.child.ask("score", given)
    assert reply["kind"] == "result", reply
    assert progress[-1] == {"kind": "done", "count": 7}
    for own, theirs in zip(reply["output"]["logps"], expected, strict=True):
        for a, b in zip(own, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    reply, _ = spread.child.ask("score", {**given, "from": 2, "to": 5})
    assert len(reply["output"]["logps"]) == 3
    reply, _ = spread.child.ask("measure", {**given, "scorePrompt": True})
    theirs_measured = measure(model, _trees(trees), cut, True, lambda _: None)
    for own, theirs in zip(reply["output"], theirs_measured, strict=True):
        assert own["prompt"] == pytest.approx(theirs["prompt"], rel=1e-5)
        for a, b in zip(own["branches"], theirs["branches"], strict=True):
            assert a == pytest.approx(b, rel=1e-5)


def test_what_one_rank_does_is_refused_and_the_ranks_go_on(spread: Spread) -> None:
    reply, _ = spread.child.ask("sample", {})
    assert (reply["kind"], reply["name"]) == ("error", "DeviceError")
    assert "let a worker with one rank do it" in reply["message"]
    reply, _ = spread.child.ask("fingerprint", {})
    assert f"ranks {spread.count}, sequence {spread.sequence_ranks}" in reply["output"]


def _ranks_of(relay: int) -> list[int]:
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(relay)], capture_output=True, text=True, check=True)
    return [int(pid) for pid in children.stdout.split()]


def test_a_rank_that_is_killed_ends_the_engine_by_name_and_the_slice_is_taken_again(
    folder_of: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Short: a socket's path has at most 107 bytes.
    scratch = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setenv("TMPDIR", str(scratch))
    folder = folder_of("llama")
    undisturbed = Spread(tmp_path, ranks=2)
    undisturbed.take("undisturbed", options(), range(1, 5), folder=folder)
    assert undisturbed.child.close() == 0
    killed = Spread(tmp_path, ranks=2)
    killed.child.send(1, "trainSlice", killed.slice("killed", options(steps=400), range(1, 401), folder=folder))
    while killed.child.read()["kind"] != "progress":
        pass
    ranks = _ranks_of(killed.child.process.pid)
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    assert killed.child.process.wait(30) == 75
    # The end is the death's, not what the first rank met with after it.
    while (message := read_frame(killed.child.replies)) is not None:
        assert message["kind"] == "progress"
    assert killed.child.process.stderr is not None
    last = killed.child.process.stderr.read().decode().strip().splitlines()[-1]
    assert last == f"rank 1 of 2 (process {ranks[1]}) ended by SIGKILL; all ranks start again"
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{rank}").exists() for rank in ranks) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)
    again = Spread(tmp_path, ranks=2)
    again.take("again", options(), range(1, 5), folder=folder)
    assert again.bytes_of("again") == again.bytes_of("undisturbed")
    assert list(scratch.iterdir()) == []
    scratch.rmdir()
    # The parent's death is theirs.
    ranks = _ranks_of(again.child.process.pid)
    again.child.process.kill()
    again.child.process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{rank}").exists() for rank in ranks) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a device that must not be there")
def test_ranks_without_their_device_answer_so(tmp_path: Path) -> None:
    spread = Spread(tmp_path, ranks=2, device="cuda")
    reply, _ = spread.child.ask("fingerprint", {})
    assert (reply["kind"], reply["name"]) == ("error", "DeviceError")
    assert "choose device cpu" in reply["message"]
    assert spread.child.process.wait(30) == 75


def test_heads_that_ranks_cannot_divide_are_named_with_what_fits(folder_of: Folder, tmp_path: Path) -> None:
    spread = Spread(tmp_path, ranks=3, sequenceRanks=3)
    spread.child.send(1, "trainSlice", spread.slice("none", options(), [1], folder=folder_of("llama")))
    reply, _ = spread.child.until_answered(1)
    assert (reply["kind"], reply["name"]) == ("error", "ModelError")
    assert "3 ranks cannot share the sequences of a model with 4 attention heads" in reply["message"]
    assert "set sequenceRanks to one of 1, 2, 4" in reply["message"]
    assert spread.child.process.wait(30) == 75


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_pairs_are_divided_by_size_and_none_is_lost(parts: int) -> None:
    sizes = [50, 10, 10, 30, 20, 40, 10]
    shares = divided(sizes, parts)
    assert sorted(place for share in shares for place in share) == list(range(7))
    loads = [sum(sizes[place] for place in share) for share in shares]
    assert max(loads) <= max(max(sizes), sum(sizes) / parts + 25)
