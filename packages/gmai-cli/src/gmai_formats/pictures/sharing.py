"""The values of an image as they lie in memory, so that they pass from process to process in one copy.

Pillow packs the four bytes it has for a colour into three, and unpacks them again: two passes over all values, which
cost more than the fourth byte does.
"""

import ctypes
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from PIL import Image

RAW = {"L": "L", "RGB": "RGBX"}
"""Mode ▶ the raw mode of the values as they lie there."""
BYTES_PER_PIXEL = {"L": 1, "RGB": 4}


class _Array(ctypes.Structure):
    """https://arrow.apache.org/docs/format/CDataInterface.html: `struct ArrowArray`, as far as it is read here."""


_Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
]  # fmt: skip


@contextmanager
def values_of(image: Image.Image) -> Generator[memoryview]:
    """Give the values of an image, in `RAW` order, while the block runs.

    Args:
        image: Grey or in colour.
    """
    line, core = image.width * BYTES_PER_PIXEL[image.mode], cast(Any, Image.core)
    export = getattr(image, "__arrow_c_array__", None)  # Pillow 11.2 and newer
    # A line begins at a multiple of four bytes, and a large image lies in several pieces:
    # https://pillow.readthedocs.io/en/stable/reference/block_allocator.html
    if export is None or line % 4 or line * image.height > core.get_block_size():
        yield memoryview(image.tobytes("raw", RAW[image.mode]))
        return
    held = export()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    array = _Array.from_address(pointer(held[1], b"arrow_array"))
    if array.n_children:
        array = array.children[0].contents
    yield memoryview((ctypes.c_ubyte * (line * image.height)).from_address(array.buffers[1])).cast("B")
