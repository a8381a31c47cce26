"""Objects that a table places in space, by centre and diameter in millimetres ▶ masks on their volumes."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from gmai_formats.errors import UserError, did_you_mean
from pydantic import BaseModel, ConfigDict, model_validator

from gmai_data.imaging.grids import Volume
from gmai_data.imaging.source_files import below
from gmai_data.ledger import SourceError
from gmai_data.sources.files.tables import UTF_8, read_table
from gmai_data.sources.files.volume_files import volume_stem
from gmai_data.sources.items import Item


class SphereTable(BaseModel):
    """A table of objects in space, one a row, as LUNA16's nodules: each is shown as the sphere of its diameter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    """Its file below the root."""
    key: str
    """Its column with the volume: the name of the file, with or without its ending."""
    centre: tuple[str, str, str]
    """Its columns with the centre, x, y, z, in mm."""
    diameter: str
    """Its column with the diameter, in mm."""
    label: str | None = None
    """Raw label of every row."""
    label_column: str | None = None
    """Column of the raw label, in the place of `label`."""
    world: Literal["LPS", "RAS"] = "LPS"
    """Where the axes point: to the patient's left, back and head (DICOM, ITK), or right, front and head (NIfTI)."""
    encoding: str = UTF_8
    """Encoding of the table's text."""
    sheet: str | None = None
    """Sheet of a workbook with several."""

    @model_validator(mode="after")
    def _one_label(self) -> Self:
        if (self.label is None) == (self.label_column is None):
            raise ValueError("give either label (of every row) or label_column")
        return self

    def given_to(self, items: Iterable[Item], root: Path, recipe: str) -> Iterator[Item]:
        """Yield the items of volumes with their rows; rows of a volume that is not there go to the quarantine.

        Raises:
            UserError: The table is not there, or lacks a column.
        """
        rows = self._rows(root, recipe)
        for item in items:
            name = PurePosixPath(item.files[0]).name
            own = [row for key in dict.fromkeys((volume_stem(name), name)) for row in rows.pop(key, [])]
            yield item._replace(part=json.dumps(own))
        for key, left in rows.items():
            detail = f'{len(left)} rows of {self.table} are of "{key}", which is not among the volumes'
            yield Item(f"{self.table}/{key}", (self.table,), problem=("marks without a volume", detail))

    def _rows(self, root: Path, recipe: str) -> dict[str, list[dict[str, str]]]:
        path = below(root, self.table, recipe=recipe)
        if not path.is_file():
            raise UserError(f"{path}: no such file. Recipe {recipe} reads its objects there. Check --root.")
        wanted = [*self.centre, self.diameter, *([self.label_column] if self.label_column else [])]
        names, rows = read_table(path, lambda found: self.key in found, encoding=self.encoding, sheet=self.sheet)
        for column in (self.key, *wanted):
            if column not in names:
                hint = did_you_mean(column, names)
                raise UserError(f'{path}:1: no column "{column}", which recipe {recipe} reads.{hint} Fix one of them.')
        found: dict[str, list[dict[str, str]]] = defaultdict(list)
        for number, row, problem in rows:
            found[row[self.key]].append(
                {"row": str(number), "problem": problem, **{column: row[column] for column in wanted}}
            )
        return found

    def structures(self, part: str, image: Volume, file: str) -> Iterator[tuple[str, Volume, str]]:
        """Yield (raw label, mask, table) of each row of a volume.

        A voxel is marked when its centre lies in the sphere; a sphere between the centres marks the nearest voxel.

        Raises:
            SourceError: A row without numbers, or a centre outside of the volume.
        """
        turn = np.array([-1.0, -1.0, 1.0] if self.world == "LPS" else [1.0, 1.0, 1.0])
        for row in json.loads(part):
            where = f"data row {row['row']} of {self.table}"
            try:
                x, y, z, diameter_mm = (float(row[column]) for column in (*self.centre, self.diameter))
            except ValueError:
                x = y = z = diameter_mm = np.nan
            if row["problem"] or not np.isfinite([x, y, z, diameter_mm]).all() or diameter_mm <= 0:
                detail = row["problem"] or f"{where} has no centre with a diameter above 0"
                raise SourceError("row unreadable", detail, file)
            raw = row[self.label_column] if self.label_column else self.label or ""
            array = _sphere(image, turn * (x, y, z), diameter_mm / 2, where, file)
            yield raw, Volume(array, image.affine, image.spacing_mm), self.table


def _sphere(
    image: Volume, centre_mm: npt.NDArray[np.float64], radius_mm: float, where: str, file: str
) -> npt.NDArray[Any]:
    """Return a mask `[z, y, x]`; the centre is in RAS."""
    size = np.array(image.array.shape[::-1])
    to_voxels = np.linalg.inv(image.affine)
    centre = (to_voxels @ [*centre_mm, 1.0])[:3]
    if (centre < -0.5).any() or (centre > size - 0.5).any():
        at = ", ".join(f"{value:.1f}" for value in centre)
        detail = f"{where} is at voxel {at} (x, y, z) of {'×'.join(map(str, size))}; is `world` right?"
        raise SourceError("mark outside the volume", detail, file)
    # The rows of the inverse say how far a step of one millimetre leads along each axis of the voxels.
    reach = radius_mm * np.linalg.norm(to_voxels[:3, :3], axis=1)
    low = np.maximum(np.floor(centre - reach).astype(int), 0)
    high = np.minimum(np.ceil(centre + reach).astype(int) + 1, size)
    mask = np.zeros(image.array.shape, np.uint8)
    grid = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), axis=-1)
    distance_mm = np.linalg.norm((grid - centre) @ image.affine[:3, :3].T, axis=-1)
    inside = (distance_mm <= radius_mm).transpose(2, 1, 0)
    mask[low[2] : high[2], low[1] : high[1], low[0] : high[0]] = inside
    if not inside.any():
        x, y, z = np.clip(np.rint(centre).astype(int), 0, size - 1)
        mask[z, y, x] = 1
    return mask
