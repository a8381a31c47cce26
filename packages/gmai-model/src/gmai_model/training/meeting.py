"""The ranks meet: within minutes each knows that all have come, or says by number who has not."""

import os
import socket
import time
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from gmai_formats.errors import UserError
from gmai_formats.slurm_hosts import address_of, nodes_of_step, require_address
from torch.distributed.distributed_c10d import PrefixStore

from gmai_model.training.distributed import COLLECTIVE_TIMEOUT, Launch

_LOOK_S = 0.2
_NAMED = 16
_PATIENCE_S = 5.0
"""Seconds of one try to connect: between two tries a signal can end the process."""


class Meeting:
    """Where the ranks meet: a key-value store in rank 0, or in torchrun's agent.

    Args:
        launch: This process among the others.
        timeout_s: Within which all must come.
        gpu: What tells this process's GPU from all others; nothing on the CPU.

    Raises:
        UserError: The port is taken, rank 0 has no address or cannot be reached, ranks are missing, or two have one
            GPU; they are named.
    """

    def __init__(self, launch: Launch, *, timeout_s: float, gpu: str = "") -> None:
        self._gpu = gpu
        self._launch, self._timeout_s = launch, timeout_s
        self._host, self._port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        if launch.launcher == "srun":
            require_address(self._host)
        self._deadline = time.monotonic() + timeout_s
        # torchrun's agent holds the store, and keeps it when it starts the processes anew.
        agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        self._prefix = f"gmai/start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
        self._store = self._serve() if launch.rank == 0 and not agent else self.connect()
        self._wait_for_all()

    def _serve(self) -> Any:
        try:
            return self._prefixed(self._open(is_server=True, timeout_s=self._timeout_s))
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"rank 0 cannot listen on port {self._port} of {socket.gethostname()}: {_first_line(error)}. Another "
                f"program, or a run that has not ended, may hold it. Set MASTER_PORT to a free port for all ranks."
            ) from error

    def connect(self) -> Any:
        """Return a connection of its own to the store.

        Raises:
            UserError: It cannot be reached in time.
        """
        while True:
            try:
                return self._prefixed(self._open(is_server=False, timeout_s=_PATIENCE_S))
            except (RuntimeError, OSError) as error:
                if time.monotonic() >= self._deadline:
                    raise UserError(
                        f"rank {self._launch.rank} on {socket.gethostname()} does not reach rank 0 at "
                        f"{self._host}:{self._port} within {self._timeout_s:g} s ({_first_line(error)}). "
                        f"{self._remedy()}"
                    ) from error
                time.sleep(_LOOK_S)

    def _open(self, *, is_server: bool, timeout_s: float) -> Any:
        return dist.TCPStore(  # pyright: ignore[reportPrivateImportUsage]
            self._host, self._port, self._launch.world, is_server, timeout=timedelta(seconds=timeout_s),
            wait_for_workers=False, multi_tenant=True,
        )  # fmt: skip

    def _prefixed(self, store: Any) -> Any:
        return PrefixStore(self._prefix, store)

    def _wait_for_all(self) -> None:
        self._store.set(self._key(self._launch.rank), f"{socket.gethostname()} {self._gpu}")
        missing = list(range(self._launch.world))
        while missing := [rank for rank in missing if not self._store.check([self._key(rank)])]:
            if time.monotonic() >= self._deadline:
                here = self._launch.world - len(missing)
                named = ", ".join(map(str, missing[:_NAMED])) + (", …" if len(missing) > _NAMED else "")
                raise UserError(
                    f"rank {named} of {self._launch.world} has not come to {self._host}:{self._port} within "
                    f"{self._timeout_s:g} s; {here} {'has' if here == 1 else 'have'}{self._absent(missing)}. "
                    f"{self._remedy()}"
                )
            time.sleep(_LOOK_S)
        if self._gpu:
            self._refuse_shared_gpu()

    def _absent(self, missing: list[int]) -> str:
        """Return the nodes of a Slurm step that no rank has come from, with their addresses."""
        if self._launch.launcher != "srun":
            return ""
        came = [self._store.get(self._key(rank)).decode().partition(" ")[0]
                for rank in range(self._launch.world) if rank not in missing]  # fmt: skip
        known = {host.partition(".")[0] for host in came}
        nodes = [node for node in nodes_of_step(os.environ) if node.partition(".")[0] not in known]
        more = ", …" if len(nodes) > _NAMED else ""
        return f", and none from {', '.join(map(address_of, nodes[:_NAMED]))}{more}" if nodes else ""

    def _refuse_shared_gpu(self) -> None:
        """Where two processes compute on one GPU, NCCL ends with an error that names neither."""
        places: dict[str, list[int]] = {}
        for rank in range(self._launch.world):
            host, _, gpu = self._store.get(self._key(rank)).decode().partition(" ")
            if gpu:
                places.setdefault(f"{gpu} of {host}", []).append(rank)
        self._store.set(f"looked/{self._launch.rank}", "")
        shared = next((found for found in places.items() if len(found[1]) > 1), None)
        if shared is not None:
            looked = [f"looked/{rank}" for rank in range(self._launch.world)]
            while self._launch.rank == 0 and not self._store.check(looked) and time.monotonic() < self._deadline:
                time.sleep(_LOOK_S)  # the store ends with rank 0, and the others would not know why
            raise UserError(
                f"ranks {', '.join(map(str, shared[1]))} have the same GPU, {shared[0]}. Every process needs one of "
                f"its own: start as many processes as there are GPUs, and give each one (`srun --gpus-per-task=1`, or "
                f"LOCAL_RANK and CUDA_VISIBLE_DEVICES that differ)."
            )

    @staticmethod
    def _key(rank: int) -> str:
        return f"here/{rank}"

    def _remedy(self) -> str:
        return (
            "Look for its own message, whether its node runs, and whether the nodes reach one another at that address "
            "and port (MASTER_ADDR, MASTER_PORT; GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME name the network); "
            "startup_timeout_s waits longer."
        )

    def join(self, backend: str) -> None:
        """Make the process group.

        Raises:
            UserError: The ranks met, but cannot connect with one another.
        """
        try:
            dist.init_process_group(
                backend, store=PrefixStore("group", self._store), rank=self._launch.rank,
                world_size=self._launch.world, timeout=COLLECTIVE_TIMEOUT,
            )  # fmt: skip
        except RuntimeError as error:
            raise UserError(
                f"rank {self._launch.rank} on {socket.gethostname()} met the others at {self._host}:{self._port}, but "
                f"cannot connect with them: {_first_line(error)}. {self._remedy()}"
            ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
