"""A rank, started by torchrun's agent (launch.py)."""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
from typing import Any

from .launch import connect
from .options import read_options
from .session import Session, listen


def main() -> None:
    # The agent ends the others of a rank that died so; what the relay ignores would be inherited.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    connection, rank = connect()
    options = read_options()
    options["threads"] = max(1, options["threads"] // options["ranks"])
    if rank > 0:
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        Session(options, None).serve_among(None)
    requests: queue.Queue[Any] = queue.Queue()
    stream = connection.makefile("rb")
    threading.Thread(target=listen, args=(stream, requests), daemon=True).start()
    Session(options, connection.makefile("wb")).serve_among(requests)


def _end_with(connection: socket.socket) -> None:
    connection.recv(1)
    os._exit(0)


if __name__ == "__main__":
    main()
