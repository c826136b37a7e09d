"""The same policy in plain PyTorch, as fast on a CPU as we know how to write it, on the weights of the transformers model.

- one product for q, k, v and one for gate and up; the rank-16 products of LoRA are added in place;
- each backward keeps only what it needs (a linear layer its input, SwiGLU its two halves);
- prompts shared: [prompt | chosen | rejected], attention as three causal parts, so that nothing masked is computed;
- logits at response positions only, in chunks, with their gradient computed at once;
- the last layer, but for q, k and v, at response positions only;
- float32 products by oneDNN, which is faster than MKL on AMD processors (bfloat16 uses it anyway).

Shapes: T tokens, D hidden, H heads, K key-value heads, E head dimension, F feed-forward, V vocabulary, R rank."""

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import shapes

HEADS, KEY_VALUE_HEADS, HEAD = 14, 2, 64
SCALE = shapes.ALPHA / shapes.RANK
HEAD_CHUNK = 128


def product(x, weight):
    """x weight^T, [T, in] x [out, in] -> [T, out]."""
    # torch.compile takes oneDNN's product only with constant weights.
    if torch.compiler.is_compiling():
        return x @ weight.T
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


class LoraLinear(torch.autograd.Function):
    """y = x W^T + b + s (x A^T) B^T for layers that share their input: W, b and A stacked, one B for each slice of y."""

    @staticmethod
    def forward(ctx, x, weight, bias, a, *b):
        y = product(x, weight)
        if bias is not None:
            y += bias
        low = product(x, a.to(x.dtype)).mul_(SCALE)  # [T, n R]
        start = 0
        for i, each in enumerate(b):
            y[:, start : start + len(each)].addmm_(low[:, i * shapes.RANK : (i + 1) * shapes.RANK], each.to(x.dtype).T)
            start += len(each)
        ctx.save_for_backward(x, weight, a, low, *b)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, a, low, *b = ctx.saved_tensors
        dlow, db, start = [], [], 0
        for i, each in enumerate(b):
            part = dy[:, start : start + len(each)]
            dlow.append(part @ each.to(x.dtype))
            db.append((part.T @ low[:, i * shapes.RANK : (i + 1) * shapes.RANK]).to(each.dtype))
            start += len(each)
        dlow = (torch.cat(dlow, 1) if len(b) > 1 else dlow[0]).mul_(SCALE)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = product(dy, weight.T).addmm_(dlow, a.to(x.dtype))
        return dx, None, None, (dlow.T @ x).to(a.dtype), *db


class SwiGlu(torch.autograd.Function):
    """silu(gate) * up, [T, 2 F] -> [T, F]; keeps its input alone."""

    @staticmethod
    def forward(ctx, both):
        ctx.save_for_backward(both)
        gate, up = both.chunk(2, 1)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx, dy):
        (both,) = ctx.saved_tensors
        gate, up = both.chunk(2, 1)
        d = torch.empty_like(both)
        dgate, dup = d.chunk(2, 1)
        torch.mul(dy, functional.silu(gate), out=dup)
        dgate.copy_(torch.ops.aten.silu_backward(dy * up, gate))
        return d


class ResponseLogps(torch.autograd.Function):
    """log p(target) at each row of h, [N, D] -> [N]; keeps h's Jacobian times nothing but itself: in chunks of rows, the
    gradient of the row's log-probability, [N, D], is made while its logits are there."""

    @staticmethod
    def forward(ctx, h, weight, targets):
        logps, gradient = torch.empty(len(h)), torch.empty_like(h)
        for rows in torch.arange(len(h)).split(HEAD_CHUNK):
            logits = product(h[rows], weight).float()  # [n, V]
            logps[rows] = logits.gather(1, targets[rows, None])[:, 0] - logits.logsumexp(1)
            p = logits.softmax(1).neg_()
            p.scatter_add_(1, targets[rows, None], torch.ones(len(rows), 1))
            gradient[rows] = product(p.to(h.dtype), weight.T)
        ctx.save_for_backward(gradient)
        return logps

    @staticmethod
    def backward(ctx, d):
        return d[:, None].to(ctx.saved_tensors[0].dtype) * ctx.saved_tensors[0], None, None


