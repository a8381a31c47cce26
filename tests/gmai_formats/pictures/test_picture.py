"""What a picture says of itself."""

import numpy as np
import pytest
from gmai_formats.pictures.picture import MAX_PIXELS, Picture, require_size
from gmai_formats.pictures.problems import PictureError
from PIL import Image


def test_forms_of_a_picture() -> None:
    grey = Picture(Image.new("L", (4, 3), 9), ("turned by EXIF orientation 6",), format="PNG")
    assert grey.pixels.shape == (3, 4)
    assert np.asarray(grey.rgb).shape == (3, 4, 3)
    assert grey.description == "4×3 px, turned by EXIF orientation 6"
    assert not grey.is_as_stored
    colour = Picture(Image.new("RGB", (4, 3)), format="JPEG")
    assert colour.rgb is colour.image
    assert colour.is_as_stored
    assert not Picture(Image.new("RGB", (4, 3)), format="TIFF").is_as_stored


def test_the_limit_is_on_the_product() -> None:
    require_size(MAX_PIXELS // 10, 10)
    with pytest.raises(PictureError, match="image too large: 5000001×10 is above 50 megapixels"):
        require_size(MAX_PIXELS // 10 + 1, 10)
