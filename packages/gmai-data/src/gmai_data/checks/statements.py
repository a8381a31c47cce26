"""Every sentence of a text about an image, resolved against its record.

A sentence is resolved if all that it states is one of these: a label of the record by one of its names; the side,
position, count or size that the label's boxes have; the modality, plane, window and region of the record; what can be
seen without knowing what it is (lexicons/visual.yaml); or nothing about a patient at all (lexicons/plain_en.txt). The
rules stand in docs/reference/checks.md.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gmai_data.annotation import Box
from gmai_data.checks.arrangement import wrong_arrangement
from gmai_data.checks.asked_comparison import as_statement
from gmai_data.checks.borders import wrong_border
from gmai_data.checks.claims import (
    ASKED_OF,
    WINDOW,
    WINDOW_ZH,
    claimed_of_a_class,
    invented_purpose,
    says_how_made,
    wrong_window,
)
from gmai_data.checks.contrary import contrary, of_another_type
from gmai_data.checks.counts import (
    names_of,
    names_of_what_is_there,
    own_names,
    wrong_count,
    wrong_count_of,
    wrong_count_zh,
    wrong_only_one,
)
from gmai_data.checks.directions import without_directions
from gmai_data.checks.facts import AXES, Facts, Known, any_modality, modality_pattern, region_name, related_modalities
from gmai_data.checks.general import (
    appearance_words,
    general,
    holds_by_its_line,
    without_general_clauses,
)
from gmai_data.checks.lexicon import LABEL, claims, clear_lungs, is_akin, is_plain, is_thing, parts_of_organs, scopes
from gmai_data.checks.lines import CLAUSES, USUALLY, states_line
from gmai_data.checks.masking import OWN, REFERENCE, low, masked, with_labels
from gmai_data.checks.measures import without_measures
from gmai_data.checks.negation import ASKS_WHETHER, has_finding, is_of_others, is_other_denied, what_is_denied, words_of
from gmai_data.checks.other_region import wrong_beside_the_other
from gmai_data.checks.places import compared, wrong_place
from gmai_data.checks.sides import without_convention, wrong_side, wrong_side_zh
from gmai_data.checks.similes import compares_with_things, things_imagined, without_adjectives, without_things
from gmai_data.checks.single_regions import names_single_regions, with_single_regions
from gmai_data.checks.sizes import wrong_size
from gmai_data.vocabulary import CHINESE, Kind, Language

_SENTENCE = {
    Language.EN: re.compile(r"[^.!?\n]*(?:\.(?=\d|\w\.)[^.!?\n]*)*(?:[.!?]+[\"')\]]*(?=\s|$)|[.!?](?=\S)|\n|$)\s*"),
    Language.ZH: re.compile(r"[^。！？?!\n]*(?:[。！？?!\n]+|$)\s*"),
}


_TOKEN = re.compile(r"(?<![\da-z])[a-z]+(?:'[a-z]+)?")
_CONTRACTED = re.compile(r"(?:'(?:s|re|ll|ve|d|m)|n't)$")


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
    asked_of = subject = compares_labels = ""
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
                if found is None and not asked and compares_labels:
                    found = _wrong_by_boxes(facts, as_statement(compares_labels, text, facts.language))
                if found is None and subject and (said := _said_of(subject, text, facts.language)):
                    found = _wrong_by_boxes(facts, said) or wrong_count_of(facts, said)
                marks = list(dict.fromkeys(re.findall(LABEL, text)))
                subject = marks[0] if len(marks) == 1 else "" if marks else subject
                if found is None and asked_of and _ANSWERS_WHERE[facts.language].match(low(sentence)):
                    answer_of = _SAID_BEFORE.sub("", text)
                    sides = wrong_side if facts.language == Language.EN else wrong_side_zh
                    said = f"{asked_of} {answer_of}" if facts.language == Language.EN else f"{asked_of}{answer_of}"
                    found = wrong_place(facts, said) or sides(facts, said)
                compares_labels = text if asked else ""
                if also_asked:
                    asked_of = " ".join(marks) or asked_of
                if found is not None:
                    yield Statement(found[0], sentence.strip(), found[1])
                carried = _named(facts, sentence) or carried


_PRONOUN = {
    Language.EN: re.compile(
        r"^(?P<before>\W*(?:there (?:is|are) [a-z]+ of )?)"
        r"(?:it|they|them|(?:one|the (?:other|first|second)|another)(?: one)?(?= (?:is|lies|sits|can)\b))\b"
    ),
    Language.ZH: re.compile(r"^(?P<before>)(?:它们?|其|该(?:结构|病灶|病变|区域))"),
}


def _said_of(subject: str, text: str, language: Language) -> str:
    """Return a masked sentence with what the one before is about in place of its pronoun, or nothing without one."""
    found = _PRONOUN[language].match(text)
    if found is None or subject in text:
        return ""
    before = found["before"].removesuffix("of ")
    return f"{before}{subject}{text[found.end() :]}"


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
            kept.append(_without_general_clauses(facts, sentence, carried))
        carried = _named(facts, sentence) or carried
    return "".join(kept)


def _without_general_clauses(facts: Facts, sentence: str, carried: tuple[str, ...]) -> str:
    """Return a sentence without the clauses, behind its first one, that state a line of a label named before them."""
    parts = CLAUSES[facts.language].split(sentence)
    about = carried
    for number, part in enumerate(parts):
        named = _named(facts, part)
        text = masked(facts, part)
        about = about if not number else about or tuple(facts.annotation.labels)
        if number and not named and any(
            known.label in about and states_line(facts, known, text) for known in facts.knowledge
        ):  # fmt: skip
            parts[number] = " "
        about = named or about
    return "".join(part for part in parts if part)


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
    return None if found is None or holding.intersection(names_of(facts)) else found.group()


def _part_invented(facts: Facts, sentence: str) -> str | None:
    """Return the name of a part of an organ in a Chinese sentence that no label and no line of knowledge has."""
    if facts.language != Language.ZH:
        return None
    lines = (each.text for each in facts.knowledge)
    known = " ".join((*names_of_what_is_there(facts), facts.names.anatomy, facts.names.noun, facts.source, *lines))
    text = low(sentence)
    found = (found.group() for found in parts_of_organs().finditer(text))
    return next((part for part in found if part not in known and not is_other_denied(facts, text, part, text)), None)


def _other_scope(facts: Facts, sentence: str) -> str | None:
    """Return the name of an endoscope that looks at another region than the record's."""
    text = low(sentence)
    record = " ".join((facts.annotation.anatomy, *facts.annotation.labels)).lower()
    for pattern, regions_of in scopes():
        if (found := pattern.search(text)) and not regions_of.search(record):
            return found.group()
    return None


