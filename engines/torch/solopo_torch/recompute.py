"""Which layers keep what their backward pass reads, and which run their forward pass again for it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Module, ModuleList
from torch.utils.checkpoint import checkpoint

Recompute = Literal["auto", "all", "none"]
"""`auto`: as many layers keep theirs as fill half of the memory that is free when a pass begins."""


class LayerCheckpoints:
    """Decides, pass by pass, how many of a decoder's layers keep their activations; what a layer takes is seen from the first one."""

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
        self._kept = 0

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
            return self._measure(forward, *args, **options)
        kept = {"all": 0, "none": len(self._layers), "auto": self._kept}[self._recompute]
        if index < kept:
            return forward(*args, **options)
        return self._again(forward, *args, **options)

    def _again(self, forward: Callable[..., Any], *args: Any, **options: Any) -> Any:
        # Nothing of it is random: dropout is off.
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **options)

    def _measure(self, forward: Callable[..., Any], *args: Any, **options: Any) -> Any:
        budget = self._free_bytes() // 2
        known = {parameter.untyped_storage().data_ptr() for parameter in self._layers[0].parameters()}
        storages: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in known:
                storages[storage.data_ptr()] = storage.nbytes()
            # Itself would hold the graph that holds it.
            return tensor.detach()

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            output = forward(*args, **options)
        self._kept = self._agreed(budget // max(1, sum(storages.values())))
        return output


def layers_of(decoder: Module, count: int) -> Sequence[Module]:
    """A decoder's layers, whatever its class calls the list of them."""
    for module in decoder.modules():
        if isinstance(module, ModuleList) and len(module) == count:
            return list(module)
    return []
