import re
import subprocess
from pathlib import Path

import pytest
from gmai_cli.slurm.scripts import SCRIPTS, Site, fill, merge, template, write
from gmai_formats.errors import UserError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_examples_are_the_templates(name: str) -> None:
    assert (ROOT / "examples/slurm" / name).read_text("utf-8") == template(name)


def test_no_other_scripts_are_shipped() -> None:
    assert sorted(path.name for path in (ROOT / "examples/slurm").iterdir()) == sorted(SCRIPTS)


def options(text: str) -> dict[str, str]:
    lines = (line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_a_site_is_filled_in(tmp_path: Path) -> None:
    (tmp_path / "my env/bin").mkdir(parents=True)
    (tmp_path / "my env/bin/activate").write_text("")
    site = Site(
        partition="a100", account="p_12", nodes=3, gpus=4, cpus_per_gpu=6, time="2-00", venv=tmp_path / "my env",
        cache=tmp_path / "my cache",
    )  # fmt: skip
    write(site, tmp_path / "scripts")
    for name in SCRIPTS:
        assert subprocess.run(["bash", "-n", tmp_path / "scripts" / name]).returncode == 0
    train = (tmp_path / "scripts/train_stage.sbatch").read_text()
    due = {"partition": "a100", "account": "p_12", "nodes": "3", "ntasks-per-node": "4", "gpus-per-node": "4",
           "cpus-per-task": "6", "time": "2-00", "signal": "USR1@300"}  # fmt: skip
    assert due.items() <= options(train).items()
    assert f"source '{tmp_path}/my env/bin/activate'\n" in train
    assert f"export XDG_CACHE_HOME='{tmp_path}/my cache' #" in train
    bench = options((tmp_path / "scripts/bench.sbatch").read_text())
    assert (bench["nodes"], bench["ntasks-per-node"], bench["time"]) == ("1", "4", "08:00:00")
    build = options((tmp_path / "scripts/data_build.sbatch").read_text())
    assert (build["account"], build["cpus-per-task"]) == ("p_12", "4")
    assert "gpus-per-node" not in build


def test_a_container_takes_the_place_of_the_environment() -> None:
    text = fill(template("train_stage.sbatch"), Site(container="/shared/gmai.sif"), "train_stage.sbatch")
    assert "\nRUN='apptainer exec --nv /shared/gmai.sif'\n" in text
    assert "\nsource " not in text


def test_without_gpus_nothing_asks_for_one() -> None:
    text = fill(template("train_stage.sbatch"), Site(gpus=0), "train_stage.sbatch")
    assert "gpus-per-node" not in options(text)
    assert options(text)["ntasks-per-node"] == "1"


@pytest.mark.parametrize(
    ("site", "due"),
    [
        (Site(partition="a b"), "--partition 'a b' is no name"),
        (Site(account="x\n#SBATCH --uid=0"), "is no name"),
        (Site(time="a day"), "--time 'a day' is no time limit"),
        (Site(container="x.sif; rm -rf ~"), "holds no spaces or quotes"),
        (Site(container="x.sif", venv=Path("x")), "Give one."),
        (Site(bench_time="soon"), "--bench-time 'soon' is no time limit"),
        (Site(build_mem="8 GB"), "--build-mem '8 GB' is no memory. Write a number and M, G or T"),
        (Site(proxy="nothost"), "--proxy 'nothost' is no address of a proxy. Write http://HOST:PORT"),
        (Site(train_mem="lots"), "--train-mem 'lots' is no memory"),
        (Site(venv=Path("/nowhere")), "/nowhere: no virtual environment"),
    ],
)
def test_what_slurm_would_misread_is_refused(site: Site, due: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refusal:
        write(site, tmp_path / "scripts")
    assert due in str(refusal.value)
    assert not (tmp_path / "scripts").exists()


def test_running_it_again_updates_what_it_wrote(tmp_path: Path) -> None:
    write(Site(), tmp_path)
    write(Site(account="p_1", qos="long"), tmp_path)
    assert options((tmp_path / "bench.sbatch").read_text()).items() >= {"account": "p_1", "qos": "long"}.items()
    write(Site(), tmp_path)
    assert "account" not in options((tmp_path / "bench.sbatch").read_text())


def test_what_was_changed_by_hand_stays(tmp_path: Path) -> None:
    write(Site(), tmp_path)
    train = tmp_path / "train_stage.sbatch"
    train.write_text(
        train.read_text().replace("--time=24:00:00", "--time=03:00:00").replace("srun --", "sleep 1\nsrun --")
    )
    write(Site(account="p_1", nodes=2), tmp_path)
    found = options(train.read_text())
    assert (found["time"], found["account"], found["nodes"]) == ("03:00:00", "p_1", "2")
    assert "sleep 1\nsrun --" in train.read_text()
    write(Site(account="p_2"), tmp_path)
    assert (options(train.read_text())["time"], options(train.read_text())["account"]) == ("03:00:00", "p_2")


def test_a_script_that_cannot_be_merged_is_kept_beside_the_new_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Site(), tmp_path)
    train = tmp_path / "train_stage.sbatch"
    train.write_text(train.read_text().replace("--nodes=4", "--nodes=9"))
    (tmp_path / "bench.sbatch").write_text("mine")
    write(Site(nodes=2), tmp_path)
    assert options(train.read_text())["nodes"] == "9"
    assert options((tmp_path / "train_stage.sbatch.new").read_text())["nodes"] == "2"
    assert (tmp_path / "bench.sbatch").read_text() == "mine"
    assert "changed by hand, and kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "merged"),
    [
        ("a\nb\nc\n", "x\nb\nc\n", "a\nb\ny\n", "x\nb\ny\n"),
        ("a\nb\n", "x\nb\n", "a\ny\n", "x\ny\n"),
        ("a\nb\n", "a\nm\nb\n", "b\n", "m\nb\n"),
        ("a\n", "x\n", "x\n", "x\n"),
        ("a\n", "x\n", "y\n", None),
        ("a\nb\n", "a\nm\nb\n", "a\nn\nb\n", None),
    ],
)
def test_changes_are_merged_line_by_line(base: str, mine: str, theirs: str, merged: str | None) -> None:
    assert merge(base, mine, theirs) == merged


