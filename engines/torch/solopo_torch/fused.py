"""
Parts of layers that keep less for the backward pass and read memory less often than transformers and PEFT write them: adapted linear
layers, gated activations, root-mean-square norms and rotary embeddings. A part takes the place of a module's own forward pass only
where it has been seen to give what that gives.

Legend of shapes: T tokens (all leading dimensions), D inputs, N outputs, R rank, F features of a gated layer, E head size.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from peft.tuners.lora import Linear as AdaptedLinear
from torch import Tensor, nn
from torch.nn.functional import linear, silu

_CPU_FEATURES = 1 << 23
_GPU_FEATURES = 1 << 27
"""Of a gated layer that are made at a time."""

_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def fuse(model: nn.Module) -> None:
    """Puts the parts in the places of those of a model without an adapter."""
    rotations = set()
    seen: dict[object, bool] = {}
    for module in list(model.modules()):
        name = type(module).__name__
        weight, gate = getattr(module, "weight", None), getattr(module, "gate_proj", None)
        if name.endswith("RMSNorm") and isinstance(weight, Tensor) and weight.ndim == 1:
            _replace(module, _Norm, weight.shape[0], seen)
        elif isinstance(gate, nn.Linear) and _is_silu(getattr(module, "act_fn", None)):
            _replace(module, _Gated, gate.in_features, seen)
        elif name.endswith("Attention"):
            rotations.add(type(module).__module__)
    for where in sorted(rotations):
        _replace_rotation(where)


def fuse_adapter(model: nn.Module) -> None:
    """Puts the fused product in the place of every adapted linear layer's own."""
    for module in model.modules():
        if type(module) is AdaptedLinear and isinstance(module.base_layer, nn.Linear):
            module.forward = _Adapted(module)  # type: ignore[method-assign]


def _is_silu(activation: object) -> bool:
    """Told apart in float32: rounded, small products of other activations are like it."""
    x = torch.linspace(-4, 4, 9)
    return callable(activation) and torch.allclose(activation(x), silu(x), rtol=1e-6)


def _replace(module: nn.Module, part: type[_Norm | _Gated], inputs: int, seen: dict[object, bool]) -> None:
    """`seen`: what was found of modules without numbers, of which one of a kind is looked at."""
    if not next(module.parameters()).is_meta:
        agrees = _agrees(module, part, inputs)
    else:
        kind = type(module), *((name, tensor.shape, tensor.dtype) for name, tensor in module.named_parameters())
        if kind not in seen:
            seen[kind] = _agrees(_with_numbers(module), part, inputs)
        agrees = seen[kind]
    if agrees:
        module.forward = part(module)


@torch.no_grad()
def _agrees(module: nn.Module, part: type[_Norm | _Gated], inputs: int) -> bool:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((2, 3, inputs), generator=generator).to(next(module.parameters()))
    try:
        theirs, own = module(x), part(module)(x)
    except Exception:  # reads more than its input
        return False
    return isinstance(theirs, Tensor) and _alike(own, theirs)


@torch.no_grad()
def _with_numbers(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    copy = deepcopy(module).to_empty(device="cpu")
    for parameter in copy.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)
    return copy


def _alike(own: Tensor, theirs: Tensor) -> bool:
    if own.shape != theirs.shape or own.dtype != theirs.dtype:
        return False
    tolerance = _TOLERANCE.get(theirs.dtype, 0.0)
    return bool((own.float() - theirs.float()).norm() <= tolerance * theirs.float().norm())


