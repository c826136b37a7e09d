#!/bin/sh
# transformers 5.24.0 with tokenizers 0.23.3: `auto_map` in tokenizer_config.json changes the ids of a folder although the code that it
# names is never run. For a folder without it AutoTokenizer corrects a class that is named wrongly: LlamaTokenizer beside a byte-level
# tokenizer.json (as folders of the Llama 3 kind have it) means the file, and so does any class under model_type mistral; under qwen2 no
# class that is named counts. With `auto_map` these rules are passed over. Where the code is not trusted (the default, without a
# question, because the model type or the class is known), the class that is named is made by its own rules, without a word: a Llama's
# bytes get Llama 2's words, and every space is gone. The code need not even be in the folder.
#
# Seen, without auto_map and with it:
#   llama, LlamaTokenizer:            [2, 3, 4] and [2, 4]
#   mistral, GPT2Tokenizer:           [5] and [2, 3, 4]
#   qwen2, PreTrainedTokenizerFast:   [2, 3, 4] and [5]
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.24.0 tokenizers==0.23.3
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import json, os
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

def ids(model_type, tokenizer_class, words, with_map):
    """Of "a b": bytes, of which "Ġb" and "aĠb" merge where they stand together; `words` says whether the file parts before the space."""
    name = f"{model_type}-{with_map}"
    os.mkdir(name)
    vocab = {token: i for i, token in enumerate(["<unk>", "</s>", "a", "Ġ", "b", "aĠb", "aĠ"])}
    tokenizer = Tokenizer(models.BPE(vocab, [("a", "Ġ"), ("aĠ", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words)
    tokenizer.save(f"{name}/tokenizer.json")
    json.dump({"model_type": model_type}, open(f"{name}/config.json", "w"))
    config = {"tokenizer_class": tokenizer_class, "unk_token": "<unk>", "eos_token": "</s>", "bos_token": None, "pad_token": None}
    if with_map:
        config["auto_map"] = {"AutoTokenizer": ["not_there.OurTokenizer", None]}
    json.dump(config, open(f"{name}/tokenizer_config.json", "w"))
    return AutoTokenizer.from_pretrained(name)("a b", add_special_tokens=False)["input_ids"]

SEEN = {
    ("llama", "LlamaTokenizer", True): ([2, 3, 4], [2, 4]),
    ("mistral", "GPT2Tokenizer", False): ([5], [2, 3, 4]),
    ("qwen2", "PreTrainedTokenizerFast", False): ([2, 3, 4], [5]),
}
for (model_type, tokenizer_class, words), seen in SEEN.items():
    found = tuple(ids(model_type, tokenizer_class, words, with_map) for with_map in (False, True))
    print(f"{model_type}, {tokenizer_class}: {found[0]} and {found[1]}")
    assert found == seen, "changed"
PYTHON
