"""One series ▶ its volumes: by geometry, by the field that tells doubled slices apart, and by holes."""

import dataclasses

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.dicom_stacks import Slice, distances_mm, separating_values, stacks_of
from gmai_data.ledger import SourceError

AXIAL, CORONAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1)


def row(places, orientation=AXIAL, size=(8, 8), spacing=(1.0, 1.0), **apart):
    normal = np.cross(orientation[:3], orientation[3:])
    return [
        Slice(
            f"{place}-{apart}", None, size, np.array(orientation, float), normal * float(place), spacing,
            tuple((name, str(value)) for name, value in apart.items()),
        )
        for place in places
    ]  # fmt: skip


def lengths(stacks):
    return sorted(len(stack.slices) for stack in stacks)


def test_slices_are_put_in_order_of_their_places():
    (stack,) = stacks_of(row([6, 0, 3, 9]), "refuse", "f")
    assert distances_mm(stack.slices).tolist() == [3, 3, 3]
    assert (stack.told_by, stack.flags) == ((), ())


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("AcquisitionNumber", (1, 2)),
        ("EchoTime", (2.3, 4.6, 6.9)),
        ("TemporalPositionIdentifier", (1, 2, 3, 4)),
        ("DiffusionBValue", (0, 1000)),
        ("ImageType", ("['M']", "['P']")),
        ("ConvolutionKernel", ("B30f", "B70f")),
    ],
)
def test_slices_at_one_place_are_told_apart_by_a_field(field, values):
    slices = [each for value in values for each in row(range(0, 15, 3), **{field: value, "Modality": "x"})]
    stacks = stacks_of(slices, "refuse", "f")
    assert lengths(stacks) == [5] * len(values)
    assert [stack.told_by for stack in stacks] == [(f"{field} {value}",) for value in values]


def test_two_fields_may_be_needed():
    slices = [
        each for echo in (1, 2) for phase in (1, 2, 3) for each in row(range(4), EchoNumbers=echo, TriggerTime=phase)
    ]
    assert lengths(stacks_of(slices, "refuse", "f")) == [4] * 6


def test_a_field_that_differs_in_an_even_row_divides_nothing():
    slices = row([0, 3], AcquisitionNumber=1) + row([6, 9], AcquisitionNumber=2)
    assert lengths(stacks_of(slices, "refuse", "f")) == [4]


@pytest.mark.parametrize("field", ["ConvolutionKernel", "EchoNumbers", "DiffusionBValue"])
@pytest.mark.parametrize("places", [((0, 3, 6, 9), (1.5, 4.5, 7.5)), ((0, 3, 6), (9, 12)), ((0, 2), (1, 3), (4, 5, 6))])
def test_two_volumes_whose_slices_would_make_one_even_row_stay_two(field, places):
    slices = [each for number, own in enumerate(places) for each in row(own, **{field: f"v{number}"})]
    stacks = stacks_of(slices, "refuse", "f")
    assert [[each.place_mm for each in stack.slices] for stack in stacks] == [list(own) for own in places]
    assert [stack.told_by for stack in stacks] == [(f"{field} v{number}",) for number in range(len(places))]
    unknown = row([places[-1][-1] + (places[0][1] - places[0][0])]) if len(places) == 2 else []
    assert len(stacks_of([*slices, *unknown], "flag", "f")) == (1 if unknown else len(places))


def test_a_time_of_every_slice_divides_only_by_turns():
    slices = [each for number, place in enumerate((0, 0, 3, 3)) for each in row([place], AcquisitionTime=number)]
    assert lengths(stacks_of(slices, "split", "f")) == [2, 2]
    with pytest.raises(SourceError, match="slices at the same place that no field tells apart"):
        stacks_of(slices[1:], "split", "f")


@pytest.mark.parametrize("field", ["InstanceNumber", "AcquisitionTime", "TriggerTime", "ContentTime"])
@pytest.mark.parametrize(("places", "count"), [((0, 3, 6), 4), ((-9, -4, 1, 6), 2), ((2, 7), 9)])
def test_as_many_images_at_each_place_are_volumes_in_their_turn(field, places, count):
    """Perfusion without time points, diffusion with b-values in private tags: only a running number differs."""
    slices = []
    for turn in reversed(range(count)):
        for number, place in enumerate(places):
            value = f"{1000 + 10 * turn + number}.25" if "Time" in field else 1 + turn * len(places) + number
            slices += row([place], **{field: value})
    stacks = stacks_of(slices, "refuse", "f")
    assert [stack.told_by for stack in stacks] == [
        (f"{field}: number {turn + 1} of {count} at each place",) for turn in range(count)
    ]
    for turn, stack in enumerate(stacks):
        assert [each.place_mm for each in stack.slices] == sorted(places)
        assert [float(dict(each.separating)[field]) // 1 for each in stack.slices] == [
            1000 + 10 * turn + number if "Time" in field else 1 + turn * len(places) + number
            for number in range(len(places))
        ]


