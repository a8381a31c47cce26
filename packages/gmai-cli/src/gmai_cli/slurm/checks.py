"""`gmai doctor --slurm`: what usually goes wrong on a cluster, found before a long job does."""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError

from gmai_cli.console import say, table

COMMANDS = ("sbatch", "srun", "squeue", "scontrol", "sinfo")
ENOUGH_TASKS = 16
"""Array tasks that the scripts ask for."""

_PROBE = """#!/usr/bin/env bash
#SBATCH --job-name=gmai-doctor
#SBATCH --ntasks-per-node=1
#SBATCH --time=00:05:00
#SBATCH --open-mode=append
srun {python} -m gmai_cli.slurm.probe {folder} &
for _ in $(seq 300); do
  [ "$(ls {folder} | grep -c '^task-.*json$')" = "$SLURM_NTASKS" ] && break
  sleep 0.2
done
scancel --signal=USR1 "$SLURM_JOB_ID"
wait
"""


@dataclass(frozen=True)
class CheckResult:
    """One line of the table."""

    what: str
    good: bool
    detail: str
    """What was found and, where it is not good, the remedy."""


def run(*, partition: str | None, account: str | None, shared: Path, nodes: int, wait_s: float) -> bool:
    """Print what was found, one line each, and return whether all of it is good.

    Args:
        partition: Where the probe job runs; the site's default where None.
        account: What it is charged to.
        shared: A folder that jobs use; the probe writes and removes a folder of its own in it.
        nodes: Nodes of the probe job.
        wait_s: How long to wait for it.

    Raises:
        UserError: This machine has no Slurm, or its controller does not answer.
    """
    absent = [name for name in COMMANDS if shutil.which(name) is None]
    if absent:
        raise UserError(
            f"no {', '.join(absent)} on the PATH. Run this on a login node of the cluster, or load its module."
        )
    findings = from_configuration(_configuration(), _limit(partition))
    findings += _probe(partition, account, shared, nodes, wait_s)
    print()
    table(
        ("slurm", "", "found"),
        [(each.what, "ok" if each.good else "CHECK", each.detail) for each in findings],
    )
    return all(each.good for each in findings)


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _configuration() -> dict[str, str]:
    shown = _call("scontrol", "show", "config")
    if shown.returncode:
        reason = " ".join(shown.stderr.split())[:200]
        raise UserError(
            f"Slurm's controller does not answer ({reason}). Run this on a login node; ask the site's staff."
        )
    pairs = (line.partition("=") for line in shown.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _limit(partition: str | None) -> str:
    shown = _call("sinfo", "--noheader", "--format=%P %l", *([f"--partition={partition}"] if partition else []))
    rows = [line.split() for line in shown.stdout.splitlines()]
    chosen = [row for row in rows if partition or row[0].endswith("*")] or rows
    return chosen[0][1] if chosen else "unknown"


def from_configuration(config: Mapping[str, str], limit: str) -> list[CheckResult]:
    """Return what the cluster's configuration and the partition's time limit say."""
    size = int(config.get("MaxArraySize") or 0)
    findings = [
        CheckResult("controller", True, f"Slurm {config.get('SLURM_VERSION', 'of an unknown version')}"),
        CheckResult("time limit", True, f"{limit} in this partition: `gmai slurm init --time` must not exceed it"),
        CheckResult(
            "MaxArraySize", size > ENOUGH_TASKS,
            f"{size}: `sbatch --array=0-N` takes N up to {size - 1}"
            + ("" if size > ENOUGH_TASKS else f"; lower TASKS in pipeline.sh to {max(size - 1, 1)}"),
        ),
    ]  # fmt: skip
    requeue = config.get("JobRequeue", "1") != "0"
    findings.append(
        CheckResult(
            "requeue", True, "jobs are requeued by default" if requeue else "only with --requeue, as the scripts say"
        )
    )
    if config.get("PreemptMode", "OFF") == "OFF":
        findings.append(CheckResult("preemption", True, "off: a job ends at its time limit only"))
    elif "REQUEUE" in config["PreemptMode"] or "GANG" in config["PreemptMode"]:
        user = "preempt_send_user_signal" in config.get("SlurmctldParameters", "")
        detail = (
            "a preempted job gets " + ("its --signal" if user else "SIGTERM") + "; both make gmai save and go on later"
        )
        findings.append(CheckResult("preemption", True, detail))
    else:
        detail = f"{config['PreemptMode']}: a preempted job does not come back by itself; submit the same line again"
        findings.append(CheckResult("preemption", False, detail))
    wait_s = int(re.sub(r"\D", "", config.get("KillWait", "30")) or 30)
    detail = f"{wait_s} s from SIGTERM to SIGKILL at the limit: the scripts ask for their signal minutes ahead"
    return [*findings, CheckResult("walltime", True, detail)]


def _probe(partition: str | None, account: str | None, shared: Path, nodes: int, wait_s: float) -> list[CheckResult]:
    """Submit a small job that does what training does, and return what it saw."""
    shared.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".gmai-doctor-", dir=shared.resolve()))
    marker = secrets.token_hex(8)
    (folder / "marker").write_text(marker, encoding="utf-8")
    script = folder / "probe.sbatch"
    quoted = {"python": shlex.quote(sys.executable), "folder": shlex.quote(str(folder))}
    script.write_text(_PROBE.format(**quoted), encoding="utf-8")
    options = [f"--nodes={nodes}", f"--output={folder}/log", f"--chdir={folder}"]
    options += [f"--{name}={value}" for name, value in {"partition": partition, "account": account}.items() if value]
    submitted = _call("sbatch", "--parsable", *options, str(script))
    if submitted.returncode:
        reason = " ".join(submitted.stderr.split())[:200]
        shutil.rmtree(folder)
        return [CheckResult("sbatch", False, f"{reason}; give --partition and --account as your site asks for them")]
    job = submitted.stdout.strip().partition(";")[0]
    say(f"job {job} on {nodes} nodes: waiting for it, up to {wait_s:.0f} s")
    ended = _wait(job, wait_s)
    if not ended:
        state = _call("squeue", "--noheader", f"--job={job}", "--format=%T (%r)").stdout.strip() or "unknown"
        _call("scancel", job)
        shutil.rmtree(folder, ignore_errors=True)
        return [
            CheckResult("sbatch", False, f"job {job} was {state} after {wait_s:.0f} s and is cancelled; raise --wait-s")
        ]
    tasks = _settle(folder, nodes)
    log = (folder / "log").read_text(encoding="utf-8", errors="replace") if (folder / "log").is_file() else ""
    shutil.rmtree(folder, ignore_errors=True)
    return from_tasks(tasks, nodes=nodes, marker=marker, shared=shared, log=log)