class _Adapted:
    """y = x W' + b + s (x A') B', with A and B rounded to what the model computes in."""

    def __init__(self, module: AdaptedLinear) -> None:
        self._module = module
        self._own = module.forward

    @property
    def parts(self) -> _Parts | None:
        """None while the layer is not one product, with or without its adapter's."""
        module: Any = self._module
        base = module.base_layer
        if module.merged != module.disable_adapters:
            return _Parts(base.weight, base.bias, None, None, 0.0)
        if module.merged or module.active_adapters != ["default"]:
            return None
        a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
        return _Parts(base.weight, base.bias, a, b, module.scaling["default"])

    def __call__(self, x: Tensor, *args: Any, **options: Any) -> Tensor:
        parts = self.parts
        if args or options or parts is None:
            return self._own(x, *args, **options)
        out: Tensor = _AdaptedProduct.apply(x.reshape(-1, x.shape[-1]), *parts)
        # Here: what a function gives as a view may not be added to in place, as Falcon does.
        return out.view(*x.shape[:-1], -1)


class _Parts(NamedTuple):
    """Of a linear layer: y = x W' + b + s (x A') B', without the last part where it is not adapted."""

    weight: Tensor
    """W [N, D]"""
    bias: Tensor | None
    a: Tensor | None
    """[R, D]"""
    b: Tensor | None
    """[N, R]"""
    scale: float


class _AdaptedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parts: Any) -> Tensor:
        own = _Parts(*parts)
        y, low = _product(x, own)
        ctx.save_for_backward(x, own.weight, own.a, own.b, low)
        ctx.scale = own.scale
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        return *_slopes(slopes[0], x, _Parts(weight, None, a, b, ctx.scale), low, ctx.needs_input_grad), None


def _product(x: Tensor, parts: _Parts) -> tuple[Tensor, Tensor | None]:
    """Of x [T, D]: y [T, N], and x A' [T, R]."""
    y = linear(x, parts.weight, parts.bias)
    if parts.a is None or parts.b is None:
        return y, None
    low = x @ parts.a.to(x.dtype).T
    return y.addmm_(low, parts.b.to(x.dtype).T, alpha=parts.scale), low


def _slopes(dy: Tensor, x: Tensor, parts: _Parts, low: Tensor | None, needed: Sequence[bool]) -> list[Tensor | None]:
    """Those of x, W, b, A and B that are `needed`, where y's is dy [T, N]."""
    weight, _, a, b, scale = parts
    dx = dy @ weight if needed[0] else None
    dweight = dy.T @ x if needed[1] else None
    dbias = dy.sum(0) if needed[2] else None
    if a is None or b is None or low is None:
        return [dx, dweight, dbias, None, None]
    dlow = (dy @ b.to(dy.dtype)).mul_(scale)
    if dx is not None:
        dx.addmm_(dlow, a.to(dy.dtype))
    da = (dlow.T @ x).to(a.dtype) if needed[3] else None
    db = (dy.T @ low).mul_(scale).to(b.dtype) if needed[4] else None
    return [dx, dweight, dbias, da, db]


class GatedLayers(threading.local):
    """What gated layers keep for the backward pass of what this thread runs forward."""

    lean = False
    """Their inputs alone: gate and up are made again."""
    spared = 0
    """Bytes that those kept which were not lean."""

    @contextmanager
    def being(self, *, lean: bool) -> Iterator[None]:
        before, self.lean = self.lean, lean
        try:
            yield
        finally:
            self.lean = before


gated_layers = GatedLayers()


class _Gated:
    """silu(x G') * (x U'), through the last product."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __call__(self, x: Tensor) -> Tensor:
        module: Any = self._module
        linears = module.gate_proj, module.up_proj, module.down_proj
        gate, up, down = (_parts_of(each) for each in linears)
        if gate is None or up is None or down is None:
            gated: Tensor = module.down_proj(_SwiGlu.apply(module.gate_proj(x), module.up_proj(x)))
            return gated
        tokens = x.flatten(0, -2)
        if not torch.is_grad_enabled():
            out = _gated(tokens, gate, up, down)
        elif gated_layers.lean:
            out = _GatedOnward.apply(_GatedSlopes.apply(tokens, *gate, *up, *down), gate, up, down)
        else:
            products = module.gate_proj(tokens), module.up_proj(tokens)
            gated_layers.spared += sum(each.nbytes for each in products)
            out = _GatedProduct.apply(*products, *down)
        return out.view(*x.shape[:-1], -1)


def _parts_of(module: nn.Module) -> _Parts | None:
    forward = vars(module).get("forward")
    if isinstance(forward, _Adapted):
        return forward.parts
    if type(module) is nn.Linear and forward is None:
        return _Parts(module.weight, module.bias, None, None, 0.0)
    return None


class _SwiGlu(torch.autograd.Function):
    """silu(gate) * up, of which the two inputs alone are kept."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        return _gated_slopes(slopes[0], gate, up, silu(gate))


