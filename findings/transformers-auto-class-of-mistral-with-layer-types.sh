#!/bin/sh
# transformers 5.24.0: a config.json of model_type "mistral" that has `layer_types` is another model to AutoConfig and
# AutoModelForCausalLM than to MistralConfig and MistralForCausalLM. The Auto classes take it for a "ministral", where every layer is
# what its type says; the named classes leave layer_types aside, and every layer has the window. Both load the same weights, and the
# only word of it is in the log.
#
# Seen: AutoConfig gives a MinistralConfig, AutoConfig of the same file without layer_types a MistralConfig.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.24.0
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import json, os
from transformers import AutoConfig, MistralConfig

def written(name, **settings):
    os.mkdir(name)
    shape = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=6, intermediate_size=16)
    json.dump({"model_type": "mistral", "sliding_window": 8, **shape, **settings}, open(f"{name}/config.json", "w"))
    return name

types = written("types", layer_types=["full_attention", "sliding_attention"])
plain = written("plain")
print(type(AutoConfig.from_pretrained(types)).__name__, type(AutoConfig.from_pretrained(plain)).__name__)
assert type(AutoConfig.from_pretrained(types)).__name__ == "MinistralConfig", "changed"
assert type(AutoConfig.from_pretrained(plain)).__name__ == "MistralConfig", "changed"
assert type(MistralConfig.from_pretrained(types)).__name__ == "MistralConfig", "changed"
PYTHON
