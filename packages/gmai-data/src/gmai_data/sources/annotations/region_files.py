"""Regions that pathologists drew on slides ▶ shapes in pixels of level 0: Aperio XML, ASAP XML, GeoJSON (QuPath).

Aperio's ImageScope writes `Annotations/Annotation/Regions/Region/Vertices`, ASAP `ASAP_Annotations/Annotations`
(https://computationalpathologygroup.github.io/ASAP/), QuPath features with a `classification`
(https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html).
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.tools.marked import Point, Shape, load_json, load_xml, pairs

LabelFrom = Literal["region", "layer"]


def read_regions(path: Path, file: str, label_from: LabelFrom) -> tuple[list[Shape], list[Shape]]:
    """Return (regions, areas that are cut out of all of them).

    Args:
        path: The file; its content says what it is.
        file: The same below the root.
        label_from: Aperio: the label is the region's text, or else its layer's name; or always the layer's name. ASAP:
            the group, or else the annotation's name; or always the group.

    Raises:
        SourceError: It is none of the three.
    """
    if path.suffix.lower() == ".xml":
        root = load_xml(path, file)
        if root.tag == "Annotations":
            return _aperio(root, label_from)
        if root.tag == "ASAP_Annotations":
            return [_asap(element, label_from) for element in root.iter("Annotation")], []
        raise SourceError("regions unreadable", f"<{root.tag}> is neither Aperio's nor ASAP's XML", file)
    document: Any = load_json(path, file)
    features = document.get("features", [document]) if isinstance(document, dict) else document
    if not isinstance(features, list) or not all(isinstance(each, dict) and "geometry" in each for each in features):
        raise SourceError("regions unreadable", "it is no GeoJSON: no features with a geometry", file)
    return [shape for feature in features for shape in _feature(feature)], []


def _aperio(root: ElementTree.Element, label_from: LabelFrom) -> tuple[list[Shape], list[Shape]]:
    regions: list[Shape] = []
    cut_out: list[Shape] = []
    for layer in root.iter("Annotation"):
        attribute = layer.find("Attributes/Attribute")
        named = (layer.get("Name"), None if attribute is None else attribute.get("Value"), layer.get("Id"))
        of_layer = next((name.strip() for name in named if name and name.strip()), "")
        for region in layer.iter("Region"):
            text = (region.get("Text") or "").strip()
            label = text if text and label_from == "region" else of_layer
            shape = _aperio_region(region, label)
            (cut_out if region.get("NegativeROA") == "1" else regions).append(shape)
    return regions, cut_out


def _aperio_region(region: ElementTree.Element, label: str) -> Shape:
    try:
        points = [(float(vertex.get("X", "")), float(vertex.get("Y", ""))) for vertex in region.iter("Vertex")]
    except ValueError as error:
        return Shape(label, "other", name="region", problem=str(error))
    kind = region.get("Type", "0")
    if kind in ("0", "1"):  # freehand, rectangle by its corners
        return Shape(label, "box" if kind == "1" and len(points) == 2 else "polygon", points)
    if kind == "2" and len(points) == 2:  # ellipse by two corners around it
        (x1, y1), (x2, y2) = points
        return Shape(label, "ellipse", [((x1 + x2) / 2, (y1 + y2) / 2), (abs(x2 - x1) / 2, abs(y2 - y1) / 2)])
    return Shape(label, "other", name=f"region of type {kind}")


def _asap(element: ElementTree.Element, label_from: LabelFrom) -> Shape:
    group, name = (element.get("PartOfGroup") or "").strip(), (element.get("Name") or "").strip()
    label = group if label_from == "layer" or group not in ("", "None") else name
    kind = element.get("Type", "")
    try:
        listed = sorted(element.iter("Coordinate"), key=lambda point: int(float(point.get("Order", "0"))))
        points = [(float(point.get("X", "")), float(point.get("Y", ""))) for point in listed]
    except ValueError as error:
        return Shape(label, "other", name=kind, problem=str(error))
    if kind in ("Polygon", "Rectangle", "Spline"):
        return Shape(label, "polygon", points)
    return Shape(label, "other", name=kind or "annotation without a type")


def _feature(feature: dict[str, Any]) -> Iterator[Shape]:
    about: dict[str, Any] = feature.get("properties") or {}
    kind: Any = about.get("classification")
    if isinstance(kind, dict):  # a derived class has several names (https://github.com/qupath/qupath/pull/1099)
        kind = kind.get("name") or ": ".join(map(str, kind.get("names") or ()))
    label = str(kind or about.get("name") or "").strip()
    geometry: dict[str, Any] = feature.get("geometry") or {}
    name = str(geometry.get("type", "nothing"))
    try:
        if name in ("Polygon", "MultiPolygon"):
            polygons: list[Any] = geometry["coordinates"] if name == "MultiPolygon" else [geometry["coordinates"]]
            for rings in polygons:
                outline, *holes = [_ring(ring) for ring in rings]
                yield Shape(label, "polygon", outline, holes)
            return
    except (KeyError, TypeError, ValueError, IndexError) as error:
        yield Shape(label, "other", name=name, problem=f"{type(error).__name__}: {error}")
        return
    yield Shape(label, "other", name=name)


def _ring(ring: Any) -> list[Point]:
    points = pairs(ring)
    return points[:-1] if len(points) > 3 and points[0] == points[-1] else points  # GeoJSON closes its rings
