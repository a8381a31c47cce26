"""Is a name in a text denied? Two readings, so that a good text is not refused and a wrong one not passed.

`surely` is for a label that the image shows: only "no evidence of X", "X is not seen" and their like deny it, as the
clause may deny another finding. `possibly` is for one that it does not show: any denial in its clause will do, and any
comparison ("unlike X").
"""

import re

from gmai_data.vocabulary import Language

_EN, _ZH = Language.EN, Language.ZH
_FILLING = (
    r"(?:(?:an?|the|any|such|clear|clearly|visible|visibly|obvious|definite|definitely|evident|apparent|discernible|"
    r"further|be|been|being|see|seen|show|shown|shows|include|contain|depict|display|reveal|demonstrate|have|find|"
    r"found|there|evidence|signs?|traces?|indications?|hints?|suspicion|parts?|portions?|presence|of|for|suggestive|suggesting)\s+)*"
)
_OTHERS = r"(?:(?!(?:is|are|was|were|but|with|shows?|and the)\b)[\w-]+[ ,]+){1,8}(?:or|nor)\s+(?:an?\s+|the\s+|any\s+)?"
"""The rest of a list: "no effusion, mass or X"."""
_SURE_BEFORE = {
    _EN: re.compile(
        r"(?:\b(?:no|without|lacks?|lacking|absence of|absent|free of|free from|negative for|neither|nor|excludes|"
        r"excluding|rules? out|ruling out|not|cannot)|n't)\s+" + f"(?:{_FILLING}|{_OTHERS})$"
    ),
    _ZH: re.compile(
        r"(?:(?<!有)无|(?<!有)没有(?:发现|看到|见到|显示|观察到|检出)?|未见到?|未观察到|未检出|不见|未发现|未能?显示|看不到|看不见|排除|不是|并非|不存在)"
        r"(?:任何|明显的?|明确的?|可见的?|确切的?|显著的?)*(?:[\u4e00-\u9fff]{1,8}(?:、|或|及|和))*$"
    ),
}
_CONTRAST = re.compile(r"\w, not an? $")
"""A grasper, not a hook: one thing is told from another."""
_SURE_AFTER = {
    _EN: re.compile(
        r"^\s*(?:(?:is|are|was|were)\s+(?:\w+ly\s+)?(?:absent|missing|invisible|"
        r"not\s+(?:\w+ly\s+)?(?:seen|visible|present|shown|identified|detected|evident|found|included|discernible|there)\b)"
        r"|(?:is|are|was|were)n't\s+(?:\w+ly\s+)?(?:seen|visible|present|shown|identified|detected|found|there)\b"
        r"|(?:cannot|can't|can not|could not)\s+be\s+(?:\w+ly\s+)?(?:seen|identified|detected|found|made out))"
        r"|^(?:[ ,]+[\w-]+){0,8}?\s*:\s*(?:none|absent|nil|negative|no(?=\s*(?:[.,;]|$))|not\s+"
        r"(?:\w+ly\s+)?(?:seen|visible|present|shown|identified|detected|evident|found|there))\b"
    ),
    _ZH: re.compile(
        r"^(?:在[\u4e00-\u9fff]{1,4}中)?(?:均|并)?"
        r"(?:未见|未显示|未显影|未能显示|不可见|看不到|看不见|缺如|不存在|没有显示)(?:[。！；，、？\s]|$)"
        r"|^[：:]\s*(?:无|未见|没有|阴性|缺如)(?:[。！；，、？,;!?\s]|$)"
    ),
}
_POSSIBLE = {
    _EN: re.compile(
        r"\b(?:no|not|none|nil|without|absen\w+|free of|free from|negative for|neither|nor|exclud\w+|lack\w*|cannot|"
        r"missing|invisible|rules? out|unlike|rather than|instead of|differ\w*|distinguish\w*|contrast to|"
        r"opposed to|compared?|comparison|"
        r"than(?! (?:it is )?(?:wide|high|tall|broad|long)\b)|mimics?|screen\w*|look\w* for|risk|would)\b|n't\b"
    ),
    _ZH: re.compile(r"无|没有|未|不见|不可见|看不|排除|不是|并非|缺如|不存在|不同|区别|而非|相比|鉴别|筛查"),
}


def surely(before: str, after: str, language: Language) -> bool:
    """Return whether the words around a name deny that it is there.

    Args:
        before: Lower-case text of its clause up to the name.
        after: Text of the clause behind it.
        language: Of the text.
    """
    if _CONTRAST.search(before):
        return False
    return bool(_SURE_BEFORE[language].search(before) or _SURE_AFTER[language].search(after))


def possibly(before: str, after: str, language: Language) -> bool:
    """Return whether the words around a name may deny that it is there, or compare it; see `surely`."""
    return bool(_POSSIBLE[language].search(before) or _POSSIBLE[language].search(after))
