#!/bin/sh
# transformers 5.24.0 with torch 2.13.0: with rope_type "dynamic" a model's logits depend on what it was run on before. Frequencies are
# those of the longest sequence so far, kept in the module without any cache being passed, until a sequence shorter than
# max_position_embeddings comes by. A row also takes those of the longest row beside it, padding or not. Both are in a plain forward
# pass (use_cache=False, eval mode), so that scores of one text differ between a script that begins with it and one that does not.
#
# Seen, for one sequence of 24 tokens (max_position_embeddings 16, factor 4; greatest logit 4.8), greatest difference of a logit from
# the first run: 0 when run again, 2.4 after one of 64 tokens, 2.4 beside one of 64 tokens, 0 again after one of 8 tokens.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.24.0
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES= "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
rope = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=100, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=16, rope_parameters=rope, initializer_range=0.2,
    )
).eval()
short, long = torch.arange(24)[None], torch.arange(64)[None]

@torch.no_grad()
def logits(ids):
    return model(input_ids=ids, use_cache=False).logits

first = logits(short)
again = logits(short)
logits(long)
after = logits(short)
beside = logits(torch.cat([torch.nn.functional.pad(short, (0, 40)), long]))[:1, :24]
logits(torch.arange(8)[None])
reset = logits(short)
gap = lambda other: (other - first).abs().max().item()
print(f"again {gap(again):.1e}, after a longer one {gap(after):.1f}, beside a longer one {gap(beside):.1f}, after a short one {gap(reset):.1e}")
assert gap(again) == 0 and gap(reset) == 0
assert gap(after) > 1 and gap(beside) > 1
PYTHON
