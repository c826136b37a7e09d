"""PyTorch's figures beside the engine's: products of matrices, and a decoder block with LoRA, forward and backward."""

import json
import sys
import time

import torch
import torch.nn.functional as F

QUICK = "--quick" in sys.argv
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SHAPES = {
    "tiny": (64, 4, 2, 128),
    "0.5B": (896, 14, 2, 4864),
    "1.5B": (1536, 12, 2, 8960),
    "7B": (3584, 28, 4, 18944),
}


def synchronize():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def median_seconds(work, runs=5):
    seconds = []
    for run in range(runs + 2):
        synchronize()
        started = time.perf_counter()
        work()
        synchronize()
        if run >= 2:
            seconds.append(time.perf_counter() - started)
    return sorted(seconds)[len(seconds) // 2]


def product(size, dtype):
    a = torch.randn(size, size, device=DEVICE, dtype=dtype)
    seconds = median_seconds(lambda: [a @ a for _ in range(8)])
    return {"measure": "matmul", "size": size, "dtype": str(dtype), "teraflops": 8 * 2 * size**3 / seconds / 1e12}


class Linear(torch.nn.Module):
    def __init__(self, inputs, outputs, dtype, rank=16):
        super().__init__()
        bound = inputs**-0.5
        self.weight = torch.empty(outputs, inputs, device=DEVICE, dtype=dtype).uniform_(-bound, bound)
        self.a = torch.nn.Parameter(torch.empty(rank, inputs, device=DEVICE, dtype=dtype).uniform_(-bound, bound))
        self.b = torch.nn.Parameter(torch.zeros(outputs, rank, device=DEVICE, dtype=dtype))

    def forward(self, x):
        return x @ self.weight.T + 2 * (x @ self.a.T) @ self.b.T


class Block(torch.nn.Module):
    def __init__(self, hidden, heads, kv_heads, intermediate, dtype):
        super().__init__()
        self.heads, self.kv_heads, self.size = heads, kv_heads, hidden // heads
        kv = kv_heads * self.size
        self.q, self.k = Linear(hidden, hidden, dtype), Linear(hidden, kv, dtype)
        self.v, self.o = Linear(hidden, kv, dtype), Linear(hidden, hidden, dtype)
        self.gate, self.up = Linear(hidden, intermediate, dtype), Linear(hidden, intermediate, dtype)
        self.down = Linear(intermediate, hidden, dtype)

    def forward(self, h):
        x = F.rms_norm(h, h.shape[-1:])
        split = lambda y, heads: y.view(*y.shape[:2], heads, self.size).transpose(1, 2)
        q, k, v = split(self.q(x), self.heads), split(self.k(x), self.kv_heads), split(self.v(x), self.kv_heads)
        repeat = self.heads // self.kv_heads
        k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(h.shape)
        h = h + self.o(mixed)
        x = F.rms_norm(h, h.shape[-1:])
        return h + self.down(F.silu(self.gate(x)) * self.up(x))


def block(shape, length, dtype):
    hidden, heads, kv_heads, intermediate = SHAPES[shape]
    model = Block(hidden, heads, kv_heads, intermediate, dtype)
    h = torch.randn(1, length, hidden, device=DEVICE, dtype=dtype, requires_grad=True)

    def forward():
        with torch.no_grad():
            model(h)

    def both():
        model(h).sum().backward()
        model.zero_grad(set_to_none=True)

    return {
        "measure": "block",
        "shape": shape,
        "length": length,
        "dtype": str(dtype),
        "forwardSeconds": median_seconds(forward),
        "forwardAndBackwardSeconds": median_seconds(both),
    }


def attempt(work, *args):
    try:
        return work(*args)
    except Exception as error:  # out of memory on one shape leaves the others
        return {"measure": work.__name__, "arguments": [str(arg) for arg in args], "error": str(error).split("\n")[0]}


def main():
    dtypes = [torch.float32] + ([torch.float16, torch.bfloat16] if DEVICE == "cuda" else [])
    figures = []
    for dtype in dtypes:
        for size in [256] if QUICK else [1024, 2048, 4096]:
            figures.append(attempt(product, size, dtype))
        for shape, length in [("tiny", 64)] if QUICK else [("0.5B", 2048), ("1.5B", 2048), ("7B", 2048)]:
            figures.append(attempt(block, shape, length, dtype))
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    with open(sys.argv[1], "w") as file:
        json.dump({"device": name, "figures": figures}, file)


main()
