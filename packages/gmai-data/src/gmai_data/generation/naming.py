"""How a sentence speaks of a label: "the liver", "platelets", "pneumonia", and whether it *is* or they *are*."""

import functools
import re
from typing import Any, NamedTuple

from gmai_data.bundled import bundled_yaml

_HEAD = re.compile(
    r"^(?P<before>.*?)(?P<head>[\w–-]+)(?P<after>(?:,| \(| (?:of|with|in|or|that|around|without|and|other than)\b).*)?$"
)
_SIDED = re.compile(
    r"\b(?:left|right|upper|lower|anterior|posterior|inferior|superior|urinary|medial|lateral|first|fourth|third)\b"
)
_NO_ARTICLE = re.compile(
    r"^(?:no|normal|healthy|other|not|without|(?!enhancing|ascending)[a-z]+ing) |[Bb]arrett| or | that "
    r"|\b(?:grade|type|score) \d"
)
_NORMAL = re.compile("(?:normal|healthy|clear|abnormal) ")
_OF_COUNTED = frozenset({"cells", "lymphocytes", "nodules", "lesions", "cysts", "vessels", "bubbles"})
_UNITS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_VOWEL = re.compile(
    r"(?!eu|uni|use|uro|ure|uri|ute|one|once|Eu|Uni|Uro|Ure|Ute)[aeiouAEIOU]|[FHLMNRSX](?=[A-Z0-9]{0,2}(?:\b|-))|hour"
)
"""Begins as a vowel sounds. Short capitals are spelled ("an MR image"), longer ones spoken ("a FLAIR image")."""


class Named(NamedTuple):
    """A label in sentences.

    Attributes:
        any: Where it is asked whether there is any: "platelets", "the liver", "pneumonia".
        these: All that are there: "the platelets", "the liver", "pneumonia".
        this: The only one: "the platelet", "the liver", "pneumonia".
        one: A single one: "a platelet", "the liver", "pneumonia".
        several: Whether the name itself is plural: "the lungs".
        counted: Whether there can be "12 platelets".
    """

    any: str
    these: str
    this: str
    one: str
    several: bool
    counted: bool


@functools.lru_cache(maxsize=8192)
def named(label: str) -> Named:
    """Return how an English sentence speaks of a label."""
    bare = Named(label, label, label, label, several=False, counted=False)
    found = _HEAD.match(label)
    if found is None:
        return bare
    head, lists = found["head"].lower(), _lists()
    the = f"the {label}"
    if head in lists["plural"]:
        any_ = label if head in _OF_COUNTED or _NORMAL.match(label) else the
        return Named(any_, the, the, any_, several=True, counted=False)
    if _NORMAL.match(label) and head in lists["definite"] | lists["counted"] and head not in lists["mass"]:
        return Named(with_article(label), the, the, with_article(label), several=False, counted=False)
    if _NO_ARTICLE.search(label):
        return bare
    sided = _SIDED.search(label) is not None
    counted = head in lists["counted"] or head.endswith(tuple(lists["endings"]))
    counted = counted and not head.endswith(tuple(lists["uncounted"]))
    paired = head in lists["paired"]
    if " and " in label and (paired or head in lists["definite"]):
        return Named(the, the, the, the, several=True, counted=False)
    if (counted and (not sided or head in lists["disease"])) or (paired and not sided):
        many = plural(label)
        return Named(many, f"the {many}", the, with_article(label), several=False, counted=True)
    return Named(the, the, the, the, several=False, counted=False) if counted or head in lists["definite"] else bare


def with_article(name: str) -> str:
    """Return "a CT image", "an MR image"."""
    return f"{'an' if _VOWEL.match(name) else 'a'} {name}"


def plural(label: str) -> str:
    """Return the plural of a counted English name."""
    if " or " in label and " of " not in label:
        return " or ".join(map(plural, label.split(" or ")))
    found = _HEAD.match(label)
    if found is None:
        return f"{label}s"
    head, irregular = found["head"], _lists()["irregular"]
    if head.lower() in _lists()["plural"]:
        return label
    if head.lower() in irregular:
        many = irregular[head.lower()]
    elif head.endswith(("s", "x", "ch", "sh")):
        many = f"{head}es"
    elif head.endswith("y") and head[-2:-1] not in "aeiou":
        many = f"{head[:-1]}ies"
    else:
        many = f"{head}s"
    return f"{found['before']}{many}{found['after'] or ''}"


def numbered(label: str, count: int) -> str:
    """Return "one platelet" or "14 platelets"."""
    return f"{spelled(count)} {label if count == 1 else plural(label)}"


def spelled(count: int) -> str:
    """Return a number as a sentence has it: in words up to twelve."""
    return _UNITS[count] if 0 < count < len(_UNITS) else str(count)


def specimens() -> frozenset[str]:
    """Return the last words of "regions" that are a specimen and no part of the body."""
    return frozenset(_lists()["regions"]["specimen"])


def region_with_article(anatomy: str) -> str:
    """Return a region of the body as an image is "of" it: "the chest", "a blood smear", "lung tissue"."""
    head, regions = re.split(r" of ", anatomy)[0].split()[-1], _lists()["regions"]
    if head in regions["bare"]:
        return anatomy
    return with_article(anatomy) if head in regions["one"] else f"the {anatomy}"


@functools.cache
def _lists() -> dict[str, Any]:
    data = bundled_yaml("gmai_data.generation", "naming.yaml")
    lists = {
        name: frozenset(data[name].split())
        for name in ("definite", "plural", "counted", "paired", "disease", "mass", "uncounted")
    }
    return {**lists, "endings": data["counted_endings"], "irregular": data["irregular"], "regions": data["regions"]}
