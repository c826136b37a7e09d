"""Preference training of the tiny reference models in PyTorch: for every arm and objective the loss, what is logged, and the
gradient of every weight and adapter matrix; and ten steps of torch.optim.AdamW with clipping and a schedule. The fixtures of
libs/lm/src/preference.parity.test.ts.

    node tools/parity/models.mjs FOLDER
    python tools/parity/pairs.py FOLDER libs/lm/src/fixtures"""

import functools
import json
import math
import pathlib
import sys

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, logging

from objectives import Row, pair_loss

torch.set_num_threads(1)
logging.set_verbosity_error()
logging.disable_progress_bar()
folder, out = map(pathlib.Path, sys.argv[1:])
given = json.loads((folder / "pairs.json").read_text())


def load(name, part):
    return AutoModelForCausalLM.from_pretrained(folder / name / part, dtype=torch.float32, attn_implementation="eager").eval()


def policy_of(name, trained):
    if trained == "full":
        return load(name, "base")
    return PeftModel.from_pretrained(load(name, "base"), folder / name / "adapter", is_trainable=True).eval()


def reference_of(name, trained):
    return name, "reference" if trained == "full" else "base"


def plain(parameter):
    return parameter.removeprefix("base_model.model.").replace(".default.", ".")


def response_logits(model, prompt, tokens, tail=None):
    """At each token of the response. Of the prompt's tokens before its last `tail` the keys and values are constants."""
    constants = 0 if tail is None else max(0, len(prompt) - tail)
    past = None
    if constants > 0:
        with torch.no_grad():
            past = model(input_ids=torch.tensor([prompt[:constants]]), use_cache=True).past_key_values
    ids = torch.tensor([prompt[constants:] + tokens])
    return model(input_ids=ids, past_key_values=past).logits[0, len(prompt) - constants - 1 : -1].float()


def tail_of(options, context):
    """How many of the prompt's tokens have a gradient: see `alignment.backward`."""
    backward = options["alignment"].get("backward", "full")
    if context == "short" or backward == "full":
        return None
    return 1 if backward == "response" else backward["tail"]


def response(model, prompt, tokens, tail=None):
    """Summed log-probability of the response's tokens, and what their distributions are like."""
    logits = response_logits(model, prompt, tokens, tail)
    logps = torch.log_softmax(logits, -1)
    ids = torch.tensor(tokens)
    statistics = {
        "logits": logits.mean(-1).sum().item(),
        "entropy": -(logps.exp() * logps).sum().item(),
        "hits": (logits.argmax(-1) == ids).sum().item(),
        "tokens": len(tokens),
    }
    return logps.gather(-1, ids[:, None]).sum(), statistics


@functools.cache
def frozen_logp(name, part, prompt, tokens):
    with torch.no_grad():
        return response(frozen_model(name, part), list(prompt), list(tokens))[0].item()


frozen_model = functools.cache(load)


def rows_of(model, reference, pair, options):
    rows, statistics = {}, {}
    for context in ("short", "long"):
        tail = tail_of(options, context)
        for name in ("Chosen", "Rejected"):
            tokens = pair[name.lower()]
            policy, statistics[context + name] = response(model, pair[context], tokens, tail)
            rows[context + name] = Row(policy, len(tokens), frozen_logp(*reference, tuple(pair[context]), tuple(tokens)))
        prompt = pair[context]
        rows[f"{context}Prompt"] = Row(response(model, prompt[:1], prompt[1:])[0], len(prompt) - 1)
    return rows, statistics


def distilled(model, reference, pair, row):
    """KL of the policy on the long context from the frozen reference on the short one, mean over the answer's tokens."""
    student = torch.log_softmax(response_logits(model, pair["long"], pair["chosen"]), -1)
    with torch.no_grad():
        teacher = torch.log_softmax(response_logits(frozen_model(*reference), pair["short"], pair["chosen"]), -1)
    loss = torch.nn.functional.kl_div(teacher, student, reduction="batchmean", log_target=True)
    return loss, {"loss": loss.item(), "kl": loss.item(), "logps/chosen": row.policy.item()}


