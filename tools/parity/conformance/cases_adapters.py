"""PEFT's LoRA configurations on small random models: what the base with the adapter gives when PeftModel loads both.

An adapter is made by PEFT from its configuration, gets random matrices, and is saved; then its adapter_config.json is changed, as other
versions of PEFT, or people, write it. The folder has base and adapter together."""

import pathlib
import shutil
import tempfile

from shared import change_json, load, logps, peft, random_model, tokens, torch

LENGTH = 90


class Case:
    def __init__(self, family="llama", /, *, config=None, without=(), base=None, dtype=None, **settings):
        self.family, self.config, self.without, self.base, self.dtype = family, config or {}, without, base or {}, dtype
        self.settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], **settings}


#: In the middle of the sequence.
INVOCATION = tokens(160, LENGTH)[40:42]
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CASES = {
    "two layers": Case(),
    "all layers by name": Case(target_modules=ALL),
    "one layer": Case(target_modules=["down_proj"]),
    "attention alone": Case(target_modules=ALL[:4]),
    "feed-forward alone": Case(target_modules=ALL[4:]),
    "all-linear": Case(target_modules="all-linear"),
    "all-linear of a larger model": Case(target_modules="all-linear", base={"num_hidden_layers": 6}),
    "all-linear as written": Case(target_modules=ALL, config={"target_modules": "all-linear"}),
    "a regular expression": Case(target_modules=r".*self_attn\.(q|v)_proj"),
    "a regular expression of one layer": Case(target_modules=r"model\.layers\.1\.mlp\..*_proj"),
    "a regular expression with groups": Case(target_modules=r".*\.layers\.(?:0|1)\.(?:self_attn\.[qk]_proj|mlp\.up_proj)"),
    "a regular expression with a look-ahead": Case(target_modules=r".*\.(?!k_proj)[a-z]+_proj"),
    "dotted names": Case(target_modules=["self_attn.q_proj", "mlp.down_proj"]),
    "whole names": Case(target_modules=["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"]),
    "exclude a name": Case(target_modules=ALL, exclude_modules=["v_proj", "up_proj"]),
    "exclude a dotted name": Case(target_modules=ALL, exclude_modules=["layers.0.self_attn.q_proj"]),
    "exclude by regular expression": Case(target_modules=ALL, exclude_modules=r".*layers\.1\..*"),
    "rank above the width": Case(r=64, target_modules=ALL),
    "rank 1": Case(r=1),
    "alpha below the rank": Case(lora_alpha=1),
    "alpha a fraction": Case(config={"lora_alpha": 2.5}),
    "rank-stabilised": Case(use_rslora=True),
    "rank pattern": Case(target_modules=ALL, rank_pattern={"q_proj": 2, "down_proj": 7}),
    "alpha pattern": Case(target_modules=ALL, alpha_pattern={"v_proj": 16, "layers.1.mlp.up_proj": 3}),
    "both patterns": Case(
        target_modules=ALL, rank_pattern={"layers.0.self_attn.q_proj": 8}, alpha_pattern={"layers.0.self_attn.q_proj": 2}
    ),
    "patterns as regular expressions": Case(
        target_modules=ALL, rank_pattern={r"^model\.layers\.1\..*": 3}, alpha_pattern={r".*\.[qk]_proj": 5}
    ),
    "patterns, rank-stabilised": Case(use_rslora=True, rank_pattern={"q_proj": 9}, alpha_pattern={"v_proj": 1}),
    "empty patterns": Case(config={"rank_pattern": {}, "alpha_pattern": {}, "layers_to_transform": None}),
    "dora": Case(use_dora=True, target_modules=ALL),
    "bias all": Case(bias="all", base={"attention_bias": True}),
    "bias lora_only": Case(bias="lora_only", base={"attention_bias": True}),
    "lora_bias": Case(lora_bias=True, base={"attention_bias": True}),
    "modules_to_save: the head": Case(modules_to_save=["lm_head"]),
    "modules_to_save: a norm": Case(modules_to_save=["norm"]),
    "modules_to_save: embedding and head, tied": Case(
        modules_to_save=["embed_tokens", "lm_head"], base={"tie_word_embeddings": True}
    ),
    "modules_to_save is empty": Case(config={"modules_to_save": []}),
    "target: the head": Case(target_modules=["q_proj", "lm_head"]),
    "target: the embedding": Case(target_modules=["q_proj", "embed_tokens"]),
    "trainable tokens": Case(trainable_token_indices=[3, 5, 7]),
    "one layer to transform": Case(layers_to_transform=1),
    "layers to transform": Case(layers_to_transform=[0, 2], base={"num_hidden_layers": 3}, target_modules=ALL),
    "layers to transform with a pattern": Case(layers_to_transform=[0], layers_pattern="layers"),
    "layer replication": Case(layer_replication=[[0, 2], [1, 2]]),
    "init gaussian": Case(init_lora_weights="gaussian"),
    "init false": Case(init_lora_weights=False),
    "init pissa": Case(init_lora_weights="pissa"),
    "init pissa_niter_4": Case(init_lora_weights="pissa_niter_4"),
    "init olora": Case(init_lora_weights="olora"),
    "init orthogonal": Case(init_lora_weights="orthogonal"),
    "init eva": Case(config={"init_lora_weights": "eva"}),
    "alora": Case(alora_invocation_tokens=INVOCATION),
    "alora, one token from the first on": Case(alora_invocation_tokens=[5]),
    "alora, no such tokens": Case(alora_invocation_tokens=[159, 158, 157]),
    "fan_in_fan_out": Case(config={"fan_in_fan_out": True}),
    "dropout": Case(config={"lora_dropout": 0.5}),
    "inference_mode false": Case(config={"inference_mode": False}),
    "an old file": Case(
        without=(
            "alora_invocation_tokens alpha_pattern arrow_config corda_config ensure_weight_tying eva_config exclude_modules "
            "layer_replication layers_pattern layers_to_transform loftq_config lora_bias lora_ga_config megatron_config "
            "megatron_core monteclora_config peft_version qalora_group_size rank_pattern runtime_config target_parameters "
            "trainable_token_indices use_bdlora use_dora use_qalora use_rslora velora_config kasa_config revision auto_mapping"
        ).split()
    ),
    "keys of a newer PEFT": Case(config={"our_new_option": False, "another_option": None}),
    "task of another kind": Case(config={"task_type": None}),
    "qwen2": Case("qwen2", target_modules=ALL),
    "qwen3": Case("qwen3", target_modules=ALL, use_rslora=True),
    "gemma3": Case("gemma3", target_modules=ALL),
    "mistral": Case("mistral", target_modules="all-linear"),
    "tied base": Case(base={"tie_word_embeddings": True}, target_modules="all-linear"),
    "adapter in bf16": Case(dtype="bfloat16", target_modules=ALL),
}
NAMES = list(CASES)
QUICK = {
    "two layers",
    "all layers by name",
    "all-linear",
    "a regular expression",
    "dotted names",
    "exclude a name",
    "both patterns",
    "rank-stabilised",
    "dora",
    "modules_to_save: the head",
    "layers to transform",
    "init pissa",
    "init olora",
    "alora",
    "an old file",
    "gemma3",
}


