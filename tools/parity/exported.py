"""Holds an exported policy against the Python tools: a merged folder against its base and adapter in PEFT, and both against
the log-probabilities that this engine gives.

    solopo export RUN --out adapter && solopo export RUN --merge --out merged
    node tools/parity/score-folder.mjs merged > scores.json
    python tools/parity/exported.py merged scores.json [BASE ADAPTER]"""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def logps(model, tokens):
    ids = torch.tensor([tokens])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0, :-1].float()
    return torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])[:, 0]


def load(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()


folder, scores_file, *peft = sys.argv[1:]
scores = json.load(open(scores_file))
engine = torch.tensor(scores["logps"])
worst = (logps(load(folder), scores["tokens"]) - engine).abs().max().item()
print(f"{folder} in transformers, against this engine: {worst:.2e}")
if peft:
    base, adapter = peft
    model = PeftModel.from_pretrained(load(base), adapter).eval()
    difference = (logps(model, scores["tokens"]) - engine).abs().max().item()
    print(f"{adapter} on {base} in PEFT, against this engine: {difference:.2e}")
    worst = max(worst, difference)
sys.exit(worst > 1e-4)
