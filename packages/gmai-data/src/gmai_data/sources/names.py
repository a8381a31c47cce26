"""Names as data: a pattern that finds files and reads from their names the case, patient, class and split."""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gmai_formats.errors import UserError

from gmai_data.imaging.source_files import CHOICE, matching_any
from gmai_data.ledger import printable
from gmai_data.sources.card import Card
from gmai_data.sources.files.volume_files import volume_stem
from gmai_data.sources.items import Item
from gmai_data.sources.layout import SPLIT_NAMES
from gmai_data.sources.patterns import pattern_of

PATIENT, CLASS, SPLIT = "patient", "class", "split"
"""Captured parts with a meaning: the group that no split divides, the raw label, the publisher's split."""
_OF_THE_PATH = frozenset({"stem", "parent", "folder", "tree", "match", "label"})
_PART = re.compile(r"\{([a-z_]+)(?::((?:[^{}]|\{[\d,]+\})+))?\}")
_WILD = re.compile(rf"\*\*/|\*|\?|\[[^\]]+\]|{CHOICE.pattern}")


@dataclass(frozen=True)
class Named:
    """A file and what its name says."""

    file: str
    """Path below the root."""
    parts: Mapping[str, str]

    def item(self, card: Card) -> Item:
        """Return the item of the file; the split is the publisher's by the card's `split.names`, or the usual names."""
        names, found = card.split.names or SPLIT_NAMES, self.parts.get(SPLIT, "")
        split = names.get(found) or names.get(found.lower())
        problem = None
        if SPLIT in self.parts and split is None:
            rule = f'"{found}" is none of {", ".join(names)}; add it to `split.names`'
            problem = ("not in the official split", rule)
        group, labels = self.parts.get(PATIENT, ""), (self.parts[CLASS],) if CLASS in self.parts else ()
        return Item(self.file, (self.file,), group, split, labels, problem=problem)


