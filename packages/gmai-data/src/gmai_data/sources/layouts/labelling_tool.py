"""What labelling tools export: LabelMe, CVAT, VIA, Supervisely, SuperAnnotate, V7 Darwin, Labelbox, Label Studio,
Datumaro, VoTT, Prodigy, Create ML, ImageFolder, Pascal, regions, frames.
"""

import functools
import glob
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from gmai_formats.files import is_file
from pydantic import Field

from gmai_data.imaging.raster import Raster
from gmai_data.imaging.source_files import as_on_disk, below, matching, relative_to, require_data
from gmai_data.ledger import Ledger, SetAside, SourceError, printable
from gmai_data.sources.annotations.marked_picture import MarkedPicture
from gmai_data.sources.annotations.shapes import add_object
from gmai_data.sources.annotations.tools import (
    createml,
    cvat,
    darwin,
    datumaro,
    frames,
    imagefolder,
    label_studio,
    labelbox,
    labelme,
    osirix,
    pascal,
    prodigy,
    regions,
    superannotate,
    supervisely,
    via,
    vott,
)
from gmai_data.sources.annotations.tools.marked import Marked, Shape
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.video_frames import VIDEO_ENDINGS, frames_numbered
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import IMAGE_ENDINGS, Layout

_ONE_PICTURE = ("labelme", "supervisely", "superannotate", "darwin", "pascal", "regions", "osirix")
"""Tools that write a file for each picture."""
_OF_UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""
_LISTED, _VIDEO = "listed", "video"
"""Items that are one of the pictures of a file, and those that are a whole video; others are a file each."""


