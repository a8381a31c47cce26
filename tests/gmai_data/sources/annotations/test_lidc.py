"""LIDC XML: outlines outside of nodules, exclusions, small nodules, and the agreement of readers."""

import numpy as np
import pytest
import shapely
from gmai_data.imaging.dicom_series import load_series
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations import lidc
from gmai_data.sources.annotations.lidc import is_lidc, load_readings, names_of_series

from ...dicom_objects import uid, write_lidc, write_series


@pytest.fixture
def images(tmp_path):
    headers = write_series(tmp_path / "s", 4, shape=(20, 20))
    (volume,) = load_series(tmp_path, ["s"])
    return headers, volume.planes.slices


def square(left, top, right, bottom):
    """Return the chain of pixels around, as readers' outlines are stored."""
    across, down = range(left, right), range(top, bottom)
    there = [(x, top) for x in across] + [(right, y) for y in down]
    return there + [(left + right - x, top + bottom - y) for x, y in there]


def marked(mask):
    return {tuple(index) for index in np.argwhere(mask).tolist()}


def block(image, left, top, right, bottom):
    return {(image, y, x) for y in range(top, bottom) for x in range(left, right)}


def test_the_outline_itself_is_outside_of_the_nodule(images, tmp_path):
    headers, planes = images
    write_lidc(tmp_path / "a.xml", headers, [[[(1, square(4, 5, 10, 12), True)]]])
    assert marked(load_readings(tmp_path, "a.xml", planes, 1).mask) == block(1, 5, 6, 10, 12)
    # The same by shapely, of an outline that is no rectangle.
    diamond = [(10, 4), (11, 5), (12, 6), (13, 7), (12, 8), (11, 9), (10, 10), (9, 9), (8, 8), (7, 7), (8, 6), (9, 5)]
    write_lidc(tmp_path / "a.xml", headers, [[[(2, diamond, True)]]])
    polygon = shapely.Polygon(diamond)
    inside = {(2, y, x) for y in range(20) for x in range(20) if polygon.contains(shapely.Point(x, y))}
    assert marked(load_readings(tmp_path, "a.xml", planes, 1).mask) == inside


def test_an_exclusion_takes_itself_and_its_outline_away(images, tmp_path):
    headers, planes = images
    for order in (1, -1):
        outlines = [(1, square(2, 2, 14, 14), True), (1, square(5, 5, 9, 9), False)][::order]
        write_lidc(tmp_path / "a.xml", headers, [[outlines]])
        mask = load_readings(tmp_path, "a.xml", planes, 1).mask
        assert marked(mask) == block(1, 3, 3, 14, 14) - block(1, 5, 5, 10, 10)


@pytest.mark.parametrize(("readers", "agreed"), [(1, (3, 14)), (2, (4, 13)), (3, (5, 12)), (4, (6, 11))])
def test_so_many_readers_agree(images, tmp_path, readers, agreed):
    headers, planes = images
    sessions = [[[(1, square(2 + n, 2 + n, 14 - n, 14 - n), True)]] for n in range(4)]
    write_lidc(tmp_path / "a.xml", headers, sessions)
    found = load_readings(tmp_path, "a.xml", planes, readers)
    low, high = agreed
    assert marked(found.mask) == block(1, low, low, high, high)
    assert found.is_open == (readers > 1), "what fewer readers saw is left open"


def test_one_reader_who_marks_a_place_twice_is_one(images, tmp_path):
    headers, planes = images
    twice = [[(1, square(2, 2, 8, 8), True)], [(1, square(2, 2, 8, 8), True)]]
    write_lidc(tmp_path / "a.xml", headers, [twice, []])
    assert not load_readings(tmp_path, "a.xml", planes, 2).mask.any()


def test_a_small_nodule_is_a_point_that_leaves_it_open(images, tmp_path):
    headers, planes = images
    write_lidc(tmp_path / "a.xml", headers, [[[(1, [(5, 5)], True)]]])
    found = load_readings(tmp_path, "a.xml", planes, 1)
    assert (int(found.mask.sum()), found.is_open) == (0, True)
    write_lidc(tmp_path / "a.xml", headers, [[]])
    assert not load_readings(tmp_path, "a.xml", planes, 1).is_open


def test_what_was_read_is_named(images, tmp_path):
    headers, _ = images
    write_lidc(tmp_path / "a.xml", headers, [[[(1, square(2, 2, 8, 8), True), (2, square(2, 2, 8, 8), True)]]])
    uids = {headers[1].SOPInstanceUID, headers[2].SOPInstanceUID}
    assert names_of_series(tmp_path, "a.xml") == (uid("series", "p", "s"), uids)
    assert is_lidc(tmp_path / "a.xml")
    (tmp_path / "voc.xml").write_text("<annotation/>")
    assert not is_lidc(tmp_path / "voc.xml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<LidcReadMessage>", "LIDC XML unreadable: no element found"),
        ("<IdriReadMessage/>", "LIDC XML unreadable: its root is <IdriReadMessage>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><LidcReadMessage/>', "LIDC XML unreadable: it declares entities"),
        ("<LidcReadMessage/>", r"too few readers: 0 reader\(s\), and 1 are to agree"),
        (
            "<LidcReadMessage><readingSession><unblindedReadNodule><roi><imageZposition>7</imageZposition></roi>"
            "</unblindedReadNodule></readingSession></LidcReadMessage>",
            "grids differ: a mark at z 7 mm is on none",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(images, tmp_path, text, reason):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(SourceError, match=reason):
        load_readings(tmp_path, "a.xml", images[1], 1)


def test_a_file_is_parsed_once_and_again_when_it_changed(images, tmp_path, monkeypatch):
    headers, planes = images
    parsed = []
    real = lidc.ElementTree.fromstring
    monkeypatch.setattr(lidc.ElementTree, "fromstring", lambda text: parsed.append(1) or real(text))
    write_lidc(tmp_path / "a.xml", headers, [[[(1, square(4, 5, 10, 12), True)]]])
    first = names_of_series(tmp_path, "a.xml")
    for _ in range(2):
        mask = load_readings(tmp_path, "a.xml", planes, 1).mask
        assert marked(mask) == block(1, 5, 6, 10, 12)
    assert names_of_series(tmp_path, "a.xml") == first
    assert len(parsed) == 1
    write_lidc(tmp_path / "a.xml", headers, [[[(2, square(4, 5, 11, 12), True)]]])
    assert marked(load_readings(tmp_path, "a.xml", planes, 1).mask) == block(2, 5, 6, 11, 12)
    assert len(parsed) == 2
