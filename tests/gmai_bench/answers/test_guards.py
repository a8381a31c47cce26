from pathlib import Path

import pytest
from gmai_bench.answers.guards import claim, refuse_other_revision, refuse_twins
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.benchmarks.question import Card
from gmai_formats.errors import UserError
from gmai_formats.state import read_state, write_state

ASKED = {"model": "a", "model_digest": "1", "image_ablation": "none"}


def test_other_settings_are_named_but_for_the_models_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim(tmp_path, ASKED)
    claim(tmp_path, {**ASKED, "model_digest": "3"})  # nothing was answered yet
    claim(tmp_path, ASKED)
    (tmp_path / "held_out").mkdir()
    (tmp_path / "held_out" / "predictions.jsonl").touch()
    claim(tmp_path, {**ASKED, "model": "b"})
    with pytest.raises(UserError, match=r"model_digest was 1, is 2\)"):
        claim(tmp_path, {**ASKED, "model_digest": "2"})
    (tmp_path / "asked.json").write_text("{")
    claim(tmp_path, {**ASKED, "model_digest": "2"})  # each answer says what it was given to
    assert "asked.json is damaged" in capsys.readouterr().err


def test_a_kill_while_questions_are_read_leaves_a_folder_to_go_on_with(tmp_path: Path) -> None:
    claim(tmp_path, ASKED)
    (tmp_path / "images").mkdir()
    claim(tmp_path, ASKED)
    assert read_state(tmp_path / "asked.json") == ASKED


def test_a_folder_of_the_users_own_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"holds notes\.txt, and no `gmai bench` began it"):
        claim(tmp_path, ASKED)
    (tmp_path / "report.json").touch()  # a run whose asked.json was removed
    claim(tmp_path, ASKED)


def test_a_protocol_asked_for_twice_is_named(held_out: Path) -> None:
    benchmark = DeclaredBenchmark(held_out)
    refuse_twins([benchmark])
    with pytest.raises(UserError, match=r"held_out/option-text is asked for twice"):
        refuse_twins([benchmark, benchmark])


def test_questions_of_another_commit_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def card(revision: str) -> Card:
        return Card(
            name="n", title="", protocol="n/p", protocol_version=1, scoring="exact", expected=None, groups=(),
            source="", license="", hub="owner/n", revision=revision,
        )  # fmt: skip

    refuse_other_revision(tmp_path, card("one"))
    record.write(record.Record(card("one"), record.Coverage(0, None, None), ()), tmp_path / "n/p")
    refuse_other_revision(tmp_path, card("one"))
    refuse_other_revision(tmp_path, card(""))
    with pytest.raises(
        UserError, match=r"those of owner/n at one, and now they would be read at two.*--revision n/p=one"
    ):
        refuse_other_revision(tmp_path, card("two"))
    (tmp_path / "n/p" / "benchmark.json").write_bytes(bytes(9))
    refuse_other_revision(tmp_path, card("two"))
    assert "is damaged; both are written anew" in capsys.readouterr().err
    write_state(tmp_path / "run.json", {"inputs": {"n/p": {"revision": "one"}}})
    with pytest.raises(UserError, match="--revision n/p=one"):
        refuse_other_revision(tmp_path, card("two"))
