#!/bin/sh
# transformers 5.24.0 with torch 2.13.0: a Llama whose config.json has `sliding_window` scores a text with full attention and generates
# with a window. The model does not read the setting; its key-value cache does, and forgets what lies before the window. So the
# logits of one step after another are not those of the whole text, from the window's length on.
#
# Seen: greatest difference of a logit between both ways 8.6e-6 without the setting, and 6.6 with sliding_window 8 (40 tokens).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.24.0
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES= "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import torch
from transformers import LlamaConfig, LlamaForCausalLM

@torch.no_grad()
def difference(**settings):
    torch.manual_seed(0)
    shape = dict(vocab_size=100, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, initializer_range=0.2)
    model = LlamaForCausalLM(LlamaConfig(**shape, **settings)).eval()
    ids = torch.tensor([[7]])
    steps = model.generate(ids, max_new_tokens=39, do_sample=False, output_logits=True, return_dict_in_generate=True, eos_token_id=None, pad_token_id=0)
    again = model(input_ids=steps.sequences, use_cache=False).logits[0, :-1]
    return (torch.cat(steps.logits) - again).abs().max().item()

plain, window = difference(), difference(sliding_window=8)
print(f"without {plain:.1e}, with sliding_window 8 {window:.1e}")
assert plain < 1e-3 and window > 1e-2, "changed"
PYTHON
