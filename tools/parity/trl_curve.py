"""Ten steps of TRL's own DPOTrainer on the bundled model, for the test that holds this engine to the same curve.

    python tools/parity/trl_curve.py data/models/retrieval-144k pairs.jsonl libs/lm/src/fixtures/trl-dpo-curve.json"""

import json
import sys
import tempfile

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

folder, pairs_file, out = sys.argv[1:]
rows = [json.loads(line) for line in open(pairs_file)]
tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
for row in rows:
    for key in ("prompt", "chosen", "rejected"):
        assert tokenizer(row[key], add_special_tokens=False).input_ids == row["ids"][key], (key, row[key])

settings = dict(beta=0.5, learning_rate=5e-4, weight_decay=0.0, adam_beta1=0.9, adam_beta2=0.98, max_grad_norm=1.0)
trainer = DPOTrainer(
    model=model,
    ref_model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager"),
    processing_class=tokenizer,
    train_dataset=Dataset.from_list([{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in rows]),
    args=DPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=8,
        max_steps=10,
        logging_steps=1,
        lr_scheduler_type="cosine",
        warmup_steps=1,
        max_length=None,
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        **settings,
    ),
)
trainer.train()
steps = [entry for entry in trainer.state.log_history if "loss" in entry]
weights = {name: parameter.detach().double().norm().item() for name, parameter in model.named_parameters()}
json.dump(
    {"settings": settings, "pairs": [row["ids"] for row in rows], "steps": steps, "weights": weights},
    open(out, "w"),
    separators=(",", ":"),
)
for entry in steps:
    print(entry)
