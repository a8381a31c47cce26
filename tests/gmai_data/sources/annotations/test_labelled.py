"""What a label holds for as a whole: an image, a volume file, or the folder of a series."""

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.phantoms.files import write_dicom_series
from gmai_data.sources.annotations.labelled import labelled_pictures
from gmai_data.sources.items import Item


@pytest.fixture
def root(tmp_path):
    noise = np.random.default_rng(0)
    (tmp_path / "1.png").write_bytes(encode_png(noise.integers(0, 255, (24, 32, 3), dtype=np.uint8)))
    values = noise.integers(0, 255, (4, 24, 32), dtype=np.int16)
    np.savez(tmp_path / "v.npz", imgs=values)
    (tmp_path / "v.npz").rename(tmp_path / "V.NPZ")
    write_dicom_series(tmp_path / "s", values.astype(np.float32), "p")
    return tmp_path


@pytest.mark.parametrize(("file", "pictures"), [("1.png", 1), ("V.NPZ", 4), ("s", 4)])
def test_every_picture_has_the_items_label(root, toy, file, pictures):
    card = toy(modality="MR")
    found = list(labelled_pictures(Item(file, (file,), raw_labels=("b",)), card, root, Ledger()))
    assert len(found) == pictures
    assert all(picture.labels == ("beta",) and picture.boxes == () for picture in found)
    if pictures > 1:
        assert [picture.geometry["slice"] for picture in found] == [0, 1, 2, 3]
        assert all("frame" not in picture.geometry for picture in found), "one volume"


def test_an_unknown_label_is_an_error(root, toy):
    for file in ("1.png", "s"):
        with pytest.raises(SourceError, match="label not in the map"):
            list(labelled_pictures(Item(file, (file,), raw_labels=("x",)), toy(modality="MR"), root, Ledger()))
