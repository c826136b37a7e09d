"""Where the engine computes, and how."""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from .errors import DeviceError, DeviceMemoryError
from .ranks import ALONE, Ranks

LAYOUT_VERSION = 3
"""Raised with every change of this package that changes the last bits of any number."""


@dataclass(frozen=True)
class ChosenDevice:
    device: str
    """`cpu` or `cuda`."""
    reason: str
    """Why this one, in words."""
    name: str | None
    """What the GPU calls itself."""
    memory_bytes: int | None
    """The GPU's."""


def choose_device(asked: str) -> ChosenDevice:
    """What is asked for is used or refused; `auto` takes a GPU where CUDA finds one. Raises DeviceError that says what to do."""
    if asked == "cpu":
        return ChosenDevice("cpu", "asked for", None, None)
    if asked not in ("auto", "cuda"):
        raise DeviceError(
            f"the torch engine has no device {asked}: choose cuda or cpu, or engine onnx, which computes on {asked}"
        )
    if not torch.cuda.is_available():
        if asked == "auto":
            return ChosenDevice("cpu", "PyTorch found no GPU on this machine", None, None)
        raise DeviceError(
            "PyTorch finds no GPU that it can use: install NVIDIA's driver and a wheel of torch with CUDA "
            "(see docs/torch.md), or choose device cpu"
        )
    _, total = torch.cuda.mem_get_info()
    name = torch.cuda.get_device_name()
    reason = "asked for" if asked == "cuda" else f"{name} was found"
    return ChosenDevice("cuda", reason, name, total)


def demand_devices(chosen: ChosenDevice, ranks: int) -> None:
    """Raises DeviceError where this machine has fewer GPUs than ranks."""
    if chosen.device == "cuda" and torch.cuda.device_count() < ranks:
        raise DeviceError(
            f"this machine has {torch.cuda.device_count()} GPUs and is to have {ranks} ranks; set ranks to at most as many"
        )


def make_deterministic(threads: int) -> None:
    """Sums in one order: two runs on one kind of device are equal to the bit. Before anything is computed."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Kernels write all that they allocate.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def fingerprint(chosen: ChosenDevice, precision: str, threads: int, ranks: Ranks = ALONE) -> str:
    """What the numbers depend on to their last bits."""
    import peft
    import transformers

    versions = f"torch {torch.__version__}; transformers {transformers.__version__}; peft {peft.__version__}"
    gpu = "" if chosen.device == "cpu" else f"; {chosen.name}"
    spread = "" if ranks.count == 1 else f"; ranks {ranks.count}, sequence {ranks.sequence_ranks}"
    return (
        f"{versions}; {chosen.device} {precision}; deterministic; threads {threads}; layout {LAYOUT_VERSION}{spread}; "
        f"{_processor()}{gpu}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Memory:
    """What may lie on the device."""

    def __init__(self, chosen: ChosenDevice, limit: int | None) -> None:
        self.chosen = chosen
        self.limit = limit

    @property
    def allocated(self) -> int:
        """Bytes that PyTorch holds on the GPU, or that this process holds."""
        if self.chosen.device == "cuda":
            return torch.cuda.memory_allocated()
        return psutil.Process().memory_info().rss

    @property
    def free(self) -> int:
        """Bytes that are left, for PyTorch as it is now."""
        if self.chosen.device == "cuda":
            free, _ = torch.cuda.mem_get_info()
            free += torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        else:
            free = min(psutil.virtual_memory().available, _left_in_group())
        return free if self.limit is None else min(free, self.limit - self.allocated)

    def demand(self, needed: int, what: str) -> None:
        """Raises DeviceMemoryError, with figures, where so many bytes are not there."""
        if needed <= self.free:
            return
        where = f"the memory of {self.chosen.name}" if self.chosen.device == "cuda" else "this machine's memory"
        allowed = "" if self.limit is None else f" (maxDeviceMemory is {_gibibytes(self.limit)})"
        raise DeviceMemoryError(
            f"{what} takes {_gibibytes(needed)}, and {_gibibytes(max(0, self.free))} of {where} are free{allowed}; "
            "choose precision bfloat16, a smaller model, or a device with more memory"
        )


def return_freed() -> None:
    """
    Gives the system back what was freed. The engine's settings have glibc keep it, for a step asks for the same again and again; loading
    a model frees more than any step asks for.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _left_in_group() -> int:
    """What a container's limit leaves, by cgroup v2."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        cached = next(
            int(line.split()[1])
            for line in (group / "memory.stat").read_text().splitlines()
            if line.startswith("inactive_file ")
        )
    except (OSError, StopIteration, ValueError):
        return 1 << 62
    return (1 << 62) if limit == "max" else int(limit) - used + cached


def _gibibytes(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**28 else f"{count / 2**20:.1f} MiB"
