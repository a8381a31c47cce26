"""`gmai data` as a user types it."""

import shutil
import subprocess
import sys

import pytest


def gmai(*words):
    command = [sys.executable, "-c", "from gmai_cli.main import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        pytest.param("gmai_data.cli", "numpy pydantic pyarrow yaml cc3d pydicom torch", id="the command line"),
        pytest.param(
            "gmai_data.build, gmai_data.publishing.statistics, gmai_data.phantoms.draw",
            "torch transformers datasets",
            id="a build",
        ),
        pytest.param(
            "gmai_data.build, gmai_data.executors, gmai_data.generation.assembling",
            "aiohttp asyncio openai huggingface_hub",
            id="a build without a model, and its workers",
        ),
    ],
)
def test_what_is_never_imported(modules, absent):
    code = f"import sys, {modules}; print([m for m in {absent.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_mistakes_are_one_line_with_a_remedy(tmp_path):
    done = gmai("data", "build", "bcd", "--root", tmp_path, "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('gmai: unknown recipe "bcd". Did you mean "bccd"?')
    assert "Traceback" not in done.stderr
    done = gmai("data", "stats", tmp_path)
    assert done.returncode == 2
    assert "Give the --out of a finished `gmai data build`" in done.stderr
    done = gmai("data", "phantoms", tmp_path / "ph", "--size", "dmo")
    assert 'no such size. Did you mean "demo"?' in done.stderr


def test_dry_run_reads_no_pixels_and_writes_nothing(phantoms, tmp_path):
    done = gmai("data", "build", "phantoms", "--root", phantoms, "--out", tmp_path / "out", "--dry-run")
    assert done.returncode == 0
    assert "phantom-microscopy" in done.stdout
    assert not (tmp_path / "out").exists()


def test_recipes_and_stats(phantom_build, tmp_path):
    assert "totalsegmentator-ct" in gmai("data", "recipes", "list").stdout
    assert "license: MIT" in gmai("data", "recipes", "show", "bccd").stdout
    build = shutil.copytree(phantom_build, tmp_path / "build")
    stats = gmai("data", "stats", build).stdout
    assert "visual_perception" in stats
    assert "Fundus photography" in stats


def test_truncated_dicom_gives_exit_code_3(tmp_path, phantoms):
    shutil.copytree(phantoms / "phantom-ct", tmp_path / "ct")
    victim = sorted((tmp_path / "ct").glob("*/dicom/003.dcm"))[0]
    victim.write_bytes(victim.read_bytes()[:2000])
    done = gmai("data", "build", "phantom-ct", "--root", tmp_path / "ct", "--out", tmp_path / "out")
    assert done.returncode == 3
    assert "quarantine.jsonl" in done.stderr
    assert "DICOM pixels unreadable" in (tmp_path / "out" / "quarantine.jsonl").read_text()
