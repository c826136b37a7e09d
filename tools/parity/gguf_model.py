"""python gguf_model.py FILE.gguf FOLDER answers.json: the folder that `solopo convert gguf` made of a file against what transformers makes of
that file in float32: every tensor to the bit, and the greedy answers of gguf-answers.mjs, token by token."""

import json
import os
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

file, folder, answers = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(
    os.path.dirname(os.path.abspath(file)), gguf_file=os.path.basename(file), dtype=torch.float32
)
theirs = model.state_dict()
ours = load_file(os.path.join(folder, "model.safetensors"))
for name, tensor in ours.items():
    assert torch.equal(tensor, theirs[name]), name
assert set(theirs) - set(ours) <= {"lm_head.weight"}
numbers = sum(tensor.numel() for tensor in ours.values())
print(f"{len(ours)} tensors, {numbers:,} numbers: equal to the bit")

ends = json.load(open(os.path.join(folder, "generation_config.json")))["eos_token_id"]
for answer in json.load(open(answers)):
    prompt = torch.tensor([answer["prompt"]])
    with torch.no_grad():
        ids = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=48, eos_token_id=ends, pad_token_id=ends[0]
        )
    ids = [token for token in ids[0, prompt.shape[1] :].tolist() if token not in ends]
    assert ids == answer["tokens"], (answer["content"], ids, answer["tokens"])
    print(f"{answer['content']}  {len(ids)} tokens: the same  {answer['text'][:60]!r}")
