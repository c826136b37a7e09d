"""What the kinds of cases share. Libraries are imported when they are first needed: a list of names needs none."""

import functools
import json

LIMIT_OF_TEXT = 100_000


@functools.cache
def torch():
    import torch as library

    library.set_num_threads(1)
    return library


@functools.cache
def transformers():
    import transformers as library

    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


@functools.cache
def peft():
    import peft as library

    return library


def tokens(vocabulary, count, seed=0):
    return [(i * i * 7 + 3 * i + 5 + 11 * seed) % vocabulary for i in range(count)]


def load(folder):
    """As a user loads it, in single precision."""
    return (
        transformers()
        .AutoModelForCausalLM.from_pretrained(folder, dtype=torch().float32, attn_implementation="eager")
        .eval()
    )


def logps(model, ids):
    ids = torch().tensor([ids])
    with torch().no_grad():
        logits = model(input_ids=ids).logits[0, :-1].float()
    return torch().log_softmax(logits, -1).gather(-1, ids[0, 1:, None])[:, 0].tolist()


def randomise(model, seed=0, std=0.15):
    """Norms near what changes nothing: 1, or 0 where the factor is 1 + w."""
    generator = torch().Generator().manual_seed(seed)
    unit = 0.0 if "gemma" in model.config.model_type else 1.0
    with torch().no_grad():
        for name, parameter in model.named_parameters():
            center = unit if "norm" in name else 0.0
            parameter.copy_(torch().randn(parameter.shape, generator=generator) * std + center)
    return model


SIZES = dict(
    vocab_size=160,
    hidden_size=48,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
)
NAMES_OF_CLASSES = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3", "gemma3": "Gemma3"}


def random_model(family, seed=0, **settings):
    library = transformers()
    name = NAMES_OF_CLASSES.get(family, family)
    config = getattr(library, f"{name}TextConfig" if family == "gemma3" else f"{name}Config")
    small = {**SIZES, **({"head_dim": 16} if family in ("qwen3", "gemma3") else {}), **settings}
    return randomise(getattr(library, f"{name}ForCausalLM")(config(**small)), seed)


def read_json(path):
    return json.loads(path.read_text())


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1))


def change_json(path, changes, without=()):
    value = {**read_json(path), **changes}
    write_json(path, {key: each for key, each in value.items() if key not in without})
