"""What a text is held against: the record's facts, and the names by which they are called.

The names of a card are compiled once for all its records.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from gmai_data.annotation import Annotation, Box
from gmai_data.sources.recipe import Recipe
from gmai_data.vocabulary import Kind, Language, Modality

TAG = re.compile(r"<ref>[^<]*</ref>|<box>[^<]*</box>")
"""What is written inside tags is held against the boxes, not against the words."""


@dataclass(frozen=True)
class Mention:
    """A label named in a text, and what stands before it in its clause."""

    label: str
    before: str


class LabelNames:
    """The names and synonyms of a card's labels in one language."""

    def __init__(self, recipe: Recipe, language: Language) -> None:
        """Compile the names of `recipe` in `language`."""
        self._labels: dict[str, str] = {}
        for raw, name in recipe.labels.items():
            for each in (name, *recipe.synonyms.get(raw, ())):
                spoken = each.en if language == Language.EN else each.zh
                if spoken:
                    self._labels.setdefault(spoken.lower(), name.en)
        longest_first = sorted(self._labels, key=lambda name: (-len(name), name))
        names = "|".join(re.escape(name) for name in longest_first)
        if language == Language.EN:
            self._pattern = re.compile(rf"\b({names})(?:s|es)?\b")
            self._clause = re.compile(r"[.;:!?\n]")
        else:
            self._pattern = re.compile(f"({names})")
            self._clause = re.compile(r"[。；：！？，\n]")
        self._any = bool(self._labels)

    def mentions(self, text: str) -> list[Mention]:
        """Return the labels that a lower-case text names, longest names first where they overlap."""
        if not self._any:
            return []
        found: list[Mention] = []
        for match in self._pattern.finditer(text):
            before = self._clause.split(text[max(0, match.start() - 60) : match.start()])[-1]
            found.append(Mention(self._labels[match.group(1)], before))
        return found


@dataclass(frozen=True)
class Facts:
    """What is certainly true about what a text is about.

    Attributes:
        annotation: The record.
        kind: Of the sample.
        language: That the text must be in.
        names: Of the card's labels in that language.
        boxes: Those that the writer was shown.
        references: Their `<ref>…</ref><box>…</box>` texts.
        positions: In which part of the image they lie, in words.
        source: Text that the writer was shown; numbers and sides may be taken from it.
        words: Fewest and most words (Chinese: characters) of the answers.
        turns: Fewest and most turns.
        image_digest: SHA-256 of the image that the text is about, or nothing.
    """

    annotation: Annotation
    kind: Kind
    language: Language
    names: LabelNames
    boxes: tuple[Box, ...]
    references: tuple[str, ...]
    positions: tuple[str, ...]
    source: str
    words: tuple[int, int]
    turns: tuple[int, int]
    image_digest: str = ""


@functools.cache
def _modalities() -> dict[str, Any]:
    return yaml.safe_load((resources.files("gmai_data.checks") / "modalities.yaml").read_text(encoding="utf-8"))


@functools.cache
def modality_pattern(modality: Modality, language: Language) -> re.Pattern[str]:
    """Return what names a modality in lower-case text."""
    words = _modalities()[str(modality)]
    names = "|".join((*words["en"], *words["zh"]) if language == Language.ZH else words["en"])
    return re.compile(names if language == Language.ZH else rf"(?<!\w)(?:{names})(?!\w)")


@functools.cache
def other_modalities(
    modality: Modality, language: Language
) -> tuple[re.Pattern[str], Sequence[tuple[Modality, re.Pattern[str]]]]:
    """Return what names any modality that a text about this one must not name, and each of them."""
    along = _modalities()[str(modality)].get("with", [])
    others = [
        (each, modality_pattern(each, language)) for each in Modality if each != modality and str(each) not in along
    ]
    return re.compile("|".join(pattern.pattern for _, pattern in others)), others
