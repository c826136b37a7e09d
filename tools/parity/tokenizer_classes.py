"""The class that AutoTokenizer makes for every name that a tokenizer_class may have, and the one that belongs to each model type that
is read, as the installed transformers has them: the fixture of libs/text/src/tokenizer-classes.test.ts.

    python tools/parity/tokenizer_classes.py libs/text/src/fixtures/tokenizer-classes.json"""

import json
import pathlib
import re
import sys

import transformers
from transformers.convert_slow_tokenizer import SLOW_TO_FAST_CONVERTERS
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

BACKENDS = {"MistralCommonBackend", "PythonBackend", "SentencePieceBackend", "TokenizersBackend"}
MODEL_TYPES = ["gemma3_text", "llama", "ministral", "mistral", "qwen2", "qwen3", "seed_oss"]


def names():
    """Whatever is called a tokenizer in the sources, and what its module gives out under older names."""
    found = BACKENDS | set(SLOW_TO_FAST_CONVERTERS) | set(filter(None, TOKENIZER_MAPPING_NAMES.values()))
    for source in pathlib.Path(transformers.__file__).parent.rglob("*.py"):
        found |= set(re.findall(r"\b[A-Z]\w*Tokenizer(?:Fast|Base)?\b", source.read_text()))
    return sorted({name.removesuffix("Fast") for name in found})


def made(name):
    made = tokenizer_class_from_name(name) or tokenizer_class_from_name(f"{name}Fast")
    return made and made.__name__


fixture = {
    "transformers": transformers.__version__,
    "registered": {name: TOKENIZER_MAPPING_NAMES.get(name) for name in MODEL_TYPES},
    "made": {name: made(name) for name in names()},
}
json.dump(fixture, open(sys.argv[1], "w"), indent=1)
print({key: len(value) for key, value in fixture.items()})
