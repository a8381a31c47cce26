"""What an English text compares a picture with, which states nothing of it: a bean, a loaf of bread, a river.

A thing after a word of comparison and an indefinite article ("like a wet stone") is taken out before the statements of
a sentence are looked for. Where a text asks to imagine one, it may speak of it again: "the stone is the nodule".
"""

import re

from gmai_data.checks.lexicon import is_plain, is_thing

_ADJECTIVE = re.compile(
    r"\b(?:[a-z]+ (?:like|shaped|sized|coloured|colored|toothed|edged|looking|sided|rimmed|textured|toned|tinted|hued)|"
    r"eye catching|"
    r"catch(?:es|ing)? the eye|(?:naked|human) eye|the eye(?= (?:can|is|sees|tells|follows|meets|notices|picks|finds))|"
    r"(?:your|one's|our|my) (?:own )?(?:fingers?|finger ?tips?|thumb|hands?|fist|palm|eyes?|gaze|mind's eye))\b"
)
"""A bean, in `bean-shaped`, states nothing of a bean."""
_COMPARES = re.compile(
    r"\b(?:like|as if|as though|(?:much|just|same|rather) as|as an? (?!result|consequence|sign|cause)|"
    r"such as (?:an?|the)|resembl\w+|"
    r"reminds?|remember\w*|reminiscent|recalls?|imagine|think of|picture (?:an?|the)|compar(?:es?|ed|able|ison)|"
    r"similar to|akin|"
    r"analog\w+|shape of|(?:shaped|sized|coloured|colored))\b"
)
"""Where a text says so, it may name what a picture is compared with."""
_END = (
    r"(?=[,.;:!?]| (?:that|which|in|on|with|of|seen|lying|and|or|from|at|as|to|for|when|where|is|are|has|have|whose|"
    r"under|inside|beside|after|before|by|through|than)\b|$)"
)
_THING = re.compile(
    r"\b(?:like|as if|as though|resembl\w+|imagine|picture|think of|shape of|reminds? (?:me|you|us|one) of|"
    r"reminiscent of|unlike|similar to|compar\w+ (?:it |them )?(?:to|with)|as)"
    r"(?: (?:it|them|this|that|these|those)(?: as)?)?(?: looking at| seeing)? "
    rf"(?:an?|two|three|some|several|many|little|tiny|small) (?P<thing>[a-z' ]+?){_END}"
)
_IMAGINED = re.compile(r"\b(?:imagine|think of|picture (?=an?\b))(?P<rest>[^.;:!?]*)")
_MOST_WORDS = 4
_NAMELIKE = frozenset(
    {
        "stone", "stones", "pebble", "pebbles", "wire", "wires", "coil", "coils", "tube", "tubes", "needle", "needles",
        "limb", "limbs", "trunk", "trunks", "cord", "blade", "shaft", "block", "blocks", "clip", "clips", "screw",
    }
)  # fmt: skip
"""Things that elsewhere would be a finding, a device or a part of the body."""


def compares_with_things(text: str) -> bool:
    """Return whether a lower-case text says that it compares."""
    return _COMPARES.search(text) is not None


def _is_known(word: str) -> bool:
    return word in _NAMELIKE or is_plain(word) or is_thing(word)


def things_imagined(text: str) -> frozenset[str]:
    """Return the things that a lower-case text asks to imagine, which it may speak of again."""
    words = (word for found in _IMAGINED.finditer(text) for word in re.findall("[a-z]+", found["rest"]))
    return frozenset(word.removesuffix("s") for word in words if word in _NAMELIKE or is_thing(word))


def without_things(text: str, imagined: frozenset[str]) -> str:
    """Return a masked sentence without what it compares with, and without what its text has asked to imagine."""
    for found in reversed(list(_THING.finditer(text))):
        words = re.findall("[a-z]+", found["thing"])
        if len(words) <= _MOST_WORDS and all(map(_is_known, words)):
            text = f"{text[: found.start('thing')]} {text[found.end('thing') :]}"
    for noun in imagined:
        text = re.sub(rf"\b{re.escape(noun)}s?\b", " ", text)
    return text


def without_adjectives(text: str) -> str:
    """Return a sentence without adjectives that compare (`bean-shaped`) and idioms of the eye and the hand."""
    return _ADJECTIVE.sub(" ", text)
