"""Tiny shapes of every family, as config.json has them."""

from __future__ import annotations

from typing import Any

_SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
_LAYERED = {**_SMALL, "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 6, "head_dim": 8}

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {**_SMALL, "model_type": "llama"},
    "mistral": {**_SMALL, "model_type": "mistral", "sliding_window": 6},
    "qwen2": {**_SMALL, "model_type": "qwen2", "tie_word_embeddings": True},
    "qwen3": {**_SMALL, "model_type": "qwen3", "head_dim": 16},
    "qwen3_moe": {
        **_SMALL,
        "model_type": "qwen3_moe",
        "head_dim": 8,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
        "mlp_only_layers": [],
        "decoder_sparse_step": 1,
    },
    "gemma3": {**_LAYERED, "model_type": "gemma3_text", "query_pre_attn_scalar": 8, "pad_token_id": 0},
    "gemma2": {**_LAYERED, "model_type": "gemma2", "query_pre_attn_scalar": 8, "pad_token_id": 0},
    "phi3": {**_SMALL, "model_type": "phi3"},
    "olmo2": {**_SMALL, "model_type": "olmo2"},
    "granite": {
        **_SMALL,
        "model_type": "granite",
        "attention_multiplier": 0.3,
        "embedding_multiplier": 2.0,
        "logits_scaling": 3.0,
        "residual_multiplier": 0.7,
    },
    "smollm3": {**_SMALL, "model_type": "smollm3", "no_rope_layers": [1, 0]},
    "gpt_oss": {
        **_LAYERED,
        "model_type": "gpt_oss",
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
    },
    # Linear layers of other names; GPT-2 keeps them as [in, out].
    "gpt_neox": {**_SMALL, "model_type": "gpt_neox", "hidden_act": "gelu", "use_parallel_residual": True},
    "falcon": {**_SMALL, "model_type": "falcon", "num_kv_heads": 2, "new_decoder_architecture": True},
    "gpt2": {
        "model_type": "gpt2",
        "vocab_size": 61,
        "n_embd": 32,
        "n_inner": 48,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    # Distances by a bias of their own, and a state in place of keys: no shared rows.
    "bloom": {"model_type": "bloom", "vocab_size": 61, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    "mamba": {"model_type": "mamba", "vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
}
