"""What a sentence denies: a label that is there, which is wrong, or another one of the card, which may be."""

import functools
import re

from gmai_data.checks.counts import kinds_of_label, own_names
from gmai_data.checks.denial import surely
from gmai_data.checks.facts import CLAUSE_END, Facts
from gmai_data.checks.lexicon import LABEL
from gmai_data.checks.masking import DISEASE
from gmai_data.vocabulary import Language

_NOTHING_WRONG = {
    Language.EN: re.compile(
        r"\b(?:no|without(?: any)?|free of(?: any)?) (?:visible |evident |apparent |focal |obvious )?"
        r"(?:lesions?|abnormalit(?:y|ies)|abnormal findings?|patholog(?:y|ies|ical findings?)|disease)\b"
        r"(?! (?:outside|beside|elsewhere|other))"
    ),
    Language.ZH: re.compile(
        "(?:未见|没有(?:发现|看到|见到)?|未发现|无|不见)(?:任何|明显的?|可见的?)*(?:病变|病灶|异常|病理改变)"
    ),
}


_DENIES_ZH = "(?:未见|(?<!有)没有(?:发现|看到|见到)?|未发现|未检出|不见|(?<!有)无)(?:任何|明显的?|可见的?|确切的?)?"


def what_is_denied(facts: Facts, text: str, sentence: str) -> str | None:
    """Return what a sentence denies though the image shows it: a label by a part of its name, or any finding.

    Args:
        facts: Of the text.
        text: The masked sentence.
        sentence: The same in lower case.
    """
    healthy = [label for label in facts.annotation.labels if re.match("no |normal|healthy", label)]
    for found in re.finditer(LABEL, text):
        label = facts.names.label_of(found.group())
        before = CLAUSE_END[facts.language].split(text[: found.start()])[-1]
        after = CLAUSE_END[facts.language].split(text[found.end() :])[0]
        if label in facts.annotation.labels and label not in healthy and surely(before, after, facts.language):
            return label
    if facts.language == Language.ZH and not healthy:
        names = own_names(facts)
        tails = {
            name[start:]
            for name in names
            for start in range(1, len(name) - 1)
            if name[start:].isalpha() and name[start - 1] not in "无未不非"
        }
        others = {name for label in facts.annotation.absent for name in facts.names.spoken(label)}
        for tail in tails - set(names) - others:
            for found in re.finditer(re.escape(tail) + "(?![核质浆膜壁])", sentence):
                if re.search(_DENIES_ZH + "$", sentence[: found.start()]):
                    return tail
    if not healthy and has_finding(facts) and (found := _NOTHING_WRONG[facts.language].search(sentence)):
        return found.group()
    return None


@functools.lru_cache(maxsize=256)
def words_of(texts: tuple[str, ...]) -> frozenset[str]:
    """Return the English words of several texts."""
    return frozenset(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))


_UNLIKE = re.compile(
    r"\b(?:no|not|neither|nor|without|never|rather than|instead of|unlike|absence of|free of)\b[^.;]*$"
    r"|(?:非|不是|不属于|不同于|未见|没有|无|不见|不含)[^，。；]*$"
)


ASKS_WHETHER = re.compile(
    r"^\W*(?:(?:q|question|student|teacher|patient|doctor)\W+)?(?:is|are|does|do|could|can|would)\b"
    "|吗|是否|是不是|有没有"
)


def is_other_denied(facts: Facts, before: str, said: str, text: str) -> bool:
    """Return whether a word of another label of the card is denied: "a stone, not a cyst"."""
    return _UNLIKE.search(before) is not None and is_of_others(facts, said, text)


def is_of_others(facts: Facts, said: str, text: str) -> bool:
    """Return whether all words are of labels that the card has and the image has not."""
    if facts.language == Language.EN:
        return _absent_words(facts).issuperset(re.findall(r"[a-z]+", said))
    names = (name for label in facts.annotation.absent for name in facts.names.spoken(label) if said in name)
    return any(
        said in name[start : start + _LEAST_OF_NAME] and name[start : start + _LEAST_OF_NAME] in text
        for name in names
        for start in range(max(len(name) - _LEAST_OF_NAME, 0) + 1)
    )


_LEAST_OF_NAME = 3
"""Characters of another label's Chinese name that name it."""


def _absent_words(facts: Facts) -> frozenset[str]:
    return words_of(tuple(name for label in facts.annotation.absent for name in facts.names.spoken(label)))


def has_finding(facts: Facts) -> bool:
    """Return whether a label of the record is a finding, which may be called thick or swollen."""
    return (
        facts.annotation.clinical_task in DISEASE
        or facts.names.noun in _FINDINGS
        or any(
            _CHANGED.match(label) or not _FINDINGS.isdisjoint(kinds_of_label(label))
            for label in facts.annotation.labels
        )
    )


_CHANGED = re.compile(r"(?:enlarged|dilated|widened|thickened|narrowed|swollen|displaced|abnormal) ")
_FINDINGS = frozenset(
    (
        "lesion",
        "finding",
        "abnormality",
        "tumor",
        "disease",
        "diagnosis",
        "病变",
        "表现",
        "征象",
        "肿瘤",
        "疾病",
        "诊断",
    )
)