def batch_loss(model, reference, pairs, options):
    """The mean loss of some pairs, and what is logged."""
    losses, logged, responses = [], [], {"Chosen": [], "Rejected": []}
    objective, fraction = options["objective"], options["alignment"]["fraction"]
    trained = objective.get("context") or ("long" if options["arm"] in ("long", "expand-long", "distil") else "short")
    for pair in pairs:
        rows, statistics = rows_of(model, reference, pair, options)
        if objective["kind"] == "distil":
            loss, metrics = distilled(model, reference, pair, rows["longChosen"])
        else:
            loss, metrics = pair_loss(options, rows, aligned=fraction == 1 or pair["aligned"])
        if fraction != 1 and not pair["aligned"]:
            metrics = {key: value for key, value in metrics.items() if not key.startswith(("solo/r_", "solo/gap"))}
        losses.append(loss)
        logged.append(metrics)
        for name in responses:
            responses[name].append(statistics[trained + name])
    if objective["kind"] in ("sft", "distil"):
        responses["Rejected"] = []
    mean = lambda values: sum(values) / len(values)
    metrics = {key: mean([entry[key] for entry in logged if key in entry]) for key in logged[0]}
    over = lambda group, key: sum(entry[key] for entry in group) / sum(entry["tokens"] for entry in group)
    metrics["logits/chosen"] = over(responses["Chosen"], "logits")
    if responses["Rejected"]:
        metrics["logits/rejected"] = over(responses["Rejected"], "logits")
    metrics["entropy"] = over(responses["Chosen"] + responses["Rejected"], "entropy")
    metrics["mean_token_accuracy"] = over(responses["Chosen"], "hits")
    return torch.stack([loss.reshape(()) for loss in losses]).mean(), metrics


def learning_rate(schedule, step, steps):
    """Linear warm-up to the peak, then constant, linear, cosine, or constant to the middle and then linear."""
    peak, end = schedule["learningRate"], schedule["finalLearningRateRatio"]
    warmup = math.ceil(steps * schedule["warmupRatio"])
    if step <= warmup:
        return peak * step / warmup
    progress = (step - warmup) / (steps - warmup)
    if schedule["schedule"] == "cosine":
        return peak * (end + (1 - end) * (1 + math.cos(math.pi * progress)) / 2)
    if schedule["schedule"] == "linear":
        return peak * (1 - (1 - end) * progress)
    return peak if step <= steps / 2 else peak * (1 - (1 - end) * (2 * step / steps - 1))


def cases():
    gradients, expected = {}, {}
    pairs = given["pairs"][: given["pairsACase"]]
    policies = {trained: policy_of("pairs", trained) for trained in ("full", "lora")}
    for name, options in given["cases"].items():
        expected[name] = {}
        for trained, policy in policies.items():
            policy.zero_grad()
            loss, metrics = batch_loss(policy, reference_of("pairs", trained), pairs, options)
            loss.backward()
            by_name = {plain(key): value.grad for key, value in policy.named_parameters() if value.grad is not None}
            flat = torch.cat([by_name[key].flatten() for key in given["parameters"][trained]])
            gradients[f"{name}/{trained}"] = flat
            expected[name][trained] = {**metrics, "grad_norm": flat.norm().item()}
        print(f"{name}: loss {expected[name]['full']['loss']:.4f} in full, {expected[name]['lora']['loss']:.4f} with an adapter", flush=True)
    save_file(gradients, out / "pairs.safetensors")
    return expected


def curve(model, trained, options):
    policy = policy_of(model, trained)
    reference = reference_of(model, trained)
    parameters = {plain(key): value for key, value in policy.named_parameters() if value.requires_grad}
    optimizer = torch.optim.AdamW(
        [
            {"params": [value for value in parameters.values() if value.ndim > 1], "weight_decay": options["optimizer"]["weightDecay"]},
            {"params": [value for value in parameters.values() if value.ndim == 1], "weight_decay": 0.0},
        ],
        betas=tuple(options["optimizer"]["betas"]),
        eps=options["optimizer"]["epsilon"],
    )
    steps = []
    for step in range(1, given["curveSteps"] + 1):
        pairs = given["pairs"][(step - 1) * given["pairsAStep"] : step * given["pairsAStep"]]
        optimizer.zero_grad()
        loss, metrics = batch_loss(policy, reference, pairs, options)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), options["clipNorm"])
        rate = learning_rate(options["schedule"], step, given["curveSteps"])
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        steps.append({**metrics, "grad_norm": norm.item(), "learning_rate": rate})
    norms = {key: value.detach().double().norm().item() for key, value in parameters.items()}
    return {"steps": steps, "weights": norms}


fixture = {"digest": given["digest"], "cases": cases(), "curves": {}}
for name, settings in given["curves"].items():
    fixture["curves"][name] = curve(**settings)
    first, last = (fixture["curves"][name]["steps"][i]["loss"] for i in (0, -1))
    print(f"{name}: loss {first:.4f} at the first step, {last:.4f} at the last")
round_floats = lambda value: (
    float(f"{value:.9g}") if isinstance(value, float) else {k: round_floats(v) for k, v in value.items()} if isinstance(value, dict) else [round_floats(v) for v in value] if isinstance(value, list) else value
)
json.dump(round_floats(fixture), open(out / "pairs.json", "w"), separators=(",", ":"))
