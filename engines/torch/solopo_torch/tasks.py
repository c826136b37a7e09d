"""The engine's vocabulary (libs/engine/src/tasks.ts): task by task, input to output. Plain code: no process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from .device import ChosenDevice, Memory, fingerprint
from .errors import DeviceError
from .groups import Clock, told_of_memory
from .models import LanguageModel, Models, ModelSource
from .ranks import ALONE, Ranks
from .sampling import Limits, Prompt, SamplingOptions, sample
from .scoring import Cut, InspectedRow, inspect, measure, score
from .train_slice import TrainSliceInput, train_slice
from .trees import Tree

Report = Callable[[Mapping[str, Any]], None]
Input = Mapping[str, Any]


_OF_ONE_RANK = {"sample", "inspect"}


class UnknownTaskError(Exception):
    pass


class TaskRunner:
    """Executes tasks one after another and keeps the last model between them."""

    def __init__(self, chosen: ChosenDevice, memory: Memory, threads: int, ranks: Ranks = ALONE) -> None:
        self.chosen = chosen
        self.threads = threads
        self.ranks = ranks
        self.models = Models(torch.device(chosen.device), memory, ranks)
        self._kept: tuple[ModelSource, LanguageModel] | None = None
        self._tasks: Mapping[str, Callable[[Input, Report], Any]] = {
            "fingerprint": self._fingerprint,
            "sample": self._sample,
            "score": self._score,
            "measure": self._measure,
            "inspect": self._inspect,
            "trainSlice": self._train_slice,
        }

    def run(self, task: str, given: Input, report: Report) -> Any:
        self.demand_possible(task)
        with told_of_memory():
            return self._tasks[task](given, report)

    def demand_possible(self, task: str) -> None:
        if task not in self._tasks:
            raise UnknownTaskError(f"the torch engine has no task {task!r}; run ./solopo engine add torch again")
        if self.ranks.count > 1 and task in _OF_ONE_RANK:
            raise DeviceError(f"several ranks together do not {task}: let a worker with one rank do it")

    def _fingerprint(self, given: Input, _: Report) -> str:
        return fingerprint(self.chosen, given.get("precision", "float32"), self.threads, self.ranks)

    def _sample(self, given: Input, report: Report) -> dict[str, Any]:
        model = self._load(given, report)
        samples = sample(
            model,
            [Prompt(_tokens(prompt["tokens"]), tuple(prompt["key"])) for prompt in given["prompts"]],
            SamplingOptions.of(given["options"]),
            Limits(given["batchTokens"], given.get("cacheBytes"), Clock(given.get("sliceMs"))),
            lambda count: report({"kind": "done", "count": count}),
        )
        return {
            "samples": samples,
            "engine": fingerprint(self.chosen, model.source.precision, self.threads),
            # No weights are rounded, whatever samplingWeights says.
            "exactWeights": 0,
        }

    def _score(self, given: Input, report: Report) -> dict[str, Any]:
        model = self._load(given, report)
        trees = _trees(given["trees"])
        cut = _cut(given)
        logps = score(model, trees, cut, lambda count: report({"kind": "done", "count": count}))
        return {"logps": logps, "tokens": sum(map(len, trees[cut.first : cut.first + len(logps)]))}

    def _measure(self, given: Input, report: Report) -> list[dict[str, Any]]:
        model = self._load(given, report)
        return measure(
            model,
            _trees(given["trees"]),
            _cut(given),
            given["scorePrompt"],
            lambda count: report({"kind": "done", "count": count}),
        )

    def _inspect(self, given: Input, report: Report) -> list[dict[str, Any]]:
        model = self._load(given, report)
        responses = []
        for row in given["rows"]:
            evidence = [(place["start"], place["end"]) for place in row["evidence"]]
            responses.append(inspect(model, InspectedRow(_tokens(row["prompt"]), _tokens(row["response"]), evidence)))
            report({"kind": "done", "count": len(responses)})
        return responses

    def _train_slice(self, given: Input, report: Report) -> Any:
        self._release()
        return train_slice(self.models, cast(TrainSliceInput, given), report)

    def _load(self, given: Input, report: Report) -> LanguageModel:
        """Tells when the model is being loaded, and when the work on it begins."""
        source = ModelSource.of(given["model"])
        if self._kept is None or self._kept[0] != source:
            report({"kind": "loading"})
            self._release()
            self._kept = (source, self.models.open(source))
        report({"kind": "done", "count": 0})
        return self._kept[1]

    def _release(self) -> None:
        if self._kept is not None:
            kept, self._kept = self._kept[1], None
            self.models.close(kept)


def _tokens(tokens: NDArray[np.int32]) -> torch.Tensor:
    return torch.from_numpy(tokens).long()


def _trees(trees: Sequence[Input]) -> list[Tree]:
    return [Tree(_tokens(tree["prompt"]), [_tokens(branch) for branch in tree["branches"]]) for tree in trees]


def _cut(given: Input) -> Cut:
    return Cut(given["batchTokens"], given.get("from", 0), given.get("to"), Clock(given.get("sliceMs")))
