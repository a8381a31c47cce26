"""What sites have and a laptop has not: a login node, containers without `scontrol`, a $HOME that takes nothing."""

import json
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]
SETTINGS = {"global_batch_size": 2, "micro_batch_size": 1, "pack_tokens": 1024, "loader_workers": 0, "max_steps": 1,
            "answers": 0}  # fmt: skip
TRAIN = ["gmai", "train", "--stage", "1", *(f"--set={name}={value}" for name, value in SETTINGS.items())]
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
"""The cluster promises GPUs that no driver backs."""


def namespace(*options: str) -> None:
    """Skip where this machine gives no namespaces of its own, as a container without rights."""
    try:
        done = subprocess.run(["unshare", *options, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare: apt-get install util-linux")
    if done.returncode:
        pytest.skip(f"unshare {' '.join(options)} is not allowed here: {done.stderr.strip()}")


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", "set -e", *lines, ""]))
    path.chmod(0o755)
    return path


@pytest.fixture
def container(cluster: Any, tmp_path: Path) -> Path:
    """A program that runs its arguments as a container does: Slurm's variables are there, its programs are not."""
    namespace("--mount")
    gone = tmp_path / "gone"
    gone.touch(mode=0o644)
    found = [cluster.run("which", name, cwd=tmp_path).strip() for name in ("scontrol", "squeue", "srun", "sbatch")]
    hosts = tmp_path / "hosts"  # the names of the nodes, which a loopback cluster has in its slurm.conf only
    hosts.write_text(f"127.0.0.1 localhost n0 n1 {socket.gethostname()}\n")
    inside = script(
        tmp_path / "inside",
        f"mount --bind {hosts} /etc/hosts",
        *(f"mount --bind {gone} {program}" for program in found),
        'exec "$@"',
    )
    return script(tmp_path / "container", f'exec unshare --mount {inside} "$@"')


def test_training_and_benchmark_in_a_container_without_scontrol(
    cluster: Any, container: Path, tiny: Path, local_build: Path, tmp_path: Path
) -> None:
    data, model, out = local_build / "mix.yaml", tiny, tmp_path / "run"
    questions = local_build / "benchmarks" / "held_out.yaml"
    train = shlex.join([str(container), *TRAIN, "--model", str(model), "--data", str(data), "--out", str(out)])
    bench = shlex.join([str(container), "gmai", "bench", "--model", str(out / "model"), "--benchmarks", str(questions),
                        "--limit", "4", "--out", str(tmp_path / "bench"), "--no-cache"])  # fmt: skip
    steps = script(
        tmp_path / "steps", f"srun {container} sh -c '! scontrol --version'", f"srun {train}", f"srun {bench}"
    )
    job = cluster.submit("--nodes=2", "--ntasks-per-node=1", "--output=log", steps, cwd=tmp_path, **NO_GPU)
    (ended,) = cluster.ended(job)
    log = (tmp_path / "log").read_text()
    assert ended["JobState"] == "COMPLETED", log
    assert "on 2 process(es) of cpu" in log
    assert json.loads((tmp_path / "bench" / "report.json").read_text())["benchmarks"][0]["n"] == 4
    # What the container's shell says on each of the two nodes, and no word of gmai's own.
    assert all(line.endswith("scontrol: Permission denied") for line in log.splitlines() if "scontrol" in line), log


def test_the_ranks_of_salloc_meet_on_a_node_and_not_where_it_was_typed(
    cluster: Any, tiny: Path, local_build: Path, tmp_path: Path
) -> None:
    namespace("--uts")
    out = tmp_path / "run"
    meeting = tmp_path / "meeting"
    # What Slurm says of the login node: an address that no node reaches (RFC 5737).
    task = script(
        tmp_path / "task",
        "export SLURM_LAUNCH_NODE_IPADDR=198.51.100.7 SLURM_SRUN_COMM_HOST=198.51.100.7 CUDA_VISIBLE_DEVICES=",
        f'echo "$SLURMD_NODENAME $SLURM_SUBMIT_HOST" >>{meeting}',
        shlex.join([*TRAIN, "--model", str(tiny), "--data", str(local_build / "mix.yaml"), "--out", str(out)]),
    )
    typed = script(
        tmp_path / "typed", "hostname login-7", f"exec salloc --nodes=2 --ntasks-per-node=1 srun --wait=60 {task}"
    )
    done = subprocess.run(["unshare", "--uts", typed], cwd=tmp_path, env=cluster.environment, capture_output=True,
                          text=True, check=False, timeout=600)  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "on 2 process(es) of cpu" in said
    assert sorted(meeting.read_text().splitlines()) == ["n0 login-7", "n1 login-7"]
    assert (out / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("home", "said"), [("size=64k,ro", "Read-only file system"), ("size=64k", "No space left on device")],
    ids=["read-only", "quota"],
)  # fmt: skip
def test_a_home_that_takes_nothing(
    cluster: Any, recipes: list[str], tiny: Path, tmp_path: Path, home: str, said: str
) -> None:
    """Build, training and benchmark by hand, without the scripts' folder of caches."""
    namespace("--mount")
    out = tmp_path / "out"
    place = cluster.environment["HOME"]
    size, _, read_only = home.partition(",")
    train = shlex.join([*TRAIN, "--model", str(tiny), "--data", f"{out}/build/mix.yaml", "--out", f"{out}/run"])
    inside = script(
        tmp_path / "inside",
        f"mount -t tmpfs -o {size} tmpfs {place}",
        f"head -c 70000 /dev/zero >{place}/full 2>/dev/null || true",
        *([f"mount -o remount,ro {place}"] if read_only else []),
        f"! (echo x >{place}/more) || exit 9",
        "cd /",
        f"gmai data build {recipes[0]} --out {out}/build",
        f"{train} && exit 9 || [ $? = 2 ]",  # the cache is needed, and the message says how to put it elsewhere
        f"GMAI_CACHE={out}/cache {train}",
        f"gmai bench --model {out}/run/model --benchmarks {out}/build/benchmarks/held_out.yaml --limit 2 "
        f"--out {out}/bench",
        "gmai doctor >/dev/null",
    )
    step = script(tmp_path / "step", f"srun unshare --mount {inside}")
    job = cluster.submit("--nodes=1", "--output=log", step, cwd=tmp_path, **NO_GPU)
    (ended,) = cluster.ended(job)
    log = (tmp_path / "log").read_text()
    assert ended["JobState"] == "COMPLETED", log
    assert said in log, "the home was as bad as it should be"
    assert "Traceback" not in log
    (refusal,) = (line for line in log.splitlines() if line.startswith("gmai: "))
    assert f"reading samples: {place}/.cache" in refusal
    assert refusal.endswith(f"{said}. GMAI_CACHE names another folder for the cache; the same command goes on.")
    assert json.loads((out / "bench" / "report.json").read_text())["benchmarks"][0]["n"] == 2
