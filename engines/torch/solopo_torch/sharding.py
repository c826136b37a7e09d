"""
A model whose tensors are spread over all ranks (FSDP2: torch.distributed.fsdp.fully_shard): each rank holds a part of every tensor, and
a layer's are put together where it runs.

The first rank alone reads files, one tensor at a time, and gives every rank its part: the others need no files, and none has the whole
model in memory. Where a model's class renames or joins the tensors of its files, the first rank loads it whole before.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from accelerate import init_empty_weights
from safetensors import safe_open
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from .ranks import Ranks
from .tables import Table, Tables, tables_of

T = TypeVar("T")


class Shell(nn.Module):
    """What is run within has the model's own tensors (tables, the last norm) whole, and its layers find theirs."""

    def __init__(self, module: nn.Module, tables: Tables) -> None:
        super().__init__()
        self.module = module
        self.tables = tables

    def forward(self, function: Callable[[], Any]) -> Any:
        return self.tables.within(function)

    def run(self, function: Callable[[], T]) -> T:
        found: T = self(function)
        if not torch.is_grad_enabled() and isinstance(self, FSDPModule):
            # Otherwise the backward pass does it.
            self.reshard()
        return found


def skeleton(config: Any, dtype: torch.dtype, implementation: str | None) -> PreTrainedModel:
    """The model without numbers: parameters are on no device."""
    loader: Any = AutoModelForCausalLM
    with init_empty_weights(include_buffers=False):
        model: PreTrainedModel = loader.from_config(
            config, dtype=dtype, attn_implementation=implementation, trust_remote_code=False
        )
    model.tie_weights()
    return model


def shard(
    ranks: Ranks,
    module: nn.Module,
    base: PreTrainedModel,
    layers: Sequence[nn.Module],
    device: torch.device,
    computed_in: torch.dtype,
) -> Shell:
    """Spreads the parameters, which have no numbers yet, over the ranks: float32 where they are trained, whatever is computed in."""
    tables = [Table(ranks, module, each, device, computed_in) for each in tables_of(base)]
    shell = Shell(module, Tables(tables))
    policy = MixedPrecisionPolicy(param_dtype=computed_in, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for part in (*layers, shell):
        fully_shard(part, mesh=ranks.groups.mesh, mp_policy=policy, ignored_params=set(tables_of(base)))
    for part in shell.modules():
        if isinstance(part, FSDPModule):
            # Gradients are summed: the loss is divided by all pairs where it is made.
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
    shell._apply(lambda tensor: torch.empty_like(tensor, device=device) if tensor.is_meta else tensor)
    return shell


@torch.no_grad()
def fill(ranks: Ranks, tensors: Mapping[str, Tensor], source: Callable[[str], Tensor] | None) -> None:
    """Gives each rank what it holds of every tensor, of what `source` has by that name at the first rank."""
    mesh = ranks.groups.mesh
    for name, tensor in tensors.items():
        if isinstance(tensor, DTensor):
            given = torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
            if source is not None:
                given.copy_(source(name))
            part = distribute_tensor(given, mesh, [Shard(0)], src_data_rank=0)
            tensor.to_local().copy_(part.to_local())
        else:
            if source is not None:
                tensor.copy_(source(name))
            torch.distributed.broadcast(tensor.detach(), 0)


@torch.no_grad()
def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, at every rank."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def write_file(ranks: Ranks, tensors: Mapping[str, Tensor], path: str, metadata: Mapping[str, str]) -> None:
    """A safetensors file of float32 tensors that all ranks hold, by the first rank, which has one of them whole at a time."""
    names = sorted(tensors)
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in names:
        start, end = end, end + 4 * tensors[name].numel()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") if ranks.is_first else nullcontext() as stream:
        if stream is not None:
            stream.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            put_together = whole(tensors[name].detach())
            if stream is not None:
                stream.write(put_together.to("cpu", torch.float32).contiguous().numpy().tobytes())
        if stream is not None:
            stream.flush()
            os.fsync(stream.fileno())


def own_part(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class TensorSource(Protocol):
    def names(self) -> set[str]: ...

    def read(self, name: str) -> Tensor: ...


class Files:
    """Safetensors files, of which one tensor at a time is read."""

    def __init__(self, files: Sequence[Path], stack: ExitStack) -> None:
        self._of: dict[str, Any] = {}
        for file in files:
            opened: Any = stack.enter_context(safe_open(str(file), "pt"))
            self._of.update(dict.fromkeys(opened.keys(), opened))

    def names(self) -> set[str]:
        return set(self._of)

    def read(self, name: str) -> Tensor:
        tensor: Tensor = self._of[name].get_tensor(name)
        return tensor


class Loaded:
    """A model that was loaded whole."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._tensors = model.state_dict()

    def names(self) -> set[str]:
        return set(self._tensors)

    def read(self, name: str) -> Tensor:
        return self._tensors[name]


def parameters_to_fill(model: PreTrainedModel) -> dict[str, Tensor]:
    """Of the base, by their names in its state: parameters once, however many names they have, and buffers that files hold."""
    kept = model.state_dict(keep_vars=True)
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in kept.items():
        if id(tensor) not in seen and ".lora_" not in name:
            seen.add(id(tensor))
            found[name.replace(".base_layer.", ".")] = tensor
    return found


def aliases(model: PreTrainedModel) -> dict[str, set[str]]:
    """Other names of a tied tensor."""
    names: dict[int, set[str]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), set()).add(name.replace(".base_layer.", "."))
    return {name: group - {name} for group in names.values() for name in group}


def finds_all(
    source: TensorSource, wanted: Mapping[str, Tensor], also: Mapping[str, set[str]]
) -> dict[str, str] | None:
    """Which of the source's names each tensor has; None where the names are not one another's."""
    there = source.names()
    found: dict[str, str] = {}
    for name in wanted:
        candidates = [each for each in (name, *sorted(also.get(name, ()))) if each in there]
        if not candidates:
            return None
        found[name] = candidates[0]
    known = {each for name in wanted for each in (name, *also.get(name, ()))}
    return found if there <= known else None


def config_folder(ranks: Ranks, folder: str, stack: ExitStack) -> Path:
    """The model's config.json, at every rank."""
    text = ranks.of_first(lambda: (Path(folder) / "config.json").read_bytes())
    here = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    (here / "config.json").write_bytes(text)
    return here
