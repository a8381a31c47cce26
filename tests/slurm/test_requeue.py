"""What the scripts make of an exit code, with a stand-in for gmai that ends as it is told."""

import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slurm
SCRIPTS = Path(__file__).parents[2] / "examples" / "slurm"

STAND_IN = """#!/usr/bin/env bash
[ "$1" = --version ] && echo "a stand-in" && exit # what opens a log
code=$(head -n 1 codes) # of the first start, then of the second
sed -i 1d codes
echo "start: $*; $XDG_CACHE_HOME; $HF_HUB_OFFLINE"
[ "$code" = sleep ] && exec sleep 60
[ "$code" -gt 128 ] && sleep 1 && kill -$((code - 128)) $$
exit "$code"
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> str:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "gmai"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return str(program.parent)


CASES = {
    # script, exit code of each start ▶ how the job ends
    ("train_stage.sbatch", (75, 0)): "COMPLETED",
    ("train_stage.sbatch", (138, 0)): "COMPLETED",  # USR1 before `gmai train` listened for it
    ("train_stage.sbatch", (2,)): "FAILED",
    ("train_stage.sbatch", (137,)): "FAILED",  # out of memory: the same would happen again
    ("bench.sbatch", (75, 0)): "COMPLETED",
    ("data_build.sbatch", (75, 0)): "COMPLETED",
    ("data_build.sbatch", (143, 0)): "COMPLETED",  # before it listened for signals
    ("data_build.sbatch", (2,)): "FAILED",  # also at the cap on the cost
    ("data_build.sbatch", (3,)): "COMPLETED",  # done, with input in the quarantine
    ("data_build.sbatch", (1,)): "FAILED",
}


def start(cluster: Any, folder: Path, stand_in: str, script: str, codes: tuple[object, ...]) -> str:
    folder.mkdir()
    (folder / "codes").write_text("".join(f"{code}\n" for code in codes))
    path = f"{stand_in}:{cluster.environment['PATH']}"
    return cluster.submit("--nodes=1", "--ntasks-per-node=1", "--gpus-per-node=1", "--cpus-per-task=1",
                          SCRIPTS / script, "--out", "x", cwd=folder, PATH=path)  # fmt: skip


def log_of(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.glob("gmai-*.log"))


def test_exit_codes(cluster: Any, stand_in: str, tmp_path: Path) -> None:
    jobs = {
        start(cluster, tmp_path / str(number), stand_in, script, codes): (number, codes, state)
        for number, ((script, codes), state) in enumerate(CASES.items())
    }
    ended = {job["JobId"]: job for job in cluster.ended(*jobs)}
    for job, (number, codes, state) in jobs.items():
        log = log_of(tmp_path / str(number))
        assert ended[job]["JobState"] == state, (number, log)
        assert log.count("start: ") == len(codes), (number, log)
        assert int(ended[job]["Restarts"]) == len(codes) - 1
        assert f"; {tmp_path}/{number}/cache; 1" in log, "caches beside the job, and no network"


@pytest.mark.parametrize("busy", [False, True])
def test_a_cancelled_job_stays_cancelled(cluster: Any, stand_in: str, tmp_path: Path, busy: bool) -> None:
    if busy:  # Slurm does not answer the first time
        squeue = Path(stand_in) / "squeue"
        asks = cluster.run("which", "squeue", cwd=tmp_path).strip()
        squeue.write_text(f'#!/usr/bin/env bash\n[ -e asked ] || {{ touch asked && exit 1; }}\nexec {asks} "$@"\n')
        squeue.chmod(0o755)
    job = start(cluster, tmp_path / "job", stand_in, "train_stage.sbatch", ("sleep", 0))
    cluster.until(lambda: "start: " in log_of(tmp_path / "job"), lambda: "never started")
    cluster.run("scancel", job, cwd=tmp_path)
    (ended,) = cluster.ended(job)
    time.sleep(3)
    assert cluster.run("squeue", "-h", "-j", job, cwd=tmp_path) == ""
    assert ended["JobState"] == "CANCELLED", log_of(tmp_path / "job")
    assert (tmp_path / "job" / "asked").exists() == busy
    assert log_of(tmp_path / "job").count("start: ") == 1
