"""`pipeline.sh` with a stub of Slurm: a refused sbatch, and a chain beside a waiting one."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gmai_cli.slurm.scripts import SCRIPTS, template

CALLS = 6
SBATCH = """#!/bin/sh
n=$(( $(cat "$CALLS" 2>/dev/null || echo 0) + 1 ))
echo $n > "$CALLS"
echo "$@" >> "$CALLS.log"
[ "$n" = "$REFUSED" ] && { echo "$SAYS"; exit "$CODE"; }
echo $((100 + n))
"""


class Cluster:
    """A folder with the scripts and programs that stand for Slurm's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        for name in SCRIPTS:
            (folder / name).write_text(template(name))
        (folder / "bin").mkdir()
        self.program("sbatch", SBATCH)

    def program(self, name: str, text: str) -> None:
        (self.folder / "bin" / name).write_text(text)
        (self.folder / "bin" / name).chmod(0o755)

    def run(self, refused: int = 0, says: str = "", code: int = 1, **more: str) -> "subprocess.CompletedProcess[str]":
        self.calls.write_text("0")
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "CALLS": str(self.calls), "REFUSED": str(refused), "SAYS": says,
               "CODE": str(code), **more}  # fmt: skip
        command = ["bash", self.folder / "pipeline.sh", "model", "out", "phantoms=x"]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def test_a_whole_chain_waits_link_by_link(cluster: Cluster) -> None:
    done = cluster.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "bench: 106, report in out/bench/report.html"
    lines = (cluster.folder / "calls.log").read_text().splitlines()
    waits = [word for line in lines for word in line.split() if word.startswith("--dependency")]
    assert waits == [f"--dependency={how}:{101 + i}" for i, how in enumerate(["afterany", *["afterok"] * 4])]


@pytest.mark.parametrize("refused", range(1, CALLS + 1))
def test_a_refused_call_ends_it_and_names_what_waits(cluster: Cluster, refused: int) -> None:
    done = cluster.run(refused)
    assert done.returncode == 1
    assert cluster.calls.read_text().strip() == str(refused), "nothing more is submitted"
    assert "sbatch refused a job" in done.stderr
    queued = " ".join(str(100 + number) for number in range(1, refused))
    assert (f"Queued: {queued}. Cancel them with: scancel {queued}" in done.stderr) == (refused > 1)
    assert "report in" not in done.stdout


@pytest.mark.parametrize("says", ["", "Submitted batch job", "sbatch: lua: hello"])
def test_an_answer_without_a_number_is_a_refusal(cluster: Cluster, says: str) -> None:
    done = cluster.run(3, says, code=0)
    assert done.returncode == 1
    assert f"no job number but '{says}'" in done.stderr
    assert "scancel 101 102" in done.stderr


def test_the_name_of_a_cluster_is_no_part_of_the_number(cluster: Cluster) -> None:
    done = cluster.run(2, "777;other", code=0)
    assert done.returncode == 0
    assert "published by 777\n" in done.stdout


def test_a_second_chain_is_not_started_beside_a_waiting_one(cluster: Cluster) -> None:
    assert cluster.run().returncode == 0
    cluster.program("squeue", "#!/bin/sh\nprintf '105\\n106\\n1066\\n'\n")
    again = cluster.run()
    assert again.returncode == 1
    assert cluster.calls.read_text().strip() == "0"
    assert "a chain of out is already in the queue" in again.stderr
    assert "scancel 105 106\n" in again.stderr


def test_two_chains_at_the_same_instant_are_one(cluster: Cluster) -> None:
    """Before the first job has a number, the same line is typed in another terminal."""
    beside = "mkdir once 2>&- && { bash pipeline.sh model out phantoms=x; echo $?; } >second 2>&1"
    text = SBATCH.replace("#!/bin/sh\n", f"#!/bin/sh\n{beside}\n")
    cluster.program("sbatch", text)
    done = cluster.run()
    assert done.returncode == 0, done.stderr
    said = (cluster.folder / "second").read_text().splitlines()
    assert said[-2:] == [
        "pipeline.sh: another pipeline.sh submits the chain of out. Nothing is submitted. If none runs: "
        "rmdir out/pipeline.lock",
        "1",
    ]
    assert cluster.calls.read_text().strip() == str(CALLS)
    assert not (cluster.folder / "out/pipeline.lock").exists()


@pytest.fixture
def heard() -> Iterator[None]:
    """Let signals end what a test starts, also where this run was started to ignore them: by nohup, or with `&`."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_submission_leaves_no_lock(cluster: Cluster, number: signal.Signals) -> None:
    cluster.program("sbatch", f"#!/bin/sh\nkill -{int(number)} $PPID; kill -{int(number)} $(cat shell)\necho 101\n")
    script = cluster.folder / "pipeline.sh"
    script.write_text(script.read_text().replace("set -euo pipefail\n", "set -euo pipefail\necho $$ > shell\n"))
    assert cluster.run().returncode != 0
    assert (cluster.folder / "out").is_dir()
    assert not (cluster.folder / "out/pipeline.lock").exists()


def test_a_chain_follows_one_that_left_the_queue(cluster: Cluster) -> None:
    assert cluster.run(4).returncode == 1
    cluster.program("squeue", "#!/bin/sh\necho 99\n")
    assert cluster.run().returncode == 0
    assert (cluster.folder / "out/pipeline.jobs").read_text().split() == [str(number) for number in range(101, 107)]


def test_a_queue_that_does_not_answer_starts_nothing(cluster: Cluster) -> None:
    assert cluster.run().returncode == 0
    cluster.program("squeue", "#!/bin/sh\nexit 1\n")
    again = cluster.run()
    assert (again.returncode, cluster.calls.read_text().strip()) == (1, "0")
    assert "squeue does not answer" in again.stderr


def test_logs_open_with_date_host_job_and_versions(cluster: Cluster) -> None:
    cluster.program("gmai", '#!/bin/sh\n[ "$1" = --version ] && echo gmai-cli 9.9 || echo "ran $*"\n')
    env = {**os.environ, "PATH": f"{cluster.folder / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "31",
           "SLURM_ARRAY_TASK_ID": "4", "SLURM_SUBMIT_DIR": str(cluster.folder),
           "SLURM_JOB_NODELIST": "n[1-2]"}  # fmt: skip
    done = subprocess.run(["bash", cluster.folder / "data_build.sbatch", "x"], env=env, capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    assert first.endswith("job 31 task 4 on n[1-2], gmai-cli 9.9 ")
    assert first[:2] == "20"
    assert second == "ran data build x --workers 1"


@pytest.mark.parametrize(("state", "requeued"), [("echo RUNNING", True), ("exit 1", True), ("echo COMPLETING", False)])
def test_a_stopped_job_goes_back_unless_it_was_cancelled(cluster: Cluster, state: str, requeued: bool) -> None:
    cluster.program("gmai", '#!/bin/sh\n[ "$1" = --version ] || exit 75\n')
    cluster.program("squeue", f"#!/bin/sh\n{state}\n")
    cluster.program("scontrol", '#!/bin/sh\necho "$@" >> "$CALLS"\nexit 1\n')
    env = {**os.environ, "PATH": f"{cluster.folder / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "31",
           "SLURM_SUBMIT_DIR": str(cluster.folder), "CALLS": str(cluster.calls)}  # fmt: skip
    done = subprocess.run(["bash", cluster.folder / "data_build.sbatch", "x"], env=env, capture_output=True, text=True)
    assert done.returncode == 75
    assert cluster.calls.exists() == requeued
    assert ("submit the same line again" in done.stderr) == requeued
