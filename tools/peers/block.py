"""One decoder layer with LoRA at T tokens, in executed multiply-adds a second, beside torch.matmul of T x 896 x 4864."""

import argparse

import torch
from torch import nn

import flops
import measure
import shapes


def timed(name, options, T, work, multiply_adds, **details):
    measure.forget_peak()
    seconds = measure.seconds_of(work, options.runs, options.warmup)
    rate = multiply_adds / sorted(seconds)[len(seconds) // 2]
    return measure.figure(name, seconds, T, {"multiplyAdds": multiply_adds}, multiplyAddsPerSecond=rate, precision=options.dtype, **details)


def matmul(name, options, T, which="matmul"):
    dtype = getattr(torch, options.dtype)
    generator = torch.Generator().manual_seed(options.seed)
    x, weight = (torch.randn(*size, generator=generator).to(dtype) for size in ((T, flops.HIDDEN), (flops.HIDDEN, flops.FEED_FORWARD)))
    transposed = weight.T.contiguous()
    works = {
        "matmul": lambda: torch.matmul(x, weight),
        "linear": lambda: nn.functional.linear(x, transposed),
        "onednn": lambda: torch.ops.mkldnn._linear_pointwise(x, transposed, None, "none", [], ""),
    }
    return timed(name, options, T, works[which], T * flops.HIDDEN * flops.FEED_FORWARD)


def block(name, options, T, by, direction, recompute=False):
    """`by` transformers (with PEFT) or best (best.py). Forward runs without gradient; backward times the backward alone, or,
    with `recompute`, the forward again and the backward."""
    one = argparse.Namespace(**{**vars(options), "layers": 1})
    adapted = shapes.adapted_model(one)
    dtype = getattr(torch, options.dtype)
    generator = torch.Generator().manual_seed(options.seed)
    h, dh = (torch.randn(T, flops.HIDDEN, generator=generator).to(dtype) for _ in range(2))
    h.requires_grad_()
    if by == "transformers":
        model = adapted.base_model.model.model
        layer, rotary, positions = model.layers[0], model.rotary_emb, torch.arange(T)[None]
        run = lambda: layer(h[None], position_embeddings=rotary(h, positions), position_ids=positions)[0]
    else:
        from best import Layer, Layout

        layer, layout = Layer(adapted.base_model.model.model.layers[0]), Layout(T - 1, [1], dtype)
        run = lambda: layer(h, layout)
    with torch.autocast("cpu", dtype, enabled=by == "transformers" and dtype != torch.float32):
        shape = flops.Shape(T, T * (T + 1) // 2, 0)
        passes = flops.step(shape, 1, recompute=True)["passes"]
        forward = sum(passes["forward"].values())
        if direction == "forward":
            with torch.no_grad():
                return timed(name, options, T, run, forward)
        backward = sum(passes["dx"].values()) + sum(passes["dW"].values())
        if recompute:
            return timed(name, options, T, lambda: run().backward(dh), forward + backward)
        out = run()
        return timed(name, options, T, lambda: out.backward(dh, retain_graph=True), backward)
