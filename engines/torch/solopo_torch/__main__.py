"""
The process: requests from stdin, replies to file descriptor 3, logs to stdout and stderr. It ends when its parent does.

Spans are the parent's alone: a task's trace goes no further than the process (an exporter would be the largest part of it).
"""

from __future__ import annotations

import json
import os
import platform
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any, BinaryIO

PROTOCOL = 1
_REPLIES = 3
_TOLD = {"ModelError", "LogitsNotFiniteError", "LossNotFiniteError", "DeviceError", "DeviceMemoryError"}
"""Errors that mean something to a job, by class name; others are the engine's own."""


def main() -> None:
    # Ctrl-C reaches the whole group; the parent decides when the work ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    options = {"threads": 1, "device": "cpu", **json.loads(os.environ.get("SOLOPO_ENGINE", "{}"))}
    # Read when the libraries are loaded.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"

    replies = os.fdopen(_REPLIES, "wb")
    requests: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    Session(options, replies).serve(requests)


def _listen(stream: BinaryIO, requests: queue.Queue[Any]) -> None:
    """At the end of the stream the parent is gone, or wants no more: whatever is under way ends too."""
    from .frames import FrameError, read_frame

    try:
        while (message := read_frame(stream)) is not None:
            requests.put(message)
    except FrameError as error:
        print(f"stdin: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


class Session:
    def __init__(self, options: Mapping[str, Any], replies: BinaryIO) -> None:
        self.options = options
        self.replies = replies
        self._started: tuple[Any, Any, Any] | None = None

    def serve(self, requests: queue.Queue[Any]) -> None:
        import peft
        import torch
        import transformers

        from .device import make_deterministic

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        make_deterministic(self.options["threads"])
        self._send(
            {
                "kind": "hello",
                "protocol": PROTOCOL,
                "engine": "torch",
                "versions": {
                    "python": platform.python_version(),
                    "torch": str(torch.__version__),
                    "transformers": transformers.__version__,
                    "peft": peft.__version__,
                },
            }
        )
        while True:
            self._execute(requests.get())

    def _execute(self, request: Mapping[str, Any]) -> None:
        number = request["id"]

        def report(progress: Mapping[str, Any]) -> None:
            self._send({"id": number, "kind": "progress", "progress": progress})

        try:
            runner, _, _ = self._start()
            output = runner.run(request["task"], request["input"], report)
            self._tell_state()
            self._send({"id": number, "kind": "result", "output": output})
        except Exception as error:
            name = type(error).__name__
            if name not in _TOLD:
                traceback.print_exc()
                sys.stderr.flush()
                name, text = "EngineError", f"{name}: {error}"
            else:
                text = str(error)
            self._send({"id": number, "kind": "error", "name": name, "message": text})

    def _start(self) -> tuple[Any, Any, Any]:
        """With the first task: what the device is is found out once, and a missing one fails the tasks."""
        if self._started is None:
            from .device import Memory, choose_device
            from .tasks import TaskRunner

            chosen = choose_device(self.options["device"])
            memory = Memory(chosen, self.options.get("maxDeviceMemoryBytes"))
            self._started = (TaskRunner(chosen, memory, self.options["threads"]), chosen, memory)
            self._tell_state()
        return self._started

    def _tell_state(self) -> None:
        _, chosen, memory = self._start()
        is_glibc = platform.libc_ver()[0] == "glibc"
        self._send(
            {
                "kind": "state",
                "state": {
                    "device": chosen.device,
                    "reason": chosen.reason,
                    "name": chosen.name,
                    "memoryBytes": chosen.memory_bytes,
                    "allocatedBytes": memory.allocated,
                    "memorySettings": os.environ.get("GLIBC_TUNABLES") if is_glibc else None,
                },
            }
        )

    def _send(self, message: Mapping[str, Any]) -> None:
        from .frames import write_frame

        write_frame(self.replies, message)


if __name__ == "__main__":
    main()
