#!/bin/sh
# transformers 5.24.0 with tokenizers 0.23.3: a `tokenizer_class` that transformers has no class for means tokenizer.json as it is, whatever
# its name (MistralTokenizer, OlmoTokenizer), but for names in the table by which it converts files of old tokenizers: there is no
# Phi3Tokenizer, no ElectraTokenizer and no BartTokenizer either, and AutoTokenizer silently makes a LlamaTokenizer, a BertTokenizer and a
# RobertaTokenizer of them, which put parts of their own in the place of the file's. The rule against Llama's words in a byte-level file
# looks at the name alone, so that it does not hold for Phi3Tokenizer: the spaces of such a file are gone.
#
# Seen for "a b": MistralTokenizer TokenizersBackend [2, 3, 4], LlamaTokenizer TokenizersBackend [2, 3, 4], Phi3Tokenizer LlamaTokenizer [2, 4]
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.24.0 tokenizers==0.23.3
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import json, os
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

def made(tokenizer_class):
    os.mkdir(tokenizer_class)
    tokenizer = Tokenizer(models.BPE({"<unk>": 0, "</s>": 1, "a": 2, "Ġ": 3, "b": 4}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(f"{tokenizer_class}/tokenizer.json")
    json.dump({"model_type": "llama"}, open(f"{tokenizer_class}/config.json", "w"))
    config = {"tokenizer_class": tokenizer_class, "unk_token": "<unk>", "eos_token": "</s>", "bos_token": None}
    json.dump(config, open(f"{tokenizer_class}/tokenizer_config.json", "w"))
    found = AutoTokenizer.from_pretrained(tokenizer_class)
    return type(found).__name__, found("a b", add_special_tokens=False)["input_ids"]

SEEN = {
    "MistralTokenizer": ("TokenizersBackend", [2, 3, 4]),
    "LlamaTokenizer": ("TokenizersBackend", [2, 3, 4]),
    "Phi3Tokenizer": ("LlamaTokenizer", [2, 4]),
}
for name, seen in SEEN.items():
    found = made(name)
    print(name, *found)
    assert found == seen, "changed"
PYTHON
