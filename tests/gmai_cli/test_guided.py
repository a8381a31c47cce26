"""`gmai init`: the draft, what it asks for, and the way on."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from gmai_cli import guided
from gmai_cli.demo.run import HELD_OUT
from gmai_cli.guided import init, steps, todo_lines
from gmai_cli.steps import Step, StepError
from gmai_formats.errors import UserError
from PIL import Image


def test_lines_that_say_todo_and_remarks_that_do_not(tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text("# Replace every TODO\ntitle: TODO # really\nname: TODOS\nlabels:\n  a: {zh: TODO}\n", "utf-8")
    assert todo_lines(card) == ["2: title: TODO # really", "5: a: {zh: TODO}"]


def test_a_folder_becomes_a_draft_and_the_list_of_what_is_open(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/3.png"):
        (tmp_path / "animals" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "animals" / name).write_bytes(b"")
    command = [sys.executable, "-m", "gmai_cli", "init", "animals", "--out", "out"]
    for _ in range(2):
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert ended.returncode == 3, ended.stderr
        assert "4 questions that only you can answer:" in ended.stderr
        assert "modality: how were the images made?" in ended.stderr
        last = ended.stderr.rstrip().splitlines()[-1]
        assert last.startswith(f"gmai init {tmp_path / 'animals'} --out out --set modality=... --set department=")
    assert "[1/1] a draft of the card" not in ended.stderr  # what was filled in stays
    assert (tmp_path / "out/card.yaml").is_file()


def test_a_folder_that_gives_no_draft_asks_for_a_card(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    for content in (None, "a.docx"):
        if content:
            (tmp_path / "letters" / content).write_bytes(b"PK")
        command = [sys.executable, "-m", "gmai_cli", "init", "letters", "--out", "out"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert ended.returncode == 2, ended.stderr
        assert "no layout recognised" in ended.stderr
        assert ended.stderr.splitlines()[-1] == (
            "gmai: no draft could be made, as said above. Write out/card.yaml by hand, then: "
            f"gmai init {tmp_path / 'letters'} --out out"
        )


def test_the_command_to_go_on_keeps_limit_and_steps_and_hands_answers_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, ...]] = []

    def end(steps: list[Step], *_: object, **__: object) -> None:
        ran.append(steps[0].arguments)
        raise StepError(3, "open")

    monkeypatch.setattr(guided, "run_all", end)
    (tmp_path / "data").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/init.json").write_text("{}")
    (tmp_path / "out/card.yaml").write_text("title: TODO\n")
    with pytest.raises(typer.Exit) as ended:
        init(tmp_path / "data", tmp_path / "out", 7, ["modality=CT"], 9)
    assert ended.value.exit_code == 3
    assert ran[0][-4:-1] == ("--set", "modality=CT", "--again")
    assert ran[0][-1].endswith(f"--out {tmp_path / 'out'} --limit 7 --steps 9")


def test_questions_with_answers_need_no_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[tuple[str, ...]]] = []

    def run(steps: list[Step], *_: object, **__: object) -> None:
        ran.append([step.arguments[:2] for step in steps])
        if steps[0].arguments[:2] == ("data", "recipes"):
            raise StepError(2, "no draft")

    monkeypatch.setattr(guided, "run_all", run)
    (tmp_path / "data").mkdir()
    init(tmp_path / "data", tmp_path / "out", 7, None, 9)
    assert ran[:2] == [[("data", "recipes")], [("data", "questions")]]
    assert ran[2][0] == ("data", "questions"), "done before, and recorded"
    assert ran[2][1:3] == [("model", "init"), ("train", "--stage")], "a warm-up would read labels"


def test_a_whole_card_is_checked_built_and_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(guided, "run_all", lambda steps, *_, **__: ran.append([step.arguments[0] for step in steps]))
    (tmp_path / "data").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/init.json").write_text("{}")
    (tmp_path / "out/card.yaml").write_text("name: a\n")
    init(tmp_path / "data", tmp_path / "out", 7, None, 40)
    assert ran == [["data"] * 4 + ["model"] * 2 + ["train", "bench"] * 3 + ["bench"]]
    every = steps(tmp_path / "data", 7, 40)
    build = every[2]
    assert build.arguments[-2:] == ("--limit", "7")
    assert build.accepts == (0, 3)
    (first,) = (step for step in every if step.needs)
    lengths = [each.partition("=")[2] for step in every for each in step.arguments if each.startswith("max_steps=")]
    assert lengths == ["20", "10", "40"]
    assert (first.arguments[:2], first.needs) == (("model", "init"), HELD_OUT), "nothing is trained in vain"


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        init(tmp_path / "absent", tmp_path / "out", 1, None, 1)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file: a file\. Give the folder of a dataset"):
        init(tmp_path / "file", tmp_path / "out", 1, None, 1)
    with pytest.raises(UserError, match="lies inside"):
        init(tmp_path, tmp_path / "out", 1, None, 1)


@pytest.mark.e2e
def test_a_folder_of_ones_own_reaches_a_report_in_three_calls(tmp_path: Path) -> None:
    """The first asks, the second is the command that it printed, filled in, and the third finds all done."""
    for patient in range(10):
        for label, colour in (("normal", (40, 90, 200)), ("swollen", (200, 60, 40))):
            picture = Image.effect_noise((48, 48), 20 + patient).convert("RGB")
            picture.paste(colour, (8 + patient, 8, 30, 40))
            (tmp_path / "knees" / label).mkdir(parents=True, exist_ok=True)
            picture.save(tmp_path / "knees" / label / f"patient{patient}.png")
    command = [sys.executable, "-m", "gmai_cli", "init", "knees", "--out", "out", "--steps", "1"]

    def call(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, check=False)

    asked = call()
    assert asked.returncode == 3, asked.stderr
    proposed = shlex.split(asked.stderr.rstrip().splitlines()[-1])
    fields = [word.partition("=")[0] for word in proposed if "=" in word]
    known = {
        "modality": "X-ray",
        "department": "Orthopedic Surgery",
        "clinical_task": "Disease Diagnosis",
        "anatomy": "knee",
    }
    assert set(fields) <= known.keys(), "nothing is asked that this test does not know"
    done = call(*(word for field in fields for word in ("--set", f"{field}={known[field]}")))
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "out/bench/stage3/report.json").read_text("utf-8"))
    assert report["format"].startswith("gmai-bench-report/")
    assert (tmp_path / "out/bench/stage3/report.html").is_file()
    assert done.stderr.splitlines()[-1] == "next: gmai model chat out/runs/stage3/model --image IMAGE"
    again = call()
    assert again.returncode == 0, again.stderr[-2000:]
    assert again.stderr.count("done before") >= 8
