"""Statements of the closed classes of lexicons/claims_*.yaml that a masked sentence makes and no record holds."""

import re

from gmai_data.checks.counts import names_of_what_is_there, without_marks
from gmai_data.checks.facts import AXES, Facts, Known
from gmai_data.checks.general import holds_by_its_line
from gmai_data.checks.lexicon import LABEL, WORD, claims, is_akin, visual_chinese
from gmai_data.checks.lines import in_other_words, is_of
from gmai_data.checks.negation import ASKS_WHETHER, has_finding, is_of_others, is_other_denied, words_of
from gmai_data.vocabulary import Language, Modality

WINDOW = re.compile(
    r"\b(lung|bone|brain|soft tissue|abdom\w+|mediastin\w+|liver|stroke|subdural|narrow|wide)(?: ct)? windows?"
)


WINDOW_ZH = re.compile(r"(肺|骨|脑|软组织|腹部?|纵隔|肝脏?|窄|宽)窗")


_WINDOW_NAMES = {
    "lung": "lung", "bone": "bone", "brain": "brain", "soft tissue": "soft_tissue", "mediastin": "mediastinum",
    "abdom": "abdomen", "腹": "abdomen",
    "liver": "liver", "肺": "lung", "骨": "bone", "脑": "brain", "软组织": "soft_tissue", "纵隔": "mediastinum",
    "肝": "liver", "肝脏": "liver",
}  # fmt: skip


def _is_as_wide(stated: str, window: str) -> bool:
    """Return whether a window such as `brain 40/80` (level and width in HU) is narrow or wide, as a text says."""
    width = re.search(r"/(\d+)$", window)
    if width is None:
        return False
    return (
        int(width[1]) <= _NARROW_HU
        if stated in ("narrow", "窄")
        else stated in ("wide", "宽") and int(width[1]) >= _WIDE_HU
    )


_NARROW_HU, _WIDE_HU = 200, 1000


