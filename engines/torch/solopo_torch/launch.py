"""
Several ranks in place of one process. The parent speaks to a relay, which runs torchrun's agent: that starts the ranks of this machine,
meets those of the others, and ends all when one ends. The first rank's frames pass through.

Every rank of this machine holds a connection to the relay, and ends with it.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

CHANNEL = "SOLOPO_CHANNEL"
"""Environment: the relay's socket."""
_CHUNK = 1 << 20
_RANKS_ENDED = 75
"""EX_TEMPFAIL of sysexits.h: the ranks ended, or did not meet; another time they may."""


def relay(options: Mapping[str, Any], requests: BinaryIO, replies: BinaryIO) -> NoReturn:
    """For a process that is spoken to."""
    channel = Channel(options["ranks"])

    def speak(connection: socket.socket) -> None:
        threading.Thread(target=_copy_requests, args=(requests, connection), daemon=True).start()
        while chunk := connection.recv(_CHUNK):
            replies.write(chunk)
            replies.flush()
        channel.drained.set()

    channel.serve(speak)
    ended = run_ranks(options, node=0)
    # What the first rank said last is read before its end is told.
    channel.drained.wait(timeout=5)
    channel.close()
    print(ended, file=sys.stderr, flush=True)
    os._exit(_RANKS_ENDED)


def _copy_requests(requests: BinaryIO, connection: socket.socket) -> None:
    # Frames are not looked into; read1 gives what is there.
    while chunk := requests.read1(_CHUNK):  # type: ignore[attr-defined]
        try:
            connection.sendall(chunk)
        except OSError:
            return  # told by the rank's end
    os._exit(0)


class Channel:
    """A socket that the ranks of this machine connect to, once each; then nothing of it is left on disk, however they end."""

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._folder = tempfile.TemporaryDirectory(prefix="solopo-ranks-")
        path = str(Path(self._folder.name) / "channel")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self.drained = threading.Event()
        self._held: list[socket.socket] = []
        os.environ[CHANNEL] = path

    def serve(self, speak: Any = None) -> None:
        """`speak` has the connection of the first rank; the others say nothing."""

        def accept() -> None:
            while len(self._held) < self._ranks:
                connection, _ = self._listener.accept()
                self._held.append(connection)
                if connection.recv(4) == bytes(4) and speak is not None:
                    threading.Thread(target=speak, args=(connection,), daemon=True).start()
            self.close()

        threading.Thread(target=accept, daemon=True).start()

    def close(self) -> None:
        """For ranks that are still to come; those that are there keep their connections."""
        self._listener.close()
        self._folder.cleanup()


def connect() -> tuple[socket.socket, int]:
    """At a rank: the connection to the relay, and the rank's number."""
    rank = int(os.environ["RANK"])
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ[CHANNEL])
    connection.sendall(rank.to_bytes(4, "little"))
    return connection, rank


def run_ranks(options: Mapping[str, Any], node: int) -> str:
    """Starts this machine's ranks, waits for the end of any, and says which it was."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    nodes, ranks = options["nodes"], options["ranks"]
    if nodes == 1:
        # Nothing leaves the machine.
        endpoint = f"127.0.0.1:{_free_port()}"
        if sys.platform == "linux":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
            os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    else:
        endpoint = options["rendezvous"]
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=ranks,
        run_id="solopo",
        rdzv_backend="static",
        rdzv_endpoint=endpoint,
        rdzv_configs={"rank": node, "timeout": options["rankTimeoutSeconds"]},
        local_addr="127.0.0.1" if nodes == 1 else None,
        max_restarts=0,
        # What ranks write goes where the relay's goes; otherwise a folder is left for each start.
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),
        shutdown_timeout=5,
        # Ctrl-C is not for ranks; the relay is told by its parent.
        signals_to_handle="SIGQUIT",
    )
    try:
        elastic_launch(config, sys.executable)("-m", "solopo_torch.rank_process")
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        how = f"by {failure.signal_name()}" if failure.exitcode < 0 else f"with exit code {failure.exitcode}"
        return f"rank {rank} of {nodes * ranks} (process {failure.pid}) ended {how}; all ranks start again"
    except Exception as error:
        return f"the ranks cannot be started: {error}"
    return "all ranks ended"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
