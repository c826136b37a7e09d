"""Rotary frequencies and attention factors of transformers, from config.json as it may be written: the fixture of
libs/lm/src/rotary.test.ts.

    python tools/parity/rope.py libs/lm/src/fixtures/rope-frequencies.json"""

import json
import sys

import torch
from transformers import AutoConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

SHAPE = dict(
    model_type="llama",
    vocab_size=50,
    hidden_size=64,
    num_hidden_layers=1,
    num_attention_heads=4,
    num_key_value_heads=2,
    intermediate_size=40,
    max_position_embeddings=256,
)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)
CASES = {
    "default": dict(rope_theta=500_000.0),
    "linear, old key": dict(rope_theta=10_000.0, rope_scaling=dict(type="linear", factor=2.5)),
    "linear, theta beside rope_parameters": dict(rope_theta=700.0, rope_parameters=dict(rope_type="linear", factor=2.5)),
    "llama3": dict(
        rope_theta=500_000.0,
        rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64),
    ),
    "yarn": dict(rope_scaling=YARN),
    "yarn, rope_parameters": dict(rope_parameters=dict(YARN, rope_theta=1_000.0)),
    "yarn, attention factor": dict(rope_scaling=dict(YARN, attention_factor=0.8)),
    "yarn, mscale": dict(rope_scaling=dict(YARN, mscale=0.7, mscale_all_dim=0.4)),
    "yarn, one mscale is not used": dict(rope_scaling=dict(YARN, mscale=0.7)),
    "yarn, mscale_all_dim 0 is none": dict(rope_scaling=dict(YARN, mscale=1.0, mscale_all_dim=0.0)),
    "yarn, betas of 0 are none": dict(rope_scaling=dict(YARN, beta_fast=0, beta_slow=0)),
    "yarn, betas": dict(rope_scaling=dict(YARN, beta_fast=8, beta_slow=0.5)),
    "yarn, not truncated": dict(rope_scaling=dict(YARN, beta_fast=8, truncate=False)),
    "yarn, truncate null is false": dict(rope_scaling=dict(YARN, beta_fast=8, truncate=None)),
    "yarn, original positions left out": dict(rope_scaling=dict(rope_type="yarn", factor=4.0)),
    "yarn, original positions beside": dict(original_max_position_embeddings=32, rope_scaling=YARN),
    "yarn, factor null": dict(rope_scaling=dict(YARN, factor=None)),
    "dynamic, short": dict(rope_scaling=dict(rope_type="dynamic", factor=3.0)),
    "dynamic, as long as trained": dict(rope_scaling=dict(rope_type="dynamic", factor=3.0)),
    "dynamic, longer": dict(rope_scaling=dict(rope_type="dynamic", factor=3.0)),
}
LENGTHS = {"dynamic, as long as trained": 256, "dynamic, longer": 600}

fixture = []
for name, changes in CASES.items():
    config = {**SHAPE, **changes}
    length = LENGTHS.get(name, 100)
    # A fresh module run once on one sequence of that length.
    rotary = LlamaRotaryEmbedding(AutoConfig.for_model(**json.loads(json.dumps(config))))
    rotary(torch.zeros(1), torch.arange(length)[None])
    fixture.append(
        dict(name=name, config=config, sequenceLength=length, frequencies=rotary.inv_freq.tolist(), attentionFactor=float(rotary.attention_scaling))
    )
    print(f"{name}: {rotary.inv_freq[-1].item():.4e}, attention factor {rotary.attention_scaling:.4f}")
json.dump(fixture, open(sys.argv[1], "w"), separators=(",", ":"))
