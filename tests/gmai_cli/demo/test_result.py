import json
from pathlib import Path

import pytest
from gmai_cli.demo.result import Measured, read_result, shortfall, written
from gmai_cli.demo.run import steps
from gmai_formats.errors import UserError


def measured(*accuracies: float) -> list[Measured]:
    names = ("stage 1", "stage 2", "stage 3", "stage 3, images replaced by noise")
    return [
        Measured(name, value, value - 0.03, value + 0.03, 0.26, 600)
        for name, value in zip(names, accuracies, strict=True)
    ]


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ((0.5, 0.6, 0.9, 0.2), ""),
        ((0.5, 0.6, 0.79, 0.2), "expected at least 80%"),
        ((0.95, 0.6, 0.9, 0.2), "no better than stage 1"),
        ((0.5, 0.6, 0.9, 0.7), "does not look at the image"),
    ],
)
def test_what_the_demo_promises_is_checked(accuracies: tuple[float, ...], words: str) -> None:
    found = shortfall(measured(*accuracies))
    assert words in found
    assert bool(found) == bool(words)


def test_what_was_measured_is_read_in_the_order_of_the_stages(tmp_path: Path) -> None:
    for number, folder in enumerate(("stage3-noise", "stage3", "stage2", "stage1")):
        (tmp_path / "bench" / folder).mkdir(parents=True)
        scored = {"accuracy": number / 10, "interval": [0.1, 0.9], "chance": 0.25, "n": 600 + number}
        (tmp_path / "bench" / folder / "report.json").write_text(json.dumps({"benchmarks": [scored]}))
    result = read_result(tmp_path)
    assert result[0] == Measured("stage 1", 0.3, 0.1, 0.9, 0.25, 603)
    assert [row.name for row in result[1:]] == ["stage 2", "stage 3", "stage 3, images replaced by noise"]
    assert [row.questions for row in result] == [603, 602, 601, 600]
    for content in (b"", b"{", b'{"benchmarks": []}', bytes(50)):
        (tmp_path / "bench/stage2/report.json").write_bytes(content)
        with pytest.raises(UserError, match=r"report\.json is missing or damaged.*Remove .*stage2 and give the same"):
            read_result(tmp_path)


@pytest.mark.parametrize(("noise", "fails"), [(0.58, False), (0.581, True)])
def test_noise_may_reach_half_the_way_from_chance(noise: float, fails: bool) -> None:
    assert bool(shortfall(measured(0.5, 0.6, 0.9, noise))) == fails
    assert shortfall(measured(0.5, 0.6, 0.8, 0.2)) == ""
    assert "no better than stage 1" in shortfall(measured(0.9, 0.6, 0.9, 0.2))


def test_what_the_demo_points_to_is_what_its_steps_write(tmp_path: Path) -> None:
    outputs = [one.output for one in steps()]
    for title, place in written(tmp_path):
        path = place.relative_to(tmp_path).as_posix()
        assert any(path.startswith(output) for output in outputs), title
    assert len(set(outputs)) == len(outputs)