class LabellingTool(Layout):
    """What a labelling tool exports.

    Each shape is one object, or those that the tool groups under one label (`group_id`): a box stays a box, polygons,
    circles, ellipses and masks become the box of the pixels they cover. Points, lines and other shapes without an area
    go to the quarantine by name, and their labels hold.
    """

    kind: Literal["labelling_tool"]
    tool: Literal[
        "labelme", "cvat", "via", "supervisely", "superannotate", "darwin", "labelbox", "label_studio", "datumaro",
        "vott", "prodigy", "createml", "imagefolder", "pascal", "regions", "frames", "osirix",
    ]  # fmt: skip
    """labelme, supervisely, superannotate, darwin (V7): JSON per picture; datumaro: JSON per subset; pascal: XML or
    JSON per picture with `object`s and their `polygon`; cvat: XML for images or for a video; via: VGG Image Annotator,
    JSON or CSV; labelbox: NDJSON, or the JSON of before 2023; label_studio: JSON or JSON-MIN; vott: JSON of a project
    or of each picture; prodigy: JSON Lines; createml: JSON of Apple's Create ML; imagefolder: `metadata.jsonl` of
    Hugging Face with `objects`; regions: XML of Aperio's ImageScope or of ASAP, or GeoJSON of QuPath, of pictures that
    are no whole slides; frames: JSON per video with a list of objects for each frame; osirix: a property list (XML) per
    picture, as OsiriX and Horos write regions."""
    annotations: str
    """Pattern of the files, such as `**/*.json`."""
    images: str | tuple[str, ...] = "{parent}"
    """Folder of the pictures, or several, of which one has the picture; `{stem}` is the annotation file's name without
    ending, `{parent}` its folder, `{above}` the folder above that (Supervisely: `{above}/img`). Where the name of the
    one picture of a file says more: a pattern of it (`images/{stem}_*.dcm`). Where the annotation has frames of a
    video: the video (`videos/{stem}.mp4`), or the path of their pictures with the number as `{frame}` or `{frame:06d}`
    (`{parent}/images/frame_{frame:06d}.png`)."""
    label_attribute: str | None = None
    """VIA: the attribute that is the label; None: the only one."""
    form: Literal["xywh", "xyxy"] = "xywh"
    """frames: what the four numbers of a box are."""
    label_position: int | None = Field(default=None, ge=0)
    """frames: objects are lists of numbers, of which this one (from 0) is a raw label of the frame; below 0 is none."""
    every_n: int = Field(default=1, ge=1)
    """Frames of videos: only those whose number is a multiple; neighbouring frames are near-copies."""
    leave_out: tuple[str, ...] = ()
    """Shapes that are left out and counted as dropped, as the tool calls them, such as `point`, `linestrip`."""
    tags: bool = True
    """Labels that the tool gives to a picture as a whole (flags, tags, answers) are labels, too."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per picture, or per video; files of other tools in the same folders are left out."""
        for place in self._places("a/b/c"):
            below(root, place, recipe=card.name)
        for file in map(
            printable, matching(root, self.annotations, recipe=card.name, what=f"annotations of {self.tool}")
        ):
            if self.tool in _ONE_PICTURE:
                found = self._by_pattern(file, root)
                yield Item(found or file, (file,))
                continue
            try:
                pictures = _pictures(self, root, file)
            except SourceError as problem:
                yield Item(file, (file,), problem=(problem.rule, problem.detail))
                continue
            if pictures and pictures[0].frame is not None and not self._is_of_pictures:
                yield Item(file, (file, self._places(file)[0]), part=_VIDEO)
                continue
            for number, picture in enumerate(pictures):
                if (picture.frame or 0) % self.every_n:
                    continue
                image = self._image(picture, file, root)
                labels = tuple(dict.fromkeys((*picture.labels, *(shape.label for shape in picture.shapes))))
                group = file if picture.frame is not None else ""  # frames of one video are never divided
                yield Item(
                    image,
                    (image, file),
                    group,
                    raw_labels=labels,
                    position=number,
                    part=_LISTED,
                    problem=picture.problem,
                    set_aside=picture.set_aside,
                )

    @property
    def _is_of_pictures(self) -> bool:
        return not self._places("")[0].lower().endswith(VIDEO_ENDINGS)

    def _places(self, file: str) -> list[str]:
        """Return the folders, or the paths of frames, that the pictures of an annotation file may be in."""
        path = PurePosixPath(file)
        values = {"stem": path.stem, "parent": path.parent.as_posix(), "above": path.parent.parent.as_posix()}
        places: list[str] = []
        for place in (self.images,) if isinstance(self.images, str) else self.images:
            for name, value in values.items():
                place = place.replace(f"{{{name}}}", value)
            places.append(place.removeprefix("./"))
        return places

    def _by_pattern(self, file: str, root: Path) -> str | None:
        """Return the one picture that a pattern with `*` finds for an annotation file, or None."""
        places = [place for place in self._places(file) if "*" in place]
        found = [relative_to(root, path) for place in places for path in sorted(root.glob(place))]
        return found[0] if len(found) == 1 else None

    def _image(self, picture: Marked, file: str, root: Path) -> str:
        if (by_pattern := self._by_pattern(file, root)) is not None:
            return by_pattern
        found = [self._image_in(place, picture, file, root) for place in self._places(file)]
        return next((image for image in found if is_file(root / image)), found[0])

    def _image_in(self, place: str, picture: Marked, file: str, root: Path) -> str:
        if picture.frame is not None:
            return as_on_disk(root, place.replace("{frame", "{0").format(picture.frame))
        if not picture.name:  # called as the annotation is: `NAME.png.json`, or `NAME.json`
            stem = PurePosixPath(file).stem
            if stem.lower().endswith(IMAGE_ENDINGS):
                return as_on_disk(root, (PurePosixPath(place) / stem).as_posix())
            return _of_stem(root, place, stem) or as_on_disk(root, (PurePosixPath(place) / stem).as_posix())
        # A path as it was on the annotator's disk: as much of its end as is there.
        parts = [part for part in PurePosixPath(picture.name).parts if part not in ("/", "..", ".")]
        ends = [parts[first:] for first in range(len(parts))]
        if self.tool == "label_studio" and parts:
            ends.append([_OF_UPLOAD.sub("", parts[-1])])
        for end in ends:
            found = as_on_disk(root, PurePosixPath(place, *end).as_posix())
            if is_file(root / found):
                return found
        named = (PurePosixPath(place) / parts[-1]).as_posix() if parts else place
        return (self.tool in _ONE_PICTURE and _of_stem(root, place, PurePosixPath(file).stem)) or named

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the picture with its boxes, or the annotated frames of a video.

        Raises:
            SourceError: The annotation or picture is unreadable, sizes differ, or a label is unknown.
            SetAside: The picture was not annotated.
        """
        if item.part == _VIDEO:
            yield from self._video(item, card, root, ledger)
            return
        file = item.files[-1]
        pictures = _pictures(self, root, file)
        picture = pictures[item.position]
        if item.part == _LISTED:
            yield self._marked(picture, item.files[0], card, root, ledger, file)
        else:
            image = self._image(picture, file, root)
            yield self._marked(picture, image, card, root, ledger, file, (image,))

    def _is_left_out(self, shape: Shape) -> bool:
        return shape.name in self.leave_out and shape.kind == "other"

    def _video(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        file, video = item.files
        pictures = _pictures(self, root, file)
        wanted = {each.frame: each for each in pictures if each.frame is not None and each.frame % self.every_n == 0}
        missing = set(wanted)
        for number, pixels in frames_numbered(root, video, wanted.keys()):
            missing.discard(number)
            name = f"{PurePosixPath(video).name}_frame{number:06d}"
            raster = Raster(pixels, None, {"frame": number})
            yield self._marked(wanted[number], video, card, root, ledger, file, raster=raster, name=name)
        if missing:
            detail = f"{len(missing)} annotated frames are not in it, the first is {min(missing)}"
            raise SourceError("video ends early", detail, video)

    def _marked(
        self,
        picture: Marked,
        image: str,
        card: Card,
        root: Path,
        ledger: Ledger,
        file: str,
        more_files: tuple[str, ...] = (),
        raster: Raster | None = None,
        name: str = "",
    ) -> ItemImage:
        if picture.set_aside:
            raise SetAside(picture.set_aside, image)
        if picture.problem is not None:
            raise SourceError(*picture.problem, file)
        marked = MarkedPicture(card, ledger, root, image, file, picture.size, raster, is_as_shown=True)
        for raw in picture.labels if self.tags else ():
            marked.add_label(raw)
        objects: dict[tuple[str, str], list[tuple[Shape, str]]] = {}
        for number, shape in enumerate(picture.shapes, start=1):
            where = f"shape {number} ({shape.label})" + ("" if picture.frame is None else f" of frame {picture.frame}")
            part_of = "" if self._is_left_out(shape) else shape.part_of
            objects.setdefault((shape.label, part_of or f"shape {number}"), []).append((shape, where))
        for shapes in objects.values():
            shape, _ = shapes[0]
            if self._is_left_out(shape):
                marked.leave_out_box(shape.label, f"a {shape.name}")
            else:
                add_object(marked, shapes, file)
        return marked.picture(self.tool, picture.unclear, more_files, name)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where the first JSON or XML files, or a table, are those of a tool."""
        lines = (".xml", ".csv", ".ndjson", ".jsonl", ".geojson")
        for path in (*folder.with_ending(".json")[:20], *folder.with_ending(*lines)[:5]):
            for tool in _NAMES:
                layout: dict[str, Any] = {"kind": "labelling_tool", "tool": tool}
                probe = cls.model_validate({**layout, "annotations": folder.below(path)})
                try:
                    pictures = _pictures(probe, folder.root, folder.below(path))
                except (SourceError, OSError):
                    continue
                pattern = f"*{path.suffix}" if tool in _ONE_PICTURE else path.name
                layout["annotations"] = folder.below(path.parent / pattern)
                layout["images"] = _folder_of(pictures, probe, path, folder)
                probed = list(_probed(probe, path, folder))
                of_shapes = {shape.label for each in probed for shape in each.shapes}
                labels = sorted((of_shapes | {label for each in probed for label in each.labels}) - {""})
                open_ = () if layout["images"] != "TODO" else (_no_picture(pictures),)
                return Guess(f"annotations of {_NAMES[tool]}", "2d_detection", layout, labels, notes=open_)
        return None