def _wait(job: str, wait_s: float) -> bool:
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        shown = _call("squeue", "--noheader", f"--job={job}", "--format=%T")
        # An unknown job is one that ended long ago; other failures say nothing about it.
        if (shown.returncode == 0 and not shown.stdout.strip()) or "Invalid job id" in shown.stderr:
            return True
        time.sleep(1)
    return False


def _settle(folder: Path, nodes: int) -> list[dict[str, Any]]:
    """Read what the tasks wrote; a network file system may show it seconds after the job's end."""
    deadline = time.monotonic() + 10
    while len(list(folder.glob("task-*.json"))) < nodes and time.monotonic() < deadline:
        time.sleep(0.5)
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("task-*.json"))]


def from_tasks(tasks: list[dict[str, Any]], *, nodes: int, marker: str, shared: Path, log: str) -> list[CheckResult]:
    """Return what the tasks of the probe job saw."""
    last = _last_line(log)
    if not tasks:
        why = f"no task of {nodes} wrote to {shared}{last}; the folder must be one that all nodes see, and gmai's "
        return [CheckResult("srun inside sbatch", False, f"{why}environment ({os.path.dirname(sys.executable)}) too")]  # noqa: PTH120
    hosts = sorted({str(task["node"] or task["host"]) for task in tasks})
    started = len(tasks) == nodes
    detail = f"{len(tasks)} of {nodes} tasks ran, on {', '.join(hosts)}"
    findings = [CheckResult("srun inside sbatch", started, detail if started else f"{detail}{last}; run `sinfo -R`")]
    blind = [task for task in tasks if task["marker"] != marker]
    detail = f"{shared} is seen by {len(tasks) - len(blind)} of {len(tasks)} tasks"
    findings.append(CheckResult("shared folder", not blind, detail + ("; choose another --shared" if blind else "")))
    here = metadata.version("gmai-cli")
    other = sorted({str(task["version"]) for task in tasks} - {here})
    detail = (
        f"gmai-cli {here} everywhere" if not other else f"{here} here, {', '.join(other)} on nodes: use one environment"
    )
    findings.append(CheckResult("versions", not other, detail))
    unreached = [str(task["met"]) for task in tasks if task["met"]]
    detail = (
        f"{unreached[0]}; open ports 20000–39999 between nodes, or set MASTER_ADDR and MASTER_PORT" if unreached else ""
    )
    findings.append(CheckResult("ports", not unreached, detail or "the tasks reach one another where training meets"))
    deaf = [task for task in tasks if not task.get("signal")]
    detail = "SIGUSR1 reaches every task" if not deaf else f"SIGUSR1 did not reach {len(deaf)} of {len(tasks)} tasks"
    remedy = "" if not deaf else "; start them with srun and keep `B:` out of --signal"
    return [*findings, CheckResult("signal", not deaf, detail + remedy)]


def _last_line(log: str) -> str:
    """Return the last line of a job's log, for a message."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f" ({lines[-1][:160]})" if lines else ""
