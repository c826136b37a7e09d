"""Small random models of every family that is read, with unusual but valid files, and what AutoModelForCausalLM makes of them.

A case is the configuration that the model is made from, then what is changed in its files: transformers reads the folder as it then is."""

import random

from shared import change_json, load, logps, random_model, read_json, tokens, torch, write_json

LENGTHS = (90, 200)


class Case:
    def __init__(self, family, /, *, files=(), config=None, without=(), seed=0, **settings):
        self.family, self.files, self.config, self.without = family, files, config or {}, without
        self.seed, self.settings = seed, settings


# What is done to the folder when the model is saved ---------------------------------------------------------------------------------


def tensors(change):
    def apply(folder):
        from safetensors.torch import load_file, save_file

        path = folder / "model.safetensors"
        found = load_file(path)
        save_file(change(found) or found, path, metadata={"format": "pt"})

    return apply


def in_format(name, but=lambda tensor: False):
    return tensors(lambda all: {key: value if but(key) else value.to(getattr(torch(), name)) for key, value in all.items()})


def sharded(parts=3):
    def apply(folder):
        from safetensors.torch import load_file, save_file

        all = load_file(folder / "model.safetensors")
        files = {key: f"model-{1 + i % parts:05}-of-{parts:05}.safetensors" for i, key in enumerate(sorted(all))}
        for file in set(files.values()):
            save_file({key: all[key] for key in all if files[key] == file}, folder / file, metadata={"format": "pt"})
        write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": 1}, "weight_map": files})
        (folder / "model.safetensors").unlink()

    return apply


def head(all, seed=9):
    generator = torch().Generator().manual_seed(seed)
    all["lm_head.weight"] = torch().randn(all["model.embed_tokens.weight"].shape, generator=generator) * 0.2


def without_metadata(folder):
    from safetensors.torch import load_file, save_file

    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors")


inv_freq = tensors(
    lambda all: all.update({f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch().arange(6.0) for i in range(2)})
)
same_head = tensors(lambda all: all.update({"lm_head.weight": all["model.embed_tokens.weight"].clone()}))
other_head = tensors(head)
no_prefix = tensors(lambda all: {key.removeprefix("model."): value for key, value in all.items()})
old_mask = tensors(
    lambda all: all.update({f"model.layers.{i}.self_attn.bias": torch().ones(1, 1, 8, 8) for i in range(2)})
)

# Rope scalings, as files of today and as older files have them -----------------------------------------------------------------------

