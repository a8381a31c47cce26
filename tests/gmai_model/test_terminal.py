"""A conversation in the terminal: answers on standard output, everything else on standard error."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pydicom.data
import pytest
from gmai_formats.errors import UserError
from gmai_model.chat import DISCLAIMER, Assistant, Conversation
from gmai_model.terminal import HELP, Terminal, _with_slice
from PIL import Image

CT = Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm"
RED = Image.new("RGB", (90, 60), (200, 30, 30))


@pytest.fixture(scope="module")
def assistant(checkpoint: Path) -> Assistant:
    return Assistant(checkpoint, device="cpu", max_new_tokens=8)


def test_terminal_answers_what_is_piped_in(
    assistant: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    RED.save(tmp_path / "red.png")
    monkeypatch.setattr(
        "sys.stdin", io.StringIO(f"Which shape?\n\n/new\n/image {tmp_path / 'red.png'}\nAnd now?\n/quit\nno\n")
    )
    Terminal(assistant).run([], [])
    shown = capsys.readouterr()
    alone = "".join(assistant.answer(Conversation().with_question("Which shape?")))
    with_image = "".join(assistant.answer(Conversation().with_question("And now?", [RED])))
    assert shown.out == f"{alone}\n{with_image}\n"
    assert shown.err.count(DISCLAIMER) == 1
    assert "red.png: 90×60 px" in shown.err
    assert shown.err.count("cut at --max-new-tokens") == 2


class Pointing:
    """Stands in for a checkpoint: keeps what it is asked and points at the middle."""

    cut = False

    def __init__(self) -> None:
        self.asked: list[Conversation] = []

    def answer(self, conversation: Conversation) -> Iterator[str]:
        self.asked.append(conversation)
        yield "<ref>cyst</ref><box>[[250, 250, 750, 750]]</box>"


def test_terminal_names_regions_and_says_when_no_image_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RED.save(tmp_path / "red.png")
    Terminal(Pointing()).run([], ["Where?"])  # type: ignore[arg-type]
    assert "no image is shown with this question" in capsys.readouterr().err
    Terminal(Pointing()).run([tmp_path / "red.png"], ["Where?"])  # type: ignore[arg-type]
    shown = capsys.readouterr()
    assert shown.out == "<ref>cyst</ref><box>[[250, 250, 750, 750]]</box>\n"
    assert "cyst: x 23–68, y 15–45 px (45×30 px)" in shown.err


def test_a_new_image_is_a_new_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, colour in (("first.png", (9, 9, 9)), ("second.png", (200, 0, 0)), ("third.png", (0, 200, 0))):
        Image.new("RGB", (20, 20), colour).save(tmp_path / name)
    lines = ["/image first.png", "Whose?", "/image second.png", "/add third.png", "And whose?", "/new", "Nobody?"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    pointing = Pointing()
    Terminal(pointing).run([], [])  # type: ignore[arg-type]
    assert [[image.getpixel((1, 1)) for image in asked.images] for asked in pointing.asked] == [
        [(9, 9, 9)], [(200, 0, 0), (0, 200, 0)], [],
    ]  # fmt: skip
    assert [len(asked.messages) for asked in pointing.asked] == [1, 1, 1]
    monkeypatch.setattr("sys.stdin", io.StringIO("/image second.png\n/image third.png\nWhose?"))
    Terminal(pointing).run([tmp_path / "first.png"], [])  # type: ignore[arg-type]
    assert [image.getpixel((1, 1)) for image in pointing.asked[-1].images] == [(0, 200, 0)], "none was asked about"


def test_files_of_two_patients_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for patient in ("A", "B"):
        scan = pydicom.dcmread(CT)
        scan.PatientID = patient
        scan.save_as(tmp_path / f"{patient}.dcm")
    both = [tmp_path / "A.dcm", tmp_path / "B.dcm"]
    with pytest.raises(UserError, match=r"A\.dcm, B\.dcm: files of 2 patients"):
        Terminal(Pointing()).run(both, ["?"])  # type: ignore[arg-type]
    Terminal(Pointing()).run([both[0], both[0]], ["?"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"window": "lung"}, "--window is for DICOM and NIfTI"), ({"volume": 1}, "--volume is for NIfTI files of several"),
     ({"volume": 0}, "--volume is for NIfTI files of several")],
)  # fmt: skip
def test_an_option_that_no_image_takes_is_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    RED.save(tmp_path / "red.png")
    with pytest.raises(UserError, match=message):
        Terminal(Pointing(), **settings).run([tmp_path / "red.png"], ["?"])  # type: ignore[arg-type]


def test_control_characters_of_an_answer_are_escapes_and_an_empty_question_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Hostile(Pointing):
        def answer(self, conversation: Conversation) -> Iterator[str]:
            yield "\x1b[2J\x1b]0;owned\x07 \u202e肝"

    Terminal(Hostile()).run([], ["?"])  # type: ignore[arg-type]
    assert capsys.readouterr().out == "\\x1b[2J\\x1b]0;owned\\x07 \\u202e肝\n"
    with pytest.raises(UserError, match="the question is empty"):
        Terminal(Hostile()).run([], ["  "])  # type: ignore[arg-type]


def test_slices_are_for_the_images_that_have_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    RED.save(tmp_path / "red.png")
    volume = np.arange(5 * 8 * 9, dtype=np.int16).reshape(9, 8, 5)
    for name in ("a.nii", "b.nii"):
        nibabel.save(nibabel.Nifti1Image(volume, np.diag([2.0, 2.0, 3.0, 1.0])), tmp_path / name)
    images = [tmp_path / "a.nii", tmp_path / "red.png", tmp_path / "b.nii"]
    Terminal(Pointing(), numbers=[1, 3], window="40/400").run(images, ["?"])  # type: ignore[arg-type]
    shown = capsys.readouterr().err
    assert "a.nii: 9×8 px, axial slice 1 of 5" in shown
    assert "b.nii: 9×8 px, axial slice 3 of 5" in shown
    assert "mm)" in shown
    with pytest.raises(UserError, match="--slice is given 3 times for 2 images with slices"):
        Terminal(Pointing(), numbers=[1, 2, 3]).run(images, ["?"])  # type: ignore[arg-type]


def test_one_volume_of_several_and_a_folder_of_a_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volumes = np.arange(5 * 8 * 9 * 3, dtype=np.int16).reshape(9, 8, 5, 3)
    nibabel.save(nibabel.Nifti1Image(volumes, np.diag([2.0, 2.0, 3.0, 1.0])), tmp_path / "dynamic.nii")
    Terminal(Pointing(), numbers=[4], volume=2).run([tmp_path / "dynamic.nii"], ["?"])  # type: ignore[arg-type]
    assert "dynamic.nii: 9×8 px, volume 2 of 3, axial slice 4 of 5" in capsys.readouterr().err
    with pytest.raises(UserError, match="no volume 3: it has 3"):
        Terminal(Pointing(), volume=3).run([tmp_path / "dynamic.nii"], ["?"])  # type: ignore[arg-type]
    (tmp_path / "series").mkdir()
    (tmp_path / "series/1").write_bytes(CT.read_bytes())
    Terminal(Pointing(), window="lung").run([tmp_path / "series"], ["?"])  # type: ignore[arg-type]
    assert "series: 128×128 px, slice 0 of 1, lung -600/1500" in capsys.readouterr().err


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str, is_terminal: bool) -> Pointing:
    """Type lines in a terminal, or pipe them in, and return who was asked."""
    stdin = io.StringIO("\n".join(lines))
    monkeypatch.setattr(stdin, "isatty", lambda: is_terminal)
    monkeypatch.setattr("sys.stdin", stdin)
    pointing = Pointing()
    Terminal(pointing).run([], [])  # type: ignore[arg-type]
    return pointing


def test_a_mistake_is_shown_and_the_conversation_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pointing = typed(monkeypatch, f"/image {tmp_path / 'gone.png'}", "/odd", "Where?", is_terminal=True)
    shown = capsys.readouterr().err
    assert len(pointing.asked) == 1
    assert "gone.png" in shown
    assert shown.count(HELP) == 2


def test_a_mistake_in_a_pipe_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.png"):
        typed(monkeypatch, f"/image {tmp_path / 'gone.png'}", "Where?", is_terminal=False)


def test_a_question_follows_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    pointing = typed(monkeypatch, "One?", "Two?", "/quit", "Three?", is_terminal=False)
    assert [len(asked.messages) for asked in pointing.asked] == [1, 3]


def test_a_file_may_have_a_number_at_the_end_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "scan 3").touch()
    assert _with_slice(f"{tmp_path}/scan 3") == (tmp_path / "scan 3", None)
    assert _with_slice(f"{tmp_path}/scan 4") == (tmp_path / "scan", 4)
    assert _with_slice(f"{tmp_path}/scan 3 12") == (tmp_path / "scan 3", 12)
    assert _with_slice("~/a.nii") == (Path("~/a.nii").expanduser(), None)
    assert _with_slice("7") == (Path("7"), None)
