"""A perceptual hash: 63 bits that a resize, another file format or mild compression hardly change.

The usual pHash: grey 32 × 32, two-dimensional DCT-II, the lowest 8 × 8 coefficients but the mean, each above or below
their median. `gmai bench fingerprints` writes the same hash.
"""

import numpy as np
import numpy.typing as npt

from gmai_data.untyped import opencv

_EDGE_PX, _KEPT = 32, 8


def image_print(pixels: npt.NDArray[np.uint8]) -> str:
    """Return the hash in 16 hex digits.

    Args:
        pixels: Height × width, or height × width × 3 in RGB order.
    """
    grey = pixels if pixels.ndim == 2 else opencv.cvtColor(pixels, opencv.COLOR_RGB2GRAY)
    small = opencv.resize(grey, (_EDGE_PX, _EDGE_PX), interpolation=opencv.INTER_AREA).astype(np.float32)
    low = opencv.dct(small)[:_KEPT, :_KEPT].ravel()[1:]
    bits = np.concatenate([[False], low > np.median(low)])
    return np.packbits(bits).tobytes().hex()