THETA = {"rope_theta": 10000.0}
ROPES = {
    "linear": {"rope_type": "linear", "factor": 2.0},
    "dynamic": {"rope_type": "dynamic", "factor": 2.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
}
YARNS = {
    "yarn, attention factor": {"attention_factor": 1.3},
    "yarn, betas": {"beta_fast": 16, "beta_slow": 2},
    "yarn, both scales": {"mscale": 0.707, "mscale_all_dim": 0.9},
    "yarn, one scale": {"mscale": 0.707},
    "yarn, second scale zero": {"mscale": 1.0, "mscale_all_dim": 0.0},
    "yarn, both scales zero": {"mscale": 0.0, "mscale_all_dim": 0.0},
    "yarn, not truncated": {"truncate": False},
    "yarn, truncate is null": {"truncate": None},
    "yarn, factor 1": {"factor": 1.0},
    "yarn, large factor": {"factor": 40.0, "mscale": 1.0, "mscale_all_dim": 1.0},
}


def rope(family, parameters, **more):
    return Case(family, rope_parameters={**THETA, **parameters}, **more)


def old_rope(family, scaling, **more):
    """rope_theta and rope_scaling at the top, as transformers 4 wrote them."""
    return Case(
        family,
        config={"rope_theta": 20000.0, "rope_scaling": scaling, "torch_dtype": "float32"},
        without=("rope_parameters", "dtype"),
        **more,
    )


OLD_NAME = {"type": "linear", "factor": 2.0}
CASES = {
    "llama": Case("llama"),
    "llama, tied": Case("llama", tie_word_embeddings=True),
    "llama, tied, the head stored too": Case("llama", tie_word_embeddings=True, files=(same_head,)),
    "llama, tied, another head stored": Case("llama", tie_word_embeddings=True, files=(other_head,)),
    "llama, no tie_word_embeddings": Case("llama", without=("tie_word_embeddings",)),
    "llama, as many key heads": Case("llama", num_key_value_heads=4),
    "llama, one key head": Case("llama", num_key_value_heads=1),
    "llama, no num_key_value_heads": Case("llama", num_key_value_heads=4, without=("num_key_value_heads",)),
    "llama, num_key_value_heads is null": Case("llama", num_key_value_heads=4, config={"num_key_value_heads": None}),
    "llama, head_dim above": Case("llama", head_dim=20),
    "llama, head_dim below": Case("llama", head_dim=4),
    "llama, head_dim is null": Case("llama", config={"head_dim": None}),
    "llama, no head_dim": Case("llama", without=("head_dim",)),
    "llama, attention_bias": Case("llama", attention_bias=True),
    "llama, mlp_bias": Case("llama", mlp_bias=True),
    "llama, both biases": Case("llama", attention_bias=True, mlp_bias=True),
    "llama, eps 1e-5": Case("llama", rms_norm_eps=1e-5),
    "llama, eps 0.1": Case("llama", rms_norm_eps=0.1),
    "llama, no eps": Case("llama", without=("rms_norm_eps",)),
    "llama, hidden_act swish": Case("llama", config={"hidden_act": "swish"}),
    "llama, hidden_act gelu": Case("llama", config={"hidden_act": "gelu"}),
    "llama, hidden_act gelu_pytorch_tanh": Case("llama", config={"hidden_act": "gelu_pytorch_tanh"}),
    "llama, hidden_act relu": Case("llama", config={"hidden_act": "relu"}),
    "llama, no hidden_act": Case("llama", without=("hidden_act",)),
    "llama, one layer": Case("llama", num_hidden_layers=1),
    "llama, five layers": Case("llama", num_hidden_layers=5),
    "llama, odd sizes": Case("llama", vocab_size=163, intermediate_size=67, hidden_size=40),
    "llama, pretraining_tp 2": Case("llama", config={"pretraining_tp": 2}),
    "llama, theta a whole number": Case("llama", config={"rope_theta": 500000}, without=("rope_parameters",)),
    "llama, theta in rope_parameters": Case("llama", rope_parameters={"rope_type": "default", "rope_theta": 500000}),
    "llama, no rope settings": Case("llama", without=("rope_parameters",)),
    "llama, no max_position_embeddings": Case("llama", without=("max_position_embeddings",)),
    "llama, rope_scaling is null": Case("llama", config={"rope_scaling": None}),
    "llama, rope_scaling beside rope_parameters": Case("llama", config={"rope_scaling": {"type": "linear", "factor": 4.0}}),
    "llama, theta beside rope_parameters without": Case(
        "llama", config={"rope_theta": 300.0, "rope_parameters": {"rope_type": "default"}}
    ),
    "llama, theta beside rope_parameters with": Case(
        "llama", config={"rope_theta": 300.0, "rope_parameters": {"rope_type": "default", "rope_theta": 700.0}}
    ),
    "llama, partial_rotary_factor 1": Case("llama", config={"partial_rotary_factor": 1.0}),
    "llama, keys that other families have": Case(
        "llama",
        config={
            "sliding_window": 8,
            "use_sliding_window": True,
            "max_window_layers": 0,
            "final_logit_softcapping": 3.0,
            "query_pre_attn_scalar": 4,
            "qk_layernorm": True,
            "embedding_multiplier": 3.0,
            "attention_multiplier": 3.0,
            "residual_multiplier": 3.0,
            "logits_scaling": 3.0,
            "clip_qkv": 1.0,
        },
    ),
    "llama, layer_types": Case(
        "llama", config={"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
    ),
    "llama, unknown keys": Case("llama", config={"our_note": {"a": 1}, "_name_or_path": "x/y", "transformers.js_config": {}}),
    "llama, settings of training": Case(
        "llama", config={"attention_dropout": 0.5, "initializer_range": 0.5, "use_cache": False, "gradient_checkpointing": True}
    ),
    "llama, no architectures": Case("llama", without=("architectures",)),
    "llama, padding token": Case("llama", config={"pad_token_id": 5}),
    "llama, quantization_config is null": Case("llama", config={"quantization_config": None}),
    "llama, old inv_freq buffers": Case("llama", files=(inv_freq,)),
    "llama, old mask buffers": Case("llama", files=(old_mask,)),
    "llama, tied, names without prefix": Case(
        "llama", tie_word_embeddings=True, config={"architectures": ["LlamaModel"]}, files=(no_prefix,)
    ),
    "llama, in shards": Case("llama", files=(sharded(),)),
    "llama, in one shard": Case("llama", files=(sharded(1),)),
    "llama, tied, in shards, head stored": Case("llama", tie_word_embeddings=True, files=(same_head, sharded(5))),
    "llama, safetensors without metadata": Case("llama", files=(without_metadata,)),
    "llama, bf16": Case("llama", config={"dtype": "bfloat16"}, files=(in_format("bfloat16"),)),
    "llama, f16": Case("llama", config={"dtype": "float16"}, files=(in_format("float16"),)),
    "llama, bf16 and norms f32": Case("llama", files=(in_format("bfloat16", lambda key: "norm" in key),)),
    "llama, f32 that says bf16": Case("llama", config={"dtype": "bfloat16"}),
    "llama, f64": Case("llama", files=(in_format("float64"),)),
    "llama, bf16 in shards": Case("llama", files=(in_format("bfloat16"), sharded(2))),
    "llama, linear": rope("llama", ROPES["linear"]),
    "llama, linear of old": old_rope("llama", OLD_NAME),
    "llama, linear factor a whole number": rope("llama", {"rope_type": "linear", "factor": 4}),
    "llama, dynamic": rope("llama", ROPES["dynamic"], max_position_embeddings=64),
    "llama, dynamic within its length": rope("llama", ROPES["dynamic"]),
    "llama, dynamic of old": old_rope("llama", {"type": "dynamic", "factor": 4.0}, max_position_embeddings=64),
    "llama, yarn": rope("llama", ROPES["yarn"]),
    **{f"llama, {name}": rope("llama", {**ROPES["yarn"], **more}) for name, more in YARNS.items()},
    "llama, yarn, no original length": old_rope("llama", {"rope_type": "yarn", "factor": 4.0}),
    "llama, llama3": rope("llama", ROPES["llama3"]),
    "llama, llama3 of old": old_rope("llama", ROPES["llama3"]),
    "llama, llama3, narrow band": rope("llama", {**ROPES["llama3"], "low_freq_factor": 1.0, "high_freq_factor": 1.5}),
    "llama, longrope": rope(
        "llama",
        {
            "rope_type": "longrope",
            "short_factor": [1.0] * 6,
            "long_factor": [2.0] * 6,
            "original_max_position_embeddings": 64,
            "factor": 4.0,
        },
    ),
    "mistral": Case("mistral"),
    "mistral, window of 16": Case("mistral", sliding_window=16),
    "mistral, window of 1": Case("mistral", sliding_window=1),
    "mistral, window is null": Case("mistral", sliding_window=None),
    "mistral, no window": Case("mistral", without=("sliding_window",)),
    "mistral, no num_key_value_heads": Case(
        "mistral", hidden_size=64, num_attention_heads=8, num_key_value_heads=8, without=("num_key_value_heads",)
    ),
    "mistral, layer_types": Case(
        "mistral", sliding_window=16, config={"layer_types": ["sliding_attention", "full_attention"]}
    ),
    "mistral, all layers full": Case("mistral", sliding_window=16, config={"layer_types": ["full_attention"] * 2}),
    "mistral, head_dim": Case("mistral", head_dim=16, sliding_window=None),
    "mistral, tied, yarn, bf16": rope(
        "mistral", ROPES["yarn"], tie_word_embeddings=True, sliding_window=32, files=(in_format("bfloat16"),)
    ),
    "mistral, attention_bias": Case("mistral", config={"attention_bias": True}),
    "qwen2": Case("qwen2"),
    "qwen2, tied": Case("qwen2", tie_word_embeddings=True),
    "qwen2, no num_key_value_heads": Case(
        "qwen2", hidden_size=128, num_attention_heads=32, num_key_value_heads=32, without=("num_key_value_heads",)
    ),
    "qwen2, windows that are off": Case("qwen2", config={"sliding_window": 8, "use_sliding_window": False, "max_window_layers": 0}),
    "qwen2, windows from the second layer": Case(
        "qwen2", use_sliding_window=True, sliding_window=16, max_window_layers=1, config={"layer_types": None}
    ),
    "qwen2, windows, no layer has one": Case("qwen2", use_sliding_window=True, sliding_window=16, max_window_layers=2),
    "qwen2, layer_types": Case(
        "qwen2", use_sliding_window=True, sliding_window=16, layer_types=["sliding_attention", "full_attention"]
    ),
    "qwen2, layer_types all full, windows on": Case(
        "qwen2", use_sliding_window=True, sliding_window=16, max_window_layers=0, layer_types=["full_attention"] * 2
    ),
    "qwen2, yarn": rope("qwen2", ROPES["yarn"], tie_word_embeddings=True),
    "qwen2, yarn of old": old_rope("qwen2", {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}),
    "qwen2, attention_bias false": Case("qwen2", config={"attention_bias": False}),
    "qwen2, head_dim": Case("qwen2", config={"head_dim": 12}),
    "qwen3": Case("qwen3"),
    "qwen3, no head_dim": Case("qwen3", head_dim=128, without=("head_dim",)),
    "qwen3, attention_bias": Case("qwen3", attention_bias=True),
    "qwen3, tied, f16": Case("qwen3", tie_word_embeddings=True, files=(in_format("float16"),)),
    "qwen3, windows from the second layer": Case(
        "qwen3", use_sliding_window=True, sliding_window=16, max_window_layers=1, config={"layer_types": None}
    ),
    "qwen3, layer_types": Case(
        "qwen3", use_sliding_window=True, sliding_window=16, layer_types=["sliding_attention", "full_attention"]
    ),
    "qwen3, yarn": rope("qwen3", ROPES["yarn"]),
    "gemma3": Case("gemma3", num_hidden_layers=3, sliding_window=16),
    "gemma3, every second layer global": Case(
        "gemma3", num_hidden_layers=4, sliding_window=16, config={"sliding_window_pattern": 2}, without=("layer_types",)
    ),
    "gemma3, layer_types": Case(
        "gemma3", sliding_window=16, layer_types=["full_attention", "sliding_attention"]
    ),
    "gemma3, query_pre_attn_scalar": Case("gemma3", query_pre_attn_scalar=64),
    "gemma3, final soft cap": Case("gemma3", config={"final_logit_softcapping": 30.0}),
    "gemma3, attention's soft cap": Case("gemma3", config={"attn_logit_softcapping": 50.0}),
    "gemma3, attention_bias": Case("gemma3", attention_bias=True),
    "gemma3, not tied": Case("gemma3", tie_word_embeddings=False),
    "gemma3, tied, another head stored": Case("gemma3", files=(other_head,)),
    "gemma3, thetas of old": Case(
        "gemma3", config={"rope_theta": 500000.0, "rope_local_base_freq": 300.0}, without=("rope_parameters",), sliding_window=16
    ),
    "gemma3, linear of old": old_rope(
        "gemma3",
        {"rope_type": "linear", "factor": 8.0},
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "gemma3, yarn for the global layers": Case(
        "gemma3",
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={
            "full_attention": {**ROPES["yarn"], "rope_theta": 1000000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
    ),
    "gemma3, hidden_activation gelu": Case("gemma3", config={"hidden_activation": "gelu"}),
    "gemma3, bidirectional": Case("gemma3", config={"use_bidirectional_attention": True}),
    "gemma3, bf16": Case("gemma3", files=(in_format("bfloat16"),)),
    "gemma3, bf16 in shards": Case("gemma3", sliding_window=16, files=(in_format("bfloat16"), sharded(4))),
    "ministral": rope(
        "Ministral", {"rope_type": "default"}, head_dim=12, sliding_window=16, layer_types=["sliding_attention", "full_attention"]
    ),
    "ministral, all layers full": rope(
        "Ministral", ROPES["yarn"], sliding_window=16, head_dim=16, layer_types=["full_attention"] * 2
    ),
    "seed_oss": Case("SeedOss", head_dim=16),
    "seed_oss, no biases": Case("SeedOss", head_dim=12, attention_bias=False),
    "seed_oss, all biases": Case("SeedOss", head_dim=12, attention_out_bias=True, mlp_bias=True, tie_word_embeddings=True),
    "gemma2": Case("Gemma2", head_dim=16),
    "phi3": Case("Phi3", pad_token_id=0),
}


def drawn(seed):
    """Settings that do not depend on each other, drawn together."""
    draw = random.Random(f"conformance {seed}")
    family = draw.choice(["llama", "mistral", "qwen2", "qwen3", "gemma3"])
    heads = draw.choice([2, 4, 6])
    settings = {
        "hidden_size": heads * draw.choice([8, 12, 16]),
        "num_attention_heads": heads,
        "num_key_value_heads": draw.choice([n for n in (1, 2, 3, 6) if heads % n == 0]),
        "num_hidden_layers": draw.choice([1, 2, 3]),
        "intermediate_size": draw.choice([31, 64, 90]),
        "vocab_size": draw.choice([97, 160, 256]),
        "rms_norm_eps": draw.choice([1e-6, 1e-5]),
        "tie_word_embeddings": draw.random() < 0.5,
    }
    if family not in ("qwen2",):
        settings["head_dim"] = draw.choice([8, 10, 16])
    if family in ("llama", "qwen3", "gemma3"):
        settings["attention_bias"] = draw.random() < 0.5
    if family in ("mistral", "gemma3"):
        settings["sliding_window"] = draw.choice([7, 33, 150])
    if family in ("qwen2", "qwen3") and draw.random() < 0.5:
        settings.update(use_sliding_window=True, sliding_window=draw.choice([7, 33]), max_window_layers=1)
    if family != "gemma3":
        name = draw.choice(["default", *ROPES])
        settings["rope_parameters"] = {
            "rope_theta": draw.choice([1000.0, 10000.0, 1e6]),
            **ROPES.get(name, {"rope_type": "default"}),
        }
    kind = draw.choice(["float32", "bfloat16", "float16"])
    files = [*([in_format(kind)] if kind != "float32" else []), *([sharded(draw.choice([1, 2, 4]))] if draw.random() < 0.4 else [])]
    return Case(family, files=files, seed=seed, **settings)


CASES.update({f"drawn {seed}": drawn(seed) for seed in range(12)})
NAMES = list(CASES)
QUICK = {
    "llama",
    "llama, tied, another head stored",
    "llama, both biases",
    "llama, head_dim above",
    "llama, old inv_freq buffers",
    "llama, in shards",
    "llama, bf16 and norms f32",
    "llama, dynamic",
    "llama, yarn",
    "llama, yarn, second scale zero",
    "llama, llama3 of old",
    "mistral, window of 16",
    "mistral, layer_types",
    "qwen2, layer_types",
    "qwen2, yarn of old",
    "qwen3, no head_dim",
    "gemma3",
    "gemma3, thetas of old",
    "gemma3, yarn for the global layers",
    *(f"drawn {seed}" for seed in range(4)),
}


def source_of(name):
    return None


def make(name, folder):
    case = CASES[name]
    model = random_model(case.family, case.seed, **case.settings)
    model.save_pretrained(folder)
    for change in case.files:
        change(folder)
    change_json(folder / "config.json", case.config, case.without)
    vocabulary = model.config.vocab_size
    sequences = [tokens(vocabulary, length, seed) for seed, length in enumerate(LENGTHS)]
    # Loaded anew for each: dynamic scaling remembers the longest sequence that it saw.
    right = [logps(load(folder), sequence) for sequence in sequences]
    return {"config": read_json(folder / "config.json"), "sequences": sequences, "logps": right}
