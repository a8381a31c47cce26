"""Charts: the positions that numbers get, and that names are text."""

import re

import pytest
from gmai_formats.pages.charts import Bar, bar_chart, line_chart


def test_a_line_runs_from_its_first_step_to_its_last_and_from_zero():
    chart = line_chart("loss", [(1, 4.0), (3, 2.0)], dots=[(2, 1.0)])
    points = [tuple(map(float, pair.split(","))) for pair in re.search(r'points="([^"]*)"', chart)[1].split()]
    assert [x for x, _ in points] == [48.0, 410.0]
    top, bottom = 24, 172
    assert points[0][1] == pytest.approx(bottom - (bottom - top) * 4 / 4.2, abs=0.1)
    assert points[1][1] == pytest.approx(bottom - (bottom - top) * 2 / 4.2, abs=0.1)
    assert '<circle class="dot" cx="229.0"' in chart
    assert "loss; last 2.00" in chart
    assert ">step 1<" in chart
    assert ">3<" in chart


def test_nothing_to_draw_is_no_chart_and_one_point_is_a_dot():
    assert line_chart("loss", []) == ""
    assert line_chart("loss", [(1, 2.0)]).count("<circle") == 1


def test_a_bar_has_its_length_interval_tick_and_comparison():
    chart = bar_chart([Bar("<b>", 0.5, "50 %", (0.4, 0.6), 0.25), Bar("b", 0.1, "10 %", second=0.2, is_faint=True)])
    assert '<rect width="50.00%"' in chart
    assert 'x1="40.00%" x2="60.00%"' in chart
    assert 'x1="25.00%" x2="25.00%"' in chart
    assert '<rect y="15" width="20.00%"' in chart
    assert "var(--soft)" in chart
    assert "<b>" not in chart


@pytest.mark.parametrize(("value", "width"), [(1.2, "100.00%"), (-0.1, "0.00%"), (0.0, "0.00%")])
def test_a_bar_stays_inside_its_frame(value, width):
    assert f'<rect width="{width}" height="22" rx="3" fill="var(--mark)"' in bar_chart([Bar("a", value, "")])
