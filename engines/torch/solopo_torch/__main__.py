"""
The process: requests from stdin, replies to file descriptor 3, logs to stdout and stderr. It ends when its parent does.

Spans are the parent's alone: a task's trace goes no further than the process (an exporter would be the largest part of it).
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from typing import Any

from .options import read_options
from .session import Session, listen

_REPLIES = 3


def main() -> None:
    # Ctrl-C reaches the whole group; the parent decides when the work ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    options = read_options()
    replies = os.fdopen(_REPLIES, "wb")
    if options["ranks"] * options["nodes"] > 1:
        from .launch import relay

        relay(options, sys.stdin.buffer, replies)
    requests: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    Session(options, replies).serve(requests)


if __name__ == "__main__":
    main()
