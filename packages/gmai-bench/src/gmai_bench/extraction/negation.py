"""Is a mention denied? "not A", "A is incorrect", "排除A": a cue in the same clause, before or after the mention."""

import re
from functools import lru_cache

from gmai_bench.extraction.text import any_of

_BREAK_MARK = re.compile(r"[.;:,!?\n。；，！？]")
_BREAK_WORDS = (
    "but", "because", "since", "so", "while", "whereas", "therefore", "thus", "hence", "但", "而是", "因为", "所以",
)  # fmt: skip
_BREAK_WORD = re.compile("|".join(rf"\b{word}\b" if word.isascii() else word for word in _BREAK_WORDS))
"""Where a clause ends, and a denial with it: "not A but B"."""
_CUE_BEFORE = re.compile(
    r"\b(?:not|no|cannot|neither|nor|never|without"  # "not A", "no effusion", "neither A nor B"
    r"|excluding|excludes?|excluded|except|unlike|instead of|rather than"  # "all except A", "rather than CT"
    r"|rul(?:e|es|ed|ing) out|eliminat(?:e|es|ed|ing)|absence of|negative for"  # "we rule out A"
    r"|unlikely|less likely|least likely|doubt\w*|hardly"  # "unlikely to be A"
    r"|(?:wrong|incorrect) (?:answer|option|choice)s?)\b"  # "the wrong options are A"
    r"|n't\b|\bnon[- ]$"  # "isn't A", "non-malignant"
    r"|\b(?:favou?r|prefer)(?:s|ed)?\b.*?\bover\b"  # "I favour A over B"
    r"|(?:不|没|非|无|未见|(?<![切清根去])除)"  # "不是A", "排除A"; 切除 is a resection
)
_NO_CUE = ("not only", "no doubt", "no other than", "cannot be other than", "不仅", "无疑")
_OTHER_SUBJECT = r"(?!(?:there|it|this|these|they|we|the (?:image|picture|scan|lesion|finding|patient|others?))\b)"
"""What follows the mention is about something else: "A. It is not …"."""
_IS = r"(?:is|are|was|were|(?:would|can|could|may|should)\s+be|seems?|appears?|looks?)\s+"
_DENIED = (
    r"(?:all\s+|both\s+|also\s+|clearly\s+|therefore\s+)?"
    r"(?:not|no\s+longer|never|hardly|incorrect|wrong|false|excluded|ruled\s+out|eliminated|discarded|dismissed|"
    r"rejected|unlikely|improbable|implausible|impossible|doubtful|less\s+likely|(?:the\s+)?least|inconsistent|absent)\b"
)
_CUE_AFTER = re.compile(
    # "A is wrong", "A (CT) can be ruled out", "B seems unlikely"
    rf"^\W*(?:\([^)]*\)\s*)?{_OTHER_SUBJECT}(?:\w+\s+){{0,3}}?(?:{_IS}{_DENIED}"
    r"|(?:\w+n't|cannot|(?:does|do|did|would|could|can|should|must|may)\s+not)\b"  # "A doesn't fit", "A does not fit"
    r"|incorrect\b|wrong\b)"  # "A: wrong"
    # "A项错误", "A不正确", "A可以排除"
    r"|^\W*(?:选?项)?是?(?:均|都|也|应该?|可以?|被|予以|明显)*(?:错|不(?!仅|但|过)|有误|排除|可能性[较很更]?[小低])"
)
_BEFORE_HINTS = (
    "no", "n't", "never", "neither", "without", "exclud", "except", "unlike", "instead", "rather", "rul", "eliminat",
    "absence", "negative", "likely", "doubt", "hardly", "wrong ", "incorrect ",
    "over", "不", "没", "非", "无", "未见", "除",
)  # fmt: skip
_AFTER_HINTS = (
    "no", "n't", "never", "hardly", "incorrect", "wrong", "false", "exclud", "rul", "eliminat", "discard", "dismiss",
    "reject", "likely", "improb", "implaus", "impossib", "doubt", "less", "least", "inconsistent", "absent",
    "错", "不", "误", "排除", "可能性",
)  # fmt: skip
"""Every cue holds one of these; looking for them costs a tenth of the patterns."""
_LISTED_ITEM = r"(?:(?!\b(?:but|is|are|was|were|has|shows?|there|it|this|which|so)\b)[^,.;:!?\n。，；：！？]){1,50}?"
_DENIED_LIST = re.compile(  # "no consolidation, effusion, or pneumothorax"
    r"\b(?:no|not(?! only)|without|neither|absence of|negative for|rather than|instead of|unlike"
    r"|rul(?:e|es|ed|ing) out)"
    rf"\s{_LISTED_ITEM}(?:,{_LISTED_ITEM})+\b(?:or|nor)\s{_LISTED_ITEM}(?:[,.;:!?\n]|$)"
)
_LIST_CHARS = 160
_BRACKETED = re.compile(r"\s*\(([^)]*)\)?")
WINDOW_CHARS = 60
"""How far from a mention a denial is looked for."""
_AFTER_OTHER_LETTER = re.compile(r"(?<![A-Za-z0-9])\(?[A-Z]\)?(?![A-Za-z0-9])")


