"""Multiply-adds by formula, for the parts of one pass: linear layers, LoRA, attention, head.

A shape is (tokens, attended, scored): the tokens that pass through the layers, the pairs of query and key that causal
attention needs, and the positions whose logits are computed. What a kernel computes only to mask it is not counted. Where
the last layer makes its output (all but q, k and v) for some tokens only, `last` is (tokens, attended) of it."""

from dataclasses import dataclass

HIDDEN, KEY_VALUE, FEED_FORWARD, VOCABULARY, RANK = 896, 128, 4864, 151936, 16

QKV = HIDDEN * HIDDEN + 2 * HIDDEN * KEY_VALUE
LINEAR = QKV + HIDDEN * HIDDEN + 3 * HIDDEN * FEED_FORWARD
QKV_ADAPTER = RANK * (2 * HIDDEN + 2 * (HIDDEN + KEY_VALUE))
ADAPTER = QKV_ADAPTER + RANK * (2 * HIDDEN + 3 * (HIDDEN + FEED_FORWARD))


@dataclass
class Shape:
    tokens: int
    attended: int
    scored: int
    last: tuple[int, int] | None = None

    def __add__(self, other):
        return Shape(
            self.tokens + other.tokens,
            self.attended + other.attended,
            self.scored + other.scored,
            tuple(a + b for a, b in zip(self.of_last, other.of_last)),
        )

    @property
    def of_last(self):
        return self.last or (self.tokens, self.attended)


def row(prompt, response, all_scored, trimmed=False):
    tokens = prompt + response
    last = (1 + response, prompt + response * prompt + response * (response + 1) // 2) if trimmed else None
    return Shape(tokens, tokens * (tokens + 1) // 2, tokens - 1 if all_scored else response, last)


def tree(prompt, response):
    """[prompt | chosen | rejected]: each response sees the prompt and itself."""
    responses = 2 * (response * prompt + response * (response + 1) // 2)
    last = (1 + 2 * response, prompt + responses)
    return Shape(prompt + 2 * response, prompt * (prompt + 1) // 2 + responses, 2 * response, last)


def forward(shape, layers, adapter=True):
    tokens, attended = shape.of_last
    linear = QKV * shape.tokens + (LINEAR - QKV) * tokens
    lora = QKV_ADAPTER * shape.tokens + (ADAPTER - QKV_ADAPTER) * tokens
    return {
        "linear": (layers - 1) * LINEAR * shape.tokens + linear,
        "lora": (layers - 1) * ADAPTER * shape.tokens + lora if adapter else 0,
        "attention": (layers - 1) * 2 * HIDDEN * shape.attended + 2 * HIDDEN * attended,
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