class _GatedProduct(torch.autograd.Function):
    """(silu(gate) * up) W' + b and what an adapter adds. What is multiplied [T, F] is made again for the backward pass: beside a product
    it costs nothing, and it is a third of what a gated layer would keep."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, *parts: Any) -> Tensor:
        down = _Parts(*parts)
        y, low = _product(silu(gate).mul_(up), down)
        ctx.save_for_backward(gate, up, down.weight, down.a, down.b, low)
        ctx.scale = down.scale
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        gate, up, weight, a, b, low = ctx.saved_tensors
        active = silu(gate)
        needed = any(ctx.needs_input_grad[:2]), *ctx.needs_input_grad[2:6]
        dx, *rest = _slopes(slopes[0], active * up, _Parts(weight, None, a, b, ctx.scale), low, needed)
        dgate, dup = (None, None) if dx is None else _gated_slopes(dx, gate, up, active)
        return dgate, dup, *rest, None


class _GatedSlopes(torch.autograd.Function):
    """
    The backward pass of a gated layer y = (silu(x G') * (x U')) W', in front of its forward pass, whose own passes dy [T, D] on. All
    that it keeps is x. So a layer that is run again for its backward pass ends here, with neither products nor features; both are
    made once, for some tokens at a time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *parts: Any) -> Tensor:
        own = [_Parts(*parts[i : i + 5]) for i in (0, 5, 10)]
        ctx.save_for_backward(x, *(tensor for each in own for tensor in each[:4]))
        ctx.scales = [each.scale for each in own]
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        x, *tensors = ctx.saved_tensors
        gate, up, down = (
            _Parts(weight, bias, a, b, scale)
            for weight, bias, a, b, scale in zip(*(tensors[i::4] for i in range(4)), ctx.scales, strict=True)
        )
        needed = [(ctx.needs_input_grad[0], *ctx.needs_input_grad[i : i + 4]) for i in (1, 6, 11)]
        inner = any(needed[0]) or any(needed[1])
        dx = torch.empty_like(x) if needed[0][0] else None
        sums: list[list[Tensor | None]] = [[None] * 4 for _ in range(3)]
        for place in _places(x, gate):
            tokens = x[place]
            (g, low_g), (u, low_u) = _product(tokens, gate), _product(tokens, up)
            active = silu(g)
            features = active * u
            low = None if down.a is None else features @ down.a.to(x.dtype).T
            dfeatures, *rest = _slopes(slopes[0][place], features, down, low, (inner, *needed[2][1:]))
            del features
            _add(sums[2], rest)
            if dfeatures is None:
                continue
            dg, du = _gated_slopes(dfeatures, g, u, active)
            del g, u, active, dfeatures
            from_gate, *rest = _slopes(dg, tokens, gate, low_g, needed[0])
            _add(sums[0], rest)
            from_up, *rest = _slopes(du, tokens, up, low_u, needed[1])
            _add(sums[1], rest)
            if dx is not None and from_gate is not None and from_up is not None:
                torch.add(from_gate, from_up, out=dx[place])
        return dx, *sums[0], None, *sums[1], None, *sums[2], None


