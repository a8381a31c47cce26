"""Libraries that carry no complete type information, as `Any`: the one place where the type checker looks away.

What comes out of them gets its type where it is used: by an annotation, or by passing it to a typed function.
"""

from typing import Any, cast

import cc3d as components
import nibabel
import pyarrow  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.compute  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.parquet  # pyright: ignore[reportMissingTypeStubs]
import pydicom
from gmai_formats.pictures import dicom as bounded  # noqa: F401 # pyright: ignore[reportUnusedImport] - its limits

cc3d: Any = cast(Any, components)
dicom: Any = cast(Any, pydicom)
nifti: Any = cast(Any, nibabel)
orientations: Any = cast(Any, nibabel.orientations)
pa: Any = cast(Any, pyarrow)
pc: Any = cast(Any, pyarrow.compute)
pq: Any = cast(Any, pyarrow.parquet)
