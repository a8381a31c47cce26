"""A failed array says which shards are missing, why, and how to do just those."""

import os
import signal
import subprocess
import sys
from pathlib import Path

GMAI = [str(Path(sys.executable).with_name("gmai"))]
HELD = [
    sys.executable,
    "-c",
    """
import os, signal
from gmai_cli.main import main
from gmai_data import array_status
write = array_status.write_state
def write_and_stand_still(path, content):
    write(path, content)
    if content.get("state") == "running":
        os.kill(os.getpid(), signal.SIGSTOP)
array_status.write_state = write_and_stand_still
main()
""",
]
"""`gmai`, which stands still once it has noted that its task is at work."""
TASKS = 4


def gmai(*words: object, task: int | None = None, cwd: Path, program: list[str] = GMAI) -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    if task is not None:
        env |= {
            "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(TASKS), "SLURM_ARRAY_TASK_MIN": "0",
            "SLURM_ARRAY_TASK_MAX": str(TASKS - 1), "SLURM_ARRAY_TASK_STEP": "1", "SLURM_JOB_ID": f"7{task}",
        }  # fmt: skip
    return subprocess.Popen(
        [*program, *map(str, words)], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def status(folder: Path) -> list[str]:
    return gmai("data", "status", "out", cwd=folder).communicate()[0].splitlines()


def test_what_is_missing_and_why(tmp_path: Path) -> None:
    assert gmai("data", "phantoms", "ph", cwd=tmp_path).wait() == 0
    build = ("data", "build", "phantom-ct=ph/phantom-ct", "--out", "out")
    assert gmai(*build, task=0, cwd=tmp_path).wait() == 0

    killed = gmai(*build, task=1, cwd=tmp_path, program=HELD)
    state = os.waitid(os.P_PID, killed.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert state is not None
    assert state.si_code == os.CLD_STOPPED
    (at_work,) = (line for line in status(tmp_path)[:-1] if line.startswith("task 1: "))
    assert f": at work, process {killed.pid} on " in at_work
    assert "sbatch --array=2,3 " in status(tmp_path)[-1]
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    plan = (tmp_path / "out/.build/shards/plan.json").read_text()
    third = sorted(part for part in plan.split('"') if part.startswith("phantom-ct-"))[2]
    (tmp_path / "out/.build/shards" / third).write_text("in the way")  # task 2 cannot make its folder
    failed = gmai(*build, task=2, cwd=tmp_path)
    assert failed.wait() != 0

    asked = gmai("data", "status", "out", cwd=tmp_path)
    said = asked.communicate()[0].splitlines()
    assert asked.returncode == 3
    tasks = {line.split(":")[0]: line for line in said[:-1]}
    assert "task 0" not in tasks
    assert "killed (time, memory, a lost node), job 71 on" in tasks["task 1"]
    assert third in tasks["task 2"]
    assert "Error: " in tasks["task 2"]
    assert tasks["task 3"].endswith("it never began")
    assert said[-1] == ("Just those again: sbatch --array=1,2,3 data_build.sbatch phantom-ct=ph/phantom-ct --out out")

    (tmp_path / "out/.build/shards" / third).unlink()
    last = gmai(*build, cwd=tmp_path)
    news = last.communicate()[1]
    assert last.returncode == 0, news
    assert "task 3: " in news
    done = gmai("data", "status", "out", cwd=tmp_path)
    assert done.communicate()[0] == "out: no shard of a job array is missing.\n"
    assert done.returncode == 0
