import json
from dataclasses import asdict

import pytest
from gmai_model.training.place import Place


def test_a_place_survives_json() -> None:
    place = Place(6, 2, [(3, 1.5), (6, 1.25)])
    assert Place.read(json.loads(json.dumps(asdict(place)))) == place


@pytest.mark.parametrize(
    ("curve", "best", "idle"),
    [
        ([], None, 0),
        ([(2, 1.0)], 2, 0),
        ([(2, 1.0), (4, 0.5)], 4, 0),
        ([(2, 1.0), (4, 1.0), (6, 2.0)], 2, 2),
        ([(2, 3.0), (4, 1.0), (6, 2.0), (8, 1.5), (10, 1.1)], 4, 3),
    ],
)
def test_the_best_measurement_and_those_since(curve: list[tuple[int, float]], best: int | None, idle: int) -> None:
    place = Place(10, 0, curve)
    assert place.best("validation_loss") == best
    assert place.without_gain("validation_loss") == idle


def test_whether_this_very_step_is_validated() -> None:
    assert not Place(4).is_measured("validation_loss")
    assert not Place(4, 0, [(2, 1.0)]).is_measured("validation_loss")
    assert Place(4, 0, [(2, 1.0), (4, 1.0)]).is_measured("validation_loss")
    assert Place(4, 0, [(2, 1.0), (4, 0.5)]).validation_loss == 0.5