_NAMES = {"labelme": "LabelMe", "supervisely": "Supervisely", "cvat": "CVAT", "via": "VGG Image Annotator",
          "labelbox": "Labelbox", "label_studio": "Label Studio", "superannotate": "SuperAnnotate",
          "darwin": "V7 Darwin", "datumaro": "Datumaro", "vott": "VoTT", "prodigy": "Prodigy",
          "createml": "Create ML", "imagefolder": "an ImageFolder", "regions": "ImageScope, ASAP, QuPath"}  # fmt: skip
_PROBED = 200


def _probed(layout: LabellingTool, path: Path, folder: Folder) -> Iterator[Marked]:
    files = folder.with_ending(path.suffix)[:_PROBED] if layout.tool in _ONE_PICTURE else [path]
    for each in files:
        try:
            yield from _pictures(layout, folder.root, folder.below(each))
        except (SourceError, OSError):
            continue


def _folder_of(pictures: Sequence[Marked], layout: LabellingTool, path: Path, folder: Folder) -> str:
    first = pictures[0]
    if first.frame is not None:
        return _place_of_frames(pictures, folder)
    stem = PurePosixPath(first.name).stem if first.name else path.stem
    stems = (stem, _OF_UPLOAD.sub("", stem)) if layout.tool == "label_studio" else (stem,)
    image = next((each for each in folder.images if each.stem in stems or each.name == stem), None)
    if image is None:
        return "TODO"
    if layout.tool in _ONE_PICTURE and image.parent == path.parent:
        return "{parent}"
    if layout.tool in _ONE_PICTURE and image.parent.parent == path.parent.parent != folder.root:
        return f"{{above}}/{image.parent.name}"
    return folder.below(image.parent)


