#!/bin/sh
# PEFT 0.21.2 with torch 2.13.0 and transformers 5.24.0: `layers_to_transform` does not hold for a module that target_modules names in
# full. "q_proj" with layers_to_transform=[1] adapts layer 1 alone; "model.layers.0.self_attn.q_proj" beside it is adapted too, without a
# word. It matters because PEFT itself writes full names into adapter_config.json, in the place of "all-linear".
#
# Seen: ['model.layers.1.self_attn.q_proj'], and ['model.layers.0.self_attn.q_proj', 'model.layers.1.self_attn.v_proj'].
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.24.0 peft==0.21.2
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES= "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

def adapted(targets):
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=100, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    )
    config = LoraConfig(task_type="CAUSAL_LM", target_modules=targets, layers_to_transform=[1])
    return sorted(get_peft_model(model, config).targeted_module_names)

ends, whole = adapted(["q_proj"]), adapted(["model.layers.0.self_attn.q_proj", "v_proj"])
print(ends, whole)
assert ends == ["model.layers.1.self_attn.q_proj"], "changed"
assert whole == ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.v_proj"], "changed"
PYTHON
