"""Is a mention denied? "not A", "A is incorrect", "排除A": a cue in the same clause, before or after the mention."""

import re
from functools import lru_cache

from gmai_bench.extraction.spellings import any_of

_BREAK_MARK = re.compile(r"[.;:,!?\n。；，！？]")
_DASH_BREAK = re.compile(r"[—–]\s*(?=(?:it|this|that|but|rather)\b)")
"""Between clauses: "This isn't an MRI—it's a CT"."""
_BREAK_WORDS = (
    "but", "because", "since", "so", "while", "whereas", "therefore", "thus", "hence", "但", "而是", "因为", "所以",
)  # fmt: skip
_BREAK_WORD = re.compile("|".join(rf"\b{word}\b" if word.isascii() else word for word in _BREAK_WORDS))
"""Where a clause ends, and a denial with it: "not A but B"."""
_CUE_BEFORE = re.compile(
    r"\b(?:not|no|nothing|cannot|neither|nor|never|without"  # "not A", "no effusion", "neither A nor B"
    r"|excluding|excludes?|excluded|except|unlike|instead of|rather than"  # "all except A", "rather than CT"
    r"|rul(?:e|es|ed|ing) out|eliminat(?:e|es|ed|ing)|absence of|negative for"  # "we rule out A"
    r"|(?:better|more (?:likely|plausible|probable|consistent)(?: \(?[a-z]\)?)?) than"  # "more likely B than C"
    r"|(?:less|(?:less|more) (?:severe|advanced|extensive)|milder|worse) than|short of"  # "less than severe NPDR"
    r"|unlikely|less likely(?! than)|least likely|doubt\w*|hardly"  # "unlikely to be A"; none in "less likely than B"
    r"|(?:wrong|incorrect) (?:answer|option|choice)s?"  # "the wrong options are A"
    r"|second (?:most|best)|secondary (?:consideration|differential|diagnosis)|next most"
    r"|next best (?!step|test|management|investigation|action|treatment|option|approach)"  # "the next best step is A"
    r"|(?:switch|chang|convert)\w* from(?: the)?(?= $)"  # "switch from A to B"
    r"|if (?:\w+ ){1,4}(?:switch|change|consider|add|use|try)"  # "if cough develops switch to A"
    r"|rather (?:\w+ ){1,4}than"  # "rather A than B"
    r"|whether|if (?:it|this) (?:were|was)|mistaken for"  # "I cannot tell whether it is A", "if it were a CT"
    r"|initially|at first|(?:first|initial) (?:instinct|thought|impression|guess)|first i thought"  # "At first, A"
    r"|was going to say)\b"
    r"|n't\b|\bnon[- ]$"  # "isn't A", "non-malignant"
    r"|(?<=[a-z)]) > ?$"  # "A > B"
    r"|\b(?:favou?r|prefer)(?:s|ed)?\b.*?\bover\b"  # "I favour A over B"
    # "不是A", "排除A"; 切除 is a resection, 肺不张 atelectasis, 不典型 atypical
    r"|(?:不(?!张|典型|规则|均匀|全|稳定|孕|育|良)|没|非(?!小细胞|典型)|无(?!菌)|未见|(?<![切清根去])除)"
    r"|最初|起初|乍一看|一开始|误认为"  # "最初考虑A"
)
_DENIED_LABEL = re.compile(
    r"\b(?:least\s+likely|less\s+likely|excluded|ruled\s+out|eliminated|rejected|discarded|incorrect|wrong|unlikely)"
    r"(?:\s+(?:first|options?|answers?|choices?|diagnos[ei]s|is|are|ones?)){0,2}\s*:[\s*(]*$"
)
"""A label that denies what it announces: "Least likely: C", "Ruled out: pneumonia"."""
_NO_CUE = ("not only", "no doubt", "no other than", "cannot be other than", "不仅", "无疑")
_OTHER_SUBJECT = (
    r"(?!(?:there|it|this|these|they|we|and\s+(?:is|are|was|were|has|does|do)|statements?"
    r"|the (?:image|picture|scan|lesion|finding|patient|rest|others?))\b)"
)
"""What follows the mention is about something else: "A. It is not …"."""
_IS = r"(?:is|are|was|were|(?:would|can|could|may|should)\s+be|seems?|appears?|looks?)\s+"
_DENIED = (
    r"(?:all\s+|both\s+|also\s+|clearly\s+|therefore\s+)?"
    r"(?:not|no\s+longer|never|hardly|incorrect|wrong|false|excluded|ruled\s+out|eliminated|discarded|dismissed|"
    r"rejected|only|reserved|unlikely|improbable|implausible|impossible|doubtful|less\s+likely|(?:the\s+)?least|inconsistent|absent|out(?=\W*(?:$|and\b|too\b)))\b"
)
_CUE_AFTER = re.compile(
    # "A is wrong", "A (CT) can be ruled out", "B seems unlikely"
    rf"^\W*(?:\([^)]*\)\s*)?(?:{_OTHER_SUBJECT}\w+\s+){{0,3}}?{_OTHER_SUBJECT}(?:{_IS}{_DENIED}"
    r"|(?:\w+n't|cannot|(?:does|do|did|would|could|can|should|must|may)\s+not)\b"  # "A doesn't fit", "A does not fit"
    r"|would\s+(?:(?:typically|usually|normally|instead|also)\s+)?"  # "A would show a fracture"
    r"(?:show|demonstrate|display|have|appear|look|help|cause|reveal|give|produce|affect"
    r"|be\s+(?:needed|required|necessary)\s+(?:to|for))\b"  # "An MRI would be needed to characterise it"
    r"|was\s+(?:my|the)\s+(?:first|initial)\s+(?:impression|thought|guess|instinct)\b"
    rf"|{_IS}(?:very\s+|also\s+)?(?:tempting|a\s+(?:common\s+)?(?:distractor|trap|decoy))\b"  # "A is tempting"
    r"|incorrect\b|wrong\b|false\b)"  # "A: wrong"
    r"|^\s*[—-]+\s*(?:the\s+)?(?:least|less)\s+likely\b"  # "A — the least likely"
    r"|^\W*[❌✗✘❎]"
    # "A项错误", "A不正确", "A可以排除"
    r"|^(?:\W*(?:选?项)?|\W*[^\W\d_]{1,12}\()是?(?:均|都|也|应该?|可以?|被|予以|明显|有?待|尚待)*"
    r"(?:错|不(?!仅|但|过)|有误|排除|可能性[较很更]?[小低])"
)
_BEFORE_HINTS = (
    "no", "n't", "never", "neither", "without", "exclud", "except", "unlike", "instead", "rather", "rul", "eliminat",
    "absence", "negative", "likely", "doubt", "hardly", "wrong ", "incorrect ", " than ", "whether", "if ", "mistaken",
    "next ", "second ", "initial", "first", "going to", "over", "from", ">",
    "不", "没", "非", "无", "未见", "除", "初", "看", "开始", "误认",
)  # fmt: skip
_AFTER_HINTS = (
    "no", "n't", "never", "hardly", "incorrect", "wrong", "false", "exclud", "rul", "eliminat", "discard", "dismiss",
    "reject", "likely", "improb", "implaus", "impossib", "doubt", "less", "least", "inconsistent", "absent",
    " out", "would", " first", "initial", "only", "reserved", "tempting", "distractor", "trap", "decoy",
    "❌", "✗", "✘", "❎", "错", "不", "误", "排除", "可能性",
)  # fmt: skip
"""Every cue holds one of these; looking for them costs a tenth of the patterns."""
_LISTED_ITEM = r"(?:(?!\b(?:but|is|are|was|were|has|shows?|there|it|this|which|so)\b)[^,.;:!?\n。，；：！？]){1,50}?"
_DENIED_LIST = re.compile(  # "no consolidation, effusion, or pneumothorax"
    r"\b(?:no|not(?! only)|without|neither|absence of|negative for|rather than|instead of|unlike"
    r"|rul(?:e|es|ed|ing) out)"
    rf"\s{_LISTED_ITEM}(?:,{_LISTED_ITEM})+\b(?:or|nor)\s{_LISTED_ITEM}(?:[,.;:!?\n]|$)"
)
_LIST_CHARS = 160
_ASKED_AND_DENIED = re.compile(r"\W*\?\W*(?:no|nope|not)\b|[^,;.。?]?\?不", re.IGNORECASE)  # "Is it CT? No."
_DENIED_IN_BRACKETS = re.compile(
    rf"(?!not\s+(?!(?:the(?!\s+\w+\s+one\b)|likely|correct|right|seen|present|visible|possible|plausible|consistent|shown)\b)){_DENIED}"
    r"|错|不对|不正确|排除"
)
_OF_ANOTHER = re.compile(r"\s+[—-]+\s+(?:(?:the|its)\s(?!wrong|incorrect|least|less)|there\b|no\s)", re.IGNORECASE)
"""Behind an option a dash and another subject: "None of the above — the dural tail is absent"."""
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
    if before.rstrip(" *(").endswith(":") and _DENIED_LABEL.search(before):
        return True
    ends = [mark.end() for mark in _BREAK_MARK.finditer(before)]
    clause = before[ends[-1] :] if ends else before
    if any_of("—–", clause) and (dash := _DASH_BREAK.search(clause)):
        clause = clause[dash.end() :]
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
    if _ASKED_AND_DENIED.match(after):
        return True
    bracketed = _BRACKETED.match(after)
    if bracketed:  # "MRI (unlikely)"; none in "pneumothorax (tension cannot be excluded)", "MRI (not CT)"
        of_other = is_letter and _AFTER_OTHER_LETTER.search(bracketed[1])  # "C (less likely B)"
        if not of_other and _DENIED_IN_BRACKETS.match(bracketed[1].lower()):
            return True
        after = after[bracketed.end() :]
    elif not is_letter and _OF_ANOTHER.match(after):
        return False
    mark = _BREAK_MARK.search(after, 1 if after[:1] in (".:)" if is_letter else ":)") else 0)
    after = after[: mark.start()] if mark else after
    if not any_of(_AFTER_HINTS, after.lower()):
        return False
    word = _BREAK_WORD.search(after) if any_of(_BREAK_WORDS, after) else None
    after = after[: word.start()] if word else after
    other = _AFTER_OTHER_LETTER.search(after)
    return _CUE_AFTER.match((after[: other.start()] if other else after).lower()) is not None
