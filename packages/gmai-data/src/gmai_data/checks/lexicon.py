"""The words that statements are resolved by: plain and visual words, claims, parts of the body. All are data files."""

import functools
import re
from importlib import resources
from typing import Any

from gmai_data.bundled import bundled_yaml
from gmai_data.vocabulary import Language

LABEL = "[\ue000-\uf7ff]"
"""A label in a masked sentence: one character of the private use area each (see `LabelNames.masked`)."""
WORD = "\uf8fd"
"""Stands in a masked sentence for a single word of the record's labels, or its region of the body."""
_ENDINGS = (
    ("", ""), ("'s", ""), ("s", ""), ("es", ""), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e"), ("ly", ""),
    ("ies", "y"), ("ied", "y"), ("ily", "y"), ("ness", ""),
)  # fmt: skip
_OF_VISUAL_WORDS = (
    *_ENDINGS, ("er", ""), ("er", "e"), ("est", ""), ("est", "e"), ("ier", "y"), ("iest", "y"), ("ish", ""),
    ("ally", ""), ("y", ""), ("less", ""),
)  # fmt: skip


def _read(name: str) -> str:
    return (resources.files("gmai_data.checks") / "lexicons" / name).read_text(encoding="utf-8")


def _yaml(name: str) -> Any:
    return bundled_yaml("gmai_data.checks", "lexicons", name)


@functools.cache
def claims(language: Language) -> dict[str, tuple[bool, re.Pattern[str]]]:
    """Return name of a class of statements ▶ (also looked for in questions, what makes one in lower-case text)."""
    found: dict[str, tuple[bool, re.Pattern[str]]] = {}
    document: dict[str, Any] = _yaml(f"claims_{language}.yaml")
    for name, entry in document.items():
        either = "|".join(entry["any"]).replace("{L}", LABEL)
        pattern = rf"(?<!\w)(?:{either})(?!\w)" if language == Language.EN else either
        found[name] = (entry["in"] == "both", re.compile(pattern))
    return found


@functools.cache
def _visual() -> dict[str, frozenset[str]]:
    document: dict[str, Any] = _yaml("visual.yaml")
    english = frozenset(word for text in document["en"].values() for word in re.findall(r"[a-z]+", text))
    return {"en": english, "zh": frozenset(document["zh"].split())}


@functools.cache
def plain_words() -> frozenset[str]:
    """Return the English words that pass in any sentence: those that state nothing, and the visual ones."""
    return _words_of("plain_en.txt") | _visual()["en"]


@functools.cache
def _things() -> frozenset[str]:
    return _words_of("things_en.txt")


def _words_of(name: str) -> frozenset[str]:
    lines = [line for line in _read(name).splitlines() if not line.startswith("#")]
    return frozenset(" ".join(lines).split())


@functools.cache
def visual_chinese() -> re.Pattern[str]:
    """Return what names a visual property, a picture or its part in Chinese, longest first."""
    words = sorted(_visual()["zh"], key=lambda word: (-len(word), word))
    return re.compile("|".join(map(re.escape, words)))


@functools.lru_cache(maxsize=65536)
def is_plain(word: str) -> bool:
    """Return whether an English word, or what it is an inflexion of, passes in any sentence."""
    return _stands_in(word, plain_words(), _ENDINGS) or _stands_in(word, _visual()["en"], _OF_VISUAL_WORDS)


@functools.lru_cache(maxsize=65536)
def is_thing(word: str) -> bool:
    """Return whether an English word names a thing that a picture may be compared with, as a loaf of bread."""
    return _stands_in(word, _things(), _ENDINGS)


def _stands_in(word: str, words: frozenset[str], endings: tuple[tuple[str, str], ...]) -> bool:
    for ending, rest in endings:
        if word.endswith(ending):
            stem = word[: len(word) - len(ending)] + rest
            doubled = len(stem) > 3 and stem[-1] == stem[-2] and ending in ("ed", "ing", "er", "est")
            if (stem in words and (len(stem) > 2 or stem == word)) or (doubled and stem[:-1] in words):
                return True
    return False


@functools.cache
def clear_lungs(language: Language) -> tuple[re.Pattern[str], frozenset[str]]:
    """Return what says in lower-case text that lungs are clear, and the names of labels that hold it."""
    entry = _yaml("normal.yaml")["clear_lungs"]
    return re.compile(entry[str(language)]), frozenset(entry["labels"])


@functools.cache
def parts_of_organs() -> re.Pattern[str]:
    """Return what names in Chinese a part of an organ or of a region by a word that begins with it: 脑沟 of 脑."""
    words = sorted(_yaml("parts.yaml")["zh"].split(), key=lambda word: (-len(word), word))
    return re.compile("|".join(words))