@lru_cache(maxsize=256)
def is_negated(text: str, start: int, end: int, own_cues: tuple[tuple[int, int], ...] = ()) -> bool:
    """Return whether the mention `text[start:end]` is denied in its clause.

    Args:
        text: The response, case kept or folded.
        start: Where the mention begins.
        end: Where it ends.
        own_cues: Spans whose words are options themselves ("No", "Not seen") and deny nothing.
    """
    before = text[max(0, start - WINDOW_CHARS) : start].lower()
    if any_of(_BEFORE_HINTS, before) and _denied_before(before, start, own_cues):
        return True
    after = text[end : end + WINDOW_CHARS]
    if any_of(_AFTER_HINTS, after.lower()) and _denied_after(after, is_letter=end - start <= len("(A)")):
        return True
    return ("or " in after or "or " in before) and _in_denied_list(text, start, own_cues)


def _in_denied_list(text: str, start: int, own_cues: tuple[tuple[int, int], ...]) -> bool:
    first = max(0, start - _LIST_CHARS)
    around = text[first : start + _LIST_CHARS].lower()
    return any(
        listed.start() <= start - first < listed.end()
        and not any(begin <= first + listed.start() < last for begin, last in own_cues)
        for listed in _DENIED_LIST.finditer(around)
    )


def _denied_before(before: str, start: int, own_cues: tuple[tuple[int, int], ...]) -> bool:
    ends = [mark.end() for mark in _BREAK_MARK.finditer(before)]
    clause = before[ends[-1] :] if ends else before
    if not any_of(_BEFORE_HINTS, clause):
        return False
    words = [word.end() for word in _BREAK_WORD.finditer(clause)] if any_of(_BREAK_WORDS, clause) else []
    clause = clause[words[-1] :] if words else clause
    if any_of(_NO_CUE, clause):
        return False
    offset = start - len(clause)
    for cue in _CUE_BEFORE.finditer(clause):
        at = offset + cue.start()
        if not any(first <= at < last for first, last in own_cues):
            return True
    return False


def _denied_after(after: str, *, is_letter: bool) -> bool:
    bracketed = _BRACKETED.match(after)
    if bracketed:  # "MRI (unlikely)"; none in "pneumothorax (tension cannot be excluded)"
        if re.match(_DENIED, bracketed[1].lower()):
            return True
        after = after[bracketed.end() :]
    mark = _BREAK_MARK.search(after, 1 if after[:1] in (".:)" if is_letter else ":)") else 0)
    after = after[: mark.start()] if mark else after
    if not any_of(_AFTER_HINTS, after.lower()):
        return False
    word = _BREAK_WORD.search(after) if any_of(_BREAK_WORDS, after) else None
    after = after[: word.start()] if word else after
    other = _AFTER_OTHER_LETTER.search(after)
    return _CUE_AFTER.match((after[: other.start()] if other else after).lower()) is not None
