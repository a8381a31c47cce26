"""Runs as the tasks of `gmai doctor --slurm`'s job: each says what it sees. `python -m gmai_cli.slurm.probe FOLDER`."""

import contextlib
import importlib.metadata
import os
import signal
import socket
import sys
import time
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from gmai_formats.slurm_hosts import meeting_place, require_address

PATIENCE_S = 30.0


def main() -> None:
    """Write `task-N.json` twice: once when this task has met the others, once when a signal has come, or none."""
    folder = Path(sys.argv[1])
    rank, world = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
    signals: list[str] = []
    signal.signal(signal.SIGUSR1, lambda number, _: signals.append(signal.Signals(number).name))
    seen: dict[str, object] = {
        "host": socket.gethostname(),
        "node": os.environ.get("SLURMD_NODENAME", ""),
        "version": importlib.metadata.version("gmai-cli"),
        "marker": (folder / "marker").read_text(encoding="utf-8") if (folder / "marker").is_file() else "",
        "met": _meet(rank, world),
    }
    write_json(folder / f"task-{rank}.json", seen)
    deadline = time.monotonic() + PATIENCE_S
    while not signals and time.monotonic() < deadline:
        time.sleep(0.1)
    write_json(folder / f"task-{rank}.json", {**seen, "signal": bool(signals)})


def _meet(rank: int, world: int) -> str:
    """Connect with task 0 where training would, and return what went wrong."""
    try:
        host, port = meeting_place(os.environ)
        require_address(host)
    except UserError as error:
        return str(error)
    where = f"{host}:{port}"
    if rank == 0:
        try:
            with socket.create_server(("", port)) as listener:
                listener.settimeout(PATIENCE_S)
                for _ in range(world - 1):
                    listener.accept()[0].close()
        except OSError as error:
            return f"{where}: {error}"
        return ""
    problem = ""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            with contextlib.closing(socket.create_connection((host, port), timeout=5)):
                return ""
        except OSError as error:
            problem = f"{where}: {error}"
            time.sleep(0.2)
    return problem


if __name__ == "__main__":
    main()
