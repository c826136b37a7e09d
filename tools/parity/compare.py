"""Holds the numbers that families.mjs wrote against transformers and PEFT: log-probabilities within 1e-4, gradients within
1e-3 of their norm, and the merged folder against base and adapter.   python tools/parity/compare.py FOLDER"""

import json
import pathlib
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

failures = 0


def check(what, value, limit):
    global failures
    ok = value <= limit
    failures += not ok
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {value:.2e} (limit {limit:.0e})")


def logps(model, tokens):
    ids = torch.tensor([tokens])
    logits = model(input_ids=ids).logits[0, :-1].float()
    return torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])[:, 0]


def compare(what, model, tokens, numbers, rename):
    mine = torch.tensor(numbers["logps"])
    theirs = logps(model, tokens)
    check(f"{what} log-probabilities", (mine - theirs).abs().max().item(), 1e-4)
    if not numbers.get("gradients"):
        return
    model.zero_grad()
    theirs.sum().backward()
    parameters = dict(model.named_parameters())
    worst = 0.0
    for name, values in numbers["gradients"].items():
        gradient = parameters[rename(name)].grad.flatten()
        difference = (torch.tensor(values) - gradient).norm() / gradient.norm().clamp(min=1e-8)
        worst = max(worst, difference.item())
    check(f"{what} gradients of {len(numbers['gradients'])} tensors, worst relative error", worst, 1e-3)


for folder in sorted(path for path in pathlib.Path(sys.argv[1]).iterdir() if path.is_dir()):
    numbers = json.loads((folder / "numbers.json").read_text())
    tokens = numbers["tokens"]

    def load(path):
        return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()

    compare(f"{folder.name} base", load(folder), tokens, numbers["base"], lambda name: name)
    adapted = PeftModel.from_pretrained(load(folder), folder / "adapter", is_trainable=True).eval()
    compare(
        f"{folder.name} adapter",
        adapted,
        tokens,
        numbers["adapted"],
        lambda name: "base_model.model." + name.replace(".lora_A.weight", ".lora_A.default.weight").replace(".lora_B.weight", ".lora_B.default.weight"),
    )
    compare(f"{folder.name} merged", load(folder / "merged"), tokens, {"logps": numbers["adapted"]["logps"]}, None)

print(f"{failures} failed" if failures else "all equal")
sys.exit(1 if failures else 0)
