import zipfile
from pathlib import Path

import pytest
from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import (
    Copy,
    Images,
    find_copy,
    find_local,
    load_json_list,
    need_file,
    option_at,
    option_called,
)
from gmai_formats.errors import UserError

HUB = HubSource("owner/data", ("*.csv",))
LETTERED = ("E", "B", "C", "A")


@pytest.mark.parametrize(("letter", "text"), [("A", "E"), (" d ", "A"), ("(C)", "C"), ("b.", "B")])
def test_a_stored_letter_is_a_letter_whatever_options_are_called(letter: str, text: str) -> None:
    assert option_at(letter, LETTERED, "row 1") == text


@pytest.mark.parametrize("letter", ["E", "", "AB", "CT", "1"])
def test_what_is_no_letter_of_an_option_is_refused(letter: str) -> None:
    with pytest.raises(UserError, match=rf'row 1: the answer "{letter}" is no letter of the options'):
        option_at(letter, LETTERED, "row 1")


def test_a_stored_text_is_a_text() -> None:
    assert option_called(" A ", LETTERED, "row 1") == "A"
    assert option_called("CT", ("CT ", "MR"), "row 1") == "CT "
    with pytest.raises(UserError, match=r'row 1: the answer "D" is none of the options'):
        option_called("D", LETTERED, "row 1")


def test_a_copy_is_found_below_the_data_root_or_is_it(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert find_copy("set", tmp_path, HUB).folder == tmp_path / "set"
    assert find_copy("other", tmp_path, HUB) == Copy(tmp_path, "local copy")
    with pytest.raises(UserError, match=r"no such folder\. --data-root is a folder with the files of set.*hf download"):
        find_copy("set", tmp_path / "none", HUB)
    with pytest.raises(UserError, match=r"found no a\.csv or b\.csv\. set/p is read in its published layout"):
        need_file(Copy(tmp_path, ""), "set/p", ("a.csv", "b.csv"), HUB)


def test_images_lie_in_folders_or_archives(tmp_path: Path) -> None:
    (tmp_path / "imgs").mkdir()
    (tmp_path / "imgs/a.png").write_bytes(b"A")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("deep/x/b.png", b"B")
        archive.writestr("deep/ab.png", b"not it")
    images = Images(tmp_path, ("", "imgs"))
    assert [images.read(path, "row 1") for path in ("a.png", "x/b.png", "x\\b.png", "b.png")] == [
        b"A",
        b"B",
        b"B",
        b"B",
    ]
    with pytest.raises(UserError, match=r"row 1: the image c\.png is not there \(looked for .*Complete the copy"):
        images.read("c.png", "row 1")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"broken\.zip: not readable as a zip archive"):
        Images(tmp_path).read("none.png", "row 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [("[", "not readable as JSON"), ("{}", "not a list of records"), ("[1]", "not a list of records")],
)
def test_a_broken_list_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "q.json").write_text(text)
    with pytest.raises(UserError, match=rf"q\.json: {message}"):
        load_json_list(tmp_path / "q.json")


def test_a_benchmark_beside_the_hub_lies_below_the_root_or_is_it(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    assert find_local("own", tmp_path, "ask for it").folder == tmp_path / "own"
    assert find_local("other", tmp_path, "ask for it").folder == tmp_path
    with pytest.raises(UserError, match=r"own: needs --data-root\. own is not on the Hub: ask for it\."):
        find_local("own", None, "ask for it")