def _wrong(
    facts: Facts, sentence: str, text: str, carried: tuple[str, ...], *, asked: bool, compares: bool
) -> tuple[str, str] | None:
    known = general(facts, low(REFERENCE.sub(lambda found: found[1] or " ", sentence)), text, carried)
    if known is None or facts.language == Language.ZH:

        def claims_more(part: str, line: Known) -> bool:
            return claimed_of_a_class(facts, part, frozenset(), line, asked=asked) is not None

        text = without_general_clauses(facts, text, carried, claims_more)
    line = None
    if not asked and facts.knowledge:
        line = contrary(facts, with_labels(facts, sentence), carried) or of_another_type(facts, low(sentence))
    if line is not None:
        return "finding invented", f'it says the contrary of "{line.text}"'
    if (invented := _lungs_invented(facts, sentence)) is not None:
        return "finding invented", f'it says "{invented}", which the record does not say'
    if (invented := _part_invented(facts, sentence)) is not None:
        return "body invented", f'it says "{invented}", a part of the body that the record does not have'
    if (invented := _other_scope(facts, sentence)) is not None:
        return "acquisition invented", f'it says "{invented}", which does not look at the region of the record'
    if (wrong := wrong_only_one(facts, sentence) or wrong_window(facts, low(sentence).replace("-", " "))) is not None:
        return wrong
    if (wrong := _wrong_of_regions(facts, sentence)) is not None:
        return wrong
    if not asked and (denied := what_is_denied(facts, text, low(sentence))) is not None:
        return "label contradicted", f'it denies "{denied}", which the image shows'
    if facts.annotation.modality is not None and OWN not in text and not asked:
        for modality in related_modalities(facts.annotation.modality):
            if found := modality_pattern(modality, facts.language).search(low(sentence)):
                return (
                    "modality contradicted",
                    f'it speaks of "{found.group()}" ({modality}), but the image is {facts.annotation.modality}',
                )
    shown, so = without_convention(facts, text)
    text = shown if so else text
    if facts.language == Language.EN:
        return _english(facts, text, known, carried, asked=asked, compares=compares)
    return _chinese(facts, text, known, carried, asked=asked)


def _english(
    facts: Facts, text: str, known: Known | None, carried: tuple[str, ...], *, asked: bool, compares: bool
) -> tuple[str, str] | None:
    seen = appearance_words(facts, text, carried)
    known_words = _words_of_prompt(facts)
    stated = known_words | (seen if USUALLY[facts.language].search(text) else _looks_of_findings(facts, text, carried))
    text, wrong = without_measures(facts, text, carried)
    text, turned = without_directions(facts, text, carried)
    found = (
        wrong
        or turned
        or claimed_of_a_class(facts, text, stated, known, asked=asked)
        or wrong_side(facts, text)
        or wrong_count(facts, _without_words_of(known, text))
        or (None if known is not None and known.about == "appearance" else _wrong_beside(facts, text))
    )
    if found is not None:
        return found
    if known is None and not asked and (purpose := invented_purpose(text, facts.language)) is not None:
        return purpose
    known_words |= words_of(tuple(each.text for each in facts.knowledge)) if asked else frozenset[str]()
    named = any_modality(facts.language)  # whether it is the right one is another check's question
    rest = without_adjectives(named.sub(" ", WINDOW.sub(" ", text)))
    for found in _TOKEN.finditer(rest):
        bare = _CONTRACTED.sub("", found.group())
        if len(bare) == 1 or known is not None or is_plain(bare) or is_akin(bare, known_words | seen):
            continue
        if (
            (compares and is_thing(bare))
            or (asked and bare.startswith("physiologic"))
            or (asked and claims(facts.language)["hedge"][1].fullmatch(bare))
            or says_how_made(bare, facts.names.title)
            or holds_by_its_line(facts, rest, found.start(), bare)
            or ((asked or bare in ("diagnosis", "disease")) and ASKED_OF.fullmatch(bare) and has_finding(facts))
            or (bare == "micro" and bare in facts.names.title)
        ):
            continue
        if asked and ASKS_WHETHER.search(text) and is_of_others(facts, bare, text):
            continue
        if not is_other_denied(facts, rest[: found.start()], bare, text):
            return "word not resolved", f'"{bare}" is neither in the record nor a word for what can be seen'
    return None


