import importlib.metadata
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from gmai_cli.slurm import probe


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> int:
    """The port of a meeting place on this machine, free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    monkeypatch.setattr(probe, "PATIENCE_S", 5.0)
    return port


def test_tasks_that_meet_have_no_problem(meeting: int) -> None:
    found: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda rank=rank: found.update({rank: probe._meet(rank, 3)})) for rank in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: "", 1: "", 2: ""}


def test_a_task_without_the_others_says_where_it_waited(meeting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE_S", 0.05)
    assert probe._meet(0, 2) == f"127.0.0.1:{meeting}: timed out"
    assert probe._meet(1, 2).startswith(f"127.0.0.1:{meeting}: [Errno ")


def test_a_meeting_place_in_use_is_a_problem(meeting: int) -> None:
    with socket.create_server(("", meeting)):
        assert "Address already in use" in probe._meet(0, 2)


def seen(folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", ["probe", str(folder)])
    for name, value in {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", **environment}.items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGUSR1)
    try:
        probe.main()
    finally:
        signal.signal(signal.SIGUSR1, before)
    return json.loads((folder / f"task-{os.environ['SLURM_PROCID']}.json").read_text("utf-8"))


def test_a_task_says_what_it_sees(meeting: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "marker").write_text("m7", encoding="utf-8")
    monkeypatch.setattr(probe.time, "sleep", lambda _: os.kill(os.getpid(), signal.SIGUSR1))
    assert seen(tmp_path, monkeypatch, SLURMD_NODENAME="n1") == {
        "host": socket.gethostname(), "node": "n1", "version": importlib.metadata.version("gmai-cli"), "marker": "m7",
        "met": "", "signal": True,
    }  # fmt: skip


def test_a_task_that_no_signal_reaches_says_so(meeting: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE_S", 0.05)
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    found = seen(tmp_path, monkeypatch)
    assert (found["signal"], found["marker"], found["node"]) == (False, "", "")
