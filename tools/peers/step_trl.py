"""A training step by TRL's own DPOTrainer: `plain` (DPO of the short or the long pair) and `solo` (with SoLoPO's alignment
added in a subclass, the long chosen answer as a row of its own).

The time of a step is the trainer's own, from on_step_begin to on_step_end: reference and policy forwards, backward,
clipping, AdamW. TRL 1.16 computes log-probabilities in vocabulary tiles (`fused`), on a CPU at all positions; `full`
replaces that by logits of all positions and trl's selective_log_softmax, as TRL did before and other trainers do."""

import tempfile
import time

import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.utils import selective_log_softmax

import flops
import measure
import shapes


class Steps(TrainerCallback):
    """Seconds of each step."""

    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *_, **__):
        self.started = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.started)


class Trainer(DPOTrainer):
    """DPOTrainer on given tokens."""

    def __init__(self, options, pair, context, checkpointing, head, align):
        self.head, self.align = head, align
        self.long = torch.cat([pair.long, pair.chosen])[None]
        self.response = len(pair.chosen)
        row = {"prompt_ids": context, "chosen_ids": pair.chosen, "rejected_ids": pair.rejected}
        steps = options.warmup + options.runs
        super().__init__(
            model=shapes.base_model(options),
            peft_config=shapes.lora_config(),
            processing_class=PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"<pad>": 0}, "<pad>")), pad_token="<pad>", eos_token="<pad>"),
            train_dataset=Dataset.from_list([{name: ids.tolist() for name, ids in row.items()}] * steps),
            args=DPOConfig(
                output_dir=tempfile.mkdtemp(),
                per_device_train_batch_size=1,
                max_steps=steps,
                logging_steps=1,
                beta=shapes.BETA,
                learning_rate=shapes.LEARNING_RATE,
                lr_scheduler_type="constant",
                weight_decay=0.0,
                max_grad_norm=shapes.CLIP,
                max_length=None,
                gradient_checkpointing=checkpointing,
                bf16=options.dtype == "bfloat16",
                use_cpu=True,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
            ),
        )
        self.steps = Steps()
        self.add_callback(self.steps)
        shapes.fill_adapter(self.model, options)

    def _prepare_dataset(self, dataset, *_):
        return dataset

    def _compute_loss(self, model, inputs, return_outputs):
        if self.head == "full":
            loss, reward = self.full_logits_loss(model, inputs)
        else:
            loss = super()._compute_loss(model, inputs, return_outputs)
            reward = None
        if not self.align:
            return loss
        # The reference of the short context serves both rewards, and the short reward has no gradient here.
        if reward is None:
            metrics = self._metrics["train"]
            reward, logp = metrics["rewards/chosen"][-1], metrics["logps/chosen"][-1]
            reference = logp - reward / self.beta
        else:
            reward, reference = reward
        gap = reward - self.beta * (self.logps(model, self.long, torch.ones_like(self.long), self.masked(self.long)).sum() - reference)
        return loss + shapes.ALIGNMENT * gap.abs()

    def masked(self, ids):
        mask = torch.zeros_like(ids)
        mask[:, -self.response :] = 1
        return mask

    def logps(self, model, ids, attention_mask, completion_mask):
        """Log-probabilities of the response of each row, summed."""
        labels = ids.masked_fill(completion_mask == 0, -100)
        if self.head == "fused":
            return model(input_ids=ids, attention_mask=attention_mask, labels=labels, fused_lm_head=True, use_cache=False).log_probs.sum(1)
        logits = model(input_ids=ids, attention_mask=attention_mask, use_cache=False).logits[:, :-1]
        return (selective_log_softmax(logits, ids[:, 1:]) * completion_mask[:, 1:]).sum(1)

    def full_logits_loss(self, model, inputs):
        ids, masks = inputs["input_ids"], (inputs["attention_mask"], inputs["completion_mask"])
        policy = self.logps(model, ids, *masks)
        with torch.no_grad(), disable_gradient_checkpointing(model, self.args.gradient_checkpointing_kwargs), model.disable_adapter():
            reference = self.logps(model, ids, *masks)
        rewards = self.beta * (policy - reference)
        return -torch.nn.functional.logsigmoid(rewards[0] - rewards[1]), (rewards[0].detach(), reference[0])


def step(name, options, checkpointing=True, head="fused", align=True, context="short"):
    pair = shapes.pair(options)
    trainer = Trainer(options, pair, getattr(pair, context), checkpointing, head, align)
    measure.forget_peak()
    trainer.train()
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    S, R = len(getattr(pair, context)), options.response
    short = flops.row(S, R, True) + flops.row(S, R, True)
    policy = short + flops.row(options.long, R, True) if align else short
    return measure.figure(
        name,
        trainer.steps.seconds[options.warmup :],
        policy.tokens + short.tokens,
        flops.step(policy, options.layers, checkpointing, reference=short, head_recomputed=head == "fused"),
        loss=[entry["loss"] for entry in history],
        gradNorm=[float(entry["grad_norm"]) for entry in history],
        policyTokens=policy.tokens,
        referenceTokens=short.tokens,
        modelBytes=measure.model_bytes(trainer.model),
        gradientCheckpointing=checkpointing,
        head={"fused": "tiles of the vocabulary, all positions", "full": "logits of all positions"}[head],
        precision="autocast to bfloat16" if trainer.args.bf16 else "float32",
        optimizer=str(trainer.args.optim),
    )
