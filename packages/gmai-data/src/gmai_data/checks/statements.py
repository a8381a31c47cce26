"""Every sentence of a text about an image, resolved against its record.

A sentence is resolved if all that it states is one of these: a label of the record by one of its names; the side,
position, count or size that the label's boxes have; the modality, plane, window and region of the record; what can be
seen without knowing what it is (lexicons/visual.yaml); or nothing about a patient at all (lexicons/plain_en.txt). The
rules stand in docs/reference/checks.md.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gmai_data.checks.denial import surely
from gmai_data.checks.directions import without_directions
from gmai_data.checks.facts import AXES, CLAUSE_END, Facts, Known, any_modality, modality_pattern, related_modalities
from gmai_data.checks.general import appearance_words, general, in_other_words, is_of, without_general_clauses
from gmai_data.checks.lexicon import (
    LABEL,
    WORD,
    claims,
    clear_lungs,
    is_akin,
    is_plain,
    is_thing,
    kinds_of,
    scopes,
    visual_chinese,
)
from gmai_data.checks.masking import DISEASE, OWN, REFERENCE, low, masked
from gmai_data.checks.measures import without_measures
from gmai_data.checks.places import compared, how_many_lie, known_boxes, mirrored, place, wrong_place
from gmai_data.checks.similes import compares_with_things, things_imagined, without_adjectives, without_things
from gmai_data.checks.sizes import wrong_size
from gmai_data.vocabulary import CHINESE, Kind, Language

_SENTENCE = {
    Language.EN: re.compile(r"[^.!?\n]*(?:\.(?=\d|\w\.)[^.!?\n]*)*(?:[.!?]+[\"')\]]*(?=\s|$)|[.!?](?=\S)|\n|$)\s*"),
    Language.ZH: re.compile(r"[^。！？?!\n]*(?:[。！？?!\n]+|$)\s*"),
}
_TOKEN = re.compile(r"(?<![\da-z])[a-z]+(?:'[a-z]+)?")
_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_HAN = "零一二三四五六七八九十"


@dataclass(frozen=True)
class Statement:
    """A sentence that is not resolved.

    Attributes:
        check: Under which it is counted.
        sentence: As it stands in the text.
        what: What is wrong with it, in words that a model can act on.
    """

    check: str
    sentence: str
    what: str


def unresolved(facts: Facts, turns: Sequence[tuple[str, str]]) -> Iterator[Statement]:
    """Yield the sentences of the questions and answers that the record does not hold."""
    if facts.kind == Kind.TEXT_ONLY:
        return
    carried: tuple[str, ...] = ()
    asked_of = subject = ""
    for question, answer in turns:
        for part, asked in ((question, True), (answer, False)):
            if asked and facts.question:
                continue  # it was given, and is compared as a whole
            compares = facts.language == Language.EN and compares_with_things(low(part))
            stood_for: frozenset[str] = things_imagined(low(part)) if compares else frozenset()
            for sentence in sentences(part, facts.language):
                text = masked(facts, sentence)
                text = without_things(text, stood_for) if compares else text
                also_asked = asked or sentence.rstrip(" \n\"'”’)）").endswith(("?", "？"))
                found = _wrong(facts, sentence, text, carried, asked=also_asked, compares=compares)
                if found is None and subject and (said := _said_of(subject, text, facts.language)):
                    found = wrong_place(facts, said) or wrong_size(facts, said) or _count_of(facts, said)
                marks = list(dict.fromkeys(re.findall(LABEL, text)))
                subject = marks[0] if len(marks) == 1 else "" if marks else subject
                if found is None and asked_of and _ANSWERS_WHERE[facts.language].match(low(sentence)):
                    answer_of = _SAID_BEFORE.sub("", text)
                    sides = _sides if facts.language == Language.EN else _sides_zh
                    said = f"{asked_of} {answer_of}" if facts.language == Language.EN else f"{asked_of}{answer_of}"
                    found = wrong_place(facts, said) or sides(facts, said)
                if also_asked:
                    asked_of = " ".join(marks) or asked_of
                if found is not None:
                    yield Statement(found[0], sentence.strip(), found[1])
                carried = _named(facts, sentence) or carried


_PRONOUN = {
    Language.EN: re.compile(r"^(?P<before>\W*(?:there (?:is|are) [a-z]+ of )?)(?:it|they|them)\b"),
    Language.ZH: re.compile(r"^(?P<before>)(?:它们?|其|该(?:结构|病灶|病变|区域))"),
}


def _said_of(subject: str, text: str, language: Language) -> str:
    """Return a masked sentence with what the one before is about in place of its pronoun, or nothing without one."""
    found = _PRONOUN[language].match(text)
    if found is None or subject in text:
        return ""
    before = found["before"].removesuffix("of ")
    return f"{before}{subject}{text[found.end() :]}"


def _count_of(facts: Facts, text: str) -> tuple[str, str] | None:
    return _numbers(facts, text) if facts.language == Language.EN else _numbers_zh(facts, text)


_SAID_BEFORE = re.compile(r"^\W*(?:a|answer|答|student|teacher|学生|老师)\W+")
_ANSWERS_WHERE = {
    Language.EN: re.compile(
        r"\W*(?:(?:a|answer|student|teacher|patient|doctor)\W+)?(?:yes|no)?\W*(?!right[,.!])"
        r"(?:(?:it|they|that|this)(?:'s| is| are| lies?| sits?| can be (?:seen|"
        r"found))? )?(?:just |rather |mainly )?"
        r"(?:in|at|on|near|towards?|close|to|inside|within|(?:the )?(?:upper|lower|left|right|top|bottom|central))\b"
    ),
    Language.ZH: re.compile(
        r"\W*(?:(?:答|学生|老师|医生)\W*)?(?:它|其|该)?(?:位于|在|处于|居于?|靠近|偏|左|右|上|下|中|图像|画面)"
    ),
}
"""An answer that says where what the question named lies, without naming it."""


def without_general(facts: Facts, text: str) -> str:
    """Return a text without its sentences of general knowledge, which name what the image need not show."""
    if not facts.knowledge:
        return text
    kept: list[str] = []
    carried = tuple(facts.annotation.labels) if len(facts.annotation.labels) == 1 else ()
    for sentence in sentences(text, facts.language):
        if general(facts, low(sentence), masked(facts, sentence), carried) is None:
            kept.append(sentence)
        carried = _named(facts, sentence) or carried
    return "".join(kept)


def _named(facts: Facts, sentence: str) -> tuple[str, ...]:
    """Return the labels of the record that a sentence names; only general knowledge is held to them."""
    if not facts.knowledge:
        return ()
    text = facts.names.masked(low(REFERENCE.sub(lambda found: found[1] or " ", sentence)))
    named = (facts.names.label_of(mark) for mark in re.findall(LABEL, text))
    return tuple(label for label in dict.fromkeys(named) if label in facts.annotation.labels)


def sentences(text: str, language: Language) -> list[str]:
    """Return the sentences of a text, each with the mark that ends it; joined they are the text again."""
    return [found for found in _SENTENCE[language].findall(text) if found]


def _lungs_invented(facts: Facts, sentence: str) -> str | None:
    """Return what says that lungs are clear, where no label of the record holds it."""
    pattern, holding = clear_lungs(facts.language)
    found = pattern.search(low(sentence))
    return None if found is None or holding.intersection(_names(facts)) else found.group()


_ONLY_ONE = re.compile(
    r"\b(?:only (?:a single|one)|just (?:a single|one)|exactly one|an? (?:single|lone|solitary|sole)|the (?:only|"
    r"sole|single)) (?P<what>[a-z]+)"
    r"|(?:[只仅]可?(?:有|见|示)?|唯一的?|单)一?[个枚处条张块颗粒把只根件](?P<han>[一-鿿]{1,4})"
)


def _several(facts: Facts, sentence: str) -> tuple[str, str] | None:
    """Return "only one instrument" where the labels with that word have several regions."""
    for found in _ONLY_ONE.finditer(low(sentence)):
        what = found["what"] or found["han"]
        if what in _names(facts):
            continue  # a whole name is counted by its own rule
        for length in range(len(what), 0, -1) if found["han"] else (len(what),):
            word = what[:length]
            named = [
                label
                for label in facts.annotation.labels
                if any(word in (name if found["han"] else name.split()) for name in facts.names.spoken(label))
            ]
            if named:
                counts = [_boxes_count(facts, label) for label in named]
                if None not in counts and sum(each or 0 for each in counts) > 1:
                    return "count invented", f'"{found.group()}" is not how many the record has'
                break
    return None


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


def _denied(facts: Facts, text: str, sentence: str) -> str | None:
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
        names = _own_names(facts)
        tails = {
            name[start:]
            for name in names
            for start in range(1, len(name) - 1)
            if name[start:].isalpha() and name[start - 1] not in "无未不非"
        }
        others = {name for label in facts.annotation.absent for name in facts.names.spoken(label)}
        for tail in tails - set(names) - others:
            for found in re.finditer(re.escape(tail), sentence):
                if re.search(_DENIES_ZH + "$", sentence[: found.start()]):
                    return tail
    if not healthy and _has_finding(facts) and (found := _NOTHING_WRONG[facts.language].search(sentence)):
        return found.group()
    return None


def _other_scope(facts: Facts, sentence: str) -> str | None:
    """Return the name of an endoscope that looks at another region than the record's."""
    text = low(sentence)
    record = " ".join((facts.annotation.anatomy, *facts.annotation.labels)).lower()
    for pattern, regions_of in scopes():
        if (found := pattern.search(text)) and not regions_of.search(record):
            return found.group()
    return None