class _GatedOnward(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor, *parts: _Parts) -> Tensor:
        return _gated(x, *parts)

    @staticmethod
    def backward(_: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        return slopes[0], None, None, None


def _gated(x: Tensor, gate: _Parts, up: _Parts, down: _Parts) -> Tensor:
    out = x.new_empty((len(x), len(down.weight)))
    for place in _places(x, gate):
        active = silu(_product(x[place], gate)[0], inplace=True).mul_(_product(x[place], up)[0])
        out[place] = _product(active, down)[0]
    return out


def _places(x: Tensor, gate: _Parts) -> Iterator[slice]:
    """Of as many tokens as have some megabytes of features."""
    tokens = max(1, (_CPU_FEATURES if x.device.type == "cpu" else _GPU_FEATURES) // len(gate.weight))
    for first in range(0, len(x), tokens):
        yield slice(first, min(len(x), first + tokens))


def _add(sums: list[Tensor | None], more: Sequence[Tensor | None]) -> None:
    for i, each in enumerate(more):
        own = sums[i]
        sums[i] = each if own is None or each is None else own.add_(each)


def _gated_slopes(dx: Tensor, gate: Tensor, up: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Of gate and up. `active`: silu(gate), which is used up."""
    return torch.ops.aten.silu_backward(dx * up, gate), active.mul_(dx)


class _Norm:
    """x / sqrt(mean x^2 + eps) * w, in float32."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        epsilon = getattr(module, "variance_epsilon", getattr(module, "eps", None))
        self._epsilon = float(epsilon) if isinstance(epsilon, float) else 0.0

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = _RmsNorm.apply(x, self._module.weight, self._epsilon)
        return out


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        wide = x.float()
        norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        scale = (norm.square_() / x.shape[-1]).add_(epsilon).rsqrt_()  # [T, 1]
        ctx.save_for_backward(x, weight, scale)
        return (wide * scale).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight, scale = ctx.saved_tensors
        wide, dy = x.float(), slopes[0].float()
        dweight = None
        if ctx.needs_input_grad[1]:
            dweight = (dy * wide * scale).reshape(-1, x.shape[-1]).sum(0).to(weight.dtype)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = dy * weight
            inner = torch.linalg.vecdot(dx, wide)[..., None] * (scale * scale) / -x.shape[-1]
            dx = dx.addcmul_(wide, inner).mul_(scale).to(x.dtype)
        return dx, dweight, None


class _Rotated(torch.autograd.Function):
    """x cos + (-x_2, x_1) sin over the halves x_1, x_2 of the last dimension."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _rotate(x, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _rotate(slopes[0], cos, sin, -1), None, None


def _rotate(x: Tensor, cos: Tensor, sin: Tensor, sign: int) -> Tensor:
    half = x.shape[-1] // 2
    y = x * cos
    # The sine is the same for both halves.
    y[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-sign)
    y[..., half:].addcmul_(x[..., :half], sin[..., half:], value=sign)
    return y


class _Rotation:
    """Of queries and keys; transformers' own where it turns a part of a head alone."""

    def __init__(self, theirs: Callable[..., tuple[Tensor, Tensor]]) -> None:
        self._theirs = theirs

    def __call__(self, q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, unsqueeze_dim: int = 1) -> tuple[Tensor, Tensor]:
        if cos.shape[-1] != q.shape[-1]:
            return self._theirs(q, k, cos, sin, unsqueeze_dim=unsqueeze_dim)
        cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
        return _Rotated.apply(q, cos, sin), _Rotated.apply(k, cos, sin)


def _replace_rotation(where: str) -> None:
    """Of the module of transformers in which a model's classes stand."""
    module = sys.modules[where]
    theirs = getattr(module, "apply_rotary_pos_emb", None)
    if theirs is None or isinstance(theirs, _Rotation):
        return
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn((1, heads, 5, 8), generator=generator) for heads in (4, 2))
    angles = torch.randn((1, 5, 4), generator=generator)
    cos, sin = (torch.cat([of, of], -1) for of in (angles.cos(), angles.sin()))
    try:
        expected = theirs(q, k, cos, sin)
    except Exception:  # turns by other numbers
        return
    own = _Rotation(theirs)(q, k, cos, sin)
    if all(_alike(one, other) for one, other in zip(own, expected, strict=True)):
        module.apply_rotary_pos_emb = _Rotation(theirs)  # type: ignore[attr-defined]
