"""Ranks of two machines, both this one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ranks import Spread
from test_process import ROOT
from training import Folder, Slices, options

from solopo_torch.models import Models


def follow(node: str, **engine: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "solopo_torch.follow"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "SOLOPO_ENGINE": json.dumps({"threads": 1, **engine}),
            "SOLOPO_NODE": node,
            "GLOO_SOCKET_IFNAME": "lo",
        },
    )


def test_another_machine_joins_without_files_and_joins_again(
    folder_of: Folder, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        rendezvous = f"127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    folder = folder_of("llama")
    expected = Slices(models, folder, tmp_path).take("one", options(), [1, 2])
    engine = {"ranks": 1, "nodes": 2, "rendezvous": rendezvous}
    other = follow("1", **engine)
    try:
        # The second engine stands for the first one after its restart.
        for name in ("first", "second"):
            spread = Spread(tmp_path, **engine)
            taken = spread.take(name, options(), [1, 2], folder=folder)
            for own, theirs in zip(taken, expected, strict=True):
                assert own["metrics"] == pytest.approx(theirs["metrics"], rel=1e-4, abs=1e-5)
            spread.child.close()
        assert spread.bytes_of("first") == spread.bytes_of("second")
        other.send_signal(signal.SIGTERM)
        assert other.wait(20) == 0
    finally:
        other.kill()
        other.communicate()


def test_a_machine_without_a_number_or_a_place_to_meet_says_so() -> None:
    for node, engine, told in (
        (
            "2",
            {"nodes": 2, "rendezvous": "127.0.0.1:1"},
            "SOLOPO_NODE is 2 of 2 machines: set it to a number from 1 to 1",
        ),
        ("1", {"nodes": 2}, "SOLOPO_ENGINE names no rendezvous"),
    ):
        process = follow(node, **engine)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert told in stderr.decode()
