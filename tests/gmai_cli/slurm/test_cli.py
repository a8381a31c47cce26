from pathlib import Path
from typing import Any

import pytest
from gmai_cli.slurm import scripts
from gmai_cli.slurm.cli import app
from gmai_cli.slurm.scripts import Site
from typer.testing import CliRunner


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Site, Path]]:
    """What was to be written."""
    calls: list[tuple[Site, Path]] = []
    monkeypatch.setattr(scripts, "write", lambda site, folder: calls.append((site, folder)))
    return calls


def test_without_options_a_site_is_the_default_one(written: list[tuple[Site, Path]]) -> None:
    assert CliRunner().invoke(app, ["init", "jobs"]).exit_code == 0
    assert written == [(Site(), Path("jobs"))]


def test_every_option_reaches_the_scripts(written: list[tuple[Site, Path]]) -> None:
    given: dict[str, Any] = {
        "partition": "a100", "account": "p", "nodes": 2, "gpus": 0, "cpus_per_gpu": 3, "time": "1:00:00",
        "venv": Path("v"), "container": "c.sif", "cache": Path("k"), "build_partition": "cpu", "build_mem": "16G",
        "qos": "low", "gres": "gpu:4", "modules": ("cuda", "gcc"), "conda": "e", "binds": ("/a", "/b"), "proxy": "http://p",
        "train_mem": "9G", "build_time": "30", "bench_time": "40", "bench_mem": "8G", "requeue": False, "arrays": False,
        "online": True,
    }  # fmt: skip
    names = {"modules": "module", "binds": "bind"}
    words = ["init", "jobs"]
    for name, value in given.items():
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{name}")
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [f"--{names.get(name, name).replace('_', '-')}", str(one)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert written == [(Site(**given), Path("jobs"))]
    assert set(given) == set(Site.__dataclass_fields__)


@pytest.mark.parametrize("option", [("--nodes", "0"), ("--gpus", "-1"), ("--cpus-per-gpu", "0")])
def test_what_no_job_can_have_is_refused(written: list[tuple[Site, Path]], option: tuple[str, str]) -> None:
    assert CliRunner().invoke(app, ["init", "jobs", *option]).exit_code == 2
    assert written == []
