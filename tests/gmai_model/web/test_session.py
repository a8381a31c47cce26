"""One user's conversation: pictures are sent once, another patient's never, and what is saved has their digests."""

import copy
import hashlib
import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pydicom.data
import pytest
from gmai_formats.errors import UserError
from gmai_model.web.session import NO_IMAGE, Current, Session, Shown, View, look
from PIL import Image

CT = Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    Image.new("RGB", (40, 20), (200, 0, 0)).save(tmp_path / "red.png")
    volume = np.arange(6 * 8 * 5, dtype=np.int16).reshape(6, 8, 5)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([2.0, 2.0, 3.0, 1.0])), tmp_path / "scan.nii.gz")
    return [str(tmp_path / "red.png"), str(tmp_path / "scan.nii.gz")]


def at(files: list[str], number: int, window: str = "") -> View:
    """Return the view of the files at a slice of the volume."""
    return look(files, window, {files[1]: (number, 0)})


def test_view_names_slice_plane_and_window(files: list[str]) -> None:
    view = at(files, 3, "40/400")
    assert [shown.name for shown in view.movable] == ["scan.nii.gz"]
    assert view.captions()[0] == "red.png: 40×20 px"
    assert view.captions()[1].startswith("scan.nii.gz: 6×8 px, axial slice 3 of 5, 40/400")
    middle = look(files)
    assert middle.captions()[1].startswith("scan.nii.gz: 6×8 px, axial slice 2 of 5")
    assert middle.places()[files[1]] == (2, 0)
    assert look(None) == View()
    with pytest.raises(UserError, match="no slice 9"):
        at(files, 9)


def test_each_volume_has_a_slice_of_its_own(files: list[str], tmp_path: Path) -> None:
    dynamic = np.arange(6 * 8 * 40 * 3, dtype=np.int16).reshape(6, 8, 40, 3)
    nibabel.save(nibabel.Nifti1Image(dynamic, np.eye(4)), tmp_path / "dynamic.nii")
    both = [files[1], str(tmp_path / "dynamic.nii")]
    assert [shown.place for shown in look(both).images] == [(2, 0), (20, 0)]
    view = look(both, None, {both[0]: (4, 0), both[1]: (39, 2)})
    assert "axial slice 4 of 5" in view.captions()[0]
    assert "volume 2 of 3, axial slice 39 of 40" in view.captions()[1]
    assert view.pictures[1].volumes == 3


def write_slices(folder: Path, *, patient: str, places_mm: list[float], series: str = "1.2.3") -> list[str]:
    paths: list[str] = []
    for place in places_mm:
        slice_ = pydicom.dcmread(CT)
        slice_.PatientID, slice_.SeriesInstanceUID = patient, series
        slice_.ImageOrientationPatient, slice_.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, place]
        folder.mkdir(exist_ok=True)
        slice_.save_as(folder / f"IM{place:g}")
        paths.append(str(folder / f"IM{place:g}"))
    return paths


def test_slices_of_one_series_are_one_image_and_two_patients_are_refused(files: list[str], tmp_path: Path) -> None:
    series = write_slices(tmp_path / "a", patient="A", places_mm=[0, 5, 10])
    view = look([*series, files[0]])
    assert [len(shown.paths) for shown in view.images] == [3, 1]
    assert view.captions()[0].startswith("IM0 (series of 3 files): 128×128 px, slice 1 of 3")
    other = write_slices(tmp_path / "b", patient="B", places_mm=[0], series="4.5.6")
    with pytest.raises(UserError, match=r"IM0 .*, IM0: files of 2 patients \(PatientID differs\)"):
        look([*series, *other])
    assert len(look(write_slices(tmp_path / "c", patient="", places_mm=[0], series="7") + other).images) == 2


def test_pictures_are_sent_once_until_slice_or_window_change(files: list[str]) -> None:
    first = Session().asked("?", at(files, 1)).answered("a")
    second = first.asked("?", at(files, 1)).answered("b")
    third = second.asked("?", at(files, 2)).answered("c")
    fourth = third.asked("?", at(files, 2, "40/400")).answered("d")
    counts = [len(each.conversation.images) for each in (first, second, third, fourth)]
    assert counts == [2, 2, 3, 4], "the PNG, which has neither, is sent once"
    assert len(third.conversation.messages) == 6


def test_other_files_begin_another_conversation(files: list[str]) -> None:
    first = Session().asked("Of one?", look(files[:1])).answered("a")
    second = first.asked("Of two?", look(files[1:]))
    assert [message["content"][-1]["text"] for message in second.conversation.messages] == ["Of two?"]
    assert len(second.conversation.images) == 1
    assert len(first.asked("Of none?", View()).conversation.images) == 0


def test_answering_again_replaces_the_answer(files: list[str]) -> None:
    session = Session().asked("?", look(files[:1])).answered("one").answered("two")
    assert [message["role"] for message in session.conversation.messages] == ["user", "assistant"]
    assert session.answer() == "two"
    assert session.again().answer() == ""
    assert len(session.again().conversation.images) == 1


