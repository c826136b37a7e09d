"""Engines of several ranks, on tiny models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from test_process import Child
from torch import Tensor
from training import Slices


class Spread(Slices):
    """Slices of training by an engine process of so many ranks."""

    def __init__(self, files: Path, **options: Any) -> None:
        super().__init__(None, None, files)
        self.count = options["ranks"]
        self.sequence_ranks = options.get("sequenceRanks", 1)
        self.child = Child(threads=self.count, **options)

    def run(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        reply, _ = self.child.ask("trainSlice", given)
        assert reply["kind"] == "result", reply
        taken: list[dict[str, Any]] = reply["output"]["steps"]
        return taken

    def slice(self, *args: Any, **more: Any) -> dict[str, Any]:
        """With arrays as the parent sends them."""
        given = super().slice(*args, **more)
        pairs = [
            {key: value.numpy() if isinstance(value, Tensor) else value for key, value in pair.items()}
            for pair in given["pairs"]
        ]
        return {**given, "pairs": pairs}
