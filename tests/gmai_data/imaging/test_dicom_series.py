"""A DICOM series ▶ volumes: values, order, flags, and what is no series."""

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.dicom_series import TILT_DEGREES, load_series
from gmai_data.ledger import SetAside, SourceError
from gmai_data.phantoms.files import write_dicom_series
from gmai_formats.pictures.display import HeaderDisplay

SHAPE = (5, 6, 8)


@pytest.fixture
def hu():
    return np.random.default_rng(0).integers(-1000, 2000, SHAPE).astype(np.float32)


@pytest.fixture
def series(tmp_path, hu):
    write_dicom_series(tmp_path / "s", hu, "p")
    return tmp_path


def change(root, numbers=range(SHAPE[0]), **fields):
    """Change the headers of some slices; a function of the number gives a value of its own to each."""
    for number in numbers:
        path = root / "s" / f"{number:03d}.dcm"
        header = pydicom.dcmread(path)
        for name, value in fields.items():
            setattr(header, name, value(number) if callable(value) else value)
        header.save_as(path)


def test_values_in_hu_with_windows_and_geometry(series, hu):
    (volume,) = load_series(series, ["s"])
    assert volume.array.dtype == np.int16
    assert np.array_equal(volume.array, hu)
    assert (volume.spacing_mm, volume.flags) == ((5.0, 3.0, 3.0), ())
    assert {each.display for each in volume.planes.slices} == {HeaderDisplay(((40.0, 400.0),))}
    assert np.array_equal(np.diag(volume.affine), [-3, -3, 5, 1])
    assert volume.in_hounsfield
    assert volume.suv_per_unit is None
    assert volume.facts["Modality"] == "CT"
    assert "p" not in volume.facts.values()


def test_slices_are_sorted_by_place_whatever_the_files_are_called(series, hu):
    files = [f"s/{number:03d}.dcm" for number in (3, 0, 4, 2, 1)]
    assert np.array_equal(load_series(series, files)[0].array, hu)


def test_fractions_make_32_bit_floats_of_all_slices(series, hu):
    change(series, [3], RescaleSlope=0.5)
    (volume,) = load_series(series, ["s"])
    assert volume.array.dtype == np.float32
    assert np.array_equal(volume.array[:3], hu[:3])
    assert np.array_equal(volume.array[3], (hu[3] + 1024) / 2 - 1024)
    change(series, [3], RescaleSlope=100)
    assert load_series(series, ["s"])[0].array.dtype == np.float32, "beyond 16 bits"


@pytest.mark.parametrize(
    ("lean", "flags"), [(np.tan(np.radians(TILT_DEGREES * 0.9)), ()), (0.2, ("gantry tilt 11.3 degrees",))]
)
def test_a_stack_that_leans_is_flagged(series, lean, flags):
    change(series, ImagePositionPatient=lambda number: [0, lean * 5 * number, 5 * number])
    assert load_series(series, ["s"])[0].flags == flags


def test_distances_that_are_a_little_uneven_are_flagged(series):
    change(series, [4], ImagePositionPatient=[0, 0, 20.4])
    assert load_series(series, ["s"])[0].flags == ("uneven slice spacing 5.00-5.40 mm",)