def _own_names(facts: Facts) -> tuple[str, ...]:
    """Return the names of the record's labels in the text's language, synonyms among them."""
    return tuple(name for label in facts.annotation.labels for name in facts.names.spoken(label))


def _names(facts: Facts) -> set[str]:
    """Return the names of the record's labels in lower case, with the synonyms of the text's language."""
    return {name.lower() for name in (*facts.annotation.labels, *_own_names(facts))}


def _wrong(
    facts: Facts, sentence: str, text: str, carried: tuple[str, ...], *, asked: bool, compares: bool
) -> tuple[str, str] | None:
    known = general(facts, low(REFERENCE.sub(lambda found: found[1] or " ", sentence)), text, carried)
    if known is None or facts.language == Language.ZH:

        def claims_more(part: str, line: Known) -> bool:
            return _claimed(facts, part, frozenset(), line, asked=asked) is not None

        rest = without_general_clauses(facts, text, carried, claims_more)
        text, known = rest, known if rest == text else None
    if (invented := _lungs_invented(facts, sentence)) is not None:
        return "finding invented", f'it says "{invented}", which the record does not say'
    if (invented := _other_scope(facts, sentence)) is not None:
        return "acquisition invented", f'it says "{invented}", which does not look at the region of the record'
    if (wrong := _several(facts, sentence)) is not None:
        return wrong
    if not asked and (denied := _denied(facts, text, low(sentence))) is not None:
        return "label contradicted", f'it denies "{denied}", which the image shows'
    if facts.annotation.modality is not None and OWN not in text and not asked:
        for modality in related_modalities(facts.annotation.modality):
            if found := modality_pattern(modality, facts.language).search(low(sentence)):
                return (
                    "modality contradicted",
                    f'it speaks of "{found.group()}" ({modality}), but the image is {facts.annotation.modality}',
                )
    if facts.language == Language.EN:
        return _english(facts, text, known, carried, asked=asked, compares=compares)
    return _chinese(facts, text, known, carried, asked=asked)


