"""
Tensors in mappings of their own.

The engine's settings have glibc keep what is freed, in one heap: a step asks for the same again and again, and pages that are new each
time cost a fifth of it. What outlives the blocks around it would leave holes there that fit nobody.
"""

import mmap
from typing import Any

import torch
from torch import Tensor

_LEAST_BYTES = 1 << 20


def apart(tensor: Tensor) -> Tensor:
    """A copy without gradients in a mapping of its own; itself where it is small or on a GPU."""
    if tensor.device.type != "cpu" or tensor.nbytes < _LEAST_BYTES:
        return tensor.detach()
    memory = mmap.mmap(-1, tensor.nbytes)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    # Strides without gaps, in the tensor's own order.
    strides = torch.empty_like(tensor, device="meta").stride()
    copy = torch.frombuffer(memory, dtype=tensor.dtype).as_strided(tensor.shape, strides)
    return copy.copy_(tensor.detach())


class Apart(torch.autograd.Function):
    """The same, with gradients."""

    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        return apart(tensor)

    @staticmethod
    def backward(_: Any, *slopes: Tensor) -> Tensor:
        return slopes[0]
