import copy
import io
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.rows.rules import PLACED, Problem
from gmai_formats.rows.sample import TURN_MARKS, Sample, id_of, read_row
from PIL import Image


def row(*texts: str, images: int = 0, **more: Any) -> dict[str, Any]:
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return {"messages": messages, "images": [f"{i}.png" for i in range(images)], **more}


def test_a_row_is_a_sample_and_stays_as_it_is() -> None:
    given = row("<image>\nQ", "A", images=1, id=7)
    before = copy.deepcopy(given)
    sample = read_row(given)
    assert sample == Sample("7", before["messages"], ["0.png"])
    assert given == before


def test_images_without_a_placeholder_stand_before_the_first_question() -> None:
    given = row("Q", "A", images=2, system="S")
    sample = read_row(given)
    assert isinstance(sample, Sample)
    assert [message["content"] for message in sample.messages] == ["S", "<image>\n<image>\nQ", "A"]
    assert sample.notes == (PLACED,)
    assert given["messages"][0]["content"] == "Q"


@pytest.mark.parametrize(
    ("given", "rule", "found"),
    [
        (3, "columns", "a row is an object, not a number"),
        (row(), "roles", "the roles are none"),
        (row("Q"), "roles", "the roles are user"),
        (row(*"abcdefghi"), "roles", f"the roles are {', '.join(['user', 'assistant'] * 4)}, …"),
        (row("Q", " \n"), "messages", "message 2 is empty"),
        (row("Q", "a\ud83d"), "messages", "message 2 holds half of a surrogate pair, which is no text"),
        (row("<image>", "A", images=2), "placeholders", "1 `<image>` for 2 images"),
        (row("<image>", "A"), "placeholders", "1 `<image>` for 0 images"),
        (
            row("Q", "<image>", images=1),
            "placeholders",
            "message 2, an answer, has `<image>`, which is never to be learned",
        ),
        (
            row("<image><image_1>", "A", images=1),
            "placeholders",
            "message 1 has <image_1>, which is no placeholder here",
        ),
        (row("Q <video>", "A"), "placeholders", "message 1 has <video>, which is no placeholder here"),
        *(
            (row("Q", f"A{mark}"), "messages", f"message 2 holds {mark}, a turn mark of the chat template")
            for mark in TURN_MARKS
        ),
    ],
)
def test_the_rule_that_a_row_breaks_is_named(given: Any, rule: str, found: str) -> None:
    assert read_row(given) == Problem(rule, found)


def test_a_row_whose_answers_are_all_unlearned_teaches_nothing() -> None:
    given = row("Q", "A", "R", "B")
    given["messages"][1]["loss"] = False
    sample = read_row(given)
    assert isinstance(sample, Sample)
    assert sample.unlearned == (1,)
    given["messages"][3]["loss"] = False
    assert read_row(given) == Problem("messages", "no answer of the row is to be learned")


def test_a_problem_stays_what_it_is() -> None:
    problem = Problem("json", "x", ends=True)
    assert read_row(problem) is problem


@pytest.mark.parametrize(
    ("value", "name"), [(None, None), ("", None), (0, "0"), ("é", "é"), ("a\ud83d", "a\\ud83d"), (1.5, "1.5")]
)
def test_an_id_is_text_that_a_file_can_hold(value: object, name: str | None) -> None:
    assert id_of({"id": value}) == name
    assert id_of({}) is None


def test_boxes_in_pixels_are_written_in_thousandths_of_the_image(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (200, 100)).save(buffer, "PNG")
    (tmp_path / "0.png").write_bytes(buffer.getvalue())
    given = row("<image>Where?", "<bbox>", images=1, objects={"ref": [], "bbox": [[20, 10, 100, 50]]})
    sample = read_row(given, (tmp_path,))
    assert isinstance(sample, Sample)
    assert sample.messages[1]["content"] == "<box>[[100, 100, 500, 500]]</box>"
    problem = read_row(given, (tmp_path / "elsewhere",))
    assert isinstance(problem, Problem)
    assert problem.rule == "path"
    (tmp_path / "0.png").write_bytes(b"no picture")
    assert read_row(given, (tmp_path,)) == Problem(
        "objects", "the boxes are in pixels of an image that is not readable (UnidentifiedImageError)"
    )
    assert isinstance(read_row({**given, "width": 200, "height": 100}), Sample)
