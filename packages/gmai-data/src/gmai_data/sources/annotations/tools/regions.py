"""Regions of pathologists' programs (Aperio's ImageScope, ASAP, QuPath) on pictures that are no whole slides."""

from dataclasses import replace
from pathlib import Path

from gmai_data.sources.annotations.region_files import read_regions
from gmai_data.sources.annotations.tools.marked import Marked


def read(path: Path, file: str) -> list[Marked]:
    """Return the one picture of a file; areas that are cut out of all regions are holes of each.

    Raises:
        SourceError: It is none of the three.
    """
    regions, cut_out = read_regions(path, file, "region")
    problem = None
    if any(shape.kind != "polygon" or shape.problem for shape in cut_out):
        problem = ("regions unreadable", "an area is cut out that is no outline; save it as one, or take it out")
    holes = [shape.points for shape in cut_out]
    shapes = [replace(each, holes=(*each.holes, *holes)) if each.kind == "polygon" else each for each in regions]
    return [Marked("", shapes=shapes, problem=problem)]