def wrong_window(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a window of a lower-case sentence that is not that of the image."""
    for found in (WINDOW if facts.language == Language.EN else WINDOW_ZH).finditer(text):
        window = next((name for word, name in _WINDOW_NAMES.items() if found[1].startswith(word)), found[1])
        shown = str(facts.annotation.provenance.get("window", ""))
        if not shown.startswith(window) and not _is_as_wide(window, shown):
            return "acquisition invented", f'the window of "{found.group()}" is not that of the image'
    return None


_PURPOSE = {
    Language.EN: re.compile(
        rf"(?:{LABEL}|{WORD}|\b(?:it|they|which|that)|\b(?:the|this|such an?) (?:disease|condition|organ|gland)|^\W*)"
        r"(?: (?:also|normally|usually|mainly|then))? ?\b(?P<verb>pumps?|controls|governs|relays|cleanses|clouds|"
        r"damages|destroys|protects|absorbs(?! .*(?:rays?|radiation|light|beams?|waves?)\b)|"
        r"carr(?:y|ies)(?! (?:the |an? |one |two |three |four |several )?"
        rf"(?:grade|score|name|number|mark|box|region|area|spot|{LABEL}))|filters?|stores?|produces?|"
        r"secretes?|transports?|digests?|regulates?|conveys?|delivers?|nourish(?:es)?|circulates?)\b"
    ),
    Language.ZH: re.compile(
        rf"(?:{LABEL}|{WORD}|[它其])[^，。；]{{0,6}}?(?P<verb>泵血|泵送|泵出|输送|运送|运输|携带|过滤|储存|贮存|分泌|传导|主管|掌管|"
        "负责|支配|吞噬|抵御|分解|消化|调节|支撑体重|凝固|引流|收集|(?:是指|指的?是|意味着)(?!图|画面|影像))"
        r"|(?:^|[，；：。\s]|[它其]的?|的)(?:主要|生理|基本)?(?P<for>(?:功能|作用|职责|任务)(?:就?是|在于|包括|为))"
    ),
}
"""What a structure does; of a picture nobody says so."""
_ITS_PURPOSE = re.compile(
    rf"\b(?:its|their|the) (?:main |chief )?(?:roles?|functions?|jobs?|tasks?|purpose)"
    rf"(?: of (?:the |an? )?(?:{LABEL}|{WORD}))? (?:is|are) (?P<verb>to [a-z]+|[a-z]+ing)\b"
)


def invented_purpose(text: str, language: Language) -> tuple[str, str] | None:
    """Return what a masked sentence says that a structure is for; lines of knowledge are taken out before."""
    found = _PURPOSE[language].search(text) or (_ITS_PURPOSE.search(text) if language == Language.EN else None)
    if found is None:
        return None
    said = found["verb"] or found.groupdict().get("for")
    return "finding invented", f'it says what it "{said}", which no line "Known" does'


def claimed_of_a_class(
    facts: Facts, text: str, known_words: frozenset[str], known: Known | None, *, asked: bool
) -> tuple[str, str] | None:
    """Return a statement of a closed class that neither the record nor the stated line of knowledge holds."""
    provenance = facts.annotation.provenance
    text = (WINDOW if facts.language == Language.EN else WINDOW_ZH).sub(" ", text)
    text = in_other_words(text) if known is not None and facts.language == Language.ZH else text
    seen = [] if facts.language == Language.EN else [found.span() for found in visual_chinese().finditer(text)]
    own = " ".join(names_of_what_is_there(facts))
    own_words = words_of((own,))
    axis = AXES.get(str(provenance.get("axis", "")), ())
    source = facts.source.lower() if facts.language == Language.EN else ""
    for name, (everywhere, pattern) in claims(facts.language).items():
        if asked and not everywhere:
            continue
        for found in pattern.finditer(text):
            claim = found.group()
            if any(start <= found.start() and found.end() <= end for start, end in seen):
                continue  # 结节 of 结节状 is no finding; 狭窄 is more than 窄
            if claim == "性" and text[max(found.start() - 2, 0) : found.end()] in own:
                continue  # 增殖性 of the record's own 非增殖性糖尿病视网膜病变
            if name in ("finding", "grade", "body") and (
                is_other_denied(facts, text[: found.start()], claim, text)
                or (asked and ASKS_WHETHER.search(text) and is_of_others(facts, claim, text))
            ):
                continue
            if (
                claim in _DISEASE
                and has_finding(facts)
                and _OF_DISEASE.search(f"{text[: found.start()]}|{text[found.end() :]}")
            ):
                continue
            if facts.language == Language.ZH and name in _LOOKS and _usual_look(facts, text, claim):
                continue
            if claim.startswith("push") and facts.annotation.modality in _OF_CELLS:
                continue  # a nucleus is pushed to one side of its cell
            if name == "finding" and holds_by_its_line(facts, text, found.start(), claim):
                continue
            if name == "changed" and has_finding(facts):
                continue
            if (claim == "灶" or claim.startswith(("focus ", "foci "))) and has_finding(facts):
                continue
            if name == "body" and len(claim) == 1 and claim in own:
                continue
            if claim == "明显" and _COMPARED_ZH.search(text):
                continue
            if name == "grade" and facts.names.levels.keys() & {claim, claim.replace("-", " ")}:
                continue
            if name == "plane" and claim.startswith(axis) and axis:
                continue
            if name == "plane" and claim.startswith("横") and facts.annotation.modality in _SECTIONS:
                continue  # what is seen is a section of layers
            if claim in _OPERATING and "Surg" in str(facts.annotation.clinical_task):
                continue  # that it is one is what the card's task says
            if name == "acquisition" and says_how_made(claim, facts.names.title):
                continue
            words = re.findall(r"[a-z]+", claim)
            if facts.language == Language.EN and words and name != "acquisition" and known_words.issuperset(words):
                continue
            if all(is_akin(word, own_words) for word in words) if words else len(claim) > 1 and claim in own:
                continue
            if source and claim in source:
                continue
            if claim == "功能" and facts.knowledge and (asked or _ITS_PURPOSE_ZH.search(text)):
                continue  # what it is for may be asked
            if asked and name == "finding" and ASKED_OF.fullmatch(claim) and has_finding(facts):
                continue
            if asked and any(claim in each.text for each in facts.knowledge):
                continue  # so may what is known in general
            if claim == "征象" and has_finding(facts):
                continue  # what a finding is called
            if (
                claim == "病"
                and has_finding(facts)
                and re.search("[该此本](?:种|类)?$|这[种类]?$", text[: found.start()])
            ):
                continue  # 该病 of a disease of the record
            if claim in ("癌", "瘤") and claim in own and text[found.end() : found.end() + 1] == "灶":
                continue
            if claim in _AFFECTED_ZH and has_finding(facts) and _AFFECTED_ZH[claim].search(text + own):
                continue
            if known is not None and (
                all(is_of(word, known) for word in words)
                if words
                else claim in f"{known.text}{in_other_words(known.text)}功能引起导致所致"
            ):
                continue
            return _UNDER.get(name, f"{name} invented"), _REASONS[name].format(said=without_marks(claim))
    return None


_DISEASE = frozenset({"disease", "condition", "disorder"})
_OF_DISEASE = re.compile(
    rf"\b(?:this|the|that) \|(?:(?:that's| is| called)? ?(?:shown|seen|{LABEL})|\W|$)"
    r"|\ban? (?:[a-z]+ )?\|(?: that| which| in which| of\b)"
)
"""What a finding of the record is called: "diabetic retinopathy, a disease that …", "in this disease"."""
_OF_CELLS = frozenset({Modality.HISTOPATHOLOGY, Modality.MICROSCOPY})
_SECTIONS = frozenset({Modality.OCT, Modality.HISTOPATHOLOGY})
_LOOKS = frozenset({"finding", "changed", "body"})


def _usual_look(facts: Facts, text: str, claim: str) -> bool:
    """Return whether a Chinese claim says how a label of its sentence usually looks: 肋膈角变钝 of an effusion."""
    named = {facts.names.label_of(mark) for mark in re.findall(LABEL, text)}
    return any(
        known.about == "appearance" and known.label in named and claim in known.text for known in facts.knowledge
    )


_OPERATING = frozenset({"operation", "surgery", "surgical", "intraoperative", "术中", "手术"})
_ACQUIRED_ZH = {
    "造影": "angiogra",
    "荧光": "fluoresc",
    "钼靶": "mammogra",
    "断层合成": "tomosynth",
    "多普勒": "doppler",
}
_LEAST_STEM = 6


def says_how_made(claim: str, title: str) -> bool:
    """Return whether the card's title says how its images were made in the word of a claim: angiograms of ARCADE."""
    stems = [word[:8] for word in re.findall(rf"[a-z]{{{_LEAST_STEM},}}", claim)]
    stems += [stem for said, stem in _ACQUIRED_ZH.items() if claim.endswith(said)]
    phases = [stem for stem in ("systol", "diastol", "inspirat", "expirat") if stem in title]
    if any(claim.startswith(stem) for stem in phases) and len(phases) > 1:
        return False  # the title says that the images are of either
    return bool(stems) and all(stem in title for stem in stems)


ASKED_OF = re.compile(
    "diagnosis|conditions?|patholog(?:y|ies)|diseases?|disorders?|lesions?|病|病变|病灶|疾病|征象|异常"
)
"""What a question may call a finding that the image shows: "Which condition is seen?"."""
_ITS_PURPOSE_ZH = re.compile("[这此]就?[是为][它其]们?的(?:一般|主要|通常|基本)?功能")
_AFFECTED_ZH = {
    "受累": re.compile("受累的?(?:区域?|表面|部[位分]|处)"),
    "变窄": re.compile("狭窄"),
    "肿块": re.compile("[癌瘤]"),
}
"""What a finding may be called where the record has one of that kind: 肿块 of 肝癌, 变窄 of 狭窄."""


_COMPARED_ZH = re.compile("相比|相较|对照|反差|比周围|较周围|于周围")
"""With what is around: 与周围组织相比信号明显增高."""


_UNDER = {"hedge": "hedge", "advice": "advice", "changed": "finding invented"}
"""Class of statements ▶ name of the check that it is counted under, where it is another."""


_REASONS = {
    "person": 'it says "{said}", but nothing is known about the person',
    "hedge": 'it says "{said}", which weakens what is known; state it',
    "advice": 'it says "{said}", which is advice',
    "treatment": 'it says "{said}", but no treatment or device is in the record',
    "history": 'it says "{said}", but nothing is known about earlier or later times',
    "cause": 'it says "{said}", but no cause or consequence is in the record',
    "finding": 'it says "{said}", which is no label of the record',
    "changed": 'it says "{said}" of what the record does not say to be changed',
    "grade": 'it says "{said}", but no degree is in the record',
    "acquisition": 'it says "{said}", but the record does not say so of how the image was made',
    "plane": 'it says "{said}", which is not the plane or view of the record',
    "body": 'it says "{said}", a part of the body that the record does not have',
}
