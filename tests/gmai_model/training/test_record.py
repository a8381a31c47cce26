import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gmai_formats.files import write_json
from gmai_formats.state import read_lines, rewrite_lines
from gmai_model.training import record
from gmai_model.training.config import resolve
from gmai_model.training.distributed import Launch
from gmai_model.training.place import Place
from gmai_model.training.record import CURVE_POINTS, begin_session, history_of, name_lost_lines

LAUNCH: Any = SimpleNamespace(world=4, launcher="torchrun")


def sessions(out: Path) -> list[dict[str, Any]]:
    return read_lines(out / "sessions.jsonl")[0]


def begin(out: Path, place: Place) -> None:
    begin_session(resolve(1, None, []), LAUNCH, place, out=out, accumulation=8, steps=100)


def test_a_session_notes_where_it_goes_on_and_with_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, Place())
    assert capsys.readouterr().err == ""
    begin(tmp_path, Place(steps=40))
    assert "resumed from step-00000040 of 100 steps" in capsys.readouterr().err
    first, second = sessions(tmp_path)
    assert (first["from_step"], second["from_step"]) == (0, 40)
    assert (first["processes"], first["launcher"], first["micro_batch_size"], first["accumulation"]) == (
        4,
        "torchrun",
        8,
        8,
    )
    assert {"torch", "gmai-model"} <= set(first["versions"])


def test_steps_whose_checkpoints_are_gone_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(json.dumps({"step": step, "learning_rate": 0.1}) + "\n" for step in range(1, 4))
    (tmp_path / "metrics.jsonl").write_text(lines)
    begin(tmp_path, Place())
    assert "3 steps were made before, and no whole checkpoint of them is left: the run begins anew" in (
        capsys.readouterr().err
    )


def test_other_versions_than_in_the_last_session_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "installed_versions", lambda: {"torch": "2.14.0", "numpy": "2.0"})
    begin(tmp_path, Place())
    begin(tmp_path, Place(steps=1))
    assert "versions" not in capsys.readouterr().err
    monkeypatch.setattr(record, "installed_versions", lambda: {"torch": "2.15.0", "numpy": "2.0", "scipy": "1"})
    begin(tmp_path, Place(steps=2))
    assert "arithmetic may differ: torch 2.14.0 ▶ 2.15.0, scipy none ▶ 1" in capsys.readouterr().err


def test_damaged_lines_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, Place())
    path = tmp_path / "sessions.jsonl"
    path.write_text("half a li\n" + path.read_text("utf-8") + '{"started": 1}\n')
    begin(tmp_path, Place(steps=7))
    assert [session["from_step"] for session in sessions(tmp_path)] == [0, 7]
    assert f"{path}: 2 damaged lines are left out" in capsys.readouterr().err


def history(out: Path, place: Place, *, exported: int, lines: int, settings: list[str] | None = None) -> dict[str, Any]:
    steps = [{"step": step, "loss": 1 / step + 1e-9} for step in range(1, lines + 1)]
    values = [*steps, {"step": lines, "validation_loss": 9.0}]
    (out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in values))
    inputs: Any = SimpleNamespace(
        plan=SimpleNamespace(samples=lambda count: np.arange(count), steps=50),
        lengths=SimpleNamespace(tokens=np.full(20, 7, np.int32)),
        held_out_lengths=SimpleNamespace(tokens=np.array([3, 0, 5])),
        shares=[SimpleNamespace(name="a", used=2)],
    )
    return history_of(resolve(3, None, settings or []), inputs, place, out, exported=exported)


def test_a_history_is_of_the_steps_that_were_exported(tmp_path: Path) -> None:
    begin(tmp_path, Place())
    found = history(tmp_path, Place(6, 2, [(3, 1.5), (6, 1.75)]), exported=3, lines=6)
    assert (found["stage"], found["name"], found["lora"]) == (3, "instruction_tuning", None)
    assert found["trainable"] == ["language_model", "projector", "vision_encoder"]
    assert (found["steps"], found["steps_trained"], found["steps_planned"]) == (3, 6, 50)
    assert (found["samples"], found["tokens"], found["unreadable"]) == (3, 21, 2)
    assert (found["validation_loss"], found["validation_samples"]) == (1.5, 2)
    assert found["validation_curve"] == [[3, 1.5], [6, 1.75]]
    assert found["loss_curve"] == [[step, round(1 / step, 4)] for step in range(1, 7)]
    assert found["mixture"] == [{"name": "a", "used": 2}]
    assert found["sessions"] == sessions(tmp_path)
    json.dumps(found)
    later = history(tmp_path, Place(6, 0, [(3, 1.5), (6, 1.75)]), exported=5, lines=6)
    assert later["validation_loss"] == 1.75