def test_directions_of_one_b_value_are_volumes_in_their_turn():
    slices = row(range(3), DiffusionBValue=0, InstanceNumber=1)
    for direction in range(3):
        slices += row(range(3), DiffusionBValue=1000, InstanceNumber=4 + direction)
    assert [stack.told_by[0] for stack in stacks_of(slices, "refuse", "f")] == ["DiffusionBValue 0"] + [
        "DiffusionBValue 1000"
    ] * 3


@pytest.mark.parametrize(
    ("turns", "why"),
    [
        ([(0, 1), (0, 2), (3, 3)], "as many at each place"),
        ([(0, 1), (0, 1), (3, 2), (3, 3)], "no order at one place"),
        ([(0, 1), (0, ""), (3, 2), (3, 3)], "no number"),
        ([(0, 1), (0, 2), (0, 3)], "a cine of one place"),
    ],
)
def test_images_at_one_place_that_nothing_puts_in_order_are_refused(turns, why):
    slices = [each for place, number in turns for each in row([place], InstanceNumber=number)]
    slices = [dataclasses.replace(each, file=str(number)) for number, each in enumerate(slices)]
    with pytest.raises(SourceError, match="slices at the same place that no field tells apart"):
        stacks_of(slices, "refuse", "f")


def test_copies_of_a_file_are_left_out():
    slices = [dataclasses.replace(each, uid=str(number)) for number, each in enumerate(row(range(4)))]
    copy = dataclasses.replace(slices[2], file="copy of 2")
    (stack,) = stacks_of([*slices, copy], "refuse", "f")
    assert (len(stack.slices), stack.flags) == (4, ("1 left out: copy of another file",))
    other = dataclasses.replace(copy, separating=(("EchoTime", "3"),))  # the same UID, but not the same image
    assert stacks_of([*slices, other], "refuse", "f")[0].flags == ("1 left out: slice of its own",)


def test_other_geometries_are_other_volumes():
    slices = row(range(4)) + row(range(5), CORONAL) + row(range(6), size=(8, 9)) + row([50, 53], spacing=(2.0, 2.0))
    stacks = stacks_of(slices, "refuse", "f")
    assert lengths(stacks) == [2, 4, 5, 6]
    assert stacks[0].told_by == ("geometry 1 of 4",)
    (stack,) = stacks_of(row(range(4)) + row([2], size=(5, 5)), "refuse", "f")
    assert stack.flags == ("1 left out: slice of its own",)


def test_a_missing_slice_is_refused_flagged_or_divides():
    holed = row([0, 3, 6, 12, 15, 18, 40])
    with pytest.raises(SourceError, match=r"uneven slice spacing: distances from 3\.00 to 22\.00 mm; .* slices\.gaps"):
        stacks_of(holed, "refuse", "f")
    (flagged,) = stacks_of(holed, "flag", "f")
    assert len(flagged.slices) == 7
    assert flagged.flags == ("missing slices: distances from 3.00 to 22.00 mm",)
    first, second = stacks_of(holed, "split", "f")
    assert (len(first.slices), len(second.slices)) == (3, 3)
    assert second.told_by == ("from slice 3",)
    assert first.flags == ("1 left out: slice of its own",)
    with pytest.raises(SourceError, match="do not lie in even rows"):
        stacks_of(row([0, 3, 5, 6.5, 8.7]), "split", "f")


def test_fewer_than_two_slices_are_no_volume():
    with pytest.raises(SourceError, match=r"not a DICOM series: 2 slice\(s\), each of its own kind"):
        stacks_of(row([0]) + row([0], CORONAL), "split", "f")


def test_fields_of_a_header():
    header = pydicom.Dataset()
    header.AcquisitionNumber, header.EchoTime, header.PatientID = 2, "", "nobody"
    assert separating_values(header) == (("AcquisitionNumber", "2"),)
