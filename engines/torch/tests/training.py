"""Slices of training on tiny models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from solopo_torch.models import Models
from solopo_torch.train_slice import train_slice

Folder = Callable[..., Path]

DPO = {"kind": "dpo", "beta": 0.5, "loss": "sigmoid", "labelSmoothing": 0}
ALIGNMENT = {
    "alpha": 1.5,
    "reference": "shared",
    "distance": "absolute",
    "sides": "two",
    "detach": "short",
    "deadZone": 0,
    "fraction": 1,
}
ADAPTER: dict[str, Any] = {
    "options": {"rank": 2, "alpha": 4, "targets": ["q_proj", "v_proj", "down_proj"], "rsLora": False},
    "seed": 7,
}


def options(arm: str = "solo", objective: Mapping[str, Any] = DPO, **changes: Any) -> dict[str, Any]:
    """`changes`: of the alignment, or of what is beside it."""
    beside = {
        "optimizer": {"betas": [0.9, 0.98], "epsilon": 1e-8, "weightDecay": 0.01},
        "schedule": {"learningRate": 0.01, "schedule": "linear", "warmupRatio": 0.2, "finalLearningRateRatio": 0.1},
        "clipNorm": 1,
        "microBatchTokens": 90,
        "steps": 10,
    }
    return {
        "arm": arm,
        "objective": dict(objective),
        "alignment": {**ALIGNMENT, **{key: value for key, value in changes.items() if key not in beside}},
        **{key: changes.get(key, value) for key, value in beside.items()},
    }


def ids(length: int, salt: int) -> Tensor:
    return torch.tensor([3 + (salt * 31 + i * i * 7 + i * salt) % 57 for i in range(length)], dtype=torch.int32)


def pairs_of(count: int) -> list[dict[str, Any]]:
    return [
        {
            "short": ids(5 + i % 3, 4 * i),
            "long": ids(16 + 3 * (i % 2), 4 * i + 1),
            "chosen": ids(3 + i % 2, 4 * i + 2),
            "rejected": ids(4 - i % 3, 4 * i + 3),
            "aligned": i % 4 != 3,
            "reference": {row: -9.0 - i % 5 - k for k, row in enumerate(ROWS)},
        }
        for i in range(count)
    ]


ROWS = ("shortChosen", "shortRejected", "longChosen", "longRejected")


class Slices:
    """Trains by the engine's task and keeps the files."""

    def __init__(self, models: Models | None, folder: Path | None, files: Path) -> None:
        self.models = models
        self.folder = folder
        self.files = files

    def run(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        """The steps of a slice."""
        assert self.models is not None
        taken: list[dict[str, Any]] = train_slice(self.models, given, lambda _: None)["steps"]
        return taken

    def take(self, name: str, settings: Mapping[str, Any], steps: Sequence[int], **more: Any) -> list[dict[str, Any]]:
        """Steps, counted from 1, from the start or after another slice; `more`: as of `slice`."""
        return self.run(self.slice(name, settings, steps, **more))

    def slice(
        self,
        name: str,
        settings: Mapping[str, Any],
        steps: Sequence[int],
        *,
        folder: Path | None = None,
        model: Mapping[str, Any] | None = None,
        after: str | None = None,
        pairs_a_step: int = 3,
    ) -> dict[str, Any]:
        """What the engine is asked for such steps."""
        source: dict[str, Any] = {
            "folder": str(folder or self.folder),
            **({"adapter": ADAPTER} if model is None else model),
        }
        given: dict[str, Any] = {
            "model": source,
            "fromStep": steps[0] - 1,
            "options": settings,
            "pairs": pairs_of(pairs_a_step * steps[-1]),
            "batches": [[pairs_a_step * (step - 1) + i for i in range(pairs_a_step)] for step in steps],
            "out": self.out(name),
        }
        if after is not None:
            before = self.out(after)
            given["optimizerState"] = before["optimizerState"]
            if "adapter" in source:
                source["adapter"] = {"options": ADAPTER["options"], "weights": before["weights"]}
            else:
                source["weights"] = before["weights"]
        return given

    def out(self, name: str) -> dict[str, str]:
        return {
            "weights": str(self.files / f"{name}.safetensors"),
            "optimizerState": str(self.files / f"{name}.state.safetensors"),
        }

    def bytes_of(self, name: str) -> tuple[bytes, ...]:
        return tuple(Path(path).read_bytes() for path in self.out(name).values())
