import json
from pathlib import Path

import pytest
from gmai_data.markers import COMPLETE, set_marker
from gmai_data.publishing.record import RECORDS, build_record, is_begun, read_manifest, refuse_damaged
from gmai_formats.errors import UserError
from gmai_formats.state import DamagedError, write_state

RECORD = {"settings": {"seed": 1}}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / ".build").mkdir()
    for name in RECORDS:
        write_state(tmp_path / name, RECORD)
    (tmp_path / "manifest.json").write_text(json.dumps({"recipes": {}}))
    (tmp_path / "mix.yaml").write_text("datasets: []\n")
    set_marker(tmp_path, COMPLETE, {}, ["manifest.json", "mix.yaml"])
    return tmp_path


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_is_replaced_by_its_copy(out: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (out / name).write_bytes(bytes(10))
    assert build_record(out) == RECORD
    assert f"{out / name} is damaged; it is replaced" in capsys.readouterr().err
    assert (out / RECORDS[0]).read_bytes() == (out / RECORDS[1]).read_bytes()


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_is_gone_is_made_again(out: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (out / name).unlink()
    assert is_begun(out)
    assert build_record(out) == RECORD
    assert f"{out / name} is gone; it is replaced" in capsys.readouterr().err
    assert (out / RECORDS[0]).read_bytes() == (out / RECORDS[1]).read_bytes()


def test_a_copy_of_another_build_is_replaced(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_state(out / RECORDS[1], {"settings": {"seed": 2}})
    assert build_record(out) == RECORD
    assert f"{out / RECORDS[1]} is of another build; it is replaced" in capsys.readouterr().err
    assert (out / RECORDS[0]).read_bytes() == (out / RECORDS[1]).read_bytes()


def test_without_a_whole_record_the_command_that_mends_is_named(out: Path) -> None:
    for name in RECORDS:
        (out / name).write_text("{")
    with pytest.raises(DamagedError, match=r"so is its copy.*--cache .*/\.build/journal"):
        build_record(out)
    (out / RECORDS[0]).unlink()
    with pytest.raises(DamagedError, match=r"so is its copy or that is gone"):
        build_record(out)
    (out / RECORDS[1]).unlink()
    assert not is_begun(out)
    with pytest.raises(UserError, match="no such file"):
        build_record(out)


@pytest.mark.parametrize("content", ["", "[]", '{"recipes": {"a": 1}}', "\0\0"])
def test_a_damaged_manifest_is_refused(out: Path, content: str) -> None:
    assert read_manifest(out) == {"recipes": {}}
    (out / "manifest.json").write_text(content)
    with pytest.raises(DamagedError, match=r"manifest\.json.*`gmai data build` command"):
        read_manifest(out)


def test_the_shares_of_a_mixture_may_be_changed(out: Path) -> None:
    (out / "mix.yaml").write_text("datasets: [] # mine\n")
    refuse_damaged(out)
    (out / COMPLETE).unlink()
    (out / "manifest.json").write_text("{}")
    refuse_damaged(out)  # not complete yet


@pytest.mark.parametrize("content", ["[]", "3", '{"recipes": 3}', '{"recipes": {"a": []}}', '{"name": "an app"}'])
def test_a_manifest_of_another_program_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=r"manifest\.json: not written by `gmai data build`"):
        read_manifest(tmp_path)
