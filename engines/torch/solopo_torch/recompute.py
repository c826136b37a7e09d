"""Which layers keep what their backward pass reads, and which run their forward pass again for it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Module, ModuleList
from torch.utils.checkpoint import checkpoint

from .apart import Apart
from .fused import gated_layers

Recompute = Literal["auto", "all", "none"]
"""`auto`: of all layers as much is kept as fills half of the memory that is free when a pass begins."""


class _Keeps(IntEnum):
    """For the backward pass of a layer."""

    INPUT = 0
    """And its forward pass is run again, up to its gated layer."""
    LEAN = 1
    """All but what its gated layer makes again."""
    ALL = 2


class LayerCheckpoints:
    """Decides, pass by pass, what each of a decoder's layers keeps; what a layer takes is seen from the first one."""

    def __init__(
        self,
        layers: Sequence[Module],
        recompute: Recompute,
        free_bytes: Callable[[], int],
        agreed: Callable[[int], int] = lambda kept: kept,
    ) -> None:
        """`agreed`: what several ranks decide on, of what each has room for."""
        self._agreed = agreed
        self._layers = layers
        self._recompute = recompute
        self._free_bytes = free_bytes
        self._raised = 0

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the layers' forward passes are those that it decides on."""
        before = [vars(layer).get("forward") for layer in self._layers]
        for index, layer in enumerate(self._layers):
            layer.forward = partial(self._run, index, layer.forward)
        try:
            yield
        finally:
            for layer, own in zip(self._layers, before, strict=True):
                # The class's own again, where a layer had no other.
                del layer.forward
                if own is not None:
                    layer.forward = own

    def _run(self, index: int, forward: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **options)
        if self._recompute == "auto" and index == 0:
            output, self._raised = self._measure(forward, *args, **options)
            if self._keeps(0) == (_Keeps.ALL if gated_layers.spared > 0 else _Keeps.LEAN):
                return output
            del output
        return _run(self._keeps(index), forward, *args, **options)

    def _keeps(self, index: int) -> _Keeps:
        """Layers are raised one after another, all to LEAN before the first one to ALL."""
        if self._recompute != "auto":
            return {"all": _Keeps.INPUT, "none": _Keeps.ALL}[self._recompute]
        full, more = divmod(self._raised, len(self._layers))
        return _Keeps(min(_Keeps.ALL, full + (index < more)))

    def _measure(self, forward: Callable[..., Any], *args: Any, **options: Any) -> tuple[Any, int]:
        """The first layer's output, of which it keeps all, and how many times a layer may be raised."""
        budget = self._free_bytes() // 2
        known = {parameter.untyped_storage().data_ptr() for parameter in self._layers[0].parameters()}
        storages: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in known:
                storages[storage.data_ptr()] = storage.nbytes()
            # Itself would hold the graph that holds it.
            return tensor.detach()

        gated_layers.spared = 0
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            output = forward(*args, **options)
        kept = max(1, sum(storages.values()))
        lean = max(1, kept - gated_layers.spared)
        count = len(self._layers)
        raised = budget // lean
        if raised >= count:
            raised = count + (budget - count * lean) // (kept - lean) if kept > lean else count
        return output, self._agreed(max(0, min(raised, 2 * count)))


def _run(keeps: _Keeps, forward: Callable[..., Any], *args: Any, **options: Any) -> Any:
    if keeps == _Keeps.ALL:
        return forward(*args, **options)
    if keeps == _Keeps.LEAN:
        return _lean(forward, *args, **options)
    kept = [Apart.apply(each) if isinstance(each, Tensor) and each.requires_grad else each for each in args]
    # Nothing of it is random: dropout is off.
    return checkpoint(partial(_lean, forward), *kept, use_reentrant=False, preserve_rng_state=False, **options)


def _lean(forward: Callable[..., Any], *args: Any, **options: Any) -> Any:
    with gated_layers.being(lean=True):
        return forward(*args, **options)


def layers_of(decoder: Module, count: int) -> Sequence[Module]:
    """A decoder's layers, whatever its class calls the list of them."""
    for module in decoder.modules():
        if isinstance(module, ModuleList) and len(module) == count:
            return list(module)
    return []
