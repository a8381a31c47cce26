"""`examples/slurm/data_build.sbatch` on a real Slurm: array and last job end with the bytes of a local build."""

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("loopback", Path(__file__).parent / "loopback.py")
loopback = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loopback)

SCRIPT = Path(__file__).parents[2] / "examples" / "slurm" / "data_build.sbatch"
GMAI = Path(sys.executable).parent / "gmai"


def digests(out):
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


@pytest.mark.slurm
def test_array_and_last_job_give_the_bytes_of_a_local_build(tmp_path):
    reason = loopback.missing()
    if reason:
        pytest.skip(reason)
    data, local, out = tmp_path / "data", tmp_path / "local", tmp_path / "out"
    subprocess.run([GMAI, "data", "phantoms", data], check=True, capture_output=True)
    recipes = [f"{name}={data / name}" for name in ("phantom-ct", "phantom-xray")]
    subprocess.run([GMAI, "data", "build", *recipes, "--out", local], check=True, capture_output=True)
    # Unix sockets have short paths, so the cluster does not live below pytest's folder.
    with tempfile.TemporaryDirectory(prefix="slurm-") as state, loopback.cluster(state) as environment:
        environment["PATH"] = f"{GMAI.parent}:{environment['PATH']}"

        def submit(*options):
            command = ["sbatch", "--parsable", *options, SCRIPT, *recipes, "--out", out]
            done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
            return done.stdout.strip().split(";")[0]

        array = submit("--array=0-3")
        last = submit(f"--dependency=afterany:{array}")
        lines = loopback.wait_for_jobs(environment, [array, last], 300)
    logs = "\n".join(path.read_text() for path in tmp_path.glob("gmai-data-*.log"))
    assert len(lines) == 5, lines
    assert all("JobState=COMPLETED" in line for line in lines), logs
    assert logs.count("shards are this task's, and done") == 4
    assert digests(out) == digests(local)
