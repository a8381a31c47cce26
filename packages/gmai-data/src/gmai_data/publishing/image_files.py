"""Images of samples ▶ files named by their content: the same picture is written once, and no name comes from data."""

import hashlib
import io
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

SUFFIXES = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "TIFF": "tif", "WEBP": "webp", "BMP": "bmp"}
"""Pillow's name of a format ▶ the suffix of its files."""
OPENED = tuple(name for name in SUFFIXES if name != "MPO")
"""What Pillow may try: for some of its other formats it runs programs. MPO, of some cameras, is opened as JPEG."""

_REMEMBERED = 4096


@dataclass(frozen=True)
class EncodedImage:
    """What is known of an encoded image: a name made of its digest, and its size in pixels."""

    name: str
    size_px: tuple[int, int]


def encoded_image(encoded: bytes) -> EncodedImage | None:
    """Return an encoded image's content name, `ab/abcd….png`, and size; None where it is not a picture."""
    try:
        with Image.open(io.BytesIO(encoded), formats=OPENED) as image:
            suffix, size_px = SUFFIXES.get(str(image.format)), image.size
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None
    digest = hashlib.sha256(encoded).hexdigest()[:32]
    return EncodedImage(f"{digest[:2]}/{digest}.{suffix}", size_px) if suffix else None


class ImageFolder:
    """Writes images below a folder, in 256 sub-folders by digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Rows about one image stand together: a short memory spares nearly every look at a slow file system.
        self._recent: OrderedDict[bytes, EncodedImage] = OrderedDict()

    def add(self, encoded: bytes) -> EncodedImage | None:
        """Write an image unless it is there; return None when it is no picture of a known format."""
        key = hashlib.sha256(encoded).digest()
        if (known := self._recent.get(key)) is not None:
            return known
        picture = encoded_image(encoded)
        if picture is None:
            return None
        path = self._folder / picture.name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded)
        self._recent[key] = picture
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return picture
