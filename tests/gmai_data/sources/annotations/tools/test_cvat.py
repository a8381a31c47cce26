"""CVAT's XML for images and for videos."""

import re

import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.tools.cvat import read


@pytest.fixture
def marked(tmp_path):
    """Return a function of the inner XML that reads the file."""

    def make(inner):
        (tmp_path / "a.xml").write_text(f"<annotations><version>1.1</version>{inner}</annotations>")
        return read(tmp_path / "a.xml", "a.xml")

    return make


def test_images(marked):
    (one, two) = marked(
        '<image id="0" name="sub/1.png" width="32" height="24">'
        '<box label="a" xtl="1.5" ytl="2" xbr="9" ybr="8" rotation="30.0"><attribute name="x">y</attribute></box>'
        '<polygon label="b" points="1.0,2.0;9.0,2.0;9.0,8.0"/><ellipse label="c" cx="5" cy="6" rx="3" ry="2"/>'
        '<mask label="d" rle="1, 2, 3" left="4" top="5" width="3" height="2"/><tag label="bad"/>'
        '<polyline label="e" points="1,2;3,4"/><points label="f" points="1,2"/><cuboid label="g"/></image>'
        '<image id="1" name="2.png" width="32" height="24"/>'
    )
    assert (one.name, one.size, one.labels, two.shapes) == ("sub/1.png", (32, 24), ["bad"], [])
    kinds = [(shape.label, shape.kind, shape.rotation_deg) for shape in one.shapes]
    assert kinds == [("a", "box", 30), ("b", "polygon", 0), ("c", "ellipse", 0), ("d", "mask", 0), ("e", "other", 0),
                     ("f", "other", 0), ("g", "other", 0)]  # fmt: skip
    assert [list(shape.points) for shape in one.shapes[:4]] == [
        [(1.5, 2), (9, 8)], [(1, 2), (9, 2), (9, 8)], [(5, 6), (3, 2)], [(4, 5)]
    ]  # fmt: skip
    assert (one.shapes[3].runs, one.shapes[3].runs_size) == ([1, 2, 3], (3, 2))
    assert [shape.name for shape in one.shapes[4:]] == ["polyline", "points", "cuboid"]


@pytest.mark.parametrize(
    ("inner", "problem"),
    [
        ('<box label="a" xtl="1" ytl="2" xbr="x" ybr="8"/>', "could not convert string to float"),
        ('<box label="a" xtl="1"/>', "no ytl"),
        ('<mask label="a" left="4" top="5" width="3" height="2"/>', "invalid literal for int"),
        ('<polygon label="a" points="1,2;3"/>', "not enough values to unpack"),
    ],
)
def test_shapes_that_cannot_be_read(marked, inner, problem):
    ((shape,),) = (each.shapes for each in marked(f'<image name="1.png">{inner}</image>'))
    assert (shape.kind, shape.label) == ("other", "a")
    assert problem in shape.problem


def box(frame, outside=0):
    return f'<box frame="{frame}" outside="{outside}" keyframe="1" xtl="{frame}" ytl="1" xbr="9" ybr="8"/>'


def test_a_video_has_all_its_frames_and_what_lies_between_key_frames_is_open(marked):
    found = marked(
        "<meta><task><size>7</size><original_size><width>32</width><height>24</height></original_size></task></meta>"
        f'<track id="0" label="a">{box(0)}{box(1)}{box(2, 1)}</track>'
        f'<track id="1" label="b">{box(4)}{box(1)}</track>'
    )
    assert [each.frame for each in found] == [0, 1, 2, 3, 4, 5, 6]
    assert {each.size for each in found} == {(32, 24)}
    assert [[shape.label for shape in each.shapes] for each in found] == [["a"], ["a", "b"], [], [], ["b"], [], []]
    assert [each.unclear for each in found] == [(), (), ("b",), ("b",), (), (), ()]


def test_files_of_others(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation><filename>1.png</filename></annotation>")
    assert read(tmp_path / "a.xml", "a.xml") == []


def test_shapes_of_one_group_are_of_one_object(marked):
    inner = "".join(f'<box label="a" xtl="1" ytl="2" xbr="9" ybr="8" {group}/>' for group in
                    ('group_id="7"', 'group_id="0"', "", 'group_id="7"'))  # fmt: skip
    (found,) = marked(f'<annotations><image name="1.png" width="32" height="24">{inner}</image></annotations>')
    assert [each.part_of for each in found.shapes] == ["7", "", "", "7"]


def task(size, **fields):
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<meta><task><size>{size}</size>{inner}</task></meta>"


@pytest.mark.parametrize(
    ("meta", "tracks", "frames"),
    [
        (task(4), (0, 1), [0, 1, 2, 3]),
        (task(4, start_frame=10), (10, 11), [10, 11, 12, 13]),
        (task(4, start_frame=0, stop_frame=15, frame_filter="step=5"), (5, 10), [0, 5, 10, 15]),
        (task(3, start_frame=2, stop_frame=8, frame_filter="step=3"), (2, 8), [2, 5, 8]),
        (task(3, start_frame=2, frame_filter=""), (2, 4), [2, 3, 4]),
        (task(0, frame_filter="step=0"), (0, 2), [0, 1, 2]),
    ],
)
def test_only_frames_of_the_task_are_listed(marked, meta, tracks, frames):
    first, last = tracks
    found = marked(f'{meta}<track id="0" label="a">{box(first)}{box(last, 1)}</track>')
    assert [each.frame for each in found] == frames
    assert [each.frame for each in found if each.shapes] == [first]


def test_what_lies_between_key_frames_of_every_fifth_frame_is_open(marked):
    found = marked(f'{task(4, frame_filter="step=5")}<track id="0" label="a">{box(0)}{box(15)}</track>')
    assert [(each.frame, each.unclear) for each in found] == [(0, ()), (5, ("a",)), (10, ("a",)), (15, ())]


@pytest.mark.parametrize(
    ("meta", "frame", "problem"),
    [
        (task(4), "x", 'frame="x" of a track is no number'),
        (task(4), "-1", 'frame="-1" of a track is no number'),
        (task(4), "1.5", 'frame="1.5" of a track is no number'),
        (task(4, frame_filter="step=5"), "7", "frame 7 is marked, and the task has every 5. of the video from 0 on"),
        (task(4, start_frame=3), "2", "frame 2 is marked"),
    ],
)
def test_frames_that_are_none_or_not_of_the_task(marked, meta, frame, problem):
    with pytest.raises(SourceError, match=re.escape(problem)):
        marked(f'{meta}<track id="0" label="a">{box(frame)}</track>')
