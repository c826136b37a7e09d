"""Reads exported pairs as TRL does: its own checks of the data set, and its DPOTrainer's preparation of it.

    solopo pairs export RUN --format trl -o pairs.jsonl
    python tools/parity/trl_read.py pairs.jsonl MODEL_FOLDER"""

import sys
import tempfile

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer
from trl.data_utils import is_conversational

file, folder = sys.argv[1:]
dataset = load_dataset("json", data_files=file, split="train")
print(len(dataset), "rows with columns", dataset.column_names, "conversational:", is_conversational(dataset[0]))
trainer = DPOTrainer(
    model=AutoModelForCausalLM.from_pretrained(folder),
    processing_class=AutoTokenizer.from_pretrained(folder),
    train_dataset=dataset,
    args=DPOConfig(output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=False, report_to=[], max_steps=1, per_device_train_batch_size=2, gradient_checkpointing=False),
)
trainer.train()
print("first step:", {key: value for key, value in trainer.state.log_history[0].items() if key in ("train_loss", "loss")})
