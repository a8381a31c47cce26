import subprocess
from pathlib import Path

import pytest
from gmai_cli.slurm.scripts import SCRIPTS, Site, fill, template, write
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
        (Site(venv=Path("/nowhere")), "/nowhere: no virtual environment"),
    ],
)
def test_what_slurm_would_misread_is_refused(site: Site, due: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refusal:
        write(site, tmp_path / "scripts")
    assert due in str(refusal.value)
    assert not (tmp_path / "scripts").exists()


def test_changed_scripts_are_not_replaced(tmp_path: Path) -> None:
    write(Site(), tmp_path)
    write(Site(), tmp_path)
    (tmp_path / "bench.sbatch").write_text("mine")
    with pytest.raises(UserError, match=r"bench.sbatch is there and differs"):
        write(Site(), tmp_path)
    assert (tmp_path / "bench.sbatch").read_text() == "mine"
