"""
Gradients of a step against the plain way: transformers' own attention, a row at a time, whole logits. With a first beta of 0 the
optimiser's first moments are the gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from training import ADAPTER, DPO, Folder, Slices, options, pairs_of
from transformers import AutoModelForCausalLM, DynamicCache

from solopo_torch.lora import PEFT_PREFIX, LoraOptions, adapter_parameters, attach
from solopo_torch.models import Models
from solopo_torch.objectives import Row, pair_term, prompt_read, rows_read

PLAIN: dict[str, Any] = {
    "optimizer": {"betas": [0, 0.9], "epsilon": 1e-8, "weightDecay": 0},
    "schedule": {"learningRate": 0.05, "schedule": "constant", "warmupRatio": 0, "finalLearningRateRatio": 1},
    "clipNorm": 1e9,
}
ORPO = {"kind": "orpo", "beta": 0.4, "nllWeight": 1, "nll": "all"}
CASES = {
    "solo": options(**PLAIN),
    "solo, not detached": options(detach="none", **PLAIN),
    "solo, the last 4 tokens of the long prompt": options(backward={"tail": 4}, **PLAIN),
    "solo-both, the response": options("solo-both", backward="response", reference="per-context", **PLAIN),
    "solo, a fraction": options(fraction=0.5, **PLAIN),
    "orpo with the prompt, expand-long": options("expand-long", ORPO, **PLAIN),
    "sft, long": options("sft", {"kind": "sft", "context": "long"}, **PLAIN),
    "distil": options("distil", {"kind": "distil"}, **PLAIN),
}


def logits(model: nn.Module, prompt: Tensor, response: Tensor, constant: int = 0) -> Tensor:
    """Of the response's tokens [T, V]."""
    tokens = torch.cat([prompt, response])[None].long()
    if constant == 0:
        return model(input_ids=tokens).logits[0, len(prompt) - 1 : -1]
    cache = DynamicCache()
    with torch.no_grad():
        model(input_ids=tokens[:, :constant], past_key_values=cache, use_cache=True)
    out = model(input_ids=tokens[:, constant:], past_key_values=cache, use_cache=True).logits
    return out[0, len(prompt) - 1 - constant : -1]


def logp(of: Tensor, tokens: Tensor) -> Tensor:
    return of.log_softmax(-1).gather(1, tokens.long()[:, None]).double().sum()


def row_sums(
    model: nn.Module, teacher: nn.Module, pair: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Row]]:
    """What a loss is differentiated by, with graphs, and as rows."""
    sums: dict[str, Tensor] = {}
    rows: dict[str, Row] = {}
    given: Any = settings
    backward = settings["alignment"].get("backward", "full")
    for name in rows_read(given, pair["aligned"]):
        prompt = pair["short" if name.startswith("short") else "long"]
        response = pair["chosen" if name.endswith("Chosen") else "rejected"]
        tail = (
            len(prompt)
            if backward == "full" or name.startswith("short")
            else 1
            if backward == "response"
            else backward["tail"]
        )
        own = logits(model, prompt, response, len(prompt) - tail)
        sums[name] = logp(own, response)
        policy = sums[name].detach().requires_grad_()
        kl = None
        if settings["arm"] == "distil":
            with torch.no_grad():
                theirs = logits(teacher, pair["short"], response).log_softmax(-1)
            ours = own.log_softmax(-1)
            sums[name] = (ours.exp() * (ours - theirs)).double().sum()
            kl = sums[name].detach().requires_grad_()
        rows[name] = Row(policy, len(response), pair["reference"][name], kl)
    scored = prompt_read(given)
    if scored is not None:
        prompt = pair["short" if scored == "shortPrompt" else "long"]
        sums[scored] = logp(logits(model, prompt[:1], prompt[1:]), prompt[1:])
        rows[scored] = Row(sums[scored].detach().requires_grad_(), len(prompt) - 1)
    return sums, rows


@pytest.mark.parametrize(("family", "adapted"), [("llama", False), ("gemma3", True)])
@pytest.mark.parametrize("name", CASES)
def test_loss_and_every_gradient_are_those_of_rows_apart(
    models: Models, folder_of: Folder, tmp_path: Path, family: str, adapted: bool, name: str
) -> None:
    settings: Any = {**CASES[name], "microBatchTokens": 60}
    slices = Slices(models, folder_of(family), tmp_path)
    source: Any = None if adapted else {}
    # After a step B is not 0, and an adapter's model no longer its base.
    slices.take("before", {**settings, **options("short", DPO, **PLAIN)}, [1], model=source)
    (step,) = slices.take("after", settings, [2], model=source, after="before")

    teacher = AutoModelForCausalLM.from_pretrained(folder_of(family), attn_implementation="eager")
    model = AutoModelForCausalLM.from_pretrained(folder_of(family), attn_implementation="eager")
    file = slices.out("before")["weights"]
    if adapted:
        module = attach(model, LoraOptions.of(ADAPTER["options"]), file, 0)
        for layer in module.modules():
            # PEFT's own.
            vars(layer).pop("forward", None)
        trained = {key.removeprefix(PEFT_PREFIX): value for key, value in adapter_parameters(module).items()}
    else:
        model.load_state_dict(load_file(file), strict=False)
        trained = dict(model.named_parameters())
    pairs = pairs_of(6)[3:]
    losses = []
    for pair in pairs:
        sums, rows = row_sums(model, teacher, pair, settings)
        term = pair_term(settings, rows, pair["aligned"])
        losses.append(term.loss)
        torch.stack([term.gradients.get(row, 0.0) * of for row, of in sums.items()]).sum().div(len(pairs)).backward()
    assert step["metrics"]["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    moments = load_file(slices.out("after")["optimizerState"])
    norm = sum(value.grad.double().norm() ** 2 for value in trained.values() if value.grad is not None) ** 0.5
    assert step["metrics"]["grad_norm"] == pytest.approx(float(norm), rel=1e-4)
    for key, value in trained.items():
        gradient = torch.zeros_like(value) if value.grad is None else value.grad
        difference = (moments[f"m.{key}"] - gradient).double().norm()
        assert difference <= 1e-4 * gradient.double().norm() + 1e-6 * norm, key
