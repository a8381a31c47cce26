"""What a row says beside its conversation: each wrong column with its rule and its words."""

import io

import pytest
from gmai_data.validation import facts
from gmai_data.validation.facts import COLUMNS, KNOWN, Pictures, problems_of
from gmai_formats.rows.rules import Problem
from gmai_formats.rows.sample import Sample
from PIL import Image


def picture(width=4, height=3, form="PNG"):
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, form)
    return file.getvalue()


def problems(row, *images, pictures=None):
    sample = Sample("a", [], list(images))
    return list(problems_of(sample, row, pictures or Pictures(())))


OWN = {"kind": "dialogue", "provenance": "{}", "language": "en", "modality": "CT", "department": "Urology"}


def test_a_good_row_has_no_problem():
    box = {"label": "x", "xyxy": [0, 0, 4, 3]}
    assert problems({**OWN, "width": 4, "height": 3, "boxes": [box]}, picture()) == []
    assert problems({}, picture(), picture()) == []


@pytest.mark.parametrize(
    ("row", "rule", "found"),
    [
        ({"width": 4, "height": 4}, "size", "the row says 4 × 4 px, the image has 4 × 3"),
        ({"width": 4}, "size", "width 4 and height None are not two numbers"),
        ({"width": True, "height": 3}, "size", "width True and height 3 are not two numbers"),
        ({"width": "4", "height": 3}, "size", "width '4' and height 3 are not two numbers"),
        ({"width": float("nan"), "height": 3}, "size", "width nan and height 3 are not two numbers"),
        ({"boxes": [[0, 0, 4, 3], [0, 0, 5, 3]]}, "boxes", "box 2 is [0, 0, 5, 3] of an image of 4 × 3 px"),
        ({"boxes": [[0, 0, 4, 4]]}, "boxes", "box 1 is [0, 0, 4, 4] of an image of 4 × 3 px"),
        ({"boxes": [[1, 0, 1, 3]]}, "boxes", "box 1 is [1, 0, 1, 3] of an image of 4 × 3 px"),
        ({"boxes": [[-1, 0, 1, 3]]}, "boxes", "box 1 is [-1, 0, 1, 3] of an image of 4 × 3 px"),
        ({"boxes": [[0, 2, 1, 1]]}, "boxes", "box 1 is [0, 2, 1, 1] of an image of 4 × 3 px"),
        ({"boxes": [[0, 0, 4]]}, "boxes", "box 1 is [0, 0, 4]"),
        ({"boxes": [{"xyxy": [0, 0, 4, "3"]}]}, "boxes", 'box 1 is [0, 0, 4, "3"]'),
        ({"boxes": {"label": "x"}}, "boxes", "box 1 is null"),
        ({"boxes": "none"}, "boxes", 'box 1 is "none"'),
        ({**OWN, "kind": "caption"}, "vocabulary", "kind is 'caption'"),
        ({**OWN, "language": "fr"}, "vocabulary", "language is 'fr'"),
        ({**OWN, "modality": "MRI"}, "vocabulary", "modality is 'MRI'"),
        ({**OWN, "modality": None}, "vocabulary", "modality is 'None'"),
        ({**OWN, "department": "urology"}, "vocabulary", "department is 'urology'"),
    ],
)
def test_a_wrong_column_is_named(row, rule, found):
    assert problems(row, picture()) == [Problem(rule, found)]


def test_a_text_has_no_modality_and_no_limit_to_its_boxes():
    assert problems({**OWN, "modality": None}) == []
    assert problems({"boxes": [[0, 0, 10**6, 1]]}) == []
    assert problems({"boxes": [[5, 0, 4, 1]]}) == [Problem("boxes", "box 1 is [5, 0, 4, 1]")]


def test_columns_of_others_may_mean_something_else():
    for missing in ("kind", "provenance"):
        row = {name: value for name, value in OWN.items() if name != missing}
        assert problems({**row, "modality": "magnetic"}, picture()) == []


def test_of_several_images_the_largest_sides_are_the_limit():
    images = picture(4, 3), picture(2, 9)
    assert problems({"boxes": [[0, 0, 4, 9]], "width": 1, "height": 1}, *images) == []
    assert problems({"boxes": [[0, 0, 5, 9]]}, *images) == [
        Problem("boxes", "box 1 is [0, 0, 5, 9] of an image of 4 × 9 px")
    ]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "PPM", "JPEG2000"])
def test_pictures_of_known_formats_are_decoded_to_their_end(form):
    content = picture(40, 30, form)
    pictures = Pictures(())
    assert pictures.look(content) == (40, 30)
    broken = pictures.look(content[: len(content) // 2])
    assert isinstance(broken, Problem)
    assert broken.rule == "decode"
    assert broken.found.startswith("the image does not decode (")
    assert pictures.decoded == 2


def test_a_format_for_which_programs_run_is_not_opened():
    eps = io.BytesIO()
    Image.new("L", (4, 3)).save(eps, "EPS")
    assert Pictures(()).look(eps.getvalue()) == Problem("decode", "the image does not decode (of no known format)")
    assert Pictures(()).look(b"") == Problem("decode", "the image does not decode (of no known format)")


def test_a_picture_is_decoded_once_while_it_is_remembered(monkeypatch):
    monkeypatch.setattr(facts, "_REMEMBERED", 2)
    pictures = Pictures(())
    one, two, three = (picture(size) for size in (1, 2, 3))
    for image in (one, one, two, one, three, one):
        pictures.look(image)
    assert pictures.decoded == 3
    pictures.look(two)
    assert pictures.decoded == 4, "the one not looked at for longest was forgotten"


def test_a_named_picture_is_read_from_the_folders(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(5, 2))
    pictures = Pictures((tmp_path,))
    assert pictures.look("a.png") == (5, 2)
    missing = pictures.look("b.png")
    assert isinstance(missing, Problem)
    assert missing.rule == "path"
    assert pictures.decoded == 1


def test_every_column_that_is_read_is_known():
    assert {"boxes", "provenance", "kind", "language", "modality", "department"} == COLUMNS
    assert COLUMNS | {"parent_id", "labels", "source", "license", "split", "messages"} <= KNOWN
