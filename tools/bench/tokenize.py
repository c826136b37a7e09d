"""python tokenize.py MODEL OPTIONS-AS-JSON: processor seconds of the tokenizers library for the texts of compose.cases.mjs."""
import json
import sys
import time

import tokenizers

model, options = sys.argv[1], json.loads(sys.argv[2])
data = options["root"] + "/data/"
paragraphs = [
    " ".join(sentences)
    for name in ("2wiki_dev_first_100", "2wiki_dev_last_40")
    for line in open(f"{data}2wikimultihopqa/{name}.jsonl", encoding="utf-8")
    for _, sentences in json.loads(line)["context"]
]
texts, size = [], 0
while size < options["megabytes"] * 1e6:
    texts.append(f"{paragraphs[len(texts) % len(paragraphs)]} {len(texts) // len(paragraphs)}")
    size += len(texts[-1].encode())
tokenizer = tokenizers.Tokenizer.from_file(f"{data}models/{model}/tokenizer.json")
tokenizer.no_truncation()
tokenizer.no_padding()
started = time.process_time()
encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
tokens = sum(len(each.ids) for each in encoded)
print(json.dumps({"seconds": time.process_time() - started, "tokens": tokens}))
