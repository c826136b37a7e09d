"""The keys that config.json and adapter_config.json may have, as the installed transformers and PEFT know them: the fixture of
libs/lm/src/settings.test.ts, which demands that each is read, known to be without effect, or refused.

    python tools/parity/settings.py libs/lm/src/fixtures/settings.json"""

import dataclasses
import json
import re
import sys

import peft
import transformers
from peft import LoraConfig
from transformers import GenerationConfig
from transformers.modeling_rope_utils import RopeParameters
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

# By the model_type of config.json: what AutoConfig makes of it. With layer_types a mistral becomes a ministral.
CLASSES = {
    "gemma3_text": ["gemma3_text"],
    "llama": ["llama"],
    "ministral": ["ministral"],
    "mistral": ["mistral", "ministral"],
    "qwen2": ["qwen2"],
    "qwen3": ["qwen3"],
    "seed_oss": ["seed_oss"],
}
# What PreTrainedConfig takes beside its fields: read in its __post_init__ and its properties.
ARGUMENTS = [
    "attn_implementation",
    "experts_implementation",
    "name_or_path",
    "num_labels",
    "output_attentions",
    "partial_rotary_factor",
    "per_layer_config",
    "rope_scaling",
    "rope_theta",
    "torch_dtype",
]


def written(model_type):
    """What a saved config.json of this type has."""
    return set(CONFIG_MAPPING[model_type]().to_dict())


def keys(model_type):
    fields = {field.name for field in dataclasses.fields(CONFIG_MAPPING[model_type])}
    return fields | written(model_type)


generation = sorted(GenerationConfig._get_default_generation_params())
config = {
    name: sorted(set().union(*map(keys, classes)) | set(ARGUMENTS) | set(generation)) for name, classes in CLASSES.items()
}
fixture = {
    "transformers": transformers.__version__,
    "peft": peft.__version__,
    "config": config,
    "rope": sorted(RopeParameters.__annotations__),
    "adapter": sorted(field.name for field in dataclasses.fields(LoraConfig)),
    # LoRA-GA's stands in its documentation alone.
    "initialisations": sorted(set(re.findall(r"[\"'](\w[^\"']*)[\"']", LoraConfig.__annotations__["init_lora_weights"])) | {"lora_ga"}),
}
json.dump(fixture, open(sys.argv[1], "w"), indent=1)
print({key: len(value) for key, value in fixture.items()})
