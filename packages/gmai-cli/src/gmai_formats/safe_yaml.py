"""YAML that users write, read with bounds: a short file cannot stand for billions of values, nor nest without end.

What would be lost in silence is refused, too: the first of two values for one key, numbers that are none, and those
that are read as others than they look (010, 1:30).
Aliases are allowed while what they stand for stays small (https://en.wikipedia.org/wiki/Billion_laughs_attack).
"""

import math
import re
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from gmai_formats.errors import not_utf8

MOST_DEPTH = 100
MOST_LETTERS = 2_000_000
"""Of a document, which is read in about ten seconds; the longest known are lists of classes of some 100 kB."""
MOST_DIGITS = 400
"""Of a number."""
MOST_NODES = 100_000
"""Values that a document with aliases may stand for; one without aliases is as large as its file."""


_ODD_NUMBER = re.compile(r"[-+]?(?:0[0-7_]+|.*:.*)")
"""`010` and `1:30`, which YAML 1.1 reads as 8 and 90: https://yaml.org/type/int.html."""


class YamlBoundsError(yaml.YAMLError):
    """The document is well formed, and larger or deeper than any that a person writes."""


class _Loader(yaml.SafeLoader):
    """The safe loader, which ends at a depth of `MOST_DEPTH` and notices aliases."""

    depth = 0
    has_aliases = False

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.has_aliases = self.has_aliases or self.check_event(yaml.AliasEvent)
        self.depth += 1
        if self.depth > MOST_DEPTH:
            line = self.peek_event().start_mark.line + 1
            raise YamlBoundsError(f"line {line}: nested more than {MOST_DEPTH} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if (key.tag, key.value) in seen:
                    raise YamlBoundsError(f"line {key.start_mark.line + 1}: `{key.value}` is given twice")
                seen.add((key.tag, key.value))
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        _require_short(node)
        value = super().construct_yaml_int(node)
        if _ODD_NUMBER.fullmatch(node.value) and (":" in node.value or int(node.value) != value):
            raise YamlBoundsError(
                f"line {node.start_mark.line + 1}: {node.value} is {value} in YAML, which counts such numbers in "
                "eights or sixties; write that, or put it in quotes"
            )
        return value

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        _require_short(node)
        if ":" in node.value:
            raise YamlBoundsError(f"line {node.start_mark.line + 1}: {node.value} is no number; put it in quotes")
        value = super().construct_yaml_float(node)
        if not math.isfinite(value):
            raise YamlBoundsError(f"line {node.start_mark.line + 1}: {node.value} is no number")
        return value


def _require_short(node: yaml.ScalarNode) -> None:
    """Refuse numbers whose time to be read is the square of their length, such as those of YAML 1.1 to the base 60."""
    if len(node.value) > MOST_DIGITS:
        raise YamlBoundsError(f"line {node.start_mark.line + 1}: a number of more than {MOST_DIGITS} digits")


_MERGE = "tag:yaml.org,2002:merge"
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def compose_yaml(text: str) -> yaml.Node | None:
    """Return the nodes of a document, None for an empty one.

    Raises:
        yaml.YAMLError: It is no YAML, or exceeds the bounds.
    """
    if len(text) > MOST_LETTERS:
        raise YamlBoundsError(f"it has {len(text)} letters; at most {MOST_LETTERS} are read")
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise YamlBoundsError(" ".join(str(error).split())) from error
    try:
        node = loader.get_single_node()
        if node is not None and loader.has_aliases:
            _count(node, {})
    except yaml.MarkedYAMLError as error:
        raise _in_one_line(error) from error
    else:
        return node
    finally:
        loader.dispose()


def yaml_text(path: Path | Traversable) -> str:
    """Return the text of a YAML file.

    Raises:
        OSError: It cannot be read.
        yaml.YAMLError: It is not UTF-8, as an editor of Windows may save it.
    """
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise yaml.YAMLError(not_utf8(error)) from error


def load_yaml(text: str) -> Any:
    """Return a document's values, in place of `yaml.safe_load`.

    Raises:
        yaml.YAMLError: It is no YAML, exceeds the bounds, or holds a value that cannot be (the month 13).
    """
    node = compose_yaml(text)
    constructor = _Loader("")
    try:
        return None if node is None else constructor.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise _in_one_line(error) from error
    except (ValueError, OverflowError) as error:
        raise YamlBoundsError(str(error)) from error
    finally:
        constructor.dispose()


def _in_one_line(error: yaml.MarkedYAMLError) -> yaml.YAMLError:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return yaml.YAMLError(place + ", ".join(part for part in (error.problem, error.context) if part))


def _count(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Return how many values a node stands for, every alias in full."""
    key = id(node)
    if key in sizes:
        if not sizes[key]:
            raise YamlBoundsError(f"line {node.start_mark.line + 1}: an alias stands for what it is a part of")
        return sizes[key]
    sizes[key] = 0
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        parts = node.value
    elif isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    size = 1 + sum(_count(part, sizes) for part in parts)
    if size > MOST_NODES:
        raise YamlBoundsError(f"line {node.start_mark.line + 1}: its aliases stand for more than {MOST_NODES} values")
    sizes[key] = size
    return size
