"""Label Studio: a JSON list of tasks (https://labelstud.io/guide/task_format), or the short one (JSON-MIN) of it.

Places are in percent of the picture's sides, turned rectangles about their upper left corner
(https://labelstud.io/tags/rectanglelabels). What a model proposed (`predictions`) is no annotation.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gmai_data.sources.annotations.fits import Size
from gmai_data.sources.annotations.tools.marked import Marked, Shape, corners, load_json, pairs, size_of

_OF_DATA = ("image", "img", "picture", "url")
"""What users call the task's picture, before any other text of its data that is an address or a path."""
_PLACES = {"x", "points", "rle", "vertices"}
"""Keys of values about a part of the picture."""


def read(path: Path, file: str) -> list[Marked]:
    """Return the pictures of a file; choices about a whole picture are its labels, those about a region are not read.

    Raises:
        SourceError: It is no JSON.
    """
    document: Any = load_json(path, file)
    tasks: list[Any] = document if isinstance(document, list) else [document]
    if not tasks or not all(isinstance(task, dict) for task in tasks):
        return []
    if all(isinstance(task.get("data"), dict) and ("annotations" in task or "completions" in task) for task in tasks):
        return [_task(task) for task in tasks]
    if all("annotation_id" in task and "annotator" in task for task in tasks):
        return [_short(task) for task in tasks]
    return []


def _task(task: dict[str, Any]) -> Marked:
    name = _name(task["data"])
    done = [each for each in task.get("annotations", task.get("completions")) or [] if not each.get("was_cancelled")]
    if not done:
        return Marked(name, set_aside="not annotated")
    if len(done) > 1:
        return Marked(name, problem=("annotated by several", f"{len(done)} annotations of one picture; export one"))
    return _marked(name, done[0].get("result") or [])


def _short(task: dict[str, Any]) -> Marked:
    """Return the picture of a task of the short export.

    A single choice stands as its text. Nothing but its place tells it from a text of the task's data: the exporter
    writes the data, `id`, what was annotated, `annotator`, in this order
    (https://github.com/HumanSignal/label-studio-sdk/blob/master/src/label_studio_sdk/converter/converter.py).
    """
    names = list(task)
    is_in_order = "id" in names and names.index("id") < names.index("annotator")
    annotated = names[names.index("id") + 1 : names.index("annotator")] if is_in_order else names
    results: list[dict[str, Any]] = []
    for value in (task[name] for name in annotated if name not in _OF_DATA):
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            results += [{"value": each, **each} for each in value]
        elif isinstance(value, dict) and isinstance(value.get("choices"), list):
            results.append({"value": value})
        elif isinstance(value, str) and is_in_order:
            results.append({"value": {"choices": [value]}})
    if not results or not is_in_order:
        detail = "its keys are not in the order of Label Studio, so that single choices may hide among them"
        return Marked(_name(task), problem=("short export", f"{detail}; export as JSON"))
    return _marked(_name(task), results)


def _marked(name: str, results: list[dict[str, Any]]) -> Marked:
    sizes = {size_of(each.get("original_width"), each.get("original_height")) for each in results} - {None}
    if len(sizes) > 1:
        return Marked(name, problem=("several sizes", "its regions state different sizes of the picture; export again"))
    if any(float(each.get("image_rotation") or 0) % 360 for each in results):
        return Marked(name, problem=("picture turned in the tool", "its places are those of the turned one; undo it"))
    size = next(iter(sizes), None)
    placed = [each for each in results if _PLACES & (each.get("value") or {}).keys()]
    whole = [each["value"] for each in results if each not in placed and isinstance(each.get("value"), dict)]
    labels = [str(text) for value in whole for text in value.get("choices") or []]
    regions = [each for each in placed if "choices" not in each["value"]]
    # A region and its label may be two results with one id (tags Rectangle and Labels).
    labelled = {each.get("id") for each in regions if _labels(each["value"])}
    regions = [each for each in regions if _labels(each["value"]) or each.get("id") not in labelled]
    if size is None and regions:
        return Marked(name, problem=("size not stated", "its regions lack original_width; places are in percent of it"))
    shapes = [shape for each in regions for shape in _shapes(each["value"], size or (0, 0))]
    return Marked(name, size, shapes, labels)


def _labels(value: dict[str, Any]) -> list[str]:
    names = next((value[key] for key in value if key.endswith("labels") and isinstance(value[key], list)), [])
    return [str(name) for name in names]


def _shapes(value: dict[str, Any], size: Size) -> Iterator[Shape]:
    for label in _labels(value) or [""]:
        try:
            yield _shape(label, value, size)
        except (KeyError, TypeError, ValueError) as error:
            yield Shape(label, "other", name="region", problem=f"{type(error).__name__}: {error}")


def _shape(label: str, value: dict[str, Any], size: Size) -> Shape:
    across, down = (side / 100 for side in size)
    turned_deg = float(value.get("rotation") or 0)
    if "rle" in value:
        return Shape(label, "other", name="brush", problem="brush strokes; export them as masks (PNG)")
    if "points" in value:
        if value.get("closed") is False:
            return Shape(label, "other", name="line")
        return Shape(label, "polygon", [(x * across, y * down) for x, y in pairs(value["points"])])
    if "radiusX" in value:
        middle = (float(value["x"]) * across, float(value["y"]) * down)
        half = (float(value["radiusX"]) * across, float(value["radiusY"]) * down)
        return Shape(label, "ellipse", [middle, half], rotation_deg=turned_deg)
    if "height" not in value or "keypointlabels" in value:
        return Shape(label, "other", name="keypoint")
    box = corners(
        float(value["x"]) * across,
        float(value["y"]) * down,
        float(value["width"]) * across,
        float(value["height"]) * down,
    )
    if not turned_deg % 360:
        return Shape(label, "box", box)
    (left, top), (right, bottom) = box
    sine, cosine = math.sin(math.radians(turned_deg)), math.cos(math.radians(turned_deg))
    outline = [
        (left + x * cosine - y * sine, top + x * sine + y * cosine)
        for x, y in ((0, 0), (right - left, 0), (right - left, bottom - top), (0, bottom - top))
    ]
    return Shape(label, "polygon", outline)


def _name(data: dict[str, Any]) -> str:
    """Return the path of the picture: an upload, an address, or a file of a local storage (`?d=folder/1.png`)."""
    texts = [data[key] for key in _OF_DATA if isinstance(data.get(key), str)]
    texts += [value for value in data.values() if isinstance(value, str) and ("/" in value or "." in value)]
    text = texts[0] if texts else ""
    if "://" in text or "/local-files/?" in text:
        parts = urlsplit(text)
        text = parse_qs(parts.query).get("d", [""])[0] or unquote(parts.path)
    return text.replace("\\", "/")
