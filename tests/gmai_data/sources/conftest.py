"""Small files of every kind, and what a card's layout reads of them."""

import nibabel as nib
import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.sources.reading import read_pictures


@pytest.fixture
def pixels():
    """Return a function of a number (and a shape) that gives noise of 24 rows and 32 columns in RGB."""
    return lambda seed=0, shape=(24, 32, 3): np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


@pytest.fixture
def put(tmp_path, pixels):
    """Return a function that writes bytes, text, or an image (noise, where none is given) below `tmp_path`."""

    def write(name, data=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, str):
            data = data.encode()
        path.write_bytes(data if isinstance(data, bytes) else encode_png(pixels(len(name)) if data is None else data))
        return path

    return write


@pytest.fixture
def nifti(tmp_path):
    """Return a function that writes `[x, y, z]` with voxels of 1×1×2 mm below `tmp_path`."""

    def write(name, array):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.Nifti1Image(array, np.diag([-1.0, -1.0, 2.0, 1.0])).to_filename(path)

    return write


@pytest.fixture
def read(tmp_path):
    """Return a function of a card: pictures by the key of their item, and reasons by key."""

    def everything(card, ledger=None):
        pictures, reasons = {}, {}
        for item in card.layout.list_items(card, tmp_path):
            try:
                pictures[item.key] = list(read_pictures(item, card, tmp_path, ledger or Ledger()))
            except (SourceError, SetAside) as problem:
                reasons[item.key] = str(problem)
        return pictures, reasons

    return everything
