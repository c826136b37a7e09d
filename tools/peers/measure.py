"""Time and memory of this process."""

import platform
import statistics
import time
from importlib.metadata import version


def versions():
    return {"python": platform.python_version(), **{name: version(name) for name in ("torch", "transformers", "trl", "peft")}}


def peak_rss_bytes():
    """The most memory that this process has held (VmHWM) since forget_peak, everything counted: Python, libraries, weights."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def forget_peak():
    """Starts VmHWM anew from what is held now, so that making the model does not count."""
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")


def model_bytes(*models):
    """Bytes of all weights and buffers, those shared counted once."""
    tensors = {}
    for model in models:
        for tensor in (*model.parameters(), *model.buffers()):
            tensors[tensor.data_ptr()] = tensor.nbytes
    return sum(tensors.values())


def seconds_of(work, runs, warmup):
    for _ in range(warmup):
        work()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


def figure(name, seconds, tokens, flops=None, **details):
    return {
        "name": name,
        "seconds": seconds,
        "medianSeconds": statistics.median(seconds),
        "peakRssBytes": peak_rss_bytes(),
        "tokens": tokens,
        **({"flops": flops} if flops else {}),
        "details": details,
    }
