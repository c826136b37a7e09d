"""Reads exported pairs as TRL does: its own checks of the data set, and its DPOTrainer's preparation of it. What it makes of them must be the
tokens that were scored: the first step's loss is ln 2 whatever the tokens are, so these are compared, and the log-probabilities with them.

    solopo pairs export RUN --format trl -o pairs.jsonl
    solopo pairs export RUN --format trl-tokens -o tokens.jsonl
    python tools/parity/trl_read.py pairs.jsonl tokens.jsonl MODEL_FOLDER

exits 1 where a pair's tokens differ; --but-trailer passes over white space that the template writes behind the end of the turn."""

import sys
import tempfile

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer
from trl.data_utils import is_conversational

COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids")

but_trailer = "--but-trailer" in sys.argv
file, tokens_file, folder = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
dataset = load_dataset("json", data_files=file, split="train")
wanted = load_dataset("json", data_files=tokens_file, split="train")
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(folder)
print(len(dataset), "rows with columns", dataset.column_names, "conversational:", is_conversational(dataset[0]))


def trainer_of(rows, kind=DPOTrainer):
    return kind(
        model=model,
        processing_class=tokenizer,
        train_dataset=rows,
        args=DPOConfig(output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=False, report_to=[], max_steps=1, per_device_train_batch_size=2, gradient_checkpointing=False, max_length=None),
    )


class Prepared(DPOTrainer):
    """Takes pairs that are tokens already."""

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset


def without_trailer(ids):
    while but_trailer and ids and tokenizer.decode(ids[-1:]).strip() == "":
        ids = ids[:-1]
    return ids


def logp(prompt, response):
    with torch.no_grad():
        logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(response)[:, None]).sum().item()


trainer = trainer_of(dataset)
assert len(trainer_of(wanted, Prepared).train_dataset) == len(trainer.train_dataset) == len(wanted)
other = 0
for row, (read, scored) in enumerate(zip(trainer.train_dataset, wanted)):
    for column in COLUMNS:
        mine, theirs = without_trailer(scored[column]), without_trailer(read[column])
        if mine == theirs:
            continue
        other += 1
        if other <= 5:
            print(f"row {row}, {column}: TRL reads ...{theirs[-8:]} of {len(theirs)}, scored were ...{mine[-8:]} of {len(mine)}; begins {theirs[:4]}, {mine[:4]}")
            if column != "prompt_ids":
                print("  log p:", logp(read["prompt_ids"], theirs), "and", logp(scored["prompt_ids"], mine))
print(f"{other} of {len(COLUMNS) * len(wanted)} token lists differ")
trainer.train()
print("first step:", {key: value for key, value in trainer.state.log_history[0].items() if key in ("train_loss", "loss")})
sys.exit(other > 0)
