from pathlib import Path

from gmai_bench.backends.asks import Ask
from gmai_bench.backends.local import LocalModel
from PIL import Image

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}
ASKS = [
    Ask("long", "What is the imaging technique of the picture, and why do you think so? Options: CT; MR.", ("red",)),
    Ask("short", "CT?", ("green",)),
    Ask("middle", "Which modality is this?", ("blue",)),
    Ask("two", "Which of the two images is brighter?", ("red", "green")),
    Ask("none", "Is CT an imaging technique?", ()),
]


def open_image(digest: str) -> Image.Image:
    return Image.new("RGB", (40, 30), COLOURS[digest])


def test_batched_answers_equal_those_of_batch_size_one(tiny_llava: Path) -> None:
    alone = dict(LocalModel(str(tiny_llava), batch_size=1, max_new_tokens=12).answers(ASKS, open_image))
    for batch_size in (2, 5):
        batched = LocalModel(str(tiny_llava), batch_size=batch_size, max_new_tokens=12).answers(ASKS, open_image)
        assert dict(batched) == alone
    assert set(alone) == {ask.id for ask in ASKS}
    assert len(set(alone.values())) > 1