def _english(
    facts: Facts, text: str, known: Known | None, carried: tuple[str, ...], *, asked: bool, compares: bool
) -> tuple[str, str] | None:
    seen = appearance_words(facts, text, carried)
    known_words = _words_of_prompt(facts)
    stated = known_words | _looks_of_findings(facts, text, carried)
    text, wrong = without_measures(facts, text, carried)
    text, turned = without_directions(facts, text, carried)
    found = (
        wrong
        or turned
        or _claimed(facts, text, stated, known, asked=asked)
        or _sides(facts, text)
        or _numbers(facts, text)
        or wrong_place(facts, compared(text))
        or wrong_size(facts, compared(text))
    )
    if found is not None:
        return found
    named = any_modality(facts.language)  # whether it is the right one is another check's question
    rest = without_adjectives(named.sub(" ", _WINDOW.sub(" ", text)))
    for found in _TOKEN.finditer(rest):
        bare = found.group().removesuffix("'s")
        if len(bare) == 1 or known is not None or is_plain(bare) or is_akin(bare, known_words | seen):
            continue
        if (compares and is_thing(bare)) or (asked and claims(facts.language)["hedge"][1].fullmatch(bare)):
            continue
        if asked and _ASKS_WHETHER.search(text) and _is_of_others(facts, bare, text):
            continue
        if not _is_other_denied(facts, rest[: found.start()], bare, text):
            return "word not resolved", f'"{bare}" is neither in the record nor a word for what can be seen'
    return None


def _looks_of_findings(facts: Facts, text: str, carried: tuple[str, ...]) -> frozenset[str]:
    """Return the words for how the findings of a sentence usually look, which are findings themselves: clumped."""
    meant = {known.label for known in facts.knowledge if known.about == "meaning"}
    named = [facts.names.label_of(mark) for mark in re.findall(LABEL, text)] or carried
    return appearance_words(facts, text, carried) if meant.issuperset(named) else frozenset()


@functools.lru_cache(maxsize=256)
def _known(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))


def _words_of_prompt(facts: Facts) -> frozenset[str]:
    """Return the English words that the writer was shown beside the labels."""
    axis = " ".join(AXES.get(str(facts.annotation.provenance.get("axis", "")), ()))
    return _known((str(facts.annotation.department), facts.names.noun, axis, *_own_names(facts)))


_WINDOW = re.compile(
    r"\b(lung|bone|brain|soft tissue|abdom\w+|mediastin\w+|liver|stroke|subdural|narrow|wide)(?: ct)? windows?"
)
_WINDOW_ZH = re.compile(r"(肺|骨|脑|软组织|腹部?|纵隔|肝脏?|窄|宽)窗")
_WINDOW_NAMES = {
    "lung": "lung", "bone": "bone", "brain": "brain", "soft tissue": "soft_tissue", "mediastin": "mediastinum",
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


def _claimed(
    facts: Facts, text: str, known_words: frozenset[str], known: Known | None, *, asked: bool
) -> tuple[str, str] | None:
    """Return a statement of a closed class that neither the record nor the stated line of knowledge holds."""
    provenance = facts.annotation.provenance
    windows = _WINDOW if facts.language == Language.EN else _WINDOW_ZH
    for found in windows.finditer(text):
        window = next((name for word, name in _WINDOW_NAMES.items() if found[1].startswith(word)), found[1])
        shown = str(provenance.get("window", ""))
        if not shown.startswith(window) and not _is_as_wide(window, shown):
            return "acquisition invented", f'the window of "{found.group()}" is not that of the image'
    text = windows.sub(" ", text)
    seen = [] if facts.language == Language.EN else [found.span() for found in visual_chinese().finditer(text)]
    own = " ".join(_own_names(facts))
    own_words = _known((own,))
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
                _is_other_denied(facts, text[: found.start()], claim, text)
                or (asked and _ASKS_WHETHER.search(text) and _is_of_others(facts, claim, text))
            ):
                continue
            if name == "changed" and _has_finding(facts):
                continue
            if claim == "灶" and _has_finding(facts):
                continue
            if name == "body" and len(claim) == 1 and claim in own:
                continue
            if claim == "明显" and _COMPARED_ZH.search(text):
                continue
            if name == "grade" and facts.names.levels.keys() & {claim, claim.replace("-", " ")}:
                continue
            if name == "plane" and claim.startswith(axis) and axis:
                continue
            words = re.findall(r"[a-z]+", claim)
            if facts.language == Language.EN and words and known_words.issuperset(words):
                continue
            if all(is_akin(word, own_words) for word in words) if words else len(claim) > 1 and claim in own:
                continue
            if source and claim in source:
                continue
            if asked and claim == "功能" and facts.knowledge:
                continue  # what it is for may be asked
            if known is not None and (
                all(is_of(word, known) for word in words)
                if words
                else claim in f"{known.text}{in_other_words(known.text)}功能"
            ):
                continue
            return _UNDER.get(name, f"{name} invented"), _REASONS[name].format(said=_plain(claim))
    return None