def test_what_was_stopped_is_marked_and_roles_alternate(files: list[str]) -> None:
    assert Session().stopped() == Session()
    running = Session().asked("One?", look(files[:1]))
    assert running.answered("whole").stopped().turns[0].end == "done"
    partial = running.answered("half", end="running")
    assert partial.stopped().rows()[1]["content"] == "half [stopped / 已停止]"
    follow = running.asked("Two?", look(files[:1]))
    assert [message["role"] for message in follow.conversation.messages] == ["user", "assistant", "user"]
    assert [turn.end for turn in follow.turns] == ["stopped", "running"]


def test_rows_say_markup_as_text_regions_in_words_and_a_missing_image(files: list[str]) -> None:
    rows = Session().asked("<b>?</b>", View()).answered("<i>no</i>", end="cut").rows()
    assert rows[0]["content"] == f"&lt;b&gt;?&lt;/b&gt;\n{NO_IMAGE}"
    assert rows[1]["content"] == "&lt;i&gt;no&lt;/i&gt; […]"
    assert NO_IMAGE in Session().asked("[image]", View()).rows()[0]["content"]
    answer = "<ref>cyst</ref><box>[[0, 0, 500, 500]]</box>"
    session = Session().asked("?", at(files, 1)).answered(answer).asked("?", at(files, 1)).answered("No.")
    assert session.rows()[0]["content"].startswith("[image: red.png: 40×20 px]\n[image: scan.nii.gz: 6×8 px, axial ")
    place = "• cyst: x 0–3, y 0–4 px (3×4 px, 6.0×8.0 mm) (on the image shown last)"
    assert session.rows()[1]["content"].endswith(place), "it stays in later turns"


def test_gallery_draws_on_the_picture_sent_last_alone(files: list[str]) -> None:
    view = look(files[::-1])
    session = Session().asked("?", view).answered("<ref>x</ref><box>[[100, 100, 900, 900]]</box>")
    first, last = (image for image, _ in session.gallery())
    assert first.tobytes() == view.pictures[0].rgb.tobytes()
    assert last.tobytes() != view.pictures[1].rgb.tobytes()
    moved = at(files, 4)
    alone = Session().asked("?", at(files, 1)).answered("<box>[[100, 100, 900, 900]]</box>")
    drawn = [image.tobytes() for image, _ in alone.gallery(moved)]
    assert drawn == [picture.rgb.tobytes() for picture in moved.pictures], "another slice is not what was answered"


def test_record_has_digests_of_pictures_and_files_and_the_settings_of_each_answer(files: list[str]) -> None:
    session = Session().asked("?", look(files[:1]), {"temperature": 0}).answered("a")
    session = session.asked("!", look(files[:1]), {"temperature": 1}).answered("b", end="cut")
    record = json.loads(session.record(model={"name": "m"}))
    (image,) = record["images"]
    assert image["sha256"] == hashlib.sha256(session.conversation.images[0].tobytes()).hexdigest()
    assert image["files_sha256"] == [hashlib.sha256(Path(files[0]).read_bytes()).hexdigest()]
    assert (image["name"], image["shown"], image["size_px"]) == ("red.png", "40×20 px", [40, 20])
    assert record["messages"][1]["content"][0]["text"] == "a"
    assert record["answers"] == [
        {"settings": {"temperature": 0}, "end": "done"}, {"settings": {"temperature": 1}, "end": "cut"},
    ]  # fmt: skip


def test_a_picture_is_known_by_file_and_what_is_shown(files: list[str]) -> None:
    one, other = at(files, 1).images[1], at(files, 2).images[1]
    assert one.is_as(Shown(one.paths, one.picture))
    assert not one.is_as(other)
    assert one.key == other.key


def test_what_was_overtaken_changes_nothing() -> None:
    current = Current()
    first = Session().asked("First?", View())
    assert current.change(first, known=0) == 1
    assert current.change(Session().asked("Twice?", View()), known=0) is None
    assert current.grow(first.answered("A", end="running"), 1)
    assert current.session.answer() == "A"
    current.stop()
    assert current.shown() == (first.answered("A", end="stopped"), View(), 2)
    assert not current.grow(first.answered("A."), 1), "an answer that goes on after Stop"
    assert current.change(Session()) == 3, "a new start holds, whatever came before"
    assert not current.grow(first.answered("A."), 1)
    assert (current.session, current.number) == (Session(), 3)
    assert (copy.deepcopy(current).session, copy.deepcopy(current).number) == (Session(), 0), "each browser has its own"


def test_slices_of_images_that_are_no_longer_chosen_are_not_shown(files: list[str]) -> None:
    current = Current()
    current.change(Session(view=at(files, 1)))
    assert current.see(at(files, 2))
    assert current.shown() == (Session(view=at(files, 1)), at(files, 2), 1)
    current.change(Session(view=look(files[:1])))
    assert not current.see(at(files, 3)), "an event that was overtaken by another choice"
    assert current.shown()[1] == look(files[:1])
    assert not Current().see(at(files, 3)), "nothing is chosen"


def test_every_painting_has_a_number_of_its_own() -> None:
    current = Current()
    assert len({current.repaint() for _ in range(5)}) == 5