class Layout:
    """Which tokens attend to which: `prompt` tokens, then `answers` that each see the prompt and themselves."""

    def __init__(self, prompt, answers, dtype):
        self.prompt, self.answers = prompt, answers
        ends = [torch.arange(prompt)] + [torch.arange(prompt, prompt + length) for length in answers]
        angles = torch.outer(torch.cat(ends).float(), 1.0 / 1e6 ** (torch.arange(0, HEAD, 2).float() / HEAD))
        self.cos = torch.cat([angles.cos()] * 2, 1).to(dtype)[:, None]  # [T, 1, E]
        self.sin = torch.cat([-angles.sin(), angles.sin()], 1).to(dtype)[:, None]
        self.masks = []
        for length in answers:
            seen = torch.ones(length, prompt + length, dtype=torch.bool).tril(prompt)
            self.masks.append(torch.zeros(length, prompt + length, dtype=dtype).masked_fill(~seen, float("-inf")))

    def rotate(self, x):
        return x * self.cos + x.roll(HEAD // 2, -1) * self.sin

    def attention(self, q, k, v, last):
        """[H, T, E], [K, T, E] -> [H, T, E]; of the last layer only from the prompt's last token on."""
        attend = functional.scaled_dot_product_attention
        q, k, v = q[None], k[None], v[None]
        if len(self.answers) == 1 and not last:
            return attend(q, k, v, is_causal=True, enable_gqa=True)[0]
        P = self.prompt
        asks = slice(P - 1, P) if last else slice(P)
        parts = [attend(q[:, :, asks], k[:, :, :P], v[:, :, :P], is_causal=not last, enable_gqa=True)]
        start = P
        for length, mask in zip(self.answers, self.masks):
            own = slice(start, start + length)
            keys, values = (torch.cat([x[:, :, :P], x[:, :, own]], 2) for x in (k, v))
            parts.append(attend(q[:, :, own], keys, values, attn_mask=mask, enable_gqa=True))
            start += length
        return torch.cat(parts, 2)[0]


class Layer(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.groups = {}
        for group, modules in {
            "qkv": [attention.q_proj, attention.k_proj, attention.v_proj],
            "o": [attention.o_proj],
            "gate_up": [mlp.gate_proj, mlp.up_proj],
            "down": [mlp.down_proj],
        }.items():
            bases = [module.base_layer for module in modules]
            weight = bases[0].weight if len(bases) == 1 else torch.cat([base.weight for base in bases])
            bias = None if bases[0].bias is None else torch.cat([base.bias for base in bases])
            self.groups[group] = (weight.detach(), None if bias is None else bias.detach())
            if len(bases) > 1:
                start = 0
                for base in bases:
                    # The transformers model becomes a view of the stacked weights, so that they are held once.
                    base.weight.data = weight.data[start : start + len(base.weight)]
                    start += len(base.weight)
            a = torch.cat([module.lora_A["default"].weight.data for module in modules])
            setattr(self, f"{group}_a", torch.nn.Parameter(a))
            setattr(self, f"{group}_b", torch.nn.ParameterList([module.lora_B["default"].weight.data.clone() for module in modules]))
        self.norms = [norm.weight.detach() for norm in (layer.input_layernorm, layer.post_attention_layernorm)]

    def linear(self, group, x):
        weight, bias = self.groups[group]
        return LoraLinear.apply(x, weight, bias, getattr(self, f"{group}_a"), *getattr(self, f"{group}_b"))

    def forward(self, h, layout, last=False):
        T = len(h)
        x = functional.rms_norm(h, h.shape[1:], self.norms[0], 1e-6)
        q, k, v = self.linear("qkv", x).view(T, HEADS + 2 * KEY_VALUE_HEADS, HEAD).split([HEADS, KEY_VALUE_HEADS, KEY_VALUE_HEADS], 1)
        y = layout.attention(layout.rotate(q).transpose(0, 1), layout.rotate(k).transpose(0, 1), v.transpose(0, 1), last)
        if last:
            h = h[layout.prompt - 1 :]
        h = h + self.linear("o", y.transpose(0, 1).reshape(len(h), HEADS * HEAD))
        x = functional.rms_norm(h, h.shape[1:], self.norms[1], 1e-6)
        return h + self.linear("down", SwiGlu.apply(self.linear("gate_up", x)))


class Policy(torch.nn.Module):
    def __init__(self, adapted, recompute, compiled=False):
        super().__init__()
        model = adapted.base_model.model
        self.embedding = model.model.embed_tokens.weight.detach()
        self.norm = model.model.norm.weight.detach()
        self.layers = torch.nn.ModuleList(Layer(layer) for layer in model.model.layers)
        self.recompute = recompute
        self.run = torch.compile(Layer.forward, dynamic=False) if compiled else Layer.forward

    def logps(self, prompt, answers):
        """Log-probability of each answer after the prompt."""
        layout = Layout(len(prompt), [len(answer) for answer in answers], self.embedding.dtype)
        h = functional.embedding(torch.cat([prompt, *answers]), self.embedding)
        for layer in self.layers:
            given = (layer, h, layout, layer is self.layers[-1])
            h = checkpoint(self.run, *given, use_reentrant=False) if self.recompute else self.run(*given)
        positions, start = [], 1
        for answer in answers:
            positions += [0, *range(start, start + len(answer) - 1)]
            start += len(answer)
        h = functional.rms_norm(h[positions], h.shape[1:], self.norm, 1e-6)
        logps = ResponseLogps.apply(h, self.embedding, torch.cat(answers))
        return [part.sum() for part in logps.split([len(answer) for answer in answers])]
