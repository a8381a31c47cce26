"""`examples/slurm/data_build.sbatch`: an array and a last job end with the bytes of a local build."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]
SCRIPT = Path(__file__).parents[2] / "examples" / "slurm" / "data_build.sbatch"
TASKS = 4


def digests(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


def test_an_array_with_a_task_killed_and_requeued(
    cluster: Any, recipes: list[str], local_build: Path, tmp_path: Path
) -> None:
    command = [SCRIPT, *recipes, "--out", tmp_path / "out"]
    array = cluster.submit(f"--array=0-{TASKS - 1}", *command, cwd=tmp_path)
    last = cluster.submit(f"--dependency=afterany:{array}", *command, cwd=tmp_path)
    victim = f"{array}_2"
    cluster.until(
        lambda: "RUNNING" in cluster.run("squeue", "-h", "-j", victim, "-o", "%T", cwd=tmp_path), lambda: "never ran"
    )
    cluster.run("scontrol", "requeue", victim, cwd=tmp_path)  # SIGKILL, and back into the queue
    jobs = cluster.ended(array, last)
    logs = {path.name: path.read_text() for path in tmp_path.glob("gmai-data-*.log")}
    assert len(jobs) == TASKS + 1
    states = {job["JobId"]: (job["JobState"], job["ExitCode"]) for job in jobs}
    print(
        states, *(f"== {name}\n{text}" for name, text in logs.items()), sep="\n"
    )  # whole, where a failure is cut short
    assert {state for state, _ in states.values()} == {"COMPLETED"}
    assert [job["Restarts"] for job in jobs if job.get("ArrayTaskId") == "2"] == ["1"]
    assert sum(text.count("shards are this task's, and done") for text in logs.values()) >= TASKS
    assert digests(tmp_path / "out") == digests(local_build)
