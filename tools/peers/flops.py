"""Multiply-adds by formula, for the parts of one pass: linear layers, LoRA, attention, head.

A shape is (tokens, attended, scored): the tokens that pass through the layers, the pairs of query and key that causal
attention needs, and the positions whose logits are computed. What a kernel computes only to mask it is not counted."""

from dataclasses import dataclass

HIDDEN, KEY_VALUE, FEED_FORWARD, VOCABULARY, RANK = 896, 128, 4864, 151936, 16

LINEAR = 2 * HIDDEN * HIDDEN + 2 * HIDDEN * KEY_VALUE + 3 * HIDDEN * FEED_FORWARD
ADAPTER = RANK * (4 * HIDDEN + 2 * (HIDDEN + KEY_VALUE) + 3 * (HIDDEN + FEED_FORWARD))


@dataclass
class Shape:
    tokens: int
    attended: int
    scored: int

    def __add__(self, other):
        return Shape(self.tokens + other.tokens, self.attended + other.attended, self.scored + other.scored)


def row(prompt, response, all_scored):
    tokens = prompt + response
    return Shape(tokens, tokens * (tokens + 1) // 2, tokens - 1 if all_scored else response)


def tree(prompt, response):
    """[prompt | chosen | rejected]: each response sees the prompt and itself."""
    responses = 2 * (response * prompt + response * (response + 1) // 2)
    return Shape(prompt + 2 * response, prompt * (prompt + 1) // 2 + responses, 2 * response)


def forward(shape, layers, adapter=True):
    return {
        "linear": layers * LINEAR * shape.tokens,
        "lora": layers * ADAPTER * shape.tokens if adapter else 0,
        "attention": layers * 2 * HIDDEN * shape.attended,
        "head": HIDDEN * VOCABULARY * shape.scored,
    }


def step(policy, layers, recompute, reference=None, head_recomputed=False):
    """One LoRA step. The backward of fused attention computes its scores again (one product of five). Weights of the base
    and of the head have no gradient, so dW is LoRA's alone."""
    first = forward(policy, layers)
    passes = {"forward": first}
    if reference:
        passes["reference"] = forward(reference, layers, adapter=False)
    again = {part: count for part, count in first.items() if part != "head"} if recompute else {}
    if head_recomputed:
        again["head"] = first["head"]
    if again:
        passes["recompute"] = again
    passes["dx"] = {
        "linear": first["linear"],
        "lora": first["lora"],
        "attention": first["attention"] * 5 // 2,
        "head": first["head"],
    }
    passes["dW"] = {"lora": first["lora"]}
    return {"multiplyAdds": sum(sum(parts.values()) for parts in passes.values()), "passes": passes}
