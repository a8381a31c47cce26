"""Where the processes of a Slurm step meet: on the first host of the step, never where `srun` was typed."""

import re
import socket
import subprocess
import time
from collections.abc import Mapping

from gmai_formats.errors import UserError

_LARGEST = 100_000
"""Hosts that a list may name; Slurm's own limit is 65,533 nodes."""
_TRIES = 5


def expand_hosts(text: str) -> list[str]:
    """Return the names of a host list such as `node[07-08,12],gpu1` or `rack[0-1]n[1-4]`, in its order.

    The notation is that of https://slurm.schedmd.com/scontrol.html (`show hostnames`), whose program is not there in
    many containers.

    Raises:
        ValueError: It is no host list.
    """
    hosts: list[str] = []
    for entry in re.findall(r"(?:[^,\[\]]|\[[^\[\]]*\])+", text.strip()):
        hosts += _expand(entry)
    if not hosts or re.sub(r"\[[\w,-]+\]|[^\[\]]", "", text):
        raise ValueError(f"{text!r} is no list of hosts")
    return hosts


def _expand(entry: str) -> list[str]:
    found = re.search(r"\[([^\[\]]*)\]", entry)
    if found is None:
        return [entry]
    before, after = entry[: found.start()], _expand(entry[found.end() :]) if entry[found.end() :] else [""]
    numbers: list[str] = []
    for part in found[1].split(","):
        first, _, last = part.strip().partition("-")
        span = range(int(first), int(last or first) + 1)
        if not span or len(span) * len(after) > _LARGEST:
            raise ValueError(f"{entry!r}: {part!r} is no range of hosts")
        numbers += [f"{number:0{len(first)}d}" for number in span]
    return [f"{before}{number}{rest}" for number in numbers for rest in after]


def meeting_place(env: Mapping[str, str]) -> tuple[str, int]:
    """Return host and port at which the processes of a Slurm step meet, the same in each of them.

    Task 0 runs on the first host of the step. Every step of every job has a port of its own between 20000 and 39999.

    Args:
        env: The environment of a task; `MASTER_ADDR` and `MASTER_PORT` win.

    Raises:
        UserError: This machine knows no address of the host.
    """
    job, step = (int(number) if (number := env.get(name, "")).isdigit() else 0
                 for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))  # fmt: skip
    port = int(env.get("MASTER_PORT") or 20000 + (job * 7 + step) % 20000)
    if env.get("MASTER_ADDR"):
        return env["MASTER_ADDR"], port
    listed = next((env[name] for name in ("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
                   if env.get(name)), "")  # fmt: skip
    return _address(expand_hosts(listed)[0]) if listed else "127.0.0.1", port


def _address(node: str) -> str:
    """Return a node's name, or the address that Slurm reaches it by where the name does not resolve.

    Raises:
        UserError: There is neither, as in a container with a network of its own; torch would look for it for days.
    """
    if _resolves(node):
        return node
    command = ["scontrol", "show", "node", node]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        shown = ""
    known = re.search(r"NodeAddr=(\S+)", shown)
    if known is not None and (_resolves(known[1])):
        return known[1]
    raise UserError(
        f"{node}: the first node of this Slurm step, where its tasks meet, but {socket.gethostname()} knows no address "
        f"of it (neither the name nor scontrol gives one). Set MASTER_ADDR to an address of {node} before srun, or "
        f"let the container use the node's network and /etc/hosts."
    )


def _resolves(host: str) -> bool:
    for attempt in range(_TRIES):
        try:
            socket.getaddrinfo(host, None)
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN or attempt + 1 == _TRIES:
                return False
            time.sleep(1)  # the name server is busy, as when all tasks of a large job ask it at once
        except OSError:
            return False
        else:
            return True
    return False
