#!/usr/bin/env bash
# tokenizers 0.23.3 (Python, Rust inside): two added tokens that the normaliser makes equal, such as <x> and <X> under Lowercase, are both
# kept, and which of the two ids their text gets is drawn anew each time that the file is loaded: about half of the loads of the very same
# tokenizer.json say 5, the others 6. Nothing warns of it. Within one loaded tokenizer the id stays.
#
# Seen with 0.23.3 on Python 3.11:
#   ids of "<x>" in 64 loads of one file: {5: 33, 6: 31}
#   ids of "<X>" in 64 loads of one file: {5: 33, 6: 31}
#   both added tokens not normalised: {5: 64}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps tokenizers==0.23.3
"$folder/venv/bin/python" - <<'PYTHON'
from collections import Counter

from tokenizers import AddedToken, Tokenizer, models, normalizers


def loads(normalized, text):
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate("abx<>")}, []))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_tokens([AddedToken("<x>", normalized=normalized), AddedToken("<X>", normalized=normalized)])
    file = tokenizer.to_str()
    ids = Counter()
    for _ in range(64):
        (first,) = Tokenizer.from_str(file).encode(text).ids
        ids[first] += 1
    return dict(sorted(ids.items()))


lower, upper, plain = loads(True, "<x>"), loads(True, "<X>"), loads(False, "<x>")
print('ids of "<x>" in 64 loads of one file:', lower)
print('ids of "<X>" in 64 loads of one file:', upper)
print("both added tokens not normalised:", plain)
# With a fair coin 64 equal draws come once in 10^19 runs.
assert set(lower) == {5, 6} and set(upper) == {5, 6}, "one id alone: the behaviour has changed"
assert plain == {5: 64}
PYTHON
