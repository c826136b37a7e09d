"""
The ranks of another machine than the one whose engine is spoken to: `python -m solopo_torch.follow`, with the same SOLOPO_ENGINE and this
machine's number in SOLOPO_NODE (1, 2, ...). Meets the first machine's ranks whenever they start, until SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from .launch import Channel, run_ranks
from .options import read_options

_PAUSE_SECONDS = 1.0


def main() -> None:
    options = read_options()
    node = int(os.environ.get("SOLOPO_NODE", "0"))
    if not 1 <= node < options["nodes"]:
        sys.exit(
            f"SOLOPO_NODE is {node} of {options['nodes']} machines: set it to a number from 1 to {options['nodes'] - 1}"
        )
    if "rendezvous" not in options:
        sys.exit("SOLOPO_ENGINE names no rendezvous: set it to HOST:PORT of the first machine")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        print(f"joining {options['rendezvous']} as machine {node} of {options['nodes']}", flush=True)
        channel = Channel(options["ranks"])
        channel.serve()
        print(run_ranks(options, node), file=sys.stderr, flush=True)
        channel.close()
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
