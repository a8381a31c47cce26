"""One series ▶ its volumes: by geometry, by the field that tells doubled slices apart, and by holes."""

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.dicom_stacks import Slice, apart_of, distances_mm, stacks_of
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


def test_a_time_of_every_slice_tells_nothing_apart():
    slices = [each for number, place in enumerate((0, 0, 3, 3)) for each in row([place], AcquisitionTime=number)]
    with pytest.raises(SourceError, match="slices at the same place that no field tells apart"):
        stacks_of(slices, "split", "f")


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
    assert apart_of(header) == (("AcquisitionNumber", "2"),)
