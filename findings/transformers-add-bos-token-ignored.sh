#!/bin/sh
# transformers 5.24.0 with tokenizers 0.23.3: `add_bos_token` and `add_eos_token` of tokenizer_config.json do nothing where the folder has a
# tokenizer.json, without a word. Whether a text gets BOS and EOS is what that file's post-processor says: `true` adds none where the
# file adds none, `false` keeps the BOS that the file adds. The same arguments given to from_pretrained do count, so the setting that a
# folder's publisher wrote is overridden by the file beside it, and only the caller can ask for it.
#
# Seen:
#   file without, add_bos_token and add_eos_token true: [3]
#   file with BOS, add_bos_token false: [1, 3]
#   the same, given to from_pretrained: [1, 3, 2] and [3]
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.24.0 tokenizers==0.23.3
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import json, os
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer

def folder(name, file_adds, **settings):
    os.mkdir(name)
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2, "word": 3}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    if file_adds:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(f"{name}/tokenizer.json")
    json.dump({"model_type": "llama"}, open(f"{name}/config.json", "w"))
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    json.dump({**names, **settings}, open(f"{name}/tokenizer_config.json", "w"))
    return name

def ids(name, **settings):
    return AutoTokenizer.from_pretrained(name, **settings)("word")["input_ids"]

both = {"add_bos_token": True, "add_eos_token": True}
without, begun = folder("without", False, **both), folder("begun", True, add_bos_token=False)
print("file without, add_bos_token and add_eos_token true:", ids(without))
print("file with BOS, add_bos_token false:", ids(begun))
print("the same, given to from_pretrained:", ids(without, **both), "and", ids(begun, add_bos_token=False))
assert ids(without) == [3] and ids(begun) == [1, 3], "changed"
assert ids(without, **both) == [1, 3, 2] and ids(begun, add_bos_token=False) == [3], "changed"
PYTHON
