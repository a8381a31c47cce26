"""`pipeline.sh` on a cluster that refuses a job: it stops, names what waits, and starts no second chain beside."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slurm
PARTITION = "shut"  # takes jobs and starts none
CALLS = 6

# The real sbatch; before the call in $REFUSE the partition begins to refuse, and Slurm's own words are what comes.
SBATCH = """#!/bin/sh
n=$(( $(cat "$COUNT" 2>/dev/null || echo 0) + 1 ))
echo $n > "$COUNT"
[ "$n" = "$REFUSE" ] && scontrol update PartitionName={partition} State=INACTIVE
exec {sbatch} "$@"
"""


@pytest.fixture
def pipeline(cluster: Any, tmp_path: Path) -> Iterator[Callable[[int], "subprocess.CompletedProcess[str]"]]:
    """Run `pipeline.sh`, its call of the given number (0: none) refused."""
    cluster.run("gmai", "slurm", "init", "scripts", "--partition", PARTITION, "--nodes", 1, "--gpus", 1,
                "--cpus-per-gpu", 1, cwd=tmp_path)  # fmt: skip
    found = cluster.run("which", "sbatch", cwd=tmp_path).strip()
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "sbatch"
    wrapper.write_text(SBATCH.format(partition=PARTITION, sbatch=found))
    wrapper.chmod(0o755)
    count = tmp_path / "count"

    def run(refused: int) -> "subprocess.CompletedProcess[str]":
        cluster.run("scontrol", "update", f"PartitionName={PARTITION}", "State=DOWN", cwd=tmp_path)
        count.unlink(missing_ok=True)
        path = f"{wrapper.parent}:{cluster.environment['PATH']}"
        env = {**cluster.environment, "PATH": path, "COUNT": str(count), "REFUSE": str(refused), "TASKS": "2"}
        command = ["scripts/pipeline.sh", "model", "out", "phantoms=data"]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=600)

    try:
        yield run
    finally:
        cluster.run("scancel", f"--partition={PARTITION}", cwd=tmp_path)
        cluster.run("scontrol", "update", f"PartitionName={PARTITION}", "State=DOWN", cwd=tmp_path)


def queued(cluster: Any, cwd: Path) -> list[str]:
    listed = cluster.run("squeue", "-h", f"--partition={PARTITION}", "-o", "%F", cwd=cwd)
    return sorted(set(listed.split()), key=int)


@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_a_refused_job_ends_the_pipeline(cluster: Any, pipeline: Any, tmp_path: Path, call: int) -> None:
    done = pipeline(call)
    assert done.returncode == 1, done.stdout
    assert (tmp_path / "count").read_text().strip() == str(call), "nothing is submitted behind a refused job"
    assert "sbatch: error:" in done.stderr, "Slurm's own reason is shown"
    assert "pipeline.sh: sbatch refused a job. Nothing more is submitted." in done.stderr
    assert "report in" not in done.stdout
    waiting = queued(cluster, tmp_path)
    assert len(waiting) == call - 1
    if not waiting:
        return
    cancel = f"scancel {' '.join(waiting)}"
    assert done.stderr.splitlines()[-1] == f"Queued: {' '.join(waiting)}. Cancel them with: {cancel}"

    beside = pipeline(0)
    assert beside.returncode == 1
    assert beside.stderr.splitlines() == [
        "pipeline.sh: a chain of out is already in the queue. Nothing is submitted.",
        f"Queued: {' '.join(waiting)}. Cancel them with: {cancel}",
    ]
    assert not (tmp_path / "count").exists(), "sbatch is not called"
    assert queued(cluster, tmp_path) == waiting

    cluster.run(*cancel.split(), cwd=tmp_path)
    cluster.until(lambda: not queued(cluster, tmp_path), lambda: "the jobs stay in the queue")
    assert pipeline(0).returncode == 0, "after the printed line the chain can be submitted"
    assert len(queued(cluster, tmp_path)) == CALLS


def test_two_chains_at_once(cluster: Any, pipeline: Any, tmp_path: Path) -> None:
    """The second is started while the first still submits."""
    assert os.access(tmp_path / "scripts" / "pipeline.sh", os.X_OK)
    path = tmp_path / "bin" / "sbatch"
    # In the middle of the first chain, before its third job, the same line is typed in another terminal.
    path.write_text(
        path.read_text().replace(
            "exec ",
            '[ "$n" = 3 ] && (scripts/pipeline.sh model out phantoms=data >second 2>&1; echo $? >>second)\nexec ',
            1,
        )
    )
    done = pipeline(0)
    second = (tmp_path / "second").read_text().splitlines()
    assert second[-1] == "1", second
    assert any("another pipeline.sh" in line for line in second), second
    assert done.returncode == 0, done.stderr
    assert len(queued(cluster, tmp_path)) == CALLS
