"""Groups of items that are small enough for a pass (libs/lm/src/batches.ts)."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from .errors import DeviceMemoryError

T = TypeVar("T")
R = TypeVar("R")


def group_by_tokens(items: Sequence[T], length_of: Callable[[T], int], limit: int) -> list[list[T]]:
    """Runs of consecutive items whose padded size (longest * count) stays within `limit`; a single item may exceed it."""
    groups: list[list[T]] = []
    longest = 0
    for item in items:
        length = length_of(item)
        if groups and max(longest, length) * (len(groups[-1]) + 1) <= limit:
            groups[-1].append(item)
            longest = max(longest, length)
        else:
            groups.append([item])
            longest = length
    return groups


def with_smaller_batches(lengths: Sequence[int], limit: int, work: Callable[[int], R]) -> R:
    """Does the whole work with groups of at most `limit` tokens; where the device has no room for one, all of it again with half
    as many.

    Raises DeviceMemoryError when there is no room for the groups of one item either.
    """
    tokens = min(limit, max(lengths) * len(lengths))
    while True:
        try:
            return work(tokens)
        except DeviceMemoryError as error:
            if tokens < 2 * min(lengths):
                raise DeviceMemoryError(
                    f"the device has no room for {max(lengths)} tokens at a time: {error}; raise maxDeviceMemory, shorten the"
                    " contexts, train an adapter instead of all parameters, or use a device with more memory"
                ) from error
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        tokens //= 2
