"""Executes the requests of a parent, and tells it of them."""

from __future__ import annotations

import os
import platform
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from .frames import FrameError, read_frame, write_frame

if TYPE_CHECKING:
    from .ranks import Ranks

PROTOCOL = 1
_TOLD = {"ModelError", "LogitsNotFiniteError", "LossNotFiniteError", "DeviceError", "DeviceMemoryError"}
"""Errors that mean something to a job, by class name; others are the engine's own."""
_OTHERS_SECONDS = 3.0
"""A rank that is left alone fails at once; so long it waits for whoever ends all ranks, and knows which one was first."""


def listen(stream: BinaryIO, requests: queue.Queue[Any]) -> None:
    """At the end of the stream the parent is gone, or wants no more: whatever is under way ends too."""
    try:
        while (message := read_frame(stream)) is not None:
            requests.put(message)
    except FrameError as error:
        print(f"requests: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


class Session:
    def __init__(self, options: Mapping[str, Any], replies: BinaryIO | None) -> None:
        """`replies`: None at a rank that nobody speaks to."""
        self.options = options
        self._replies = replies
        self._writing = threading.Lock()
        self._request: Mapping[str, Any] = {}
        self._started: tuple[Any, Any, Any] | None = None
        self._ranks: Ranks | None = None

    def serve(self, requests: queue.Queue[Any]) -> NoReturn:
        self._get_ready()
        self._say_hello()
        while True:
            self._execute(requests.get())

    def serve_among(self, requests: queue.Queue[Any] | None) -> NoReturn:
        """At a rank of several: what the first one is asked, all do."""
        self._get_ready()
        from .ranks import Tasks, on_failure

        try:
            ranks = self._join()
        except Exception as error:
            self._fail_alone(error, requests)
        tasks = Tasks(ranks)
        if requests is None:
            while True:
                self._execute(tasks.hear())
        on_failure(self._end)
        self._say_hello()
        while True:
            request = requests.get()
            if self._is_possible(request):
                tasks.tell(request)
                self._execute(request)

    def _get_ready(self) -> None:
        import torch
        import transformers

        from .device import make_deterministic

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        make_deterministic(self.options["threads"])
        if torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())

    def _join(self) -> Ranks:
        from .device import choose_device, demand_devices
        from .ranks import join

        chosen = choose_device(self.options["device"])
        demand_devices(chosen, int(os.environ["LOCAL_WORLD_SIZE"]))
        self._ranks = join(self.options["sequenceRanks"], chosen.device, self.options["rankTimeoutSeconds"])
        return self._ranks

    def _say_hello(self) -> None:
        import peft
        import torch
        import transformers

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

    def _is_possible(self, request: Mapping[str, Any]) -> bool:
        """Before other ranks are told; else the answer is that it is not."""
        self._request = request
        try:
            self._start()[0].demand_possible(request["task"])
        except Exception as error:
            self._tell_error(*_told_of(error))
            return False
        return True

    def _execute(self, request: Mapping[str, Any]) -> None:
        self._request = request
        number = request["id"]

        def report(progress: Mapping[str, Any]) -> None:
            self._send({"id": number, "kind": "progress", "progress": progress})

        try:
            runner, _, _ = self._start()
            output = runner.run(request["task"], request["input"], report)
            self._tell_state()
            self._send({"id": number, "kind": "result", "output": output})
        except Exception as error:
            if self._ranks is not None:
                self._fail(error)
            self._tell_error(*_told_of(error))

    def _fail(self, error: Exception) -> NoReturn:
        """At a rank of several: the others cannot go on, wherever they are."""
        from .ranks import tell_failure

        name, text = _told_of(error)
        if name not in _TOLD:
            time.sleep(_OTHERS_SECONDS)
        if self._replies is None and self._ranks is not None:
            tell_failure(self._ranks, name, text)
        self._end(name, text)

    def _fail_alone(self, error: Exception, requests: queue.Queue[Any] | None) -> NoReturn:
        """Before the ranks have met. What is wrong here is most likely wrong at the first one too, which answers so."""
        if requests is None:
            time.sleep(_OTHERS_SECONDS)
        else:
            self._say_hello()
            self._request = requests.get()
        self._fail(error)

    def _end(self, name: str, text: str) -> NoReturn:
        if self._request:
            self._tell_error(name, text)
        print(text, file=sys.stderr, flush=True)
        os._exit(1)

    def _tell_error(self, name: str, text: str) -> None:
        self._send({"id": self._request["id"], "kind": "error", "name": name, "message": text})

    def _start(self) -> tuple[Any, Any, Any]:
        """With the first task: what the device is is found out once, and a missing one fails the tasks."""
        if self._started is None:
            from .device import Memory, choose_device
            from .ranks import ALONE
            from .tasks import TaskRunner

            chosen = choose_device(self.options["device"])
            memory = Memory(chosen, self.options.get("maxDeviceMemoryBytes"))
            runner = TaskRunner(chosen, memory, self.options["threads"], self._ranks or ALONE)
            self._started = (runner, chosen, memory)
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
        if self._replies is None:
            return
        with self._writing:
            write_frame(self._replies, message)


def _told_of(error: Exception) -> tuple[str, str]:
    """An error's name and message, as the parent knows them."""
    name = type(error).__name__
    if name in _TOLD:
        return name, str(error)
    traceback.print_exception(error)
    sys.stderr.flush()
    return "EngineError", f"{name}: {error}"