_COMPARED_ZH = re.compile("相比|相较|对照|反差|比周围|较周围|于周围")
"""With what is around: 与周围组织相比信号明显增高."""
_UNLIKE = re.compile(
    r"\b(?:no|not|neither|nor|without|never|rather than|instead of|unlike|absence of|free of)\b[^.;]*$"
    r"|(?:非|不是|不属于|不同于|未见|没有|无|不见|不含)[^，。；]*$"
)
_ASKS_WHETHER = re.compile(
    r"^\W*(?:(?:q|question|student|teacher|patient|doctor)\W+)?(?:is|are|does|do|could|can|would)\b"
    "|吗|是否|是不是|有没有"
)


def _is_other_denied(facts: Facts, before: str, said: str, text: str) -> bool:
    """Return whether a word of another label of the card is denied: "a stone, not a cyst"."""
    return _UNLIKE.search(before) is not None and _is_of_others(facts, said, text)


def _is_of_others(facts: Facts, said: str, text: str) -> bool:
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
    return _known(tuple(name for label in facts.annotation.absent for name in facts.names.spoken(label)))


def _plain(text: str) -> str:
    return re.sub(r"[\ue000-\uf8ff]", "…", text)


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

_FRAMES = (
    r"(?:hand )?(?:sides?|parts?|half|halves|thirds?|quarters?|portions?|regions?|areas?|zones?|corners?|edges?|"
    r"margins?|borders?|quadrants?|ends?|periphery)"
)
_SIDE = re.compile(r"\b(left|right)(?:most|ward|wards)?(?: (sided?|handed))?\b")
_OF_PATIENT = re.compile(r"(?:\byour|patient'?s?|person'?s?|subject'?s?|anatomical|anatomic|body'?s) (?:own )?$")
_BOTH = re.compile(
    r"\bbilateral\w*|\bunilateral\w*|\bcontralateral\w*|\bipsilateral\w*|"
    r"\b(?:either|both|each) sides? of the (?:body|patient|chest|abdomen|head)|"
    r"\bboth (?:eyes|lungs|breasts|kidneys|sides)"
)


_AGREED = re.compile(r"(?:^|[:;.\"'\u201c] ?)\W*(?:that's |you're |quite |exactly )?right(?=[,.!;]| \u2014| -)")
"""The teacher's "Right, …" names no side."""
_CONVENTION = re.compile(
    r"(?:patient|person|subject|body)'?s? (?:own )?(?P<of>left|right)(?: hand)?(?: side)?(?! of\b)[^.,;]*?"
    r"(?P<on>left|right)(?: hand)?(?: side)?"
    r"|(?P<on2>left|right)(?: hand)? (?:side )?of the (?:image|picture|slice|scan|screen)"
    r"(?:, (?:which|that|so|i\.e\.|meaning|or|corresponding)\b)?[^.,;]*?"
    r"(?:patient|person|subject|body)'?s? (?:own )?(?P<of2>left|right)(?: hand)?(?: side)?"
)
_CONVENTION_ZH = re.compile(
    r"(?:患者|病人|人体)的?(?P<of>左|右)侧?[^，。；]*?(?:图像?|画面|影像)[的中上]?(?P<on>左|右)侧?"
    r"|(?:图像?|画面|影像)[的中上]?(?P<on2>左|右)侧?[^，。；]*?(?:患者|病人|人体)的?(?P<of2>左|右)侧?"
)


def _names_one_side(found: re.Match[str]) -> bool:
    return (found["of"] or found["of2"]) == (found["on"] or found["on2"])


def _without_convention(facts: Facts, text: str) -> tuple[str, bool]:
    """Take out what is said of how a slice is shown, "the patient's right is on the left"; say whether it is so."""
    pattern = _CONVENTION if facts.language == Language.EN else _CONVENTION_ZH
    for found in pattern.finditer(text):
        if re.search(LABEL, found.group()):
            if facts.language == Language.ZH and mirrored(facts) and _names_one_side(found):
                return text, False
            continue
        other_side = not _names_one_side(found)
        if not other_side or not mirrored(facts):
            return text, False
        text = text.replace(found.group(), " ")
    return text, True


def _is_of_that_side(facts: Facts, labels: list[str], side: str, *, off: float | None = None) -> bool:
    """Return whether a slice that is shown mirrored has one of the labels on the other side of the image."""
    if not mirrored(facts):
        return False
    places = [place(box, facts)[0] for label in labels for box in known_boxes(facts, label)]
    off = _OFF_CENTRE if off is None else off
    return any(x <= 0.5 - off if side == "right" else x >= 0.5 + off for x in places)


_OFF_CENTRE = 0.06
"""Share of the width that the centre of what lies on one side of the body is off the middle of the image."""


