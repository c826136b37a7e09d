"""
Parts of layers that keep less for the backward pass and read memory less often than transformers and PEFT write them: adapted linear
layers, gated activations, root-mean-square norms and rotary embeddings. A part takes the place of a module's own forward pass only
where it has been seen to give what that gives.

Legend of shapes: T tokens (all leading dimensions), D inputs, N outputs, R rank, F features of a gated layer, E head size.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from peft.tuners.lora import Linear as AdaptedLinear
from torch import Tensor, nn
from torch.nn.functional import linear, silu

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
        """None while the layer is not one product and its adapter's."""
        module: Any = self._module
        if module.merged or module.disable_adapters or module.active_adapters != ["default"]:
            return None
        base = module.base_layer
        a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
        return base.weight, base.bias, a, b, module.scaling["default"]

    def __call__(self, x: Tensor, *args: Any, **options: Any) -> Tensor:
        parts = self.parts
        if args or options or parts is None:
            return self._own(x, *args, **options)
        out: Tensor = _AdaptedProduct.apply(x.reshape(-1, x.shape[-1]), *parts)
        # Here: what a function gives as a view may not be added to in place, as Falcon does.
        return out.view(*x.shape[:-1], -1)


_Parts = tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, float]
"""Of a linear layer: W [N, D], b, and where it is adapted A [R, D], B [N, R] and s."""


class _AdaptedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parts: Any) -> Tensor:
        y, low = _product(x, *parts)
        weight, _, a, b, ctx.scale = parts
        ctx.save_for_backward(x, weight, a, b, low)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        dx, da, db = _slopes(slopes[0], x, weight, a, b, low, ctx.scale, needs_dx=ctx.needs_input_grad[0])
        return dx, None, None, da, db, None


def _product(
    x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor | None, b: Tensor | None, scale: float
) -> tuple[Tensor, Tensor | None]:
    """Of x [T, D]: y [T, N], and x A' [T, R]."""
    y = linear(x, weight, bias)
    if a is None or b is None:
        return y, None
    low = x @ a.to(x.dtype).T
    return y.addmm_(low, b.to(x.dtype).T, alpha=scale), low


def _slopes(
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    a: Tensor | None,
    b: Tensor | None,
    low: Tensor | None,
    scale: float,
    *,
    needs_dx: bool,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Those of x, A and B, where y's is dy [T, N]."""
    if a is None or b is None or low is None:
        return dy @ weight if needs_dx else None, None, None
    dlow = (dy @ b.to(dy.dtype)).mul_(scale)
    dx = (dy @ weight).addmm_(dlow, a.to(dy.dtype)) if needs_dx else None
    db = (dy.T @ low).mul_(scale).to(b.dtype)
    return dx, (dlow.T @ x).to(a.dtype), db


class _Gated:
    """silu(x G') * (x U'), through the last product."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __call__(self, x: Tensor) -> Tensor:
        module: Any = self._module
        gate, up, parts = module.gate_proj(x), module.up_proj(x), _parts_of(module.down_proj)
        if parts is None:
            gated: Tensor = module.down_proj(_SwiGlu.apply(gate, up))
            return gated
        out: Tensor = _GatedProduct.apply(gate.flatten(0, -2), up.flatten(0, -2), *parts)
        return out.view(*x.shape[:-1], -1)


def _parts_of(down: nn.Module) -> _Parts | None:
    forward = vars(down).get("forward")
    if isinstance(forward, _Adapted):
        return forward.parts
    if type(down) is nn.Linear and forward is None:
        return down.weight, down.bias, None, None, 0.0
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
        y, low = _product(silu(gate).mul_(up), *parts)
        weight, _, a, b, ctx.scale = parts
        ctx.save_for_backward(gate, up, weight, a, b, low)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        gate, up, weight, a, b, low = ctx.saved_tensors
        dy, active = slopes[0], silu(gate)
        x = active * up
        dx, da, db = _slopes(dy, x, weight, a, b, low, ctx.scale, needs_dx=any(ctx.needs_input_grad[:2]))
        dweight = dy.T @ x if ctx.needs_input_grad[2] else None
        dbias = dy.sum(0) if ctx.needs_input_grad[3] else None
        del x
        dgate, dup = (None, None) if dx is None else _gated_slopes(dx, gate, up, active)
        return dgate, dup, dweight, dbias, da, db, None


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