def test_a_long_curve_is_thinned_and_keeps_its_end(tmp_path: Path) -> None:
    begin(tmp_path, Place())
    curve = history(tmp_path, Place(), exported=0, lines=5 * CURVE_POINTS + 1)["loss_curve"]
    assert CURVE_POINTS == 200
    assert CURVE_POINTS <= len(curve) <= CURVE_POINTS + 1
    assert curve[-1][0] == 5 * CURVE_POINTS + 1
    assert {after[0] - before[0] for before, after in itertools.pairwise(curve)} == {5}


def test_adapters_are_named_with_rank_and_strength(tmp_path: Path) -> None:
    begin(tmp_path, Place())
    found = history(tmp_path, Place(), exported=0, lines=1, settings=["lora_rank=8", "lora_alpha=16"])
    assert found["lora"] == {"rank": 8, "alpha": 16, "merged": True, "parts": ["language_model"]}


def test_what_is_about_to_be_trained_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {"vision_encoder": (1000, 0), "projector": (20, 20), "language_model": (3000, 0)}
    monkeypatch.setattr(record.parts, "count_parameters", lambda _: counts)
    plan = SimpleNamespace(packs=[0] * 6, fill=0.987, steps=3)
    inputs: Any = SimpleNamespace(plan=plan, announce=lambda: None)
    llava: Any = None
    launch: Launch = LAUNCH
    record.announce(resolve(1, None, []), inputs, llava, ["x"], launch=launch, accumulation=16)
    shown = capsys.readouterr().err
    assert "stage 1 (shallow_alignment) on 4 process(es) of " in shown
    assert "started by torchrun" in shown
    assert "1 tensors of the vision encoder stay frozen" in shown
    assert "6 packs of " in shown
    assert "98.7% full, in 3 steps of 512 = 4 process(es) × 8 packs × 16 accumulated (Table 8 ran 32 × 8 × 2)" in shown


@pytest.mark.parametrize("name", ["metrics", "answers", "sessions"])
@pytest.mark.parametrize("damage", ["none", "deleted", "emptied", "zeroed", "cut", "one bit"])
def test_lines_that_a_finished_run_has_lost_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    begin(tmp_path, Place())
    lines: list[dict[str, Any]] = [{"step": step, "learning_rate": 0.1, "loss": 1.0} for step in range(1, 5)]
    lines += [{"step": step, "validation_loss": 2.0} for step in (2, 4)]
    rewrite_lines(tmp_path / "metrics.jsonl", lines)
    rewrite_lines(tmp_path / "answers.jsonl", [{"step": step, "id": "q", "answer": "x"} for step in (2, 4)])
    stage = {"steps_trained": 4, "validation_curve": [[2, 2.0], [4, 2.0]], "validation_samples": 3,
             "settings": {"answers": 1}, "sessions": sessions(tmp_path)}  # fmt: skip
    (tmp_path / "model").mkdir()
    write_json(tmp_path / "model/gmai.json", {"stages": [{"steps_trained": 99}, stage]})
    file = tmp_path / f"{name}.jsonl"
    content = file.read_bytes()
    turned = content[:-20] + bytes([content[-20] ^ 4]) + content[-19:]
    file.write_bytes(
        {"emptied": b"", "zeroed": bytes(len(content)), "cut": content[:-30], "one bit": turned}.get(damage, content)
    )
    if damage == "deleted":
        file.unlink()
    capsys.readouterr()
    name_lost_lines(tmp_path)
    said = capsys.readouterr().err
    assert said.count(f"{name}.jsonl") == (damage != "none")
    assert said.count("The model is whole") == (damage != "none")
