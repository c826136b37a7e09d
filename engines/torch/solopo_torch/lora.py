"""
Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) by PEFT: y = x W' + s (x A') B' with A [rank, in], B [out, rank] and
s = alpha / rank, or alpha / sqrt(rank) (rank-stabilised, Kalajdzievski 2023, arXiv 2312.03732).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from .errors import ModelError
from .fused import fuse_adapter
from .philox import stream_floats

PEFT_PREFIX = "base_model.model."
_ADAPTER = "default"
ALL_LINEAR = "all-linear"

_FUSED = {
    "qkv_proj": ("q_proj", "k_proj", "v_proj"),
    "gate_up_proj": ("gate_proj", "up_proj"),
}
"""Layers that some architectures (Phi-3) have in place of several: adapted where one of the several is asked for."""

_READ_BY_KERNELS = {"mamba", "mamba2", "falcon_mamba", "falcon_h1", "nemotron_h"}
"""Architectures whose kernels take the weight of out_proj itself, past an adapter; PEFT refuses it."""


@dataclass(frozen=True)
class LoraOptions:
    rank: int
    alpha: float
    targets: tuple[str, ...]
    """Linear layers, by the last part of their name; all but the output layer where it is ALL_LINEAR alone."""
    rs_lora: bool

    @staticmethod
    def of(options: Mapping[str, Any]) -> LoraOptions:
        return LoraOptions(
            rank=options["rank"],
            alpha=options["alpha"],
            targets=(ALL_LINEAR,) if options["targets"] == ALL_LINEAR else tuple(options["targets"]),
            rs_lora=bool(options.get("rsLora", False)),
        )


def targets_of(model: PreTrainedModel, options: LoraOptions) -> list[str]:
    """
    Names of the linear layers that are adapted, in the model's order.

    Raises ModelError where PEFT has nothing to adapt.
    """
    # What sees images is not adapted, nor is the output layer.
    of_text = set(model.get_decoder().modules())
    # GPT-2's keep W', [in, out].
    linear = [
        name for name, layer in model.named_modules() if isinstance(layer, nn.Linear | Conv1D) and layer in of_text
    ]
    wanted = set(options.targets) | {fused for fused, parts in _FUSED.items() if set(parts) & set(options.targets)}
    if options.targets == (ALL_LINEAR,):
        wanted = {name.rpartition(".")[2] for name in linear}
        wanted -= {"out_proj"} if model.config.model_type in _READ_BY_KERNELS else set()
    found = [name for name in linear if name.rpartition(".")[2] in wanted]
    if not found:
        there = sorted({name.rpartition(".")[2] for name in linear})
        raise ModelError(
            f"this architecture ({type(model).__name__}) has no linear layer called {', '.join(options.targets)}: "
            + (
                f"its linear layers are {', '.join(there)}; name some of them in adapter.targets, or train all parameters"
                if there
                else "it has none that PEFT can adapt; train all parameters"
            )
        )
    return found


def attach(
    model: PreTrainedModel, options: LoraOptions, weights: str | None, seed: int, *, filled: bool = True
) -> PeftModel:
    """The model with an adapter: of PEFT's file `weights`, or fresh from the seed. Only the adapter is trained. Without `filled` its
    numbers are not there yet."""
    targets = targets_of(model, options)
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type]
        target_modules=targets,
        use_rslora=options.rs_lora,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        init_lora_weights=False,
    )
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:
        raise ModelError(
            f"PEFT cannot adapt this architecture so: {str(error).rstrip('.')}; name other layers in adapter.targets"
        ) from error
    assert isinstance(adapted, PeftModel)
    if filled:
        parameters = adapter_parameters(adapted)
        values = adapter_values(parameters, weights, seed)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(values[name])
    fuse_adapter(adapted)
    return adapted


def adapter_parameters(adapted: nn.Module) -> dict[str, nn.Parameter]:
    """The adapter's matrices by PEFT's names of them in a file, in the model's order."""
    return {
        name.replace(f".{_ADAPTER}.", "."): parameter
        for name, parameter in adapted.named_parameters()
        if ".lora_A." in name or ".lora_B." in name
    }


def adapter_values(parameters: Mapping[str, Tensor], weights: str | None, seed: int) -> Mapping[str, Tensor]:
    """By PEFT's names, of a file or fresh from the seed."""
    return _fresh(parameters, seed) if weights is None else _fitting(parameters, _read(weights), weights)


def _read(file: str) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except Exception as error:  # the library's errors have no common class
        raise ModelError(
            f"{file} is no safetensors file: {str(error).splitlines()[0].rstrip('.;')}; use another version of the adapter"
        ) from error


def _fresh(parameters: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """A uniform in +-1 / sqrt(inputs) (PyTorch's default for linear layers), B zero: the adapter starts as no change."""
    values: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        values[name] = torch.zeros(parameter.shape)
        if ".lora_A." in name:
            bound = 1 / math.sqrt(parameter.shape[1])
            drawn = stream_floats(parameter.numel(), "lora", seed, name.removeprefix(PEFT_PREFIX))
            values[name] = torch.from_numpy(bound * (2 * drawn - 1)).float().reshape(parameter.shape)
    return values


def _fitting(parameters: Mapping[str, Tensor], weights: Mapping[str, Tensor], where: str) -> Mapping[str, Tensor]:
    """Nothing missing, nothing unknown, every shape right."""
    for name in weights:
        if name not in parameters:
            raise ModelError(
                f'tensor "{name}" of {where} does not fit the base model or the adapter\'s options; '
                "use the adapter with the base model it was trained on"
            )
    for name, parameter in parameters.items():
        if name not in weights:
            raise ModelError(
                f'tensor "{name}" is missing from {where}; use the adapter with the options it was made with'
            )
        if weights[name].shape != parameter.shape:
            raise ModelError(
                f'tensor "{name}" of {where} has shape {list(weights[name].shape)}, '
                f"the base model and the adapter's options ask for {list(parameter.shape)}"
            )
    return weights
