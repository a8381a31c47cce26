"""Two looks at a picture that survive a resize, another file format or mild compression.

`image_print` is the usual pHash: grey 32 × 32, two-dimensional DCT-II, the lowest 8 × 8 coefficients but the mean, each
above or below their median. `gmai bench fingerprints` writes the same hash. It finds candidates; pictures of one body
part taken one way often share it, so `alike` compares the thumbnails before two pictures are called the same.
"""

import numpy as np
import numpy.typing as npt

from gmai_data.untyped import opencv

EDGE_PX = 32
"""Height and width of a thumbnail."""
THUMBNAILS = "thumbnails.bin"
"""File of a shard: the thumbnails of its annotations, in their order."""
_KEPT = 8
_MOST, _MEAN = 10, 2
"""Grey levels by which the thumbnails of a copy may differ anywhere, and on average."""


def thumbnail(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the picture in grey, 32 × 32, each value the mean of its area.

    Args:
        pixels: Height × width, or height × width × 3 in RGB order.
    """
    grey = pixels if pixels.ndim == 2 else opencv.cvtColor(pixels, opencv.COLOR_RGB2GRAY)
    return opencv.resize(grey, (EDGE_PX, EDGE_PX), interpolation=opencv.INTER_AREA)


def image_print(small: npt.NDArray[np.uint8]) -> str:
    """Return the hash of a thumbnail in 16 hex digits."""
    low = opencv.dct(small.astype(np.float32))[:_KEPT, :_KEPT].ravel()[1:]
    bits = np.concatenate([[False], low > np.median(low)])
    return np.packbits(bits).tobytes().hex()


def alike(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    """Say whether two thumbnails are those of one picture: a nodule more in one of them is a difference."""
    difference = opencv.absdiff(one, other)
    return int(difference.max()) <= _MOST and float(difference.mean()) <= _MEAN