def _without_words_of(known: Known | None, text: str) -> str:
    """Return a text without the words of the line of knowledge that it states: "two" of two new cells."""
    words = re.findall("[a-z]+", known.text) if known is not None else ()
    return re.sub(rf"\b(?:{'|'.join(words)})\b", " ", text) if words else text


def _wrong_of_regions(facts: Facts, sentence: str) -> tuple[str, str] | None:
    """Return what is said of single regions, by their boxes, number or size, where it is not so of just these.

    A label may have several regions: "<ref>cyst</ref><box>…</box> above <ref>cyst</ref><box>…</box>".
    """
    by_box = sum(reference in sentence for reference in facts.references) >= _TWO
    if not by_box and not names_single_regions(low(sentence), facts.language):
        return wrong_beside_the_other(facts, sentence)
    names = facts.names.with_regions(len(facts.boxes))
    regions = [region_name(number) for number in range(len(facts.boxes))]
    annotation = replace(
        facts.annotation,
        labels=(*facts.annotation.labels, *regions),
        boxes=(*facts.annotation.boxes, *map(Box, regions, (box.xyxy for box in facts.boxes))),
    )
    of_regions = replace(facts, annotation=annotation, names=names)
    if by_box:
        for reference, region in zip(facts.references, regions, strict=True):
            sentence = sentence.replace(reference, names.mark_of(region))
    text = masked(of_regions, sentence)
    marked = with_single_regions(facts, text, [names.mark_of(region) for region in regions])
    if not by_box and marked == text:
        return wrong_beside_the_other(facts, sentence)
    return _wrong_by_boxes(of_regions, compared(marked))


_TWO = 2


def _wrong_beside(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a place or a size of a masked sentence, by itself or beside another, that the boxes do not give."""
    return _wrong_by_boxes(facts, compared(text))


def _wrong_by_boxes(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return a place, a size, a border reached or an arrangement of a masked sentence that the boxes do not give."""
    checks = (wrong_place, wrong_size, wrong_border, wrong_arrangement)
    return next((found for check in checks if (found := check(facts, text)) is not None), None)


def _looks_of_findings(facts: Facts, text: str, carried: tuple[str, ...]) -> frozenset[str]:
    """Return the words for how the findings of a sentence usually look, which are findings themselves: clumped."""
    meant = {known.label for known in facts.knowledge if known.about == "meaning"}
    named = [facts.names.label_of(mark) for mark in re.findall(LABEL, text)] or carried
    return appearance_words(facts, text, carried) if meant.issuperset(named) else frozenset()


def _words_of_prompt(facts: Facts) -> frozenset[str]:
    """Return the English words that the writer was shown beside the labels."""
    axis = " ".join(AXES.get(str(facts.annotation.provenance.get("axis", "")), ()))
    return words_of((str(facts.annotation.department), facts.names.noun, axis, *names_of_what_is_there(facts)))


def _chinese(
    facts: Facts, text: str, known: Known | None, carried: tuple[str, ...], *, asked: bool
) -> tuple[str, str] | None:
    plain, found = without_measures(facts, re.sub(r"\s+", "", text), carried)
    plain, turned = without_directions(facts, plain, carried)
    counted = plain.replace("几", "") if asked else plain
    found = found or turned or wrong_side_zh(facts, plain) or wrong_count_zh(facts, counted)
    if found is None:
        found = _wrong_beside(facts, plain)
    if found is not None:
        return found
    for word in (str(facts.annotation.department), facts.names.noun):
        plain = plain.replace(word, " ") if word else plain
    plain = plain.replace(CHINESE[facts.annotation.department], " ")
    if (claimed := claimed_of_a_class(facts, plain, frozenset(), known, asked=asked)) is not None:
        return claimed
    if known is None and not asked and (purpose := invented_purpose(plain, facts.language)) is not None:
        return purpose
    own = words_of((*facts.annotation.labels, *own_names(facts), str(facts.annotation.department), facts.names.noun))
    for word in re.findall("[a-z]{3,}", WINDOW_ZH.sub(" ", any_modality(facts.language).sub(" ", plain))):
        if not is_plain(word) and not is_akin(word, own):
            return "word not resolved", f'"{word}" is neither in the record nor a word for what can be seen'
    return None
