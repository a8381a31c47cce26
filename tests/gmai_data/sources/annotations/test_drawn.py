"""Which images a mask file names, and what several of them mark together."""

import numpy as np
import pytest
from gmai_data.imaging.dicom_series import load_series
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.drawn import (
    DrawnRule,
    Images,
    Marks,
    Notes,
    drawn_on,
    given_to,
    image_of_file,
    lost_items,
    marks_of,
)

from ...dicom_objects import noise, uid, write, write_lidc, write_seg, write_series, write_structures

SQUARE = np.array([[2, 2, 3], [6, 2, 3], [6, 6, 3], [2, 6, 3]], float)


@pytest.fixture
def headers(tmp_path):
    return write_series(tmp_path / "s", 4)


def test_each_kind_says_what_it_was_drawn_on(headers, tmp_path):
    uids = {each.SOPInstanceUID for each in headers}
    write_seg(tmp_path / "seg", headers, np.ones((4, 8, 8, 1), np.uint8), ["a"])
    write_structures(tmp_path / "rt", headers, {"a": [(SQUARE, "CLOSED_PLANAR")]})
    write_lidc(tmp_path / "l.xml", headers, [[[(1, [(1, 1)], True)]]])
    for name, kind, images in (
        ("seg", "SEG", uids),
        ("rt", "RTSTRUCT", uids),
        ("l.xml", "LIDC", {headers[1].SOPInstanceUID}),
    ):
        found = marks_of(tmp_path, tmp_path / name)
        assert (found.kind, found.series, found.images) == (kind, {headers[0].SeriesInstanceUID}, images)
    assert marks_of(tmp_path, tmp_path / "rt").spaces == {uid("space", "p")}
    (tmp_path / "notes").write_text("none")
    (tmp_path / "voc.xml").write_text("<annotation/>")
    for name in ("s/s-00", "notes", "voc.xml"):
        assert marks_of(tmp_path, tmp_path / name) is None
    (tmp_path / "broken.xml").write_text("<LidcReadMessage>")
    assert marks_of(tmp_path, tmp_path / "broken.xml").problem[0] == "LIDC XML unreadable"
    assert image_of_file(tmp_path / "s" / "s-00").images == {headers[0].SOPInstanceUID}
    assert image_of_file(tmp_path / "notes") == Images("", frozenset())


KNOWN = [
    Images("1", frozenset({"1.1", "1.2"}), "x"),
    Images("2", frozenset({"2.1"}), "x"),
    Images("3", frozenset(), "y"),
]


@pytest.mark.parametrize(
    ("series", "images", "spaces", "owners"),
    [
        ({"2"}, {"1.1"}, {"y"}, [1]),
        ({"1", "3"}, {}, {}, [0, 2]),
        ({"9"}, {"1.2"}, {}, [0]),
        ({}, {"2.1", "1.1"}, {}, [0, 1]),
        ({}, {}, {"y"}, [2]),
        ({}, {}, {"x"}, []),
        ({}, {}, {""}, []),
        ({"9"}, {"9.1"}, {"y"}, []),
        ({}, {}, {}, []),
    ],
)
def test_by_series_then_by_image_then_by_the_only_one_in_its_space(series, images, spaces, owners):
    marks = Marks("m", "SEG", frozenset(series), frozenset(images), frozenset(spaces), "g")
    given, lost = given_to([marks], KNOWN)
    assert [index for index, each in enumerate(given) if each] == owners
    assert lost == ([] if owners else [marks])
    for item in lost_items(lost):
        assert (item.key, item.group, item.problem[0]) == ("m", "g", "mask without its images")


def test_files_of_one_volume_add_up_unless_they_mark_the_same_label(headers, tmp_path, toy):
    (volume,) = load_series(tmp_path, ["s"])
    write_seg(tmp_path / "seg", headers, np.ones((4, 8, 8, 1), np.uint8), ["a"])
    write_structures(
        tmp_path / "rt", headers, {"b": [(SQUARE, "CLOSED_PLANAR")], "c": [], "Body": [(SQUARE, "CLOSED_PLANAR")]}
    )
    rule, notes = DrawnRule(files="*"), Notes()
    labels = {"a": "A", "b": "B", "c": "C", "d": "D", "Dd": "D", "e": "E"}
    card = toy(labels=labels, background=["Body", "e"])

    def read(*files):
        slices = volume.planes.slices
        return list(drawn_on(tmp_path, files, slices, rule, card, notes, partial=False))

    assert [(raw, int(mask.sum()), file) for raw, mask, file in read("seg", "rt")] == [
        ("a", 256, "seg"),
        ("b", 16, "rt"),
    ]
    assert list(notes.uncertain) == ["c", "d", "Dd"]  # no file names D: nobody may have drawn it
    rule, notes = DrawnRule(files="*", missing="absent"), Notes()
    read("seg", "rt")
    assert list(notes.uncertain) == ["c"]
    write_structures(tmp_path / "rt2", headers, {"a": [(SQUARE, "CLOSED_PLANAR")]})
    with pytest.raises(SourceError, match='several masks of one label: "a" is marked by seg, too; narrow'):
        read("seg", "rt2")
    write(tmp_path / "x", "DX", noise())
    with pytest.raises(SourceError, match="not a DICOM SEG"):
        read("x")
