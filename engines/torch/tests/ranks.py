"""Engines of several ranks, on tiny models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from test_process import Child
from torch import Tensor
from training import ADAPTER, pairs_of


def sent(pairs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Arrays as the parent sends them."""
    return [
        {key: value.numpy() if isinstance(value, Tensor) else value for key, value in pair.items()} for pair in pairs
    ]


class Spread:
    """Slices of training by an engine of so many ranks."""

    def __init__(self, files: Path, **options: Any) -> None:
        self.files = files
        self.count = options["ranks"]
        self.sequence_ranks = options.get("sequenceRanks", 1)
        self.child = Child(threads=self.count, **options)

    def take(
        self,
        name: str,
        settings: dict[str, Any],
        steps: Sequence[int],
        *,
        folder: Path,
        model: dict[str, Any] | None = None,
        after: str | None = None,
        pairs_a_step: int = 3,
    ) -> list[dict[str, Any]]:
        given = self.slice(name, settings, steps, folder=folder, model=model, after=after, pairs_a_step=pairs_a_step)
        reply, _ = self.child.ask("trainSlice", given)
        assert reply["kind"] == "result", reply
        taken: list[dict[str, Any]] = reply["output"]["steps"]
        return taken

    def slice(
        self,
        name: str,
        settings: dict[str, Any],
        steps: Sequence[int],
        *,
        folder: Path,
        model: dict[str, Any] | None = None,
        after: str | None = None,
        pairs_a_step: int = 3,
    ) -> dict[str, Any]:
        source: dict[str, Any] = {"folder": str(folder), **({"adapter": ADAPTER} if model is None else model)}
        given: dict[str, Any] = {
            "model": source,
            "fromStep": steps[0] - 1,
            "options": settings,
            "pairs": sent(pairs_of(pairs_a_step * steps[-1])),
            "batches": [
                torch.arange(pairs_a_step * (step - 1), pairs_a_step * step).int().numpy().tolist() for step in steps
            ],
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
