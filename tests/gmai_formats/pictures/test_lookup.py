"""Look-up tables of any depth, packing and sign, beside pydicom's where that is right."""

import numpy as np
import pydicom
import pytest
from gmai_formats.pictures.lookup import Lookup
from gmai_formats.pictures.problems import PictureError
from pydicom.pixels import apply_modality_lut


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("count", [256, 1024, 4096, 65536])
def test_a_ramp_is_a_ramp_at_any_depth(bits: int, count: int) -> None:
    entries = np.linspace(0, 2**bits - 1, count).astype("<u2")
    table = Lookup([count % 65536, 0, bits], entries.tobytes(), signed=False)
    values = np.arange(0, count, 37)
    assert np.array_equal(table(values), entries[values])
    assert table.highest == 2**bits - 1
    assert np.array_equal(Lookup([count % 65536, 0, bits], entries.tolist(), signed=False)(values), entries[values])


@pytest.mark.parametrize("count", [256, 255])
def test_8_bit_entries_may_be_packed_two_to_a_word(count: int) -> None:
    entries = (np.arange(count) * 7 % 256).astype(np.uint8)
    data = entries.tobytes() + b"\0" * (count % 2)
    packed = Lookup([count, 0, 8], data, signed=False)
    assert np.array_equal(packed(np.arange(count)), entries)
    words = np.frombuffer(data, "<u2").tolist()
    assert np.array_equal(Lookup([count, 0, 8], words, signed=False)(np.arange(count)), entries)


def test_values_outside_take_the_ends_and_the_first_value_has_a_sign() -> None:
    entries = [10, 20, 30, 40]
    for first in (-2, 65534):  # as pydicom reads the descriptor, by the sign of the pixels
        table = Lookup([4, first, 16], entries, signed=True)
        assert table(np.array([-1000, -2, -1, 0, 1, 2, 9000])).tolist() == [10, 10, 20, 30, 40, 40, 40]
    unsigned = Lookup([4, -25536, 16], entries, signed=False)
    assert unsigned(np.array([0, 40000, 40003, 65535])).tolist() == [10, 10, 40, 40]


def test_modality_lut_is_that_of_pydicom() -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor = [1000, 100, 16]
    item.add_new(0x00283006, "US", (np.arange(1000) * 3).tolist())
    dataset = pydicom.Dataset()
    dataset.ModalityLUTSequence, dataset.PixelRepresentation = pydicom.Sequence([item]), 0
    values = np.random.default_rng(0).integers(0, 4096, (20, 20)).astype(np.uint16)
    assert np.array_equal(
        Lookup(item.LUTDescriptor, item.LUTData, signed=False)(values), apply_modality_lut(values, dataset)
    )


def test_a_table_that_is_too_short_is_refused() -> None:
    with pytest.raises(PictureError, match="a look-up table of 3 entries is to have 4"):
        Lookup([4, 0, 16], [1, 2, 3], signed=False)