def source_of(name):
    return None


def make(name, folder):
    case = CASES[name]
    model = random_model(case.family, **case.base)
    model.save_pretrained(folder)
    adapted = peft().get_peft_model(model, peft().LoraConfig(task_type="CAUSAL_LM", **case.settings))
    generator = torch().Generator().manual_seed(3)
    with torch().no_grad():
        for parameter_name, parameter in adapted.named_parameters():
            if parameter.requires_grad or "lora_" in parameter_name:
                by = 0.05 if "magnitude" in parameter_name else 0.1
                change = torch().randn(parameter.shape, generator=generator) * by
                parameter.copy_(change if "lora_A" in parameter_name or "lora_B" in parameter_name else parameter + change)
    with tempfile.TemporaryDirectory() as apart:
        adapted.save_pretrained(apart)
        saved = pathlib.Path(apart)
        if case.dtype:
            from safetensors.torch import load_file, save_file

            path = saved / "adapter_model.safetensors"
            save_file({key: value.to(getattr(torch(), case.dtype)) for key, value in load_file(path).items()}, path)
        change_json(saved / "adapter_config.json", case.config, case.without)
        ids = tokens(160, LENGTH)
        # transformers would take the adapter beside the base for its own: the base is loaded before it lies there.
        base = load(folder)
        right = logps(peft().PeftModel.from_pretrained(base, apart).eval(), ids)
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(saved / file, folder)
    return {"sequences": [ids], "logps": [right]}