def test_a_cpu_partition_modules_conda_and_a_proxy_are_filled_in() -> None:
    site = Site(partition="gpu", build_partition="cpu", build_mem="32G", gres="gpu:a100:8", modules=("cuda/12", "gcc"),
                conda="gmai", proxy="http://proxy:3128")  # fmt: skip
    build = fill(template("data_build.sbatch"), site, "data_build.sbatch")
    assert options(build).items() >= {"partition": "cpu", "mem": "32G"}.items()
    assert "gres" not in options(build)
    train = fill(template("train_stage.sbatch"), site, "train_stage.sbatch")
    assert options(train).items() >= {"partition": "gpu", "gres": "gpu:a100:8"}.items()
    assert "gpus-per-node" not in options(train)
    assert "\nmodule load cuda/12 gcc\nexport HTTP_PROXY=http://proxy:3128 HTTPS_PROXY=" in train
    assert '\neval "$(conda shell.bash hook)"\nconda activate gmai\nRUN=""\n' in train


def test_a_container_is_absolute_and_sees_its_binds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gmai.sif").write_text("")
    write(Site(container="gmai.sif", binds=("/data", "/scratch:/scratch")), tmp_path / "s")
    text = (tmp_path / "s/train_stage.sbatch").read_text()
    assert f"RUN='apptainer exec --nv --bind /data,/scratch:/scratch {tmp_path}/gmai.sif'\n" in text
    assert "docker://gmai:1" in fill(template("bench.sbatch"), Site(container="docker://gmai:1"), "bench.sbatch")


@pytest.mark.parametrize(
    ("site", "due"),
    [
        (Site(container="/nowhere/x.sif"), "no such image"),
        (Site(binds=("/data",)), "only a container needs it"),
        (Site(conda="a", venv=Path("x")), "--venv and --conda: gmai comes from one of them"),
        (Site(proxy="http://p; reboot"), "--proxy"),
        (Site(modules=("a b",)), "--module 'a b' is no name"),
        (Site(qos="a\nb"), "--qos"),
    ],
)
def test_new_options_are_checked(site: Site, due: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(due)):
        write(site, tmp_path / "scripts")


def test_memory_and_time_of_each_kind_of_job(tmp_path: Path) -> None:
    site = Site(time="3-00", train_mem="500G", build_time="30", build_mem="16G", bench_time="1:00:00", bench_mem="64G")
    write(site, tmp_path)
    found = {name: options((tmp_path / name).read_text("utf-8")) for name in SCRIPTS}
    limits = {name: (of["time"], of["mem"]) for name, of in found.items() if of}
    assert limits == {
        "data_build.sbatch": ("30", "16G"),
        "train_stage.sbatch": ("3-00", "500G"),
        "bench.sbatch": ("1:00:00", "64G"),
    }


def test_a_site_without_requeue_says_what_to_do(tmp_path: Path) -> None:
    write(Site(requeue=False), tmp_path)
    for name in SCRIPTS[:3]:
        text = (tmp_path / name).read_text("utf-8")
        assert "no-requeue" in options(text)
        assert "scontrol requeue" not in text
        assert "submit the same line again to go on" in text
        assert subprocess.run(["bash", "-n", tmp_path / name]).returncode == 0


@pytest.mark.parametrize("arrays", [True, False])
def test_the_pipeline_of_a_site_with_and_without_arrays(tmp_path: Path, arrays: bool) -> None:
    write(Site(arrays=arrays), tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin/sbatch"
    stub.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\nwc -l <{tmp_path}/asked | tr -d " "\n')
    stub.chmod(0o755)
    ended = subprocess.run(
        [tmp_path / "scripts/pipeline.sh", "model", tmp_path / "out", "bccd=/data"],
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    asked = (tmp_path / "asked").read_text("utf-8").splitlines()
    assert len(asked) == 5 + arrays
    assert ("--array=0-15" in asked[0]) == arrays
    assert "--dependency" not in asked[0]
    assert all("--dependency=after" in line for line in asked[1:])


def test_nodes_with_a_network_may_download(tmp_path: Path) -> None:
    write(Site(online=True), tmp_path)
    assert "HF_HUB_OFFLINE" not in (tmp_path / "train_stage.sbatch").read_text("utf-8")
