"""What transformers and PEFT give for the tiny reference models: log-probabilities, logits, greedy samples, and the gradient of
every weight and of every adapter matrix. The fixtures of libs/lm/src/families.parity.test.ts.

    node tools/parity/models.mjs FOLDER
    python tools/parity/families.py FOLDER libs/lm/src/fixtures"""

import json
import pathlib
import sys

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, logging

torch.set_num_threads(1)
logging.set_verbosity_error()
logging.disable_progress_bar()
folder, out = map(pathlib.Path, sys.argv[1:])
inputs = json.loads((folder / "inputs.json").read_text())


def load(path):
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    model.generation_config.eos_token_id = None
    return model


def inner(model):
    return model.get_base_model() if isinstance(model, PeftModel) else model


def fresh(model):
    """Dynamic scaling remembers the longest sequence it saw: every sequence is run as the first one."""
    decoder = inner(model).model
    decoder.rotary_emb = type(decoder.rotary_emb)(inner(model).config)
    return model


def logits_of(model, prompt, branch):
    """Those that predict the response's tokens, from one sequence run alone."""
    logits = fresh(model)(input_ids=torch.tensor([prompt + branch])).logits[0].float()
    return logits[len(prompt) - 1 : -1]


def responses(model):
    """By tree and branch: log-probabilities of the response's tokens, and the logits they come from."""
    for tree in inputs["trees"]:
        for branch in tree["branches"]:
            logits = logits_of(model, tree["prompt"], branch)
            yield torch.log_softmax(logits, -1).gather(-1, torch.tensor(branch)[:, None])[:, 0], logits


def measure(model, name, part):
    """Fills the gradients, one tensor a model; returns log-probabilities and the first response's logits."""
    model.zero_grad()
    logps, logits = zip(*responses(model))
    (torch.cat(logps) @ torch.tensor(inputs["derivatives"])).backward()
    by_name = {plain(parameter): value.grad for parameter, value in model.named_parameters() if value.grad is not None}
    order = inputs["parameters"][name][part]
    assert sorted(order) == sorted(by_name), set(order) ^ set(by_name)
    gradients[f"{name}/{part}"] = torch.cat([by_name[parameter].flatten() for parameter in order])
    return {
        "logps": [values.tolist() for values in logps],
        "sums": [values.sum().item() for values in logps],
        "means": [values.mean().item() for values in logps],
        "logits": logits[0].tolist(),
    }


def plain(parameter):
    return parameter.removeprefix("base_model.model.").replace(".default.", ".")


gradients, models = {}, {}
for name in inputs["digests"]:
    base = load(folder / name / "base")
    expected = measure(base, name, "base")
    prompt = torch.tensor([inputs["trees"][0]["prompt"]])
    sampled = fresh(base).generate(
        prompt,
        max_new_tokens=inputs["sampledTokens"],
        do_sample=False,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    greedy = sampled.sequences[0, prompt.shape[1] :]
    greedy_logps = torch.log_softmax(torch.stack(sampled.logits)[:, 0].float(), -1).gather(-1, greedy[:, None])
    adapted = PeftModel.from_pretrained(load(folder / name / "base"), folder / name / "adapter", is_trainable=True).eval()
    expected_adapted = measure(adapted, name, "adapter")
    merged = torch.cat([logps for logps, _ in responses(load(folder / name / "merged"))]).detach()
    difference = (merged - torch.cat([torch.tensor(values) for values in expected_adapted["logps"]])).abs().max().item()
    assert difference < 1e-4, (name, difference)
    print(f"{name}: merged and exported in transformers, against base and adapter in PEFT: {difference:.1e}")
    models[name] = {
        "digest": inputs["digests"][name],
        "base": expected,
        "adapted": {key: expected_adapted[key] for key in ("logps", "sums", "means")},
        "greedy": greedy.tolist(),
        "greedyLogp": greedy_logps.sum().item(),
    }

compact = lambda value: (
    float(f"{value:.9g}") if isinstance(value, float) else {k: compact(v) for k, v in value.items()} if isinstance(value, dict) else [compact(v) for v in value] if isinstance(value, list) else value
)
json.dump(compact(models), open(out / "families.json", "w"), separators=(",", ":"))
save_file(gradients, out / "families.safetensors")
