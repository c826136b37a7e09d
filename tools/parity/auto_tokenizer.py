"""Whether what `solopo models check` foresees of AutoTokenizer is what AutoTokenizer does: in each folder its ids are those that are used
here where that is foreseen, and others where others are.

    node tools/parity/auto-tokenizer.mjs OUT [FOLDER...]
    python tools/parity/auto_tokenizer.py OUT"""

import collections
import json
import pathlib
import sys

import transformers
from transformers import AutoTokenizer, logging

logging.set_verbosity_error()
verdicts = json.loads((pathlib.Path(sys.argv[1]) / "verdicts.json").read_text())
counts, wrong = collections.Counter(), []
for verdict in verdicts:
    if "refused" in verdict:
        counts["refused here"] += 1
        continue
    foreseen = verdict["fromHere"] is None
    try:
        tokenizer = AutoTokenizer.from_pretrained(verdict["path"])
        there = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in verdict["texts"]]
        example = verdict["fromHere"] and verdict["fromHere"]["example"]
        exact = example is None or tokenizer(example["text"], add_special_tokens=False)["input_ids"] == example["there"]
    except Exception as error:  # Whatever a class makes of a file that is not of its kind.
        counts["not loaded there"] += 1
        if foreseen or verdict["fromHere"]["example"]["there"]:
            wrong.append((verdict["name"], "does not load", str(error)[:120]))
        continue
    same = there == verdict["here"]
    counts["the same ids" if same else "other ids"] += 1
    if foreseen and not same:
        text = next(text for text, a, b in zip(verdict["texts"], there, verdict["here"]) if a != b)
        wrong.append((verdict["name"], "foreseen the same, but not of", text[:60]))
    if not exact:
        wrong.append((verdict["name"], "other ids than foreseen of", verdict["fromHere"]["example"]["text"]))
    if type(tokenizer).__name__ != verdict["tokenizerClass"] and verdict["tokenizerClass"] in transformers.__all__:
        counts["of another class"] += 1
print(f"transformers {transformers.__version__}, rules of {verdicts[0].get('version')}: {len(verdicts)} folders,", dict(counts))
for line in wrong:
    print(*line, sep=" | ")
sys.exit(bool(wrong))
