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
_NO_SRUN = 0xFFFF_FFFA
"""The first of the numbers that Slurm gives to steps that srun did not start, such as the shell of salloc."""


def in_step(env: Mapping[str, str]) -> bool:
    """Return whether srun started this process."""
    step = env.get("SLURM_STEP_ID", "").strip()
    return bool(step) and "SLURM_PROCID" in env and not (step.isdecimal() and int(step) >= _NO_SRUN)


def tasks_here(env: Mapping[str, str]) -> int:
    """Return how many tasks of the Slurm step are on this node, by a list such as `8(x2),4`; 0 if it is not known."""
    counts: list[int] = []
    for part in env.get("SLURM_STEP_TASKS_PER_NODE", "").split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part.strip())
        if found is None or len(counts) + int(found[2] or 1) > _LARGEST:
            return 0
        counts += [int(found[1])] * int(found[2] or 1)
    node = env.get("SLURM_NODEID", "0").strip()
    return counts[int(node)] if node.isdecimal() and int(node) < len(counts) else 0


def nodes_of_step(env: Mapping[str, str]) -> list[str]:
    """Return the nodes of the Slurm step by name, in its order; none outside of one.

    Raises:
        UserError: The list is none.
    """
    listed = next((env[name] for name in ("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
                   if env.get(name)), "")  # fmt: skip
    try:
        return expand_hosts(listed) if listed else []
    except ValueError as error:
        raise UserError(
            f"{error}, as SLURM_STEP_NODELIST is to be. Slurm sets it for every task: leave it as it is."
        ) from error


def address_of(node: str) -> str:
    """Return a node's name with the address that it resolves to here."""
    try:
        return f"{node} ({socket.gethostbyname(node)})"
    except OSError:
        return f"{node} (no address is known here)"


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
        UserError: The port or the list of nodes is none.
    """
    job, step = (int(number) if (number := env.get(name, "")).isdigit() else 0
                 for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))  # fmt: skip
    given = env.get("MASTER_PORT", "").strip() or str(20000 + (job * 7 + step) % 20000)
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise UserError(f"MASTER_PORT is {given!r}, no port from 1 to 65535. Unset it, or set it to a free one.")
    if env.get("MASTER_ADDR"):
        return env["MASTER_ADDR"], int(given)
    nodes = nodes_of_step(env)
    return _address(nodes[0]) if nodes else "127.0.0.1", int(given)


def require_address(host: str) -> None:
    """Raise where this machine knows no address of the host at which the processes meet.

    Raises:
        UserError: So it is, as in a container with a network of its own; torch would look for it for days.
    """
    if not _resolves(host):
        raise UserError(
            f"{host}: the first node of this Slurm step, where its tasks meet, but {socket.gethostname()} knows no "
            f"address of it (neither the name nor scontrol gives one). Set MASTER_ADDR to an address of {host} before "
            f"srun, or let the container use the node's network and /etc/hosts."
        )


def _address(node: str) -> str:
    """Return a node's name, or where that does not resolve the address that Slurm reaches it by, if it does."""
    if _resolves(node):
        return node
    command = ["scontrol", "show", "node", node]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        shown = ""
    known = re.search(r"NodeAddr=(\S+)", shown)
    return known[1] if known is not None and _resolves(known[1]) else node


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
