#!/bin/sh
# transformers 5.24.0 with tokenizers 0.23.3: AutoTokenizer does not load a tokenizer.json as it is when config.json and
# tokenizer_config.json lead to a class that makes the tokenizer anew. It takes vocabulary and merges, and puts its own parts in the
# place of the file's, without a word.
#
# 1. `tokenizer_class: GPT2Tokenizer` drops a Digits pre-tokenizer before ByteLevel, which is what SmolLM2's published files
#    have: " ²" becomes one token that the model has never seen in training there, where the file says two. In 7 of 5,594
#    paragraphs of 2WikiMultihopQA, HotpotQA and MuSiQue SmolLM2's ids differ from those of its tokenizer.json.
# 2. `model_type: qwen2` makes a Qwen2Tokenizer whatever class is named, even PreTrainedTokenizerFast, and even of a vocabulary of
#    whole words (WordLevel): its words are then looked for in byte-level stand-ins without merges, and are not found.
#
# Seen: file ['Ġ', '²'], AutoTokenizer ['Ġ²']; file ['the', 'code'], AutoTokenizer [].
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

def both(name, tokenizer, model_type, tokenizer_class, text):
    os.mkdir(name)
    tokenizer.save(f"{name}/tokenizer.json")
    json.dump({"model_type": model_type}, open(f"{name}/config.json", "w"))
    json.dump({"tokenizer_class": tokenizer_class, "unk_token": "<unk>"}, open(f"{name}/tokenizer_config.json", "w"))
    auto = AutoTokenizer.from_pretrained(name)
    file = tokenizer.encode(text, add_special_tokens=False).tokens
    return file, auto.convert_ids_to_tokens(auto(text, add_special_tokens=False)["input_ids"])

vocab = {token: i for i, token in enumerate(["<unk>", "Ġ", "Â", "²", "Â²", "ĠÂ²"])}
digits = Tokenizer(models.BPE(vocab, [("Â", "²"), ("Ġ", "Â²")]))
digits.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
file, auto = both("digits", digits, "llama", "GPT2Tokenizer", " ²")
print("1.", file, auto)
assert file == ["Ġ", "Â²"] and auto == ["ĠÂ²"], "changed"

words = Tokenizer(models.WordLevel({"<unk>": 0, "the": 1, "code": 2}, unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
file, auto = both("words", words, "qwen2", "PreTrainedTokenizerFast", "the code")
print("2.", file, auto)
assert file == ["the", "code"] and auto != file, "changed"
PYTHON
