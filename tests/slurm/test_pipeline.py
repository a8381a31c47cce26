"""`gmai slurm init` and `pipeline.sh`: build ▶ three stages ▶ bench in one chain, with a stage preempted on its way."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.slurm
SETTINGS = {"global_batch_size": 4, "micro_batch_size": 1, "pack_tokens": 1024, "loader_workers": 0, "max_steps": 6}
TRAIN = " ".join(f"--set {name}={value}" for name, value in SETTINGS.items())


@pytest.mark.timeout(1800)  # two minutes on two idle cores
def test_the_chain_with_a_preempted_stage(
    cluster: Any, tiny: Path, recipes: list[str], local_build: Path, tmp_path: Path
) -> None:
    site = ("--partition", "low", "--nodes", 2, "--gpus", 1, "--cpus-per-gpu", 1)
    cluster.run("gmai", "slurm", "init", tmp_path / "scripts", *site, cwd=tmp_path)
    for script in ("train_stage.sbatch", "bench.sbatch"):  # the cluster promises GPUs that no driver backs
        path = tmp_path / "scripts" / script
        text = path.read_text()
        assert 'RUN=""' in text
        path.write_text(text.replace('RUN=""', 'RUN="env CUDA_VISIBLE_DEVICES="'))
    out = tmp_path / "run"
    said = cluster.run("scripts/pipeline.sh", tiny, out, *recipes, cwd=tmp_path, TASKS="2", TRAIN=TRAIN)
    jobs = [line.split(": ")[1].split(",")[0] for line in said.splitlines()]
    assert [line.split(":")[0] for line in said.splitlines()] == ["build", "stage 1", "stage 2", "stage 3", "bench"]

    def logs() -> str:
        return "\n".join(path.read_text() for path in sorted(tmp_path.glob("gmai-*.log")))

    # An urgent job takes both nodes as soon as stage 1 has made a step.
    metrics = out / "stage1" / "metrics.jsonl"
    cluster.until(lambda: metrics.is_file() and metrics.read_text().count("\n") >= 2, logs)
    urgent = cluster.submit("--partition=high", "--nodes=2", "--exclusive", "--wrap", "true", cwd=tmp_path)
    ended = cluster.ended(*jobs, urgent, seconds=1200)

    assert {job["JobState"] for job in ended} == {"COMPLETED"}, logs()
    (stage1,) = (job for job in ended if job["JobId"] == jobs[1])
    assert stage1["Restarts"] == "1"
    assert "stopped by SIGUSR1 after step" in logs()
    assert "resumed from step-" in logs()
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines() if "loss" in json.loads(line)]
    assert steps == list(range(1, SETTINGS["max_steps"] + 1))

    # The same stage, never disturbed, ends with the same weights.
    quiet = cluster.submit(
        "--partition=main", "scripts/train_stage.sbatch", "--stage", 1, "--model", tiny, "--data",
        local_build / "mix.yaml", "--out", tmp_path / "quiet", *TRAIN.split(), cwd=tmp_path,
    )  # fmt: skip
    (undisturbed,) = cluster.ended(quiet)
    assert undisturbed["JobState"] == "COMPLETED"
    expected = load_file(tmp_path / "quiet/model/model.safetensors")
    found = load_file(out / "stage1/model/model.safetensors")
    assert expected.keys() == found.keys()
    assert all((expected[name] == found[name]).all() for name in expected)

    report = json.loads((out / "bench/report.json").read_text())
    assert [benchmark["n"] > 0 for benchmark in report["benchmarks"]] == [True]
    home = Path(cluster.environment["HOME"])
    assert [path for path in home.rglob("*") if path.is_file()] == [], "nothing grows in $HOME"
