"""python gguf_blocks.py FILE: blocks of random bytes of every tensor type that is read, and what the gguf package makes of them:
the fixture of libs/lm/src/gguf/gguf-blocks.test.ts."""

import base64
import json
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf.quants import dequantize

BLOCKS = 3
# Where a block has float16 factors: random bits there would be infinities.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip
PLAIN = ["F32", "F16", "BF16"]


def blocks_of(name: str, random: np.random.Generator) -> np.ndarray:
    _, size = GGML_QUANT_SIZES[Type[name]]
    if name in PLAIN:
        values = random.standard_normal(16).astype(np.float32)
        values[:4] = [0, -0.0, 65504, 6e-8]
        if name == "F32":
            return values.view(np.uint8)
        if name == "F16":
            return values.astype(np.float16).view(np.uint8)
        return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    blocks = random.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in HALVES[name]:
        factors = (random.standard_normal((BLOCKS, 1)) / 50).astype(np.float16)
        blocks[:, at : at + 2] = factors.view(np.uint8)
    return blocks.reshape(-1)


def text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


random = np.random.default_rng(0)
fixture = {}
for name in [*PLAIN, *HALVES]:
    data = blocks_of(name, random)
    numbers = data.view(np.float32) if name == "F32" else dequantize(data, Type[name])
    fixture[name] = {"type": int(Type[name]), "blocks": text(data), "numbers": text(numbers.astype(np.float32))}
with open(sys.argv[1], "w") as file:
    json.dump(fixture, file, indent=1)
    file.write("\n")
