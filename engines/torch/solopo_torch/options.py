"""What the parent decides on, before any library is loaded (libs/engine/src/child.options.ts)."""

from __future__ import annotations

import json
import os
from typing import Any

_DEFAULTS: dict[str, Any] = {
    "threads": 1,
    "device": "cpu",
    "ranks": 1,
    "nodes": 1,
    "sequenceRanks": 1,
    # A rank that hangs is found out by the others after so long.
    "rankTimeoutSeconds": 600,
}


def read_options() -> dict[str, Any]:
    # Read when the libraries are loaded.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    return {**_DEFAULTS, **json.loads(os.environ.get("SOLOPO_ENGINE", "{}"))}
