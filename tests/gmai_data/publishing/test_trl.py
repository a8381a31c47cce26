"""Messages as parts, by TRL's own preparation of a row."""

import datasets
import pytest
from gmai_data.publishing.export import export
from gmai_data.publishing.trl import parts


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("<image>\nWhat?", ["image", "What?"]),
        ("What is <image>\n?", ["What is ", "image", "?"]),
        ("<image>\n<image>\nWhich?", ["image", "image", "Which?"]),
        ("<image>", ["image"]),
        ("No picture.", ["No picture."]),
        ("<image>\n\nTwo lines.", ["image", "\nTwo lines."]),
    ],
)
def test_an_image_part_stands_where_the_text_has_its_place(text, due):
    assert [part["text"] or part["type"] for part in parts(text)] == due


def test_trl_asks_for_each_picture_once(phantom_build, tmp_path):
    trl = pytest.importorskip("trl.data_utils", reason="needs TRL: pip install trl")
    assert export(phantom_build, tmp_path / "trl", "trl") == 0
    rows = datasets.load_dataset(str(tmp_path / "trl"), "GMAI-MM-Percept", split="train", cache_dir=str(tmp_path / "c"))
    for row in rows.select(range(20)):
        prepared = trl.prepare_multimodal_messages(row["messages"], row["images"])
        given = [part for message in prepared for part in message["content"] if part["type"] == "image"]
        assert [part["image"] for part in given] == row["images"]
        assert "<image>" not in str([message["content"] for message in row["messages"]])
