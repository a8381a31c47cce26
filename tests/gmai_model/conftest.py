"""Samples and checkpoints that the tests of gmai-model share: coloured shapes, tiny random parts."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

os.environ.setdefault("DS_ACCELERATOR", "cpu")
SHAPES = ("circle", "square", "triangle")
COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 80, 230)}


def draw(shape: str, colour: str, rng: np.random.Generator) -> bytes:
    """Return a PNG of one shape on a grey ground."""
    image = Image.new("RGB", (96, 80), (90, 90, 90))
    pen = ImageDraw.Draw(image)
    x, y, r = rng.integers(25, 60), rng.integers(25, 50), rng.integers(14, 22)
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=COLOURS[colour])
    elif shape == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=COLOURS[colour])
    else:
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=COLOURS[colour])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def make_rows(count: int, *, seed: int = 0) -> list[dict[str, object]]:
    """Return samples of the format in docs/reference/formats.md: three with an image, then one without."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for number in range(count):
        shape, colour = str(rng.choice(SHAPES)), str(rng.choice(list(COLOURS)))
        images = [{"bytes": draw(shape, colour, rng), "path": f"{number}.png"}]
        messages = [
            {"role": "user", "content": "<image>\nWhich shape is shown?"},
            {"role": "assistant", "content": f"A {colour} {shape}."},
            {"role": "user", "content": "Which colour is it?"},
            {"role": "assistant", "content": f"It is {colour}."},
        ][: 2 if number % 2 else 4]
        if number % 4 == 3:
            images = []
            messages = [
                {"role": "user", "content": f"Name the colour of a {colour} {shape}."},
                {"role": "assistant", "content": colour},
            ]
        rows.append(
            {
                "id": f"2d#cls#other#shapes#{shape}#{seed}-{number}.png",
                "images": images,
                "messages": messages,
                "modality": "other" if images else None,
                "labels": [shape, colour] if images else [],
            }
        )
    return rows


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write samples as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("images", pa.list_(image)),
            ("messages", pa.list_(message)),
            ("modality", pa.string()),
            ("labels", pa.list_(pa.string())),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
    return path


@pytest.fixture(scope="session")
def samples(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A folder of 48 training and 12 validation samples, a quarter of them without an image."""

    def make(folder: Path) -> None:
        write_rows(folder / "train-00000.parquet", make_rows(48))
        write_rows(folder / "validation-00000.parquet", make_rows(12, seed=1))

    return made_once("samples", make)


@pytest.fixture(scope="session")
def checkpoint(samples: Path, made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A tiny random checkpoint."""
    from gmai_model.assembly.presets import init_preset
    from gmai_model.batching.texts import iterate_texts

    return made_once("tiny", lambda out: init_preset("tiny", iterate_texts(samples), out, image_mode="pad", seed=0))


@pytest.fixture
def broken_second_image(tmp_path: Path) -> Path:
    """A folder of three samples; the second one's image is cut off."""
    rows = make_rows(3)
    images = rows[1]["images"]
    assert isinstance(images, list)
    images[0]["bytes"] = images[0]["bytes"][:60]
    write_rows(tmp_path / "samples" / "train-00000.parquet", rows)
    return tmp_path / "samples"
