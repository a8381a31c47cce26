"""The page: its sentence says what the interval says, curves of each reward, all of it escaped."""

import json

import pytest
from gmai_model.tuning.held_out import Gain
from gmai_model.tuning.report import verdict, write_report
from gmai_model.tuning.tasks import Tasks


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.01, 0.2, "above where it started"), (-0.2, -0.01, "below where"), (-0.01, 0.02, "not told apart from")],
)
def test_the_verdict_follows_the_interval(low, high, words):
    said = verdict(Gain("all", 50, 0.5, 0.6, low, high))
    assert words in said
    assert "50.0% ▶ 60.0%" in said


def test_the_page_shows_curves_and_escapes_answers(tmp_path):
    lines = [{"step": n, "loss": 0.1, "reward": n / 9, "rewards/box_iou/mean": 0.2} for n in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    prompt = [{"role": "user", "content": [{"type": "text", "text": "<b>Where?"}]}]
    row = {"id": "x", "images": [], "prompt": prompt, "reward": "count", "truth": '{"count": 1}'}
    write_report(tmp_path, {"name": "verifiable_rewards", "settings": {"seed": 0}}, [Gain("all", 1, 0, 1, 1, 1)],
                 Tasks([row], {}), ["<script>"], ["1"])  # fmt: skip
    page = (tmp_path / "report.html").read_text()
    for there in (
        "reward of box_iou",
        "mean reward of the drawn",
        "&lt;script&gt;",
        "&lt;b&gt;Where?",
        "+100.0 points",
    ):
        assert there in page
    assert "<script>" not in page
