"""What `gmai doctor --slurm` says of a cluster; `tests/slurm/test_doctor.py` runs it on one."""

from pathlib import Path
from typing import Any

import pytest
from gmai_cli.slurm.checks import CheckResult, from_configuration, from_tasks, run
from gmai_formats.errors import UserError

GOOD = {"SLURM_VERSION": "23.11.4", "MaxArraySize": "1001", "PreemptMode": "REQUEUE", "KillWait": "30 sec"}


def named(findings: list[CheckResult]) -> dict[str, CheckResult]:
    return {finding.what: finding for finding in findings}


def test_a_usual_configuration_is_good() -> None:
    assert all(finding.good for finding in from_configuration(GOOD, "1-00:00:00"))


def test_a_small_array_and_cancelling_preemption_are_named() -> None:
    found = named(from_configuration({**GOOD, "MaxArraySize": "10", "PreemptMode": "CANCEL"}, "infinite"))
    assert not found["MaxArraySize"].good
    assert "lower TASKS in pipeline.sh to 9" in found["MaxArraySize"].detail
    assert not found["preemption"].good
    assert "does not come back by itself" in found["preemption"].detail


def task(number: int, **changes: Any) -> dict[str, Any]:
    from importlib.metadata import version

    seen = {"host": f"h{number}", "node": f"n{number}", "version": version("gmai-cli"), "marker": "m", "met": ""}
    return {**seen, "signal": True, **changes}


def look(*tasks: dict[str, Any], log: str = "") -> dict[str, CheckResult]:
    return named(from_tasks(list(tasks), nodes=2, marker="m", shared=Path("/scratch"), log=log))


def test_tasks_that_see_all_are_good() -> None:
    assert all(finding.good for finding in look(task(0), task(1)).values())


@pytest.mark.parametrize(
    ("changes", "what", "detail"),
    [
        ({"marker": ""}, "shared folder", "/scratch is seen by 1 of 2 tasks; choose another --shared"),
        ({"version": "0.0.9"}, "versions", "0.0.9 on nodes: use one environment"),
        ({"met": "10.0.0.1:20007: timed out"}, "ports", "10.0.0.1:20007: timed out; open ports 20000–39999"),
        ({"signal": False}, "signal", "SIGUSR1 did not reach 1 of 2 tasks; start them with srun"),
    ],
)
def test_each_fault_has_its_line_and_remedy(changes: dict[str, Any], what: str, detail: str) -> None:
    found = look(task(0), task(1, **changes))
    assert [name for name, finding in found.items() if not finding.good] == [what]
    assert detail in found[what].detail


def test_tasks_that_never_ran_show_the_jobs_last_line() -> None:
    found = look(log="srun: error: Unable to create step\n")
    assert "no task of 2 wrote to /scratch (srun: error: Unable to create step)" in found["srun inside sbatch"].detail
    assert "1 of 2 tasks ran, on n0; run `sinfo -R`" in look(task(0))["srun inside sbatch"].detail


def test_a_machine_without_slurm_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UserError, match=r"no sbatch, srun, squeue, scontrol, sinfo on the PATH\. Run this on a login node"
    ):
        run(partition=None, account=None, shared=tmp_path, nodes=2, wait_s=1)
