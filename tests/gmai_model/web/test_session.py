"""One user's conversation: pictures are sent once, another patient's never, and what is saved has their digests."""

import hashlib
import io
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from gmai_formats.errors import UserError
from gmai_model.web.session import NO_IMAGE, Session, View, look
from PIL import Image


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    Image.new("RGB", (40, 20), (200, 0, 0)).save(tmp_path / "red.png")
    volume = np.arange(6 * 8 * 5, dtype=np.int16).reshape(6, 8, 5)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([2.0, 2.0, 3.0, 1.0])), tmp_path / "scan.nii.gz")
    return [str(tmp_path / "red.png"), str(tmp_path / "scan.nii.gz")]


def test_view_names_slice_plane_and_window(files: list[str]) -> None:
    view = look(files, 3, "40/400")
    assert view.slices == 5
    assert view.captions()[0] == "red.png: 40×20 px"
    assert view.captions()[1].startswith("scan.nii.gz: 6×8 px, axial slice 3 of 5, 40/400")
    assert look(files, None, "").captions()[1].startswith("scan.nii.gz: 6×8 px, axial slice 2 of 5")
    assert look(None, None, None) == View()
    with pytest.raises(UserError, match="no slice 9"):
        look(files, 9, "")


def test_pictures_are_sent_once_until_slice_or_window_change(files: list[str]) -> None:
    first = Session().asked("?", look(files, 1, "")).answered("a")
    second = first.asked("?", look(files, 1, "")).answered("b")
    third = second.asked("?", look(files, 2, ""))
    assert [len(each.conversation.images) for each in (first, second, third)] == [2, 2, 4]
    assert len(third.conversation.messages) == 5


def test_answering_again_replaces_the_answer(files: list[str]) -> None:
    session = Session().asked("?", look(files[:1], None, "")).answered("one").answered("two")
    assert [message["role"] for message in session.conversation.messages] == ["user", "assistant"]
    assert session.answer() == "two"
    assert session.again().answer() == ""
    assert len(session.again().conversation.images) == 1


def test_rows_say_markup_as_text_regions_in_words_and_a_missing_image(files: list[str]) -> None:
    rows = Session().asked("<b>?</b>", View()).answered("<i>no</i>", cut=True).rows()
    assert rows[0]["content"] == f"&lt;b&gt;?&lt;/b&gt;\n{NO_IMAGE}"
    assert rows[1]["content"] == "&lt;i&gt;no&lt;/i&gt; […]"
    answer = "<ref>cyst</ref><box>[[0, 0, 500, 500]]</box>"
    session = Session().asked("?", look(files[1:], 1, "")).answered(answer)
    assert "[image]" in session.rows()[0]["content"]
    assert session.rows()[1]["content"].endswith("• cyst: x 0–3, y 0–4 px (3×4 px, 6.0×8.0 mm)")


def test_gallery_draws_on_the_last_picture_alone(files: list[str]) -> None:
    view = look(files[::-1], 1, "")
    session = Session().asked("?", view).answered("<ref>x</ref><box>[[100, 100, 900, 900]]</box>")
    first, last = (image for image, _ in session.gallery())
    assert first.tobytes() == view.pictures[0].rgb.tobytes()
    assert last.tobytes() != view.pictures[1].rgb.tobytes()


def test_saved_conversation_has_the_digest_of_every_picture(files: list[str], tmp_path: Path) -> None:
    session = Session().asked("?", look(files[:1], None, "")).answered("a")
    saved = json.loads(session.save(tmp_path, model="m", settings={"temperature": 0}).read_text("utf-8"))
    buffer = io.BytesIO()
    session.conversation.images[0].save(buffer, "PNG")
    assert saved["images"] == [{"sha256": hashlib.sha256(buffer.getvalue()).hexdigest(), "size_px": [40, 20]}]
    assert saved["messages"][1]["content"][0]["text"] == "a"
    assert saved["settings"] == {"temperature": 0}
