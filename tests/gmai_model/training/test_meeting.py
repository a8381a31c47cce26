"""The ranks meet within the time, or say who has not come."""

import re
import socket
import threading
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_model.training.distributed import Launch
from gmai_model.training.meeting import Meeting


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number = listener.getsockname()[1]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(number))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    return number


def launch(rank: int, world: int) -> Launch:
    return Launch(rank, world, rank, "none")


@pytest.mark.parametrize("world", [1, 3])
def test_all_ranks_meet(port: int, world: int) -> None:
    met: dict[int, Any] = {}

    def come(rank: int) -> None:
        met[rank] = Meeting(launch(rank, world), timeout_s=30)

    threads = [threading.Thread(target=come, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(met) == list(range(world))
    met[0].connect().set("greeting", "hello")
    assert met[world - 1].connect().get("greeting") == b"hello"


@pytest.mark.parametrize(
    ("gpus", "found"),
    [
        (["a", "b", "a"], r"ranks 0, 2 have the same GPU, a of \S+\. Every process needs one of its own"),
        (["a", "b", "c"], ""),
    ],
)
def test_two_processes_on_one_gpu_are_named(port: int, gpus: list[str], found: str) -> None:
    said: list[str] = []

    def come(rank: int) -> None:
        try:
            Meeting(launch(rank, 3), timeout_s=30, gpu=gpus[rank])
        except UserError as error:
            said.append(str(error))

    threads = [threading.Thread(target=come, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(said) == (3 if found else 0)
    assert all(re.match(found, each) for each in said)


@pytest.mark.parametrize(
    ("world", "named"), [(2, "rank 1 of 2 has not come"), (4, "rank 1, 2, 3 of 4 has not come"), (40, "16, … of 40")]
)
def test_ranks_that_do_not_come_are_named(port: int, world: int, named: str) -> None:
    with pytest.raises(UserError, match=rf"{named}.* to 127\.0\.0\.1:{port} within 0\.3 s; 1 has\."):
        Meeting(launch(0, world), timeout_s=0.3)


@pytest.mark.parametrize(
    ("launcher", "nodes", "named"),
    [
        ("srun", "{here},localhost", r"; 1 has, and none from localhost \(127\.0\.0\.1\)\. Look"),
        (
            "srun",
            "{here}.site,no-such-node.invalid",
            r", and none from no-such-node\.invalid \(no address is known here\)",
        ),
        ("srun", "{here}", r"; 1 has\. Look"),
        ("none", "{here},localhost", r"; 1 has\. Look"),
    ],
)
def test_nodes_that_nobody_came_from_are_named(
    port: int, monkeypatch: pytest.MonkeyPatch, launcher: str, nodes: str, named: str
) -> None:
    monkeypatch.setenv("SLURM_STEP_NODELIST", nodes.format(here=socket.gethostname()))
    with pytest.raises(UserError, match=named):
        Meeting(Launch(0, 2, 0, launcher), timeout_s=0.3)


def test_rank_0_that_is_not_there_is_named_with_its_address(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmai_model.training.meeting._PATIENCE_S", 0.2)
    with pytest.raises(UserError, match=rf"rank 1 on \S+ does not reach rank 0 at 127\.0\.0\.1:{port} within 0\.3 s"):
        Meeting(launch(1, 2), timeout_s=0.3)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_host_without_an_address_ends_a_step_at_once(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "no-such-host.invalid")
    monkeypatch.setenv("MASTER_PORT", "20049")
    with pytest.raises(UserError, match=r"no-such-host\.invalid: the first node of this Slurm step.* knows no address"):
        Meeting(Launch(rank, 2, 0, "srun"), timeout_s=600)


def test_a_port_that_is_taken_is_named(port: int) -> None:
    with socket.socket() as other:
        other.bind(("", port))
        other.listen()
        with pytest.raises(
            UserError, match=rf"rank 0 cannot listen on port {port} of .*Set MASTER_PORT to a free port"
        ):
            Meeting(launch(0, 2), timeout_s=5)
