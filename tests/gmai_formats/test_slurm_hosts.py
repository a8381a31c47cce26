import socket
import subprocess
from typing import Any

import pytest
from gmai_formats import slurm_hosts
from gmai_formats.errors import UserError
from gmai_formats.slurm_hosts import (
    expand_hosts,
    in_step,
    meeting_place,
    nodes_of_step,
    require_address,
    tasks_here,
)

STEP = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEP_NODELIST": "node[07-08]"}


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("node1", ["node1"]),
        ("node[07-08]", ["node07", "node08"]),
        ("node[08-11]", ["node08", "node09", "node10", "node11"]),
        ("n[1,3-4],gpu[2]", ["n1", "n3", "n4", "gpu2"]),
        ("gpu-a100,n[001]", ["gpu-a100", "n001"]),
        ("n[2-3]-ib", ["n2-ib", "n3-ib"]),
        ("rack[0-1]n[1-2].site", ["rack0n1.site", "rack0n2.site", "rack1n1.site", "rack1n2.site"]),
        (" n[9-10] ", ["n9", "n10"]),
    ],
)
def test_host_lists(text: str, hosts: list[str]) -> None:
    assert expand_hosts(text) == hosts


@pytest.mark.parametrize("text", ["", "n[1-2", "n]1[", "n[]", "n[a-b]", "n[3-1]", "n[1-999999999]"])
def test_what_is_no_host_list(text: str) -> None:
    with pytest.raises(ValueError, match=r"\[|no list|int"):
        expand_hosts(text)


def no_name_resolves(monkeypatch: pytest.MonkeyPatch, scontrol: str | None) -> None:
    def fail(host: str, *_: Any) -> None:
        if host[0].isdigit():
            return
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def run(command: list[str], **_: Any) -> Any:
        if scontrol is None:
            raise FileNotFoundError(command[0])
        return subprocess.CompletedProcess(command, 0, stdout=scontrol)

    monkeypatch.setattr(slurm_hosts.socket, "getaddrinfo", fail)
    monkeypatch.setattr(slurm_hosts.subprocess, "run", run)


@pytest.mark.parametrize(
    "scontrol", [None, "", "slurm_load_node error", "NodeName=node07\n   NodeAddr=node07 NodeHostName=node07"]
)
def test_a_host_without_an_address_ends_it_at_once(monkeypatch: pytest.MonkeyPatch, scontrol: str | None) -> None:
    no_name_resolves(monkeypatch, scontrol)
    with pytest.raises(UserError, match=r"node07: the first node of this Slurm step.*Set MASTER_ADDR to an address"):
        require_address(meeting_place(STEP)[0])


def test_the_first_host_of_the_step_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_hosts.socket, "getaddrinfo", lambda *_: [])
    env = {**STEP, "SLURM_LAUNCH_NODE_IPADDR": "198.51.100.7", "SLURM_JOB_NODELIST": "login,node[07-08]"}
    assert meeting_place(env) == ("node07", 20049)


@pytest.mark.parametrize(("busy", "is_known"), [(1, True), (4, True), (5, False)])
def test_a_busy_name_server_is_asked_again(monkeypatch: pytest.MonkeyPatch, busy: int, is_known: bool) -> None:
    asked: list[str] = []

    def answer(name: str, *_: Any) -> list[Any]:
        asked.append(name)
        if len(asked) <= busy:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return []

    monkeypatch.setattr(slurm_hosts.socket, "getaddrinfo", answer)
    monkeypatch.setattr(slurm_hosts.time, "sleep", lambda _: None)
    if is_known:
        require_address("node07")
    else:
        with pytest.raises(UserError, match="knows no address"):
            require_address("node07")
    assert len(asked) == min(busy + 1, 5)


def test_slurm_knows_the_address_of_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    no_name_resolves(monkeypatch, "NodeName=node07 Arch=x86_64\n   NodeAddr=10.0.0.7 NodeHostName=node07")
    assert meeting_place(STEP)[0] == "10.0.0.7"


def test_a_name_that_resolves_is_kept() -> None:
    assert meeting_place({**STEP, "SLURM_STEP_NODELIST": "localhost,node[1-2]"})[0] == "localhost"


def test_the_nodes_of_the_job_stand_in_for_those_of_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_hosts.socket, "getaddrinfo", lambda *_: [])
    assert meeting_place({"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[3-4]"})[0] == "n3"


def test_what_the_user_set_wins() -> None:
    assert meeting_place({**STEP, "MASTER_ADDR": "10.1.1.1", "MASTER_PORT": "2222"}) == ("10.1.1.1", 2222)


def test_two_steps_of_a_job_have_two_ports() -> None:
    ports = {meeting_place({"SLURM_JOB_ID": "123456", "SLURM_STEP_ID": str(step)})[1] for step in range(3)}
    assert len(ports) == 3
    assert all(20000 <= port < 40000 for port in ports)


def test_alone_a_process_meets_itself() -> None:
    assert meeting_place({})[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("step", "found"),
    [("0", True), ("17", True), ("", False), ("4294967290", False), ("4294967291", False), ("4294967293", False)],
)
def test_srun_starts_the_tasks_of_a_step(step: str, found: bool) -> None:
    assert in_step({"SLURM_STEP_ID": step, "SLURM_PROCID": "0"}) is found
    assert not in_step({"SLURM_STEP_ID": step})


@pytest.mark.parametrize(
    ("listed", "node", "tasks"),
    [("8", "0", 8), ("2(x2),4", "1", 2), ("2(x2),4", "2", 4), ("4(x2)", "2", 0), ("", "0", 0), ("x", "0", 0),
     ("4", "", 0)],
)  # fmt: skip
def test_a_node_knows_its_tasks(listed: str, node: str, tasks: int) -> None:
    assert tasks_here({"SLURM_STEP_TASKS_PER_NODE": listed, "SLURM_NODEID": node}) == tasks


def test_a_list_of_nodes_that_is_none_is_named() -> None:
    assert nodes_of_step(STEP) == ["node07", "node08"]
    assert nodes_of_step({}) == []
    with pytest.raises(UserError, match=r"'n\[1-' is no list of hosts, as SLURM_STEP_NODELIST is to be"):
        nodes_of_step({"SLURM_STEP_NODELIST": "n[1-"})


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(UserError, match=f"MASTER_PORT is '{port}', no port from 1 to 65535"):
        meeting_place({**STEP, "MASTER_PORT": port})