class NamePattern:
    r"""A glob in which `{name}` captures a part of one path component, and `{name:REGEX}` what an expression allows.

    `img{id}.nii.gz`, `{split}/{class}/{patient}_*.png`, `{class:MASS|CALC}_{id:\d+}.png`. A name that stands twice must
    be the same text both times. `.{jpg,png}` is either ending. Letters outside of braces are compared as the file
    system's glob does; an ending in either case.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.names = tuple(dict.fromkeys(found[1] for found in _PART.finditer(text)))
        taken = sorted(_OF_THE_PATH & set(self.names))
        if taken:
            raise ValueError(f"{{{taken[0]}}} is a part of every path; capture another name, such as {{id}}")
        rest = CHOICE.sub("", _PART.sub("", text))
        if "{" in rest or "}" in rest:
            raise ValueError(f"`{text}` has a brace that is no {{name}} or {{name:REGEX}} (letters and _ in a name)")
        parts = [_PART.sub("*", part) for part in _split_components(text)]
        self.glob = "/".join(part if part == "**" else re.sub(r"\*{2,}", "*", part) for part in parts)
        expression, at, seen = "", 0, set[str]()
        for found in _PART.finditer(text):
            expression += _of_glob(text[at : found.start()])
            expression += f"(?P={found[1]})" if found[1] in seen else f"(?P<{found[1]}>{_inside(found[2])})"
            seen.add(found[1])
            at = found.end()
        try:
            self._pattern = pattern_of(expression + _of_glob(text[at:]), ignore_case=True)
        except re.error as error:
            raise ValueError(f"`{text}`: {error}; what stands behind a colon is a regular expression") from error

    def read(self, file: str) -> dict[str, str] | None:
        """Return the captured parts of a path below the root, or None where it does not fit."""
        found = self._pattern.fullmatch(file)
        return None if found is None else found.groupdict()


def patterns_of(images: str | Sequence[str]) -> tuple[str, ...]:
    """Return the patterns of a setting that takes one or several."""
    return (images,) if isinstance(images, str) else tuple(images)


def find_named(root: Path, patterns: Sequence[str], *, recipe: str, what: str) -> Iterator[tuple[str, Named]]:
    """Yield (pattern, file) for all files of all patterns, in order; of several patterns one may find none.

    A file belongs to the first pattern that finds it.

    Raises:
        UserError: Nothing fits, or a pattern leads out of the root.
    """
    parts = [name_pattern(pattern) for pattern in patterns]
    refused: dict[int, tuple[int, str]] = {}
    fitting = set[int]()
    for path, numbers in matching_any(root, [part.glob for part in parts], recipe=recipe, what=what):
        file, named = printable(path), None
        for number in sorted(numbers):
            if (read := parts[number].read(file)) is not None:
                fitting.add(number)
                named = named or (parts[number].text, Named(file, read))
            elif number not in fitting:
                count, first = refused.get(number, (0, file))
                refused[number] = count + 1, first
        if named:
            yield named
    for number, (count, first) in refused.items():
        if number not in fitting:
            raise UserError(
                f"{root}: recipe {recipe} finds no {what} that match `{parts[number].text}`: {count} files, such as "
                f"{first}, fit but for what stands behind the colons. Give the folder that the recipe describes."
            )


@functools.lru_cache(maxsize=256)
def name_pattern(text: str) -> NamePattern:
    """Return the pattern of a text.

    Raises:
        ValueError: It is none.
    """
    return NamePattern(text)


def placeholders(image: Named, pattern: str) -> dict[str, str]:
    """Return what each placeholder of a mask's path stands for.

    `stem` is the name without ending, `parent` the path of its folder, `folder` the folder's name, `tree` the path of
    the folder below the fixed part of the pattern, `match` what the last `*` in the pattern's name stands for; with the
    parts that the pattern captures.
    """
    path = PurePosixPath(image.file)
    glob = name_pattern(pattern).glob
    return {
        **image.parts,
        "stem": volume_stem(path.name),
        "parent": path.parent.as_posix(),
        "folder": path.parent.name,
        "tree": path.parent.relative_to(_fixed_part(glob, path)).as_posix(),
        "match": _matched(path.name, PurePosixPath(glob).name),
    }


def require_known(path: str, *patterns: str, also: tuple[str, ...] = ()) -> None:
    """Refuse a placeholder that neither every path has nor every pattern captures.

    Raises:
        ValueError: There is one.
    """
    captured = set.intersection(*(set(name_pattern(pattern).names) for pattern in patterns))
    known = {*_OF_THE_PATH, *captured, *also}
    for name in re.findall(r"\{([^{},]*)\}", path):
        if name not in known:
            raise ValueError(f"`{path}` has {{{name}}}, which the pattern of the images does not capture")


def is_pattern(place: str) -> bool:
    """Return whether a path is a glob."""
    return re.search(r"[*?\[]", place) is not None


def _fixed_part(pattern: str, path: PurePosixPath) -> str:
    parts = PurePosixPath(pattern).parent.parts
    fixed = next((number for number, part in enumerate(parts) if is_pattern(part)), len(parts))
    return PurePosixPath(*path.parts[:fixed]).as_posix()


def _matched(name: str, pattern: str) -> str:
    """Return what the last `*` of a pattern stands for in a name, or the name's stem where there is none."""
    before, star, after = pattern.rpartition("*")
    found = pattern_of(_of_glob(before) + "(?P<last>.*)" + _of_glob(after), ignore_case=True).fullmatch(name)
    return found["last"] if star and found else volume_stem(name)


def _split_components(text: str) -> list[str]:
    """Split at the slashes outside of braces."""
    return re.split(r"/(?![^{]*\})", text)


def _inside(expression: str | None) -> str:
    return "[^/]+?" if expression is None else f"(?-i:{expression})"


def _of_glob(text: str) -> str:
    """Return a regular expression for a piece of a glob."""
    written, at = "", 0
    for wild in _WILD.finditer(text):
        written += re.escape(text[at : wild.start()])
        sign = wild[0]
        if sign.startswith("{"):
            written += f"(?:{'|'.join(re.escape(word.strip()) for word in sign[1:-1].split(','))})"
        elif sign.startswith("["):
            written += "[^" + sign[2:] if sign[1] in "!^" else sign
        else:
            written += {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}[sign]
        at = wild.end()
    return written + re.escape(text[at:])
