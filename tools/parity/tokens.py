"""Token ids and response masks of conversations by TRL's own preparation of a data set, through chat templates: the fixture of
libs/lm/src/tokens.parity.test.ts.

    python tools/parity/tokens.py data libs/lm/src/fixtures/tokens.json

Qwen2.5 and SmolLM2 have their own tokenizers here. Of Qwen3 only the template is at hand: it is used with Qwen2.5's tokenizer, which
says that the texts are equal, not that Qwen3's ids are.

No answer here merges with its prompt's last token (as two spaces after SmolLM2's line break do): TRL then takes that token out of
the prompt, and this project leaves it there and encodes the answer on its own, as a sampler would have."""

import json
import pathlib
import sys
from types import SimpleNamespace

from datasets import Dataset, disable_progress_bars
from transformers import AutoTokenizer
from trl import DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

data, out = pathlib.Path(sys.argv[1]), sys.argv[2]
disable_progress_bars()


def turn(role, content):
    return {"role": role, "content": content}


CONVERSATIONS = [
    ([turn("user", "Who wrote the first program?")], "Ada Lovelace.", "Charles Babbage, I think."),
    ([turn("system", "Answer in one word."), turn("user", "The capital of France?")], "Paris", "Lyon"),
    (
        [turn("user", "Passage 1:\nThe code of Iris is 4711.\n\nPassage 2:\nThe code of Ivo is 12.\n\nWhat is the code of Iris?")],
        "Let me look. Passage 1 says it: the code of Iris is 4711.\n\nAnswer: 4711",
        "12",
    ),
    ([turn("user", "Two?"), turn("assistant", "2"), turn("user", "And twice that?")], "4", "four, or 4.0"),
    ([turn("user", "東京タワーの高さは? 🗼 Größe, naïve, Ελλάδα, שלום")], "333メートルです。", "🤷‍♀️ keine Ahnung…"),
    ([turn("user", "Write a loop in C.")], "```c\nfor (int i = 0; i < 10; ++i)\n\tputs(\"x\");\n```", " no  "),
    ([turn("system", ""), turn("user", "  spaces   around\t")], "It's 1,234.56 or 50% — we'll see!", "..."),
]
TEMPLATES = {
    "Qwen2.5": ("models/qwen2.5-0.5b-instruct", None),
    "SmolLM2": ("models/smollm2-360m-instruct", None),
    "Qwen3's template with Qwen2.5's tokenizer": ("models/qwen2.5-0.5b-instruct", "chat-templates/qwen3.jinja"),
}

fixture = {"conversations": [dict(messages=m, chosen=c, rejected=r) for m, c, r in CONVERSATIONS], "templates": {}}
for name, (folder, template) in TEMPLATES.items():
    tokenizer = AutoTokenizer.from_pretrained(data / folder)
    if template:
        tokenizer.chat_template = (data / template).read_text()
    rows = [dict(prompt=m, chosen=[turn("assistant", c)], rejected=[turn("assistant", r)]) for m, c, r in CONVERSATIONS]
    settings = SimpleNamespace(dataset_num_proc=None, max_length=None, truncation_mode="keep_start")
    prepared = DPOTrainer._prepare_dataset(SimpleNamespace(_tokenizer=tokenizer), Dataset.from_list(rows), tokenizer, settings, "train")
    expected = []
    for row in prepared:
        batch = DataCollatorForPreference(pad_token_id=0)([row])
        both = []
        for ids, seen, mask in zip(batch["input_ids"], batch["attention_mask"], batch["completion_mask"]):
            length = int(seen.sum())
            both.append({"ids": ids[:length].tolist(), "responseFrom": length - int(mask.sum())})
            assert mask[:length].tolist() == [0] * both[-1]["responseFrom"] + [1] * int(mask.sum())
        expected.append({"chosen": both[0], "rejected": both[1]})
    fixture["templates"][name] = {"folder": folder, "template": template, "expected": expected}
    print(f"{name}: {sum(len(row[key]['ids']) for row in expected for key in row)} ids")
json.dump(fixture, open(out, "w"), separators=(",", ":"), ensure_ascii=False)
