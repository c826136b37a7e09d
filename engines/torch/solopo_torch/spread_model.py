"""Opens a model that all ranks hold together."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from .device import return_freed
from .lora import adapter_parameters, adapter_values, attach
from .models import (
    DTYPES,
    LanguageModel,
    Models,
    ModelSource,
    bytes_of,
    implementation_for,
    prepare,
    read_config,
    weight_files,
)
from .ranks import Ranks
from .recompute import layers_of
from .sharding import (
    Files,
    Loaded,
    TensorSource,
    aliases,
    config_folder,
    fill,
    finds_all,
    parameters_to_fill,
    shard,
    skeleton,
)


def has_base_of(model: LanguageModel, source: ModelSource) -> bool:
    """Whether no more than the adapter's numbers are other ones."""
    return source.adapter is not None and _base_of(model.source) == _base_of(source)


def change_adapter(ranks: Ranks, model: LanguageModel, source: ModelSource) -> None:
    _fill_adapter(ranks, model.module, source)
    model.source = source


def open_spread(models: Models, source: ModelSource, *, trained: bool) -> LanguageModel:
    # Modules refer to each other in circles: those of the model before are still there.
    gc.collect()
    ranks = models.ranks
    adapter = source.adapter
    # What is trained without an adapter takes its steps in float32.
    stored = torch.float32 if trained and adapter is None else DTYPES[source.precision]
    with ExitStack() as stack:
        config = read_config(config_folder(ranks, source.folder, stack))
        base = prepare(skeleton(config, stored, implementation_for(config, source)))
        module: PreTrainedModel | PeftModel = base
        if adapter is not None:
            module = attach(base, adapter.options, None, adapter.seed, filled=False)
        elif trained:
            base.requires_grad_()
        decoder = base.get_decoder()
        layers = layers_of(decoder, base.config.get_text_config(decoder=True).num_hidden_layers)
        # Read off before the parameters are spread: names stay, tensors are other ones.
        also = aliases(base)
        shell = shard(ranks, module, base, layers, models.device, DTYPES[source.precision])
        wanted = parameters_to_fill(base)
        reader, names = _first_reads(models, source, wanted, also, stack)
        fill(ranks, wanted, None if reader is None else lambda name: reader.read(names[name]))
        file_names = ranks.of_first(lambda: names if isinstance(reader, Files) else None)
    for name, buffer in base.named_buffers():
        if buffer.device != models.device:
            owner, _, last = name.rpartition(".")
            setattr(base.get_submodule(owner), last, buffer.to(models.device))
    if adapter is not None:
        _fill_adapter(ranks, module, source)
    return_freed()
    return LanguageModel(module, base, source, models.device, ranks, shell, file_names)


def _base_of(source: ModelSource) -> ModelSource:
    adapter = source.adapter
    return replace(source, adapter=None if adapter is None else replace(adapter, weights=None, seed=0))


def _first_reads(
    models: Models, source: ModelSource, wanted: dict[str, Tensor], also: dict[str, set[str]], stack: ExitStack
) -> tuple[TensorSource | None, dict[str, str]]:
    """At the first rank, where the tensors are read from and their names there."""
    if not models.ranks.is_first:
        return None, {}
    files = weight_files(Path(source.folder)) if source.weights is None else [Path(source.weights)]
    models.memory.demand(
        bytes_of(files, DTYPES[source.precision]) // _ranks_here(models.ranks),
        f"a part of the model {Path(source.folder).name} in {source.precision}",
    )
    opened: TensorSource = Files(files, stack)
    names = finds_all(opened, wanted, also)
    if names is None:
        # Whole, as transformers reads it: its class renames or joins tensors.
        opened = Loaded(models.read_to(replace(source, adapter=None), torch.device("cpu")))
        names = {name: name for name in wanted}
    return opened, names


def _ranks_here(ranks: Ranks) -> int:
    """On a processor the ranks of a machine share its memory."""
    return ranks.count if ranks.device == "cuda" else 1


def _fill_adapter(ranks: Ranks, module: nn.Module, source: ModelSource) -> None:
    adapter = source.adapter
    assert adapter is not None, "an adapter is filled where there is one"
    parameters = adapter_parameters(module)
    values = adapter_values(parameters, adapter.weights, adapter.seed) if ranks.is_first else {}
    fill(ranks, parameters, values.__getitem__ if ranks.is_first else None)