def test_what_is_left_out_is_counted(series):
    change(series, [0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (series / "s" / "README.txt").write_text("x")
    (volume,) = load_series(series, ["s"])
    assert volume.array.shape[0] == 4
    assert set(volume.flags) == {"1 set aside: localizer", "1 set aside: no DICOM file"}


def test_a_folder_of_localizers_alone_is_set_aside(series):
    change(series, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(SetAside, match=r"^localizer$"):
        load_series(series, ["s"])


@pytest.mark.parametrize(
    ("field", "rule"),
    [("SeriesInstanceUID", "several series in one folder"), ("PatientID", "several patients")],
)
def test_two_series_or_patients_are_no_volume(series, field, rule):
    change(series, [2], **{field: "1.2.3"})
    with pytest.raises(SourceError, match=f"{rule}: 2 of them among the slices; a volume has one"):
        load_series(series, ["s"])
    change(series, [2], **{field: ""})
    if field == "PatientID":
        change(series, [2], **{field: " p "})
        assert len(load_series(series, ["s"])) == 1, "spaces are padding"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ImagePositionPatient": None}, "no ImagePositionPatient with 3 numbers"),
        ({"ImageOrientationPatient": [1, 0, 0]}, "no ImageOrientationPatient with 6 numbers"),
        ({"PixelSpacing": None}, "no PixelSpacing with 2 numbers"),
    ],
)
def test_slices_without_a_place_are_an_error_in_a_folder_and_set_aside_in_a_sorted_one(series, fields, words):
    change(series, [1], **fields)
    with pytest.raises(SourceError, match=f"DICOM geometry missing: {words} in the header"):
        load_series(series, ["s"])
    with pytest.raises(SetAside, match="images without a place in space"):
        load_series(series, ["s/000.dcm", "s/001.dcm"])


def test_one_slice_is_no_volume(series):
    for number in range(1, 5):
        (series / "s" / f"{number:03d}.dcm").unlink()
    with pytest.raises(SourceError, match=r"not a DICOM series: 1 slice\(s\); a volume needs at least 2"):
        load_series(series, ["s"])
    with pytest.raises(SetAside, match="single image, no volume"):
        load_series(series, ["s/000.dcm"])
    with pytest.raises(SourceError, match="folder missing: the recipe lists it; download it or take it off the list"):
        load_series(series, ["elsewhere"])


def test_a_slice_in_colour_is_refused(series):
    path = series / "s" / "002.dcm"
    header = pydicom.dcmread(path)
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PlanarConfiguration = 3, "RGB", 0
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit = 7
    header.PixelData = bytes(6 * 8 * 3)
    header.save_as(path)
    with pytest.raises(SourceError, match=r"slice is not one grey frame: shape \(6, 8, 3\)"):
        load_series(series, ["s"])


def test_padding_is_the_darkest_value_that_is_none(tmp_path, hu):
    hu = np.maximum(hu, -900)
    hu[:, :2, :2] = -1024  # stored as 0
    write_dicom_series(tmp_path / "s", hu, "p")
    for path in (tmp_path / "s").iterdir():
        header = pydicom.dcmread(path)
        header.add_new("PixelPaddingValue", "US", 0)
        header.save_as(path)
    (volume,) = load_series(tmp_path, ["s"])
    shown = np.ones(SHAPE, bool)
    shown[:, :2, :2] = False
    assert np.array_equal(volume.array[shown], hu[shown])
    for number, values in enumerate(volume.array):
        assert (values[:2, :2] == hu[number][shown[number]].min()).all()


def test_indices_of_colours_are_no_grey_values(series):
    change(series, PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(SourceError, match=r"slice is not one grey frame: .*PALETTE COLOR"):
        load_series(series, ["s"])


@pytest.mark.parametrize("bare", [[2], [0], [1, 2, 3, 4]])
@pytest.mark.parametrize("lacking", ["RescaleIntercept", "RescaleSlope", "unit"])
def test_slices_in_hu_and_others_make_no_volume(series, bare, lacking):
    for number in bare:
        path = series / "s" / f"{number:03d}.dcm"
        header = pydicom.dcmread(path)
        if lacking == "unit":
            header.RescaleType = "US"
        else:
            delattr(header, lacking)
        header.save_as(path)
    with pytest.raises(SourceError, match=rf"slices in different units: {len(bare)} of 5 slices do not say"):
        load_series(series, ["s"])
    change(series, Modality="MR")  # whose values have no unit
    assert len(load_series(series, ["s"])) == 1


def test_a_series_without_a_scale_is_not_in_hu(series):
    for path in (series / "s").iterdir():
        header = pydicom.dcmread(path)
        del header.RescaleIntercept, header.RescaleSlope
        header.save_as(path)
    assert not load_series(series, ["s"])[0].in_hounsfield


def test_a_slope_of_0_is_refused(series):
    change(series, [3], RescaleSlope=0)
    with pytest.raises(SourceError, match=r"DICOM rescale unusable: RescaleSlope is 0"):
        load_series(series, ["s"])


def test_a_damaged_voi_lut_offers_nothing(series):
    item = pydicom.Dataset()
    item.LUTDescriptor = [4, 0, 8]  # and no data
    change(series, VOILUTSequence=[item])
    assert {each.display.count for each in load_series(series, ["s"])[0].planes.slices} == {0}
