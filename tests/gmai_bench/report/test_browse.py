import base64
import gzip
import io
import json

import pytest
from gmai_bench.images import ImageStore
from gmai_bench.report import browse
from gmai_bench.report.browse import Thumbnails, browsable, pack
from PIL import Image


class Store(ImageStore):
    """Grey pictures of one size, without files."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str, int]] = []

    def show(self, digest: str, ablation: str, seed: int) -> Image.Image:
        self.shown.append((digest, ablation, seed))
        return Image.new("RGB", (1000, 500), (90, 90, 90))


def test_the_same_data_always_give_the_same_text() -> None:
    data = {"a": ["é", 1, None], "b": "<script>"}
    text = pack(data)
    assert text == pack(data)
    assert json.loads(gzip.decompress(base64.b64decode(text))) == data
    assert gzip.decompress(base64.b64decode(text)) == '{"a":["é",1,null],"b":"<script>"}'.encode()
    assert gzip.decompress(base64.b64decode(pack("\ud83d"))) == b'"?"'


def test_a_thumbnail_is_small_of_what_the_model_saw_and_made_once() -> None:
    store = Store()
    images = Thumbnails(store, "noise", 7)
    assert [images.number("x"), images.number("y"), images.number("x")] == [0, 1, 0]
    images.embed("y")
    images.embed("y")
    assert store.shown == [("y", "noise", 7)]
    assert images.listed[0] == ["x", None]
    uri = images.listed[1][1]
    assert uri is not None
    assert uri.startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as small:
        assert (small.size, small.format) == ((256, 128), "JPEG")


def test_what_recurs_stands_once_and_is_named_by_number(scored) -> None:
    images = Thumbnails(Store(), "none", 0)
    data, shown, embedded = browsable(scored("CT", "It is MR.", "neither", "CT"), images)
    assert (shown, embedded) == (2, 2)
    assert (data["columns"], data["choices"], data["groups"]) == (
        ["organ"],
        [("CT", "MR")],
        [["lung", "liver_left"]],
    )
    rules = data["rules"]
    assert [[*row[:7], rules[row[7]] != "", *row[8:]] for row in data["rows"][:2]] == [
        ["0", "Which, 0?", [0], 0, 0, "CT", 0, True, 1.0, [0]],
        ["1", "Which, 1?", [0], 0, 1, "It is MR.", 1, True, 1.0, [0]],
    ]
    assert data["rows"][2][4:7] == [0, "neither", None]
    assert [row[9] for row in data["rows"]] == [[0], [0], [1], [1]]
    assert len(set(rules)) == len(rules)


@pytest.mark.parametrize(
    ("most", "expected"), [(1, ["image-0"]), (2, ["image-0", "image-1"]), (9, ["image-0", "image-1"])]
)
def test_beyond_the_limit_an_even_selection_is_embedded(
    scored, monkeypatch: pytest.MonkeyPatch, most: int, expected: list[str]
) -> None:
    monkeypatch.setattr(browse, "MOST_IMAGES", most)
    images = Thumbnails(Store(), "none", 0)
    _, shown, embedded = browsable(scored("CT", "MR", "CT", "MR"), images)
    assert (shown, embedded) == (2, len(expected))
    assert [digest for digest, uri in images.listed if uri] == expected
