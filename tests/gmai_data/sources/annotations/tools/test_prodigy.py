"""Prodigy's lines: what was accepted, and what was not."""

import json

import pytest
from gmai_data.sources.annotations.tools.prodigy import read

TASK = {"image": "images/1.png", "width": 8, "height": 6, "answer": "accept"}
CORNERS = [[1, 2], [1, 5], [5, 5], [5, 2]]


def saved(tmp_path, *tasks, name="p.jsonl"):
    (tmp_path / name).write_text("\n".join(json.dumps(task) for task in tasks) + "\n")
    return read(tmp_path / name, name)


@pytest.mark.parametrize(
    ("span", "kind", "points"),
    [
        ({"x": 1, "y": 2, "width": 4, "height": 3, "type": "rect", "points": CORNERS}, "box", [(1, 2), (5, 5)]),
        ({"type": "rect", "points": CORNERS}, "polygon", CORNERS),
        ({"points": CORNERS}, "polygon", CORNERS),
        ({"type": "polygon", "points": CORNERS[:3]}, "polygon", CORNERS[:3]),
        ({"type": "freehand", "points": CORNERS[:3]}, "polygon", CORNERS[:3]),
        ({"type": "line", "points": CORNERS[:2]}, "other", []),
    ],
)
def test_spans(tmp_path, span, kind, points):
    (found,) = saved(tmp_path, {**TASK, "spans": [{"label": "A", **span}]})
    (shape,) = found.shapes
    assert (found.name, found.size, shape.label, shape.kind) == ("images/1.png", (8, 6), "A", kind)
    assert [list(point) for point in shape.points] == [list(point) for point in points]
    assert not shape.problem


@pytest.mark.parametrize(
    ("task", "labels"),
    [({"label": "A"}, ["A"]), ({"accept": ["B", 3], "options": [{"id": "B"}, {"id": 3}]}, ["B", "3"]), ({}, [])],
)
def test_labels_of_pictures(tmp_path, task, labels):
    assert saved(tmp_path, {**TASK, **task})[0].labels == labels


@pytest.mark.parametrize("answer", ["reject", "ignore"])
def test_what_was_not_accepted_says_nothing(tmp_path, answer):
    found = saved(tmp_path, {**TASK, "answer": answer, "label": "A", "spans": [{"label": "A", "points": CORNERS}]})
    assert [(each.set_aside, each.labels, each.shapes) for each in found] == [
        (f"answered by {answer} in Prodigy", (), ())
    ]


@pytest.mark.parametrize(
    ("more", "name"), [({"path": "i/1.png"}, "i/1.png"), ({"meta": {"file": "1.png"}}, "1.png"), ({}, "")]
)
def test_pictures_in_the_lines_are_found_by_the_name_they_state(tmp_path, more, name):
    (found,) = saved(tmp_path, {**TASK, "image": "data:image/png;base64,AAAA", **more})
    assert (found.name, found.problem is None) == (name, bool(name))


@pytest.mark.parametrize("task", [{"image": "1.png", "label": "A"}, {"text": "x", "answer": "accept"}, {}])
def test_other_lines(tmp_path, task):
    assert saved(tmp_path, TASK, task) == []
