"""Some steps of a run, from a checkpoint to the next (libs/engine/src/tasks.ts: trainSlice)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NotRequired, TypedDict, cast

from safetensors.torch import load_file, save_file
from torch import Tensor

from .adamw import AdamW
from .distil import Teacher
from .errors import ModelError
from .lora import PEFT_PREFIX, adapter_parameters
from .models import LanguageModel, Models, ModelSource
from .objectives import teacher_read
from .phase_clock import PhaseClock
from .preference_trainer import PreferenceOptions, PreferenceTrainer
from .sharding import whole, write_file
from .training_pairs import TrainingPair

PYTORCH = {"format": "pt"}
"""What transformers asks for in the metadata of a model's file."""

Report = Callable[[Mapping[str, Any]], None]


class Files(TypedDict):
    weights: str
    """Of the adapter, in PEFT's names, where there is one."""
    optimizerState: str


class TrainSliceInput(TypedDict):
    model: Mapping[str, Any]
    optimizerState: NotRequired[str]
    """Of the checkpoint that the slice starts from; absent at the start."""
    fromStep: int
    """Steps already taken."""
    options: PreferenceOptions
    pairs: Sequence[TrainingPair]
    batches: Sequence[Sequence[int]]
    """For each step of the slice, indices into `pairs`."""
    out: Files


def train_slice(models: Models, message: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Takes the steps, and writes the new weights and optimiser state. In its phases the first step has the time of loading, and the
    last, once the slice is done, that of its checkpoint. `message`: TrainSliceInput."""
    given = cast(TrainSliceInput, message)
    clock = PhaseClock()
    report({"kind": "loading"})
    source = ModelSource.of(given["model"])
    model = models.open(source, trained=True)
    trainer = _restore(models, model, given)
    clock.lap("load")
    report({"kind": "done", "count": 0})
    try:
        steps: list[dict[str, Any]] = []
        for batch in given["batches"]:
            started = time.perf_counter()
            result = trainer.take_step([given["pairs"][index] for index in batch])
            step = {
                "step": result.step,
                "metrics": result.metrics,
                "policyTokens": result.policy_tokens,
                "phaseSeconds": {**(clock.seconds if not steps else {}), **result.phase_seconds},
                "seconds": time.perf_counter() - started,
            }
            steps.append(step)
            report({"kind": "step", "step": step})
        clock.lap("steps")
        _write(model, trainer.optimizer, given["out"])
        clock.lap("checkpoint")
        if steps:
            steps[-1]["phaseSeconds"] = {"checkpoint": clock.seconds["checkpoint"], **steps[-1]["phaseSeconds"]}
        return {"steps": steps}
    finally:
        trainer.optimizer.free()
        models.close(model)


def _restore(models: Models, model: LanguageModel, given: TrainSliceInput) -> PreferenceTrainer:
    options = given["options"]
    adapted = model.source.adapter is not None
    ranks = models.ranks
    state = load_file(given["optimizerState"]) if "optimizerState" in given and ranks.is_first else None
    optimizer = AdamW(
        options["optimizer"],
        _trained(model),
        step=given["fromStep"] if "optimizerState" in given else 0,
        state=state,
        masters=_masters(models, model.source) if _rounded(model) else None,
        ranks=ranks,
    )
    teacher = None
    if teacher_read(options) is not None:
        if not adapted and ranks.count > 1:
            raise ModelError(
                "a teacher beside a model of which all parameters are trained is a second model, which several ranks do not hold; "
                "train an adapter, or on one rank"
            )
        base = model if adapted else models.open(ModelSource(model.source.folder, precision=model.source.precision))
        teacher = Teacher(base, beneath=adapted)
    return PreferenceTrainer(model, options, optimizer, free_bytes=lambda: models.memory.free, teacher=teacher)


def _rounded(model: LanguageModel) -> bool:
    """Whether what is trained is not there in float32. Ranks have it so, and round what they compute with."""
    return model.source.adapter is None and model.source.precision != "float32" and model.ranks.count == 1


def _trained(model: LanguageModel) -> dict[str, Tensor]:
    """The adapter's matrices or else all parameters, by their names in the model."""
    if model.source.adapter is not None:
        return {
            name.removeprefix(PEFT_PREFIX): parameter.requires_grad_()
            for name, parameter in adapter_parameters(model.module).items()
        }
    return {name: parameter.requires_grad_() for name, parameter in model.causal.named_parameters()}


def _masters(models: Models, source: ModelSource) -> dict[str, Tensor]:
    """All parameters as the file has them."""
    exact = models.open(replace(source, precision="float32"))
    return {name: parameter.detach() for name, parameter in exact.causal.named_parameters()}


def _write(model: LanguageModel, optimizer: AdamW, out: Files) -> None:
    """The same files, however many ranks have what is in them."""
    ranks = model.ranks
    if ranks.count > 1:
        write_file(ranks, optimizer.tensors(), out["optimizerState"], {"step": str(optimizer.step)})
    else:
        moments = {name: _on_host(tensor) for name, tensor in optimizer.tensors().items()}
        save_file(moments, out["optimizerState"], {"step": str(optimizer.step)})
    if model.source.adapter is None and model.file_names is not None:
        names = model.file_names
        write_file(ranks, {names[name]: master for name, master in optimizer.masters.items()}, out["weights"], PYTORCH)
        return
    trained = {name: _on_host(master) for name, master in optimizer.masters.items()}
    if not ranks.is_first:
        return
    if model.source.adapter is None:
        _write_all(model, trained, out["weights"])
    else:
        # The precision of what is beneath; absent for float32, so that the files of such runs are the other engine's.
        precision = model.source.precision
        metadata: dict[str, str] = {} if precision == "float32" else {"precision": precision}
        save_file({PEFT_PREFIX + name: tensor for name, tensor in trained.items()}, out["weights"], metadata)


def _write_all(model: LanguageModel, tensors: Mapping[str, Tensor], path: str) -> None:
    """By the names that the model's own files have: transformers gives some tensors others, and joins some."""
    with TemporaryDirectory(dir=Path(path).parent) as folder:
        model.causal.save_pretrained(folder, state_dict=dict(tensors), max_shard_size="1000GB")
        (Path(folder) / "model.safetensors").replace(path)


def _on_host(tensor: Tensor) -> Tensor:
    return whole(tensor.detach()).to("cpu").contiguous()
