"""
The ranks that train one model together, on one machine or several (torch.distributed).

Ranks r S ... r S + S - 1 share their sequences (S: `sequence_ranks`), each with its part of the columns; the groups of ranks that do
take other pairs. All ranks together hold the model, each a part of every tensor (sharding.py).
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from .errors import DeviceError

T = TypeVar("T")

_IDLE = timedelta(days=365)
_FAILED = "failed"
_TOLD_SECONDS = 5.0
"""So long a rank that failed waits before it ends, for its error to be read."""


@dataclass(frozen=True)
class Ranks:
    """This process's place among all. Operations that take a value of each rank are called by every rank, in the same order."""

    rank: int = 0
    count: int = 1
    sequence_ranks: int = 1
    device: str = "cpu"
    _groups: _Groups | None = field(default=None, repr=False)

    @property
    def data_ranks(self) -> int:
        """That take pairs of their own."""
        return self.count // self.sequence_ranks

    @property
    def data_rank(self) -> int:
        return self.rank // self.sequence_ranks

    @property
    def sequence_rank(self) -> int:
        return self.rank % self.sequence_ranks

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def groups(self) -> _Groups:
        assert self._groups is not None, "one rank alone has nobody to speak to"
        return self._groups

    def of_first(self, value: Callable[[], T]) -> T:
        """What the first rank says, to all."""
        if self.count == 1:
            return value()
        told: list[Any] = [value() if self.is_first else None]
        dist.broadcast_object_list(told, src=0, group=self.groups.control)
        return told[0]

    def of_all(self, value: T) -> list[T]:
        """By rank."""
        if self.count == 1:
            return [value]
        told: list[Any] = [None] * self.count
        dist.all_gather_object(told, value, group=self.groups.control)
        return told

    def of_sequence(self, value: T) -> list[T]:
        """Of the ranks that share this one's sequences, in the order of their columns."""
        if self.sequence_ranks == 1:
            return [value]
        told: list[Any] = [None] * self.sequence_ranks
        dist.all_gather_object(told, value, group=self.groups.sequence_control)
        return told

    def of_data(self, value: T) -> list[T]:
        """Of one rank of each that take pairs of their own."""
        return self.of_all(value)[:: self.sequence_ranks]


ALONE = Ranks()


@dataclass(frozen=True)
class _Groups:
    control: dist.ProcessGroup
    """All ranks, over the machines' network."""
    sequence: dist.ProcessGroup
    """The ranks that share this one's sequences, between devices."""
    sequence_control: dist.ProcessGroup
    mesh: DeviceMesh
    """All ranks, between devices."""
    store: Store


def join(sequence_ranks: int, device: str, timeout_seconds: float) -> Ranks:
    """
    Meets the other ranks, as torchrun's environment says.

    Raises DeviceError where they have other versions of anything that numbers depend on.
    """
    store, rank, count = next(rendezvous("env://"))
    timeout = timedelta(seconds=timeout_seconds)
    dist.init_process_group(
        "cpu:gloo" if device == "cpu" else "cpu:gloo,cuda:nccl",
        store=PrefixStore("ranks", store),
        rank=rank,
        world_size=count,
        timeout=timeout,
    )
    control = dist.new_group(backend="gloo", timeout=timeout)
    sequence, sequence_control = control, control
    for first in range(0, count, sequence_ranks):
        own = list(range(first, first + sequence_ranks))
        between = dist.new_group(own, timeout=timeout)
        over_network = dist.new_group(own, backend="gloo", timeout=timeout)
        if rank in own:
            sequence, sequence_control = between, over_network
    mesh = init_device_mesh(device, (count,))
    ranks = Ranks(rank, count, sequence_ranks, device, _Groups(control, sequence, sequence_control, mesh, _connect()))
    _demand_equal_versions(ranks)
    return ranks


def _connect() -> Store:
    """To the store of torchrun's agent, where the ranks have met."""
    return PrefixStore("solopo", TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False))


def _demand_equal_versions(ranks: Ranks) -> None:
    import peft
    import transformers

    own = f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"
    first, *others = ranks.of_all(own)
    for rank, versions in enumerate(others, 1):
        if versions != first:
            raise DeviceError(
                f"rank {rank} has {versions} where rank 0 has {first}; install the same ones on every machine "
                "(./solopo engine add torch)"
            )


class Tasks:
    """What the first rank was asked, on its way to the others."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._count = 0

    def tell(self, request: Mapping[str, Any]) -> None:
        self._count += 1
        self._ranks.groups.store.set(f"task/{self._count}", "")
        self._ranks.of_first(lambda: request)

    def hear(self) -> Mapping[str, Any]:
        """Waits as long as it takes: no collective operation is under way meanwhile, which would have a time limit."""
        self._count += 1
        self._ranks.groups.store.wait([f"task/{self._count}"], _IDLE)
        return self._ranks.of_first(dict)


def tell_failure(ranks: Ranks, name: str, text: str) -> None:
    """To the first rank, which may be waiting for this one. The process ends after that: the others cannot go on without it."""
    where = f" (rank {ranks.rank} of {ranks.count})"
    ranks.groups.store.set(_FAILED, json.dumps({"name": name, "message": text + where}))
    time.sleep(_TOLD_SECONDS)


def on_failure(then: Callable[[str, str], None]) -> None:
    """At the first rank: `then` is called with the name and message of another rank's error, whatever is under way."""

    def watch() -> None:
        # A connection of its own: the other one may be waiting for an answer.
        store = _connect()
        store.wait([_FAILED], _IDLE)
        told = json.loads(store.get(_FAILED))
        then(told["name"], told["message"])

    threading.Thread(target=watch, daemon=True).start()


def divided(items: Sequence[int], parts: int) -> list[list[int]]:
    """Places of items by part: the largest first, each to the part that has least. Which items a part has does not depend on who asks."""
    held = [0] * parts
    places: list[list[int]] = [[] for _ in range(parts)]
    for place in sorted(range(len(items)), key=lambda i: (-items[i], i)):
        least = min(range(parts), key=lambda part: (held[part], len(places[part]), part))
        held[least] += items[place]
        places[least].append(place)
    return [sorted(own) for own in places]