def _sides(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a side of the patient that no label spoken of has."""
    wrong = "side invented"
    text, so = _without_convention(facts, text)
    if not so:
        return wrong, "the image is not shown with that side of the patient there"
    text = _AGREED.sub(" ", text)
    if found := _BOTH.search(text):
        return wrong, f'"{found.group()}" is said of no label and of no given box'
    for found in _SIDE.finditer(text):
        side, before, after = found[1], text[: found.start()], text[found.end() :]
        labels = [facts.names.label_of(mark) for mark in re.findall(LABEL, text)]
        labels = labels or (list(facts.annotation.labels) if WORD in text else [])
        has = any(side in label.split() for label in labels)
        of_viewer = before.endswith("your ") and found[2] is None
        of_patient = (not of_viewer and _OF_PATIENT.search(before)) or re.match(
            rf" (?:{_FRAMES} )?(?:of|in) (?:the|this|your|their) (?:patient|body|person)", after
        )
        if of_patient or (
            found[2] in ("sided", "side")
            and not re.search(r"\b(?:the|its|image|picture) (?:\w+ )?$", before)
            and not re.match(r" of (?:the|this) (?:image|picture|slice|scan|frame|view|photo\w*|\w*gra(?:ph|m))", after)
        ):
            nearest = re.findall(LABEL, before)[-1:] or re.findall(LABEL, after)[:1]
            about = [facts.names.label_of(mark) for mark in nearest] or labels or list(facts.annotation.labels)
            off = 0.0 if re.search(r"\btowards? (?:the|your) [a-z' ]*$", before) else None
            if not any(side in label.split() for label in about) and not _is_of_that_side(facts, about, side, off=off):
                return wrong, f'"{found.group()}" is said of no label'
            continue
        if found[2] == "side" and re.match(rf" of (?:the |this |an? )?{WORD}", after):
            return wrong, f'"{found.group()}" is said of what has no side in the record'
        if re.match(r" (?:lobes?|hemispheres?|eyes?|wings?|chambers?)\b", after) and not has:
            return wrong, f'"{found.group()}" is said of what has no side in the record'
        if found.group().endswith("most"):
            continue
        if re.match(r" (?:out|over|open|blank|to)\b", after) and re.search(r"\b(?:is|are|was|were|be|been) $", before):
            continue
        if found[2] == "sided" and has:
            continue
        if re.match(rf" (?:{LABEL}|{WORD})(?! {_FRAMES})", after) and not re.search(
            r"\b(?:on|at|in|to|image|picture|upper|lower|middle|far) (?:the )?$", before
        ):
            return wrong, f'"{side}" is said of what has no side in the record'
        if re.match(rf" (?:{LABEL}|{WORD})", after) and re.search(r"\bthe $", before):
            return wrong, f'"{side}" is said of what has no side in the record'
        if not (facts.annotation.boxes or facts.boxes) and not any(side in position for position in facts.positions):
            return wrong, f'"{found.group()}" is said of no label and of no given box'
    return None


_COUNTED = re.compile(
    r"(?<!slice )(?<!section )(?<!number )(?<!grade )(?<!score )(?<!stage )(?<!type )(?<!level )(?<!class )(?<!step )"
    rf"\b(?P<number>{'|'.join(_SPELLED[2:])}|\d+|a pair of|a couple of|a dozen|pairs? of)(?: of the)?"
    rf"(?: (?!of\b|and\b|in\b|on\b|or\b)[a-z]+){{0,3}}?(?: [a-z]+ of(?: the)?)? (?P<what>{LABEL}|{WORD}|"
    r"structures?|areas?|zones?|objects?|findings?|lesions?|regions?|boxes|cell types|types|kinds|grades|classes|"
    r"categories|scores|stages|organs?|labels?|"
    r"things|cells?|in (?:number|total|all)\b)"
)
_LISTED = re.compile(
    rf"(?P<what>{LABEL})\s?(?:[(（]\s?)?(?:[x×:：=]|n\s?=)\s?(?:[x×]\s?)?(?P<number>\d+)"
    r"(?![\d.]|\s?(?:mm|cm|%|/|-))"
)
"""A tally: "grasper: 1", "lymphocyte ×3", "polyp (n = 2)"."""
_THERE = re.compile(
    r"\b(?:found|seen|appears?|present|visible|occurs?|shown|represented|depicted) (?:exactly |only |just )?$"
)
_TIMES = re.compile(r"\b(?P<number>once|twice|(?:three|four|five|six) times)\b")
_NOT_COUNTED = (
    "quarters? thirds? fifths? "
    "borders? edges? corners? of and or parts? sides? halves ways? respects? aspects? features? steps? sentences? "
    "tones? words? are is differ lie can stand shown named visible to"
).replace(" ", "|")
_OTHER_COUNT = re.compile(rf"\b({'|'.join(_SPELLED[2:])}) (?!(?:{_NOT_COUNTED})\b|dimension)[a-z]+")
_SEVERAL = re.compile(
    r"\b(?:multiple|several|numerous|(?<!how )many|various|plural|a (?:large |small )?number of|a few|countless|"
    r"dozens of|both)"
    rf"(?: of)?(?: the)?(?: (?!of\b|and\b|in\b|on\b)[a-z]+){{0,2}}? (?P<what>{LABEL})"
    rf"(?!,? (?:and )?(?:the |an? )?{LABEL})"
)
_ALONE = re.compile(
    rf"\b(?:single|solitary|lone|sole|only one|just one|exactly one|unique)(?: [a-z]+){{0,2}}? (?P<what>{LABEL})"
)
_ONE = re.compile(rf"(?<!more than )(?<!than just )\bone (?P<what>{LABEL})")
_ANOTHER = re.compile(r"\b(?:ones?|others?|another|second|each|every|rest|remain\w*|remainder|alone|apart|isolated)\b")
_SEVERAL_ZH = re.compile(
    rf"(?:多发性?|多[个枚处条张块颗粒]|数[个枚处条张块颗粒]|若干|几[个枚处条张块颗粒]|许多|众多|大量)(?:的)?(?P<what>{LABEL})"
)
_LAST_ONE_ZH = re.compile(r"(?:仅此|只此|仅有这?|唯有这?|就这)一[个枚处条张块颗粒件把](?![一-鿿\ue000-\uf7ff])")
_ALONE_ZH = re.compile(rf"(?:单发|唯一|仅可?[见有示]?到?一|只[有见]一|单)[个枚处条张块颗粒]?的?(?P<what>{LABEL})")
_UNIT = re.compile(
    r"\b(?:\w+met(?:er|re)s?|mm|cm|µm|um|nm|microns?|inch(?:es)?|millilit\w+|ml|cc|houns\w+|hu|suv\w*|percent|"
    r"per cent|kilograms?|kg|grams?|degrees? celsius)\b|%"
)


def _numbers(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a count or a size that the boxes do not give."""
    if found := _UNIT.search(text):
        return "size invented", f'"{found.group()}" is measured by nothing in the record'
    if (wrong := _tally(facts, text)) is not None:
        return wrong
    rest = text
    for found in _COUNTED.finditer(text):
        number = found["number"]
        count = (
            _SPELLED.index(number)
            if number in _SPELLED
            else int(number)
            if number.isdigit()
            else 12
            if "dozen" in number
            else 2
        )
        what = found["what"]
        if what.startswith("in "):
            what = next(iter(re.findall(LABEL, text[: found.start()])[::-1]), what)
        of_the_scale = re.search(rf"\b(?:{_OF_A_SCALE}|{WORD}) of(?: the)? {what}$", found.group()) or (
            what == WORD and re.match(rf" of(?: the)? (?:{LABEL}|{WORD})", text[found.end() :])
        )
        if of_the_scale and count == _levels_count(facts):
            rest = rest.replace(found.group(), " ", 1)
            continue
        pair = re.match(rf" {LABEL}(?! of)", text[found.end() :]) if count == 2 else None  # "two kidneys"
        there = re.fullmatch(LABEL, what) and how_many_lie(facts, facts.names.label_of(what), text) == count
        if pair is None and not there and not _count_holds(facts, count, what, text[found.end() :]):
            return "count invented", f'"{_plain(found.group())}" is not how many the record has'
        rest = rest.replace(found.group(), " ", 1)
    if (wrong := _miscounted(facts, text, several=_SEVERAL, alone=_ALONE)) is not None:
        return wrong
    if (found := _ONE.search(text)) and not _ANOTHER.search(text.replace(found.group(), " ", 1)):
        label = facts.names.label_of(found["what"])
        counted = _boxes_count(facts, label)
        if counted is not None and counted > 1 and not how_many_lie(facts, label, text):
            return "count invented", f'"{_plain(found.group())}" is not how many the record has'
    if (found := _OTHER_COUNT.search(rest)) is not None and _SPELLED.index(found[1]) not in _counts(facts):
        return "count invented", f'"{_plain(found.group())}" counts what the record does not count'
    return None


def _tally(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a number beside a label ("grasper: 1"), or "once", that is not how many there are."""
    for found in _LISTED.finditer(text):
        counted = _boxes_count(facts, facts.names.label_of(found["what"]))
        if counted is not None and counted != int(found["number"]):
            return "count invented", f'"{_plain(found.group())}" is not how many the record has'
    for found in _TIMES.finditer(text):
        times = {"once": 1, "twice": 2}.get(found["number"]) or _SPELLED.index(found["number"].split()[0])
        before = text[: found.start()]
        if not _THERE.search(before):
            continue
        named = [facts.names.label_of(mark) for mark in re.findall(LABEL, before)]
        every = re.search(r"\b(?:each|every|both|all)\b", before)
        labels = named[-1:] or (list(facts.annotation.labels) if every or len(facts.annotation.labels) == 1 else [])
        if any(_boxes_count(facts, label) not in (None, times) for label in labels):
            return "count invented", f'"{found.group()}" is not how often it is there'
    return None


def _count_holds(facts: Facts, count: int, what: str, text: str = "") -> bool:
    annotation = facts.annotation
    if re.fullmatch(LABEL, what):
        return _boxes_count(facts, facts.names.label_of(what)) == count
    listed = (set(re.findall(LABEL, clause)) for clause in re.split("[;；]", text))
    if count in map(len, listed):  # "four chambers, namely …"
        return True
    if what == WORD:  # a part of a label's name, or its kind: cells, bones
        return count in _counts(facts)
    if re.fullmatch(_OF_A_SCALE, what):
        return count in (*_counts(facts), _levels_count(facts))
    if what.startswith(("region", "box")):
        return count in (len(annotation.boxes), len(facts.boxes), len(annotation.labels))
    return count in (*_counts(facts), len(facts.boxes))


_OF_A_SCALE = "(?:types|kinds|grades|classes|categories|scores|stages|levels|steps)"


def _levels_count(facts: Facts) -> int:
    """Return how many labels the card has, of which a text may say that there are so many types or grades."""
    return len(facts.annotation.labels) + len(facts.annotation.absent)


def _counts(facts: Facts) -> set[int]:
    """Return how many there are of each label, of those of one noun or one kind, and of all."""
    annotation = facts.annotation
    counts = [_boxes_count(facts, label) for label in annotation.labels]
    alike: dict[str, int] = {}
    for label, each in zip(annotation.labels, counts, strict=True):
        for kind in kinds_of_label(label):
            alike[kind] = alike.get(kind, 0) + (each or len(known_boxes(facts, label)) or 1)
    return {
        *(count for count in counts if count), *alike.values(), len(annotation.labels), len(annotation.boxes),
        sum(each or 0 for each in counts),
    }  # fmt: skip


def _has_finding(facts: Facts) -> bool:
    """Return whether a label of the record is a finding, which may be called thick or swollen."""
    return (
        facts.annotation.clinical_task in DISEASE
        or facts.names.noun in _FINDINGS
        or any(not _FINDINGS.isdisjoint(kinds_of_label(label)) for label in facts.annotation.labels)
    )


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


@functools.lru_cache(maxsize=4096)
def kinds_of_label(label: str) -> frozenset[str]:
    """Return the words of an English label and of what kinds they are."""
    words = re.findall(r"[a-z]+", label.lower())
    kinds = (kind for word in words for kind in kinds_of(word, Language.EN))
    return frozenset((*words, *kinds)) - {"left", "right"}


def _miscounted(facts: Facts, text: str, *, several: re.Pattern[str], alone: re.Pattern[str]) -> tuple[str, str] | None:
    """Return "several" or "a single" of a label whose regions are counted, and are not so many."""
    for pattern in (several, alone):
        for found in pattern.finditer(text):
            label = facts.names.label_of(found["what"])
            counted = _boxes_count(facts, label) if known_boxes(facts, label) else None
            unknown = pattern is several and not facts.annotation.boxes and not facts.boxes
            if unknown and not found.group().startswith("both"):
                return "count invented", f'"{_plain(found.group())}": the record does not say how many'
            if counted is not None and (counted <= 1 if pattern is several else counted != 1):
                return "count invented", f'"{_plain(found.group())}" is not how many the record has'
    return None


def _boxes_count(facts: Facts, label: str) -> int | None:
    """Return how many regions of a label there are, or None where that is not known."""
    boxes = known_boxes(facts, label)
    if not boxes:
        return 1 if label in facts.annotation.labels and not facts.annotation.boxes else None
    names = facts.names
    if label in facts.annotation.incomplete or not (names.exhaustive and names.one_box_per_region):
        return None
    return len(boxes)


_COUNT_ZH = re.compile(
    rf"(?<!第)(?P<number>[{_HAN}两双\d]+)(?P<of>[个枚处只条张块颗粒片类种把件根支团组节段]|侧)(?=(?P<what>[^，。；、：（(]{{0,6}}))"
)
_UNIT_ZH = re.compile(r"毫米|厘米|公分|微米|毫升|mm|cm|μm|um|%|百分之|公斤|千克|hu(?![a-z])")
_SIDE_ZH = re.compile(
    r"(?P<frame>(?:图像|图片|图|画面|影像|视野|照片|像)(?:的|中|内|上|偏)?)?(?P<side>左|右|双|两)(?P<rest>侧|眼|边|上部?|下部?|中部?|部|半|缘|方|前|后|面|肢|端|头|极|角)?"
)


def _chinese(
    facts: Facts, text: str, known: Known | None, carried: tuple[str, ...], *, asked: bool
) -> tuple[str, str] | None:
    plain, found = without_measures(facts, re.sub(r"\s+", "", text), carried)
    plain, turned = without_directions(facts, plain, carried)
    counted = plain.replace("几", "") if asked else plain
    found = found or turned or _sides_zh(facts, plain) or _numbers_zh(facts, counted)
    if found is None:
        found = wrong_place(facts, compared(plain)) or wrong_size(facts, compared(plain))
    if found is not None:
        return found
    for word in (str(facts.annotation.department), facts.names.noun):
        plain = plain.replace(word, " ") if word else plain
    plain = plain.replace(CHINESE[facts.annotation.department], " ")
    if (claimed := _claimed(facts, plain, frozenset(), known, asked=asked)) is not None:
        return claimed
    own = _known((*facts.annotation.labels, *_own_names(facts), str(facts.annotation.department), facts.names.noun))
    for word in re.findall("[a-z]{3,}", _WINDOW_ZH.sub(" ", any_modality(facts.language).sub(" ", plain))):
        if not is_plain(word) and not is_akin(word, own):
            return "word not resolved", f'"{word}" is neither in the record nor a word for what can be seen'
    return None


_OF_WHAT_ZH = re.compile(rf"[^。；\ue000-\uf7ff]{{1,14}}(?:均|都|皆|就|即)?(?:为|是|系)({LABEL})")
_OF_OTHERS_ZH = re.compile("[前后]者[^，；]*$|(?:结构|部分|区域|层)")
_IN_A_PART_ZH = re.compile("[左右上下](?:[部侧方角]|半部?)(?:可?[有见]|可以看到|能?看到)?$")
"""Before a count of those that lie there: 右半部两个."""
_TOWARDS_ZH = re.compile("[偏稍略靠最居在朝向自近]$")
"""Before a side of the picture: 偏右."""


_BOTH_WAYS_ZH = re.compile(f"一左一右|一右一左|左右(?!两?侧?(?:{LABEL}|{WORD}|眼|肢|肺|肾|手|足|耳))")
"""Of the picture: 左右居中, 左右两侧各有一个."""


def _sides_zh(facts: Facts, text: str) -> tuple[str, str] | None:
    wrong = "side invented"
    text, so = _without_convention(facts, text)
    if not so:
        return wrong, "the image is not shown with that side of the patient there"
    text = _BOTH_WAYS_ZH.sub("", text)
    for found in _SIDE_ZH.finditer(text):
        after = text[found.end() :]
        side = {"左": "left", "右": "right"}.get(found["side"])
        if side is None:
            if found["frame"] and facts.annotation.boxes:
                continue
            pair = re.match(rf"的?({LABEL})", after)
            if pair and (_boxes_count(facts, facts.names.label_of(pair[1])) or 0) > 1:
                continue  # 两侧肾脏, where there are two
            if found["rest"] in ("侧", "眼") and not re.match(r"边?缘|边界|[各均分]", after):
                return wrong, f'"{found.group()}" is said of no label and of no given box'
            continue
        if found["rest"] is None and not re.match(rf"[一-鿿]|{LABEL}|{WORD}", after):
            continue
        labels = [facts.names.label_of(mark) for mark in re.findall(LABEL, text)]
        of_patient = re.search(r"(?:患者|病人|人体|解剖|身体)的?$", text[: found.start()]) or (
            # 右侧可见气胸 is said of the patient where no picture was spoken of.
            found["rest"] == "侧"
            and re.match("(?:可?见|有|存在|出现)", after)
            and not re.search("[图画影]|视野|照片|[左右上下]", text[: found.start()] + (found["frame"] or ""))
        )
        bound = re.match(rf"(?:{LABEL}|{WORD})", after) and found["rest"] in (None, "侧") and not found["frame"]
        if (
            of_patient
            or bound
            or found["rest"] in ("眼", "肢", "前", "后", "面")
            or (found["rest"] is None and not found["frame"] and not _TOWARDS_ZH.search(text[: found.start()]))
        ):
            nearest = re.findall(LABEL, text[: found.start()])[-1:] or re.findall(LABEL, after)[:1]
            about = [facts.names.label_of(mark) for mark in nearest] or labels or list(facts.annotation.labels)
            off = (
                0.0
                if re.search("[靠偏向近朝]$", text[: found.start()].removesuffix("患者").removesuffix("病人"))
                else None
            )
            has = any(side in label.split() for label in about) or _is_of_that_side(facts, about, side, off=off)
            if not (of_patient and has):
                return wrong, f'"{found.group()}" is said of no label that has it'
            continue
        if not (facts.annotation.boxes or facts.boxes) and not any(
            word in position for position in facts.positions for word in (side, found["side"])
        ):
            return wrong, f'"{found.group()}" is said of no label and of no given box'
    return None


def _numbers_zh(facts: Facts, text: str) -> tuple[str, str] | None:
    if found := _UNIT_ZH.search(text):
        return "size invented", f'"{found.group()}" is measured by nothing in the record'
    if (wrong := _miscounted(facts, text, several=_SEVERAL_ZH, alone=_ALONE_ZH)) is not None:
        return wrong
    if (wrong := _tally(facts, text)) is not None:
        return wrong
    last = _LAST_ONE_ZH.search(text)
    before = re.findall(LABEL, text[: last.start()]) if last else []
    if last and before and _boxes_count(facts, facts.names.label_of(before[-1])) not in (None, 1):
        return "count invented", f'"{last.group()}" is not how many the record has'
    own = " ".join(_own_names(facts))
    for found in _COUNT_ZH.finditer(text):
        count = _han_count(found["number"])
        if count is None or count <= 1 or found["of"] in "片":
            continue
        what = next(iter(re.findall(rf"{LABEL}|{WORD}", re.split("[中里内以，]", found["what"])[0])), "")
        if found.group() in own:
            continue
        if found["of"] in "类种":
            holds = count == len(facts.annotation.labels)
        elif what:
            holds = _count_holds(facts, count, what)
        elif found["of"] == "侧":
            continue
        else:
            before = re.findall(LABEL, text[: found.start()])
            if behind := _OF_WHAT_ZH.match(text[found.end() :]):  # 两个低密度灶，均为肝肿瘤
                before = [behind[1]]
            holds = _count_holds(
                facts,
                count,
                before[-1]
                if before and not _OF_OTHERS_ZH.search(text[max(found.start() - 4, 0) : found.end() + 3])
                else "structure",
            )
        in_a_part = _IN_A_PART_ZH.search(text[: found.start()]) is not None and count < len(facts.annotation.boxes)
        if in_a_part and re.fullmatch(LABEL, what):
            in_a_part = how_many_lie(facts, facts.names.label_of(what), text) == count
        if not (holds or in_a_part) and not re.match("部分|方面|层次?", found["what"]):
            return "count invented", f'"{_plain(found.group())}" is not how many the record has'
    return None


def _han_count(word: str) -> int | None:
    if word.isdigit():
        return int(word)
    if word in ("两", "双"):
        return 2
    return _HAN.index(word) if word in _HAN and len(word) == 1 else 99
