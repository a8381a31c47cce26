"""Shards on other executors: the share of a job array, and Ray; the bytes are those of one local process."""

import hashlib
import importlib.util
import os
import subprocess
import sys

import pytest
from gmai_data.build import BuildSettings, RunOptions, build, plan
from gmai_data.executors import array_share, build_and_return, local_processes, on_ray
from gmai_data.sources.cards.catalogue import resolve
from gmai_data.sources.listing import list_sources
from gmai_formats.errors import UserError

GMAI = [sys.executable, "-c", "import sys; from gmai_cli.main import main; sys.argv[0] = 'gmai'; main()"]


def digests(out):
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


@pytest.fixture
def xray(phantoms):
    return resolve(["phantom-xray"], phantoms / "phantom-xray")


@pytest.fixture
def local(xray, tmp_path):
    build(xray, tmp_path / "local", BuildSettings())
    return digests(tmp_path / "local")


def slurm(task, *, count, first, last, step=1):
    values = {"ID": task, "COUNT": count, "MIN": first, "MAX": last, "STEP": step}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


def test_share_of_an_array(tmp_path):
    assert array_share(tmp_path / "a", {}) is None
    assert array_share(tmp_path / "a", slurm(7, count=3, first=3, last=7, step=2)) == (2, 3)
    with pytest.raises(UserError, match="SLURM_ARRAY_TASK_COUNT"):
        array_share(tmp_path / "a", {"SLURM_ARRAY_TASK_ID": "7"})


def test_tasks_submitted_again_have_the_shards_they_had(tmp_path):
    out = tmp_path / "out"
    assert [array_share(out, slurm(task, count=8, first=0, last=7)) for task in (0, 5)] == [(0, 8), (5, 8)]
    assert array_share(out, slurm(3, count=2, first=3, last=5)) == (3, 8)
    assert array_share(out, slurm(5, count=2, first=3, last=5)) == (5, 8)
    assert array_share(out, slurm(6, count=1, first=6, last=6)) == (6, 8)
    assert array_share(out, slurm(15, count=16, first=0, last=15)) == (15, 16), "a larger array is a new one"
    assert array_share(out, slurm(12, count=2, first=4, last=12)) == (12, 16)


def test_a_list_with_gaps_cannot_be_the_first_array(tmp_path):
    with pytest.raises(UserError, match=r"task 5 belongs to a list with gaps.*Submit `--array=0-N` first"):
        array_share(tmp_path / "out", slurm(5, count=2, first=3, last=5))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    assert array_share(tmp_path / "thesis", slurm(1, count=2, first=0, last=1)) == (1, 2)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_array_tasks_and_a_last_run_give_the_same_bytes(xray, local, tmp_path):
    out = tmp_path / "out"
    for position in (2, 0):  # the task 1 died
        assert build(xray, out, BuildSettings(), RunOptions(share=(position, 3))) == 0
        assert not (out / "manifest.json").exists()
    (out / ".build" / ".screened.json.x7.tmp").write_text("{")  # a kill while it was written leaves it
    assert build(xray, out, BuildSettings()) == 0
    assert digests(out) == local


def test_workers_on_the_same_shards_do_not_corrupt_them(xray, local, tmp_path):
    out = tmp_path / "out"  # no lock keeps them apart here, as on a file system where one was lost
    jobs = plan(list_sources(xray, None), out / ".build", BuildSettings())
    with local_processes(3) as pool:
        assert pool is not None
        done = list(pool.map(build_and_return, [job for job in jobs for _ in range(3)]))
    assert len(done) == 3 * len(jobs)
    assert build(xray, out, BuildSettings()) == 0
    assert digests(out) == local


@pytest.mark.e2e
def test_ray_gives_the_same_bytes(phantoms, local, tmp_path):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'gmai-data[ray]'")
    out, root = tmp_path / "out", phantoms / "phantom-xray"
    words = ["data", "build", "phantom-xray", "--root", str(root), "--out", str(out), "--executor", "ray"]
    # A process and session of its own: Ray takes over SIGTERM and leaves processes behind for as long as its own lives.
    done = subprocess.run([*GMAI, *words], capture_output=True, text=True, start_new_session=True, check=False)
    assert done.returncode == 0, done.stderr
    assert digests(out) == local


def test_ray_missing_is_explained(xray, tmp_path):
    if importlib.util.find_spec("ray") is not None:
        pytest.skip("Ray is installed")
    with pytest.raises(UserError, match=r"gmai-data\[ray\]'"):
        build(xray, tmp_path / "out", BuildSettings(), RunOptions(executor=on_ray))


def test_a_process_that_is_ended_from_outside_is_explained():
    def work():
        with local_processes(2) as pool:
            assert pool is not None
            pool.submit(os._exit, 9).result()

    with pytest.raises(UserError, match=r"--workers 2: one of the processes ended before its work.*same command again"):
        work()
