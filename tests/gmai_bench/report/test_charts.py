import pytest
from gmai_bench.report.charts import group_chart, headline_bar, radar, rule_slices
from gmai_bench.scoring.results import GroupResult


def group(accuracy: float, n: int = 10, chance: float | None = 0.25) -> GroupResult:
    return GroupResult(n, round(accuracy * n), accuracy, (accuracy / 2, accuracy), chance)


def test_every_bar_of_a_group_says_its_n_and_the_largest_comes_first() -> None:
    drawn = group_chart({"c": group(0.1, 5), "<b>": group(0.2, 5), "a": group(0.3, 50, chance=None)})
    assert [drawn.index(f">{name}</span>") for name in ("a", "&lt;b&gt;", "c")] == sorted(
        drawn.index(f">{name}</span>") for name in ("a", "&lt;b&gt;", "c")
    )
    assert "30.0 % (15.0–30.0 %), n = 50" in drawn
    assert drawn.count("stroke-dasharray") == 2  # chance, where there is one


def test_the_headline_bar_shows_the_benchmarks_own_number(scored) -> None:
    bar = headline_bar(scored("CT", "MR", "CT", "CT").result)
    assert (bar.label, bar.value, bar.chance, bar.text) == ("", 75, 50, "75.0 %")
    assert bar.note.startswith("3 of 4; 95 % interval ")


@pytest.mark.parametrize(("count", "is_drawn"), [(2, False), (3, True), (20, True), (21, False)])
def test_a_radar_plot_needs_three_to_twenty_groups(count: int, is_drawn: bool) -> None:
    assert (radar("organ", {f"g{i:02d}": group(0.5) for i in range(count)}) is not None) == is_drawn


def test_a_radar_plot_begins_above_and_turns_clockwise() -> None:
    plot = radar("body_part", {"d": group(1.0), "b": group(0.5), "a": group(1.0), "c": group(0.0)})
    assert plot is not None
    assert (plot.title, [axis.label for axis in plot.axes]) == ("body part", ["a", "b", "c", "d"])
    assert [(axis.x, axis.y) for axis in plot.axes] == [(0, -70), (70, 0), (0, 70), (-70, 0)]
    assert [axis.anchor for axis in plot.axes] == ["middle", "start", "middle", "end"]
    assert plot.ours.replace("-0.00", "0.00") == "0.00,-70.00 35.00,0.00 0.00,0.00 -70.00,0.00"
    assert plot.chance.replace("-0.00", "0.00") == "0.00,-17.50 17.50,0.00 0.00,17.50 -17.50,0.00"
    assert [ring.split()[0] for ring in plot.rings] == ["0.00,-17.50", "0.00,-35.00", "0.00,-52.50", "0.00,-70.00"]


def test_without_the_chance_of_every_group_none_is_drawn() -> None:
    plot = radar("organ", {"a": group(1.0), "b": group(1.0, chance=None), "c": group(1.0)})
    assert plot is not None
    assert plot.chance == ""


@pytest.mark.parametrize(("length", "label"), [(24, "x" * 24), (25, "x" * 22 + "…")])
def test_a_long_name_is_cut_beside_its_axis_and_whole_in_its_note(length: int, label: str) -> None:
    name = "x" * length
    plot = radar("organ", {name: group(0.5), "y": group(0.5), "z": group(0.5)})
    assert plot is not None
    assert plot.axes[0].label == label
    assert plot.axes[0].note == f"{name}: 50.0 %, 5 of 10; 95 % interval 25.0–50.0 %"


def test_the_extraction_bar_is_whole_and_what_found_nothing_has_its_colour(scored) -> None:
    result = scored("CT", "", "It is MR.", "CT or MR").result
    slices = rule_slices(result)
    assert [part.rule for part in slices] == list(result.rules)
    assert sum(part.width for part in slices) == 100
    assert [part.start for part in slices] == [sum(p.width for p in slices[:i]) for i in range(len(slices))]
    styles = {part.rule: part.style for part in slices}
    assert styles["empty"] == "empty"
    found = [style for rule, style in styles.items() if rule not in {"ambiguous", "refused", "empty", "unparsed"}]
    assert found == [f"found{min(i, 3)}" for i in range(len(found))]
    assert [(part.count, part.share, part.width) for part in slices if part.rule == "empty"] == [(1, "25.0 %", 25)]
