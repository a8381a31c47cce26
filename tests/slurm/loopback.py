"""A Slurm cluster of one machine for tests: munged, slurmctld and two slurmd on 127.0.0.1, all below one folder."""

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path

GPUS = 8
"""Per node, to the scheduler; there is nothing behind them."""
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")


def missing():
    """Return what to install before a cluster can be started, or nothing."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"no {', '.join(absent)}: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "slurmd without root cannot start jobs here"
    return ""


@contextlib.contextmanager
def cluster(folder, nodes=2):
    """Bring a cluster up below a folder with a short path, yield its environment, and end it."""
    folder = Path(folder)
    for name in ("ctld", "run", "dev", *(f"n{number}" for number in range(nodes))):
        (folder / name).mkdir(parents=True)
    for number in range(GPUS):  # slurmd counts character devices; these are /dev/null by another name
        os.mknod(folder / "dev" / f"gpu{number}", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    folder.chmod(0o755)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    _write_conf(folder, nodes)
    daemons = []

    def start(*command):
        log = (folder / f"{command[0]}.log").open("ab")
        daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder))

    try:
        start(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/run/munge.sock",
            f"--pid-file={folder}/run/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/run/seed",
        )  # fmt: skip
        _wait(lambda: (folder / "run" / "munge.sock").exists(), "munged has no socket", folder)
        start("slurmctld", "-D", "-f", environment["SLURM_CONF"])
        for number in range(nodes):
            start("slurmd", "-D", "-N", f"n{number}", "-f", environment["SLURM_CONF"])

        def idle():
            done = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True)
            return done.returncode == 0 and done.stdout.split() == ["idle"]

        _wait(idle, "the nodes are not idle", folder)
        yield environment
    finally:
        if len(daemons) > 1:
            subprocess.run(["scancel", "--full", "-u", "root"], env=environment, capture_output=True, timeout=20)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            daemon.kill()


def wait_for_jobs(environment, jobs, seconds):
    """Wait until the jobs have left the queue, and return each one's final line of `scontrol show job`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = subprocess.run(["squeue", "-h", "-j", ",".join(jobs)], env=environment, capture_output=True, text=True)
        if done.returncode == 0 and not done.stdout.strip():
            break
        time.sleep(0.5)
    else:
        raise TimeoutError(done.stdout)
    shown = [
        subprocess.run(["scontrol", "show", "job", "-o", job], env=environment, capture_output=True, text=True).stdout
        for job in jobs
    ]
    return [line for text in shown for line in text.splitlines() if line]


def _wait(condition, complaint, folder, seconds=40):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            logs = "\n".join(log.read_text(errors="replace")[-600:] for log in sorted(folder.glob("*.log")))
            raise TimeoutError(f"{complaint}\n{logs}")
        time.sleep(0.2)


def _free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _write_conf(folder, nodes):
    host = socket.gethostname().split(".")[0]
    controller, *ports = _free_ports(nodes + 1)
    lines = [
        "ClusterName=gmai",
        f"SlurmctldHost={host}(127.0.0.1)",
        f"SlurmctldPort={controller}",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/run/munge.sock,cred_expire=10",
        f"StateSaveLocation={folder}/ctld",
        f"SlurmctldPidFile={folder}/run/slurmctld.pid",
        f"SlurmdPidFile={folder}/run/slurmd-%n.pid",
        f"SlurmdSpoolDir={folder}/%n",
        # No systemd and no cgroup delegation in a container: processes are followed through /proc.
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core",
        "SlurmdParameters=config_overrides",
        "SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1",
        "ReturnToService=2",
        "MinJobAge=3600",
        "KillWait=5",
        "MailProg=/bin/true",
        "GresTypes=gpu",
        # Jobs of the partition `high` take the nodes of jobs of `low`, which get their --signal and a grace time first.
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "SlurmctldParameters=preempt_send_user_signal",
    ]
    lines += [
        f"NodeName=n{number} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=64 RealMemory=64000 "
        f"Gres=gpu:{GPUS} State=UNKNOWN"
        for number, port in enumerate(ports)
    ]
    everywhere = f"Nodes=n[0-{nodes - 1}] MaxTime=INFINITE State=UP"
    lines += [
        f"PartitionName=main {everywhere} Default=YES PriorityTier=5 PreemptMode=OFF",
        f"PartitionName=low {everywhere} PriorityTier=1 PreemptMode=REQUEUE GraceTime=60",
        f"PartitionName=high {everywhere} PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=shut Nodes=n[0-{nodes - 1}] MaxTime=INFINITE State=DOWN",  # jobs wait in it for ever
    ]
    (folder / "slurm.conf").write_text("\n".join(lines) + "\n")
    (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
    (folder / "gres.conf").write_text(f"NodeName=n[0-{nodes - 1}] Name=gpu File={folder}/dev/gpu[0-{GPUS - 1}]\n")
