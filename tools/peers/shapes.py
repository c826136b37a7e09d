"""A model of Qwen2.5-0.5B's shape with random weights, its LoRA, and one preference pair of random tokens."""

from dataclasses import dataclass

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Qwen2Config

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RANK, ALPHA = 16, 32
BETA, ALIGNMENT, LEARNING_RATE, CLIP = 0.1, 3.0, 1e-4, 1.0


def config(options):
    return Qwen2Config(
        hidden_size=896,
        num_hidden_layers=options.layers,
        num_attention_heads=14,
        num_key_value_heads=2,
        intermediate_size=4864,
        vocab_size=151936,
        max_position_embeddings=32768,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )


def base_model(options):
    torch.manual_seed(options.seed)
    return AutoModelForCausalLM.from_config(config(options), dtype=getattr(torch, options.dtype), attn_implementation="sdpa")


def lora_config():
    return LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM")


def fill_adapter(model, options):
    """Sets B to small random numbers, not zeros, so that the policy is not the reference; A to numbers from the same seed."""
    generator = torch.Generator().manual_seed(options.seed + 1)
    for name, parameter in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            std = 0.02 if "lora_A" in name else 0.005
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * std)
    return model


def adapted_model(options):
    """With LoRA on all seven linear layers, in float32 whatever the dtype of the base (PEFT's default)."""
    return fill_adapter(get_peft_model(base_model(options), lora_config()), options)


@dataclass
class Pair:
    short: torch.Tensor  # [S]
    long: torch.Tensor  # [L]
    chosen: torch.Tensor  # [R]
    rejected: torch.Tensor  # [R]


def pair(options):
    generator = torch.Generator().manual_seed(options.seed + 2)
    lengths = (options.short, options.long, options.response, options.response)
    return Pair(*(torch.randint(151936, (length,), generator=generator) for length in lengths))
