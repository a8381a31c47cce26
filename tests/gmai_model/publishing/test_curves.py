import io
from typing import Any

import pytest
from gmai_model.publishing.curves import DOTS, HEIGHT, LINE, WIDTH, draw_curves
from PIL import Image


def stage(number: int, curve: list[list[float]], held_out: list[list[float]] | None = None) -> dict[str, Any]:
    return {"stage": number, "name": "x", "loss_curve": curve, "validation_curve": held_out}


def drawn(*stages: dict[str, Any]) -> Image.Image:
    content = draw_curves(stages)
    assert content is not None
    return Image.open(io.BytesIO(content))


def places(image: Image.Image, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    pixels: Any = image.load()
    return [(x, y) for x in range(image.width) for y in range(image.height) if pixels[x, y] == colour]


@pytest.mark.parametrize("curve", [None, [], [[1, 2.0]]])
def test_a_stage_without_two_points_is_not_drawn(curve: Any) -> None:
    assert draw_curves([stage(1, curve)]) is None
    assert drawn(stage(1, curve), stage(2, [[1, 2.0], [2, 1.0]])).size == (WIDTH, HEIGHT)


def test_each_stage_is_a_panel_beside_the_one_before() -> None:
    image = drawn(stage(1, [[0, 2.0], [10, 1.0]]), stage(2, [[0, 2.0], [10, 1.0]]))
    assert (image.size, image.format) == ((2 * WIDTH, HEIGHT), "PNG")
    assert image.crop((0, 60, WIDTH, HEIGHT)).tobytes() == image.crop((WIDTH, 60, 2 * WIDTH, HEIGHT)).tobytes()


def test_a_falling_loss_falls_over_the_whole_panel() -> None:
    line = places(drawn(stage(1, [[0, 4.0], [10, 0.0]])), LINE)
    (left, top), (right, bottom) = min(line), max(line)
    assert (left < 60, right > WIDTH - 30) == (True, True)
    assert (top < 50, bottom > HEIGHT - 50) == (True, True)


def test_the_validation_loss_is_dots_where_its_steps_are() -> None:
    assert places(drawn(stage(1, [[0, 2.0], [10, 1.0]])), DOTS) == []
    dots = places(drawn(stage(1, [[0, 2.0], [10, 1.0]], [[5, 1.0], [10, 1.0]])), DOTS)
    columns = sorted({x for x, _ in dots})
    assert len(columns) == 2 * 9
    assert columns[9] - columns[0] == (WIDTH - 72) // 2


def test_a_flat_curve_at_zero_is_drawn() -> None:
    assert places(drawn(stage(1, [[0, 0.0], [0, 0.0]])), LINE)
