"""Groups of items that are run together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch

from .errors import DeviceMemoryError
from .micro_batches import group_by_tokens

T = TypeVar("T")
R = TypeVar("R")


class Clock:
    """Whether the time that a task has is over."""

    def __init__(self, slice_ms: float | None) -> None:
        self._end = None if slice_ms is None else time.monotonic() + slice_ms / 1000

    @property
    def is_over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end


class Timer(Protocol):
    @property
    def is_over(self) -> bool: ...


@contextmanager
def told_of_memory() -> Iterator[None]:
    """What PyTorch says of full memory, as the parent knows it."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise DeviceMemoryError(str(error).split(". ")[0] or "no memory is left") from error
    except RuntimeError as error:
        # The processor's allocator has no class of its own.
        if "can't allocate memory" not in str(error):
            raise
        raise DeviceMemoryError(str(error).splitlines()[0]) from error


def in_groups(
    groups: Sequence[list[T]],
    length_of: Callable[[T], int],
    work: Callable[[list[T]], list[R]],
    *,
    clock: Timer,
    halves: bool = True,
    first: int = 0,
    end: int | None = None,
    on_done: Callable[[int], None] = lambda _: None,
) -> list[R]:
    """
    Results of the items `first` up to `end`, group by group: the groups are those of all items, whatever the range and wherever the
    time ends the work early, and are run whole, so that the numbers do not depend on how the work was cut. With `halves`, a group that
    the device has no room for is halved.

    Raises DeviceMemoryError when there is no room for a single item.
    """
    waiting = list(groups)
    results: list[R] = []
    begin = 0
    while waiting:
        group = waiting.pop(0)
        if end is not None and begin >= end:
            break
        if begin + len(group) <= first:
            begin += len(group)
            continue
        if results and clock.is_over:
            break
        try:
            with told_of_memory():
                found = work(group)
        except DeviceMemoryError as error:
            if len(group) == 1 or not halves:
                raise DeviceMemoryError(
                    f"the device has no room for {length_of(group[0])} tokens at a time: {error}; raise maxDeviceMemory, "
                    "shorten the contexts, or use a device with more memory"
                ) from error
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            half = len(group) // 2
            waiting[:0] = [group[:half], group[half:]]
            continue
        results.extend(found[max(0, first - begin) : None if end is None else end - begin])
        begin += len(group)
        on_done(len(results))
    return results


__all__ = ["Clock", "group_by_tokens", "in_groups", "told_of_memory"]