def _no_picture(pictures: Sequence[Marked]) -> str:
    """Return what stands in a draft whose pictures were not found."""
    first = pictures[0]
    if first.frame is not None:
        return (
            f"images: the annotation has {len(pictures)} frames; name the video, or the path of the frames' pictures "
            "with their number, such as `frames/frame_{frame:06d}.png`"
        )
    return f"images: no picture is called as the annotation says ({first.name or 'as its file'}); name their folder"


def _place_of_frames(pictures: Sequence[Marked], folder: Folder) -> str:
    """Return the only video, or the path of the frames' pictures with their number, or TODO."""
    videos = folder.with_ending(*VIDEO_ENDINGS)
    if len(videos) == 1 and not folder.images:
        return folder.below(videos[0])
    frames = {picture.frame for picture in pictures}
    numbered: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in folder.images:
        if found := re.fullmatch(r"(.*?)(\d+)", path.stem):
            above = folder.below(path.parent)
            place = ("" if above == "." else f"{above}/") + found[1]
            numbered[place, path.suffix].add(found[2])
    fitting: list[str] = []
    for (place, ending), numbers in numbered.items():
        # Of `098`, `099`, `100` only the first two say how many digits a number has.
        widths = sorted({len(number) for number in numbers if re.match("0.", number)}, reverse=True)
        width = next((each for each in (*widths, 0) if {f"{frame:0{each}d}" for frame in frames} <= numbers), None)
        if width is not None:
            fitting.append(f"{place}{{frame{f':0{width}d' if width else ''}}}{ending}")
    return fitting[0] if len(fitting) == 1 else "TODO"


def _of_stem(root: Path, place: str, stem: str) -> str | None:
    """Return the one picture of that stem in a folder, or None."""
    found = [
        relative_to(root, path)
        for path in sorted((root / place).glob(f"{glob.escape(stem)}.*"))
        if path.name.lower().endswith(IMAGE_ENDINGS)
    ]
    return found[0] if len(found) == 1 else None


def _pictures(layout: LabellingTool, root: Path, file: str) -> list[Marked]:
    path = require_data(root, file)
    modified_ns = path.stat().st_mtime_ns
    return _parsed(layout.tool, layout.label_attribute, layout.form, layout.label_position, path, file, modified_ns)


@functools.lru_cache(maxsize=2)
def _parsed(
    tool: str,
    attribute: str | None,
    form: Literal["xywh", "xyxy"],
    label_position: int | None,
    path: Path,
    file: str,
    modified_ns: int,
) -> list[Marked]:
    del modified_ns  # another file under the same name is another entry of the cache
    try:
        if tool == "via":
            found = via.read(path, file, attribute)
        elif tool == "frames":
            found = frames.read(path, file, form, label_position)
        else:
            found = _READERS[tool](path, file)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        # A file of any tool may have been edited by hand; what its reader did not expect ends no listing.
        detail = f"{type(error).__name__}: {' '.join(str(error).split())}; export it from {tool} anew"
        raise SourceError("annotation unreadable", detail, file) from error
    if not found:
        raise SourceError("no annotation of the tool", f"it is no file of {tool}, or holds no picture", file)
    return found


_READERS = {
    "labelme": labelme.read,
    "cvat": cvat.read,
    "supervisely": supervisely.read,
    "superannotate": superannotate.read,
    "darwin": darwin.read,
    "datumaro": datumaro.read,
    "labelbox": labelbox.read,
    "label_studio": label_studio.read,
    "pascal": pascal.read,
    "osirix": osirix.read,
    "regions": regions.read,
    "vott": vott.read,
    "prodigy": prodigy.read,
    "createml": createml.read,
    "imagefolder": imagefolder.read,
}