@functools.cache
def scopes() -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    """Return (what names an endoscope in lower-case text, what its region is called in a record), both languages."""
    return tuple(
        (re.compile(entry["said"]), re.compile("|".join(map(re.escape, entry["of"])))) for entry in _yaml("scopes.yaml")
    )


def scenery(shown_by: str, language: Language) -> re.Pattern[str] | None:
    """Return what every picture of a modality or a clinical task shows around its labels (the wall of an endoscopy)."""
    return _patterns("scenery.yaml", language).get(shown_by)


def context(modality: str, language: Language) -> re.Pattern[str] | None:
    """Return what every picture of a modality is made up of (cells of a tissue), where no label says so, or None."""
    return _patterns("context.yaml", language).get(modality)


@functools.cache
def compounds() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return (an English noun in which a part of the body is none, what stands for it): a kidney bean, saw teeth."""
    document: dict[str, str] = _yaml("compounds.yaml")
    return tuple((re.compile(rf"\b(?:{said.replace(' ', '[ -]')})\b"), word) for said, word in document.items())


@functools.cache
def _patterns(name: str, language: Language) -> dict[str, re.Pattern[str]]:
    document: dict[str, dict[str, str]] = _yaml(name)
    return {of: re.compile(entry[str(language)]) for of, entry in document.items() if str(language) in entry}


@functools.cache
def regions(language: Language) -> dict[str, list[str]]:
    """Return word of a label or of a region of the body ▶ its other words."""
    return _yaml("regions.yaml")[str(language)]


@functools.cache
def synonyms(language: Language) -> dict[str, str]:
    """Return word that says the same as one of the lines of general knowledge ▶ that one."""
    document: dict[str, list[str]] = _yaml("synonyms.yaml")[str(language)]
    return {other: word for word, others in document.items() for other in others}


@functools.cache
def _phrases() -> tuple[tuple[re.Pattern[str], str], ...]:
    document: dict[str, str] = _yaml("synonyms.yaml")["phrases"]
    return tuple((re.compile(rf"\b(?:{said})\b"), word) for said, word in document.items())


@functools.lru_cache(maxsize=8192)
@functools.lru_cache(maxsize=2048)
def rephrased(text: str) -> str:
    """Return a lower-case English text with one word for phrases that say the same of a function."""
    for said, word in _phrases():
        text = said.sub(word, text)
    return text


@functools.cache
def matters() -> frozenset[str]:
    """Return what structures of the body make, move or hold: a line about one is no line about another."""
    return frozenset(_yaml("synonyms.yaml")["matters"]["en"])


@functools.cache
def matters_zh() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return (matter, what names it in Chinese)."""
    document: dict[str, str] = _yaml("synonyms.yaml")["matters"]["zh"]
    return tuple((matter, re.compile(said)) for matter, said in document.items())


@functools.cache
def opposites(language: Language) -> tuple[tuple[str, str], ...]:
    """Return (a word, its opposite), each pair both ways."""
    pairs: list[list[str]] = _yaml("synonyms.yaml")["opposites"][str(language)]
    return tuple((one, other) for pair in pairs for one, other in (pair, pair[::-1]))


@functools.cache
def _kinds(language: Language) -> dict[str, list[str]]:
    document: dict[str, str] = _yaml("kinds.yaml")[str(language)]
    found: dict[str, list[str]] = {}
    for kind, words in document.items():
        whole = re.sub(r"=(\w+)", lambda other: document[other[1]], words)
        for word in whole.lower().split():
            found.setdefault(word, []).append(kind)
    return found


def kinds_of(word: str, language: Language) -> list[str]:
    """Return of what kinds the label is that an English word, or a Chinese name, stands for: bone of femur."""
    if language == Language.EN:
        return _kinds(language).get(word, [])
    return [kind for part, kinds in _kinds(language).items() if part in word for kind in kinds]


_DISEASE_ENDING = re.compile(
    r"nucleol|(?:itis|thorax|scler\w+|opath\w*|omas?|ectas\w+|ectomy|plasia|megaly|emia|trophy)$"
)


@functools.lru_cache(maxsize=4096)
def is_akin(word: str, own: frozenset[str]) -> bool:
    """Return whether an English word is one of a label's, or of the same stem: necrosis of necrotic."""
    if word in own:
        return True
    if _DISEASE_ENDING.search(word):
        return False
    least = min(max(5, len(word) - 4), 6)
    return any(word[:least] == other[:least] for other in own if len(other) >= least)
