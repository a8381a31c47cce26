"""Options named otherwise than by letter or text: a verdict on each, their place, a short or long form, a misspelling.

What is looked for when nothing else is found. Each form must fit one option only.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, cast

from gmai_formats.json_text import parse_json

from gmai_bench.extraction.agreement import agreeing_line
from gmai_bench.extraction.letters import letter_alone, mentioned_letters
from gmai_bench.extraction.mentions import EDGES, description_end, is_synonym, option_equal_to, options_mentioned
from gmai_bench.extraction.negation import is_negated
from gmai_bench.extraction.spellings import NUMBERS, ORDINALS, any_of
from gmai_bench.extraction.text import LETTERS, find_whole, initials_of, lowered, places_of, unify, words_of

_OBJECT = re.compile(r"\{[^{}]{3,2000}\}")
_VERDICT = re.compile(
    r"(?:(?P<yes>yes|true|correct|(?P<more>(?:very|highly|extremely|most|more)\s+)?likely|是|正确|对)|(?P<no>no|false|incorrect|wrong|unlikely"
    r"|(?:less|least|not(?: very)?) likely|否|错误|不正确|错))$",
    re.IGNORECASE,
)
_VERDICTS = ("yes", "true", "correct", "likely", "no", "false", "wrong", "是", "对", "否", "确", "错", "误")
_TICKS, _CROSSES = "✓✔✅☑", "✗✘❌❎"
_GRADED = re.compile(r"prob|likel|confid|score|概率|可能", re.IGNORECASE)
_NUMBER_CELL = re.compile(r"(\d+(?:\.\d+)?)\s*%?")
_SHARE = re.compile(r"(?P<name>[^:=]{1,120}?)(?:\s*[:=]|\s[–-])\s*(?P<share>\d+(?:\.\d+)?)\s?%")
"""A line of a list of chances: "C: 80%"."""
_ALL_SHARES = 101.0
"""Rounded chances of all options together, at most: what is more is no list of chances."""
_PRONOUN = re.compile(r"\b(?:it|they|this|these)\b", re.IGNORECASE)
_OF_TWO = re.compile(r"\bthe (?:(?P<former>former)|latter)\b", re.IGNORECASE)
_REASON_BEHIND = re.compile(r"\s*\([^()]*\)$")
_ASIDE_WITHIN = re.compile(r"\s*\(([^()\n]{1,60})\)(?=\s+[^\W\d_])")
_VERDICT_BREAK = re.compile(r"(?<=\w\w)[.;,]\s|(?<=%)[.;,]?\s")
"""Between verdicts on one line: "A: 10%, B: 70%", "Fracture: no. Dislocation: yes."."""
_NUMBERING = re.compile(r"\d{1,2}[.)]\s*")
_LONGEST_VERDICT = 160
"""Characters of a line that may hold a verdict on an option."""
_LINE_MARKS = f" \t*#>•|-–—=→:,.。{_TICKS}{_CROSSES}"
_CHINESE_NUMBERS = "一二三四五六七八九十"
_PLACE = re.compile(
    rf"\b(?:(?P<word>{'|'.join(ORDINALS)}|last)|(?P<nth>\d{{1,2}})(?:st|nd|rd|th))\s+"
    r"(?:listed\s+|given\s+)?(?:option|choice|answer|alternative)\b(?!s)"
    r"|\b(?:option|choice)\s*(?:number\s*|no\.\s*|#\s*)?(?P<number>\d{1,2})(?![\d.]*\d|\s*(?:[a-zµ]{1,2}\b|%))"
    rf"|第(?P<zh>[{_CHINESE_NUMBERS}]|\d{{1,2}})(?:个|项|个选)?(?:选项|答案|项)|(?P<zh_last>最后一?个?(?:选项|答案|项))",
    re.IGNORECASE,
)
_PLACE_ALONE = re.compile(
    rf"\W*(?:it'?s\s+|it\s+is\s+)?(?:the\s+)?(?P<word>{'|'.join(ORDINALS)}|last)(?:\s+one)?\W*", re.IGNORECASE
)
_PLACE_WORDS = ("option", "choice", "answer", "alternative", "选项", "答案", "项")
_PLACE_LEADS = frozenset((*ORDINALS, "last"))
_PLACE_CHARS = 60
"""How far from such a word its place is looked for."""
_NUMBER_WORD = re.compile(
    rf"(?<!\bother )(?<!\bthese )(?<!\bthose )(?<!\bthe )\b(?:zero|{'|'.join(NUMBERS[2:])})\b"
    r"(?!\s+(?:of|views?|images?)\b)",
    re.IGNORECASE,
)
_NONE_SEEN = re.compile(
    r"\W*(?:none|no\s+(?!more|other|further|view|image)\w+)\s+(?:(?:is|are|was|were|can\s+be)\s+)?"
    r"(?:visible|seen|present|identified|detected|visuali[sz]ed)\W*|\W*there\s+(?:is|are)\s+no\s+(?!more|other|further)\w+\W*",
    re.IGNORECASE,
)
"""Of a number that is asked for: "None are visible", "There are no nodules."."""
_LEAD = re.compile(
    r"(?:(?:it|this|that)(?:'s|\s+is)\s+|(?:most\s+)?(?:likely|probably)\s+|an?\s+|the\s+)*", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
_DENYING = ("no", "not", "non", "without", "absent", "none", "never", "nor", "neither", "negative", "false")
_NO_SHORT_FORM = frozenset((*_DENYING, "yes")) - {"none", "neither"}
_FUNCTION_WORDS = ("the", "a", "an", "is", "are", "was", "were", "has", "have", "been", "of", "weighted")
_LABELLED = ("it", "this", "clinical", "pathological", "category", "class", "grade", "level", "score", "stage", "type")
_BEHIND = re.compile(
    r"\s+(?:ones?|of\s+(?:them|these|those)|(?:in|on)\s+(?:this|the|these)\s+(?:\w+\s+)?"
    r"(?:images?|pictures?|scans?|slices?|slides?|films?|x-rays?|radiographs?|views?|stud(?:y|ies)|photos?|photographs?))$",
    re.IGNORECASE,
)
_ROMAN = re.compile("[ivx]+")
_BARE_NUMBER = re.compile(r"\d+\.\d+")
_MEASURED = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[^\W\d_]+|%)")
_RANGE_OF_NUMBERS = re.compile(r"\d+\s*(?:-|to)\s*\d+")
_LINKS = ("of", "the", "and", "in", "with", "or", "to", "for", "a", "an", "due")
_LINK_INITIALS = ("o", "t", "a", "i")
"""Of "of", "the", "and" and "in", which may stand between the words that an acronym is short for."""
_ACRONYM = re.compile(r"(?<![\w-])[A-Z]{3,6}(?![\w-])")
_LONGEST_SHORT = 60
_SHORTEST_MISSPELT = 8
_SHORTEST_WORD = 4
_TAKEN_BACK = re.compile(r"[\s.…,;—–-]+(?:(?:oh|hmm|sorry|wait),?\s)?no[\s,.…—–-]+(?:it(?:'s| is)\s+)?", re.IGNORECASE)
"""Between two options the first of which is taken back: "CT... no, MRI"."""
_EXCEPTED = re.compile(
    r"\b(?:all|every(?:thing|one)?|any|each)\b[^.;\n]{0,20}?\b(?:but|except(?:\s+for)?|other\s+than)\s+(?:option\s+|for\s+)?"
    r"(?P<held>[^.;,\n]{1,60}?)\s+(?:is|are|can\s+be|could\s+be|seems?)\s+(?:clearly\s+|all\s+)?"
    r"(?:wrong|incorrect|false|excluded|ruled\s+out|eliminated|implausible|unlikely|dismissed)\b",
    re.IGNORECASE,
)
_AGREES = re.compile(r"\W*that(?:'s|\s+is)\s+(?:all\s+|quite\s+)?right\W*", re.IGNORECASE)
_PROBABLY_NOT = re.compile(
    r"\W*(?:(?:most\s+)?(?:probably|likely|certainly|definitely|presumably|apparently|clearly)\s+not|not\s+likely)\W*",
    re.IGNORECASE,
)
_NOT_ONE = re.compile(r"\W*(?:(?:it|this|that)(?:\s+is|'s)\s+|is\s+)?not\s+(?P<held>\w+)\W*", re.IGNORECASE)
_OPPOSITES = {"present": "absent", "absent": "present", "positive": "negative", "negative": "positive"}
_NUMBER_LIST = re.compile(r"[\s(]*\d{1,2}(?:\s*(?:,|;|&|\band\b|,\s*and\b)\s*\d{1,2})+[\s).]*", re.IGNORECASE)
_NUMBER_IN_LIST = re.compile(r"\d+")
_STATEMENT = re.compile(
    r"\W*(?:it|(?:this|that|the)(?:\s+(?:statement|claim|assertion|sentence))?)(?:\s+is|'s)\s+(?P<not>not\s+)?"
    r"(?:(?P<true>true|correct|right|accurate)|(?P<false>false|incorrect|wrong|inaccurate|untrue))"
    r"(?:\s+that\s[^.;\n]*)?\W*",
    re.IGNORECASE,
)


def option_restated(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that a text names in a form of its own, where all such forms in it mean the same one.

    Args:
        text: The response, in one form, without thoughts.
        choices: Texts of the options.
    """
    found = (
        _by_place(text, len(choices)),
        _statement(text, choices),
        _opposite(text, choices),
        _list_of_numbers(text, choices),
        option_short_for(text, choices),
        option_short_for(description_end(text), choices, announced=True),
        _of_shared_subject(text, choices),
        _around_aside(text, choices),
        _number(text, choices),
        _spelt_out(text, choices),
        _misspelt(text, choices),
    )
    return next((index for index in found if index is not None), None)


def _of_shared_subject(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the one option named with a pronoun for the words that all begin with: "It crosses the midline"."""
    subject = _shared_subject(choices)
    if not subject or _PRONOUN.search(text) is None:
        return None
    written_out = _PRONOUN.sub(lambda _: subject, text.replace("n't", " not"))  # LaTeX is no template
    named = options_mentioned(written_out, choices)
    return named[0] if len(named) == 1 else None


@lru_cache(maxsize=1024)
def _shared_subject(choices: tuple[str, ...]) -> str:
    """Return the words, two or more, that all options begin with, of which none is more than those."""
    words = [unify(choice).split() for choice in choices]
    shared = 0
    while len(words) > 1 and all(len(own) > shared + 1 and own[shared] == words[0][shared] for own in words):
        shared += 1
    while shared and words[0][shared - 1] in _FUNCTION_WORDS:
        shared -= 1
    return " ".join(words[0][:shared]) if shared > 1 else ""


def _around_aside(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the one option whose words stand around brackets: "right middle (not lower) lobe"."""
    if "(" not in text:
        return None
    asides: list[str] = [aside[1] for aside in _ASIDE_WITHIN.finditer(text) if not aside[1].startswith("not ")]
    named = options_mentioned(_ASIDE_WITHIN.sub("", text), choices)
    if len(named) != 1 or len(_option_words(choices)[named[0]]) < 2:
        return None
    others = (
        set(options_mentioned(aside, choices)) - set(named) or words_of(aside) & {"or", "and"} for aside in asides
    )
    if any(others):
        return None
    return None if unify(choices[named[0]]).casefold() in text.casefold() else named[0]  # "MRI (not seen)" denies it


def option_judged_right(text: str, choices: tuple[str, ...], *, lettered: bool) -> int | None:
    """Return the one option that is said to be right where others are said to be wrong, or the likeliest of a table."""
    verdicts: dict[int, float] = {}
    for held in _OBJECT.finditer(text) if "{" in text else ():
        for name, value in _items(held[0]):
            index = _named(name, choices, lettered=lettered)
            judged = _verdict(value) if isinstance(value, str) else value
            if index is not None and isinstance(judged, int | float):
                verdicts[index] = float(judged)
    graded = False
    shares: list[float] = []
    for line in text.split("\n") if "\n" in text or len(text) > _LONGEST_VERDICT else _VERDICT_BREAK.split(text):
        if lettered and agreeing_line(line, choices) is not None:
            continue  # an option as it was shown: "A. Yes"
        if line.count("|") > 1:
            graded = graded or _GRADED.search(line) is not None
            verdicts |= _verdict_of_row(line, choices, lettered=lettered, graded=graded)
            continue
        bare = line.strip(_LINE_MARKS) if len(line) < _LONGEST_VERDICT else ""
        if bare.endswith(")"):
            bare = _REASON_BEHIND.sub("", bare)
        if bare.endswith("%") and (share := _SHARE.fullmatch(bare)):
            index = _named(share["name"], choices, lettered=lettered)
            if index is not None and "%" not in choices[index]:
                verdicts[index] = float(share["share"])
                shares.append(verdicts[index])
            continue
        verdict = _VERDICT.search(bare) if bare.lower().endswith(_VERDICTS) else None
        if verdict is None or verdict.start() == 0 or bare[verdict.start() - 1] not in _LINE_MARKS:
            continue
        name = bare[: verdict.start()].rstrip(_LINE_MARKS)
        numbering = _NUMBERING.match(name)
        index = _named(name[numbering.end() if numbering else 0 :], choices, lettered=lettered)
        if index is not None:
            verdicts[index] = (verdict["yes"] is not None) + (0.5 if verdict["more"] else 0.0)
        elif verdict[0].lower() == "likely":
            return None  # "quite likely": no other verdict can be weighed against it
    if sum(shares) > _ALL_SHARES:
        return None
    best = [index for index, value in verdicts.items() if value == max(verdicts.values())]
    return best[0] if len(verdicts) > 1 and len(best) == 1 else None


def option_of_two(text: str, choices: tuple[str, ...], *, lettered: bool) -> int | None:
    """Return the option that "the former" or "the latter" means, where two are named before it and none denied."""
    found = list(_OF_TWO.finditer(text)) if any_of(("former", "latter"), lowered(text)) else []
    if len(found) != 1 or is_negated(text, found[0].start(), found[0].end()):
        return None
    sentence = max(text.rfind(end, 0, found[0].start()) for end in ("\n", ". ", "? ", "! ")) + 1
    before, after = text[sentence : found[0].start()], text[found[0].end() :]
    named = options_mentioned(before, choices, letters=lettered)
    letters = mentioned_letters(before, choices) if lettered else []
    named = letters if not named or (letters and set(letters) == set(named)) else [] if letters else named
    index = named[0 if found[0]["former"] else 1] if len(named) == 2 else None
    later = options_mentioned(after, choices, letters=lettered) + (
        mentioned_letters(after, choices) if lettered else []
    )
    return index if set(later) <= {index} else None


def option_excepted(text: str, choices: tuple[str, ...], *, lettered: bool) -> int | None:
    """Return the option that all others are denied but for: "All but B are wrong"."""
    excepted = _EXCEPTED.search(text) if any_of(("but", "except", "other than"), lowered(text)) else None
    if excepted is None:
        return None
    letter = letter_alone(excepted["held"], len(choices)) if lettered else None
    return option_equal_to(excepted["held"], choices) if letter is None else letter


def option_instead(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that is all of what follows "no" where another one is all that stands before: "CT, no, MRI"."""
    pieces = _TAKEN_BACK.split(text) if len(text) < _LONGEST_VERDICT and "no" in lowered(text) else []
    if len(pieces) != 2:
        return None
    first, second = (option_equal_to(piece, choices) for piece in pieces)
    return second if None is not first != second else None


def _verdict_of_row(line: str, choices: tuple[str, ...], *, lettered: bool, graded: bool) -> dict[int, float]:
    """Return option ▶ verdict of a row of a table that names one option and judges it in a cell of its own.

    Args:
        line: The row.
        choices: Texts of the options.
        lettered: Whether they were shown with letters.
        graded: Whether the head of the table says that its numbers are probabilities or scores.
    """
    cells = [cell.strip(" \t*_") for cell in line.split("|")]
    named = {index for cell in cells if (index := _named(cell, choices, lettered=lettered)) is not None}
    judged: set[float] = {verdict for cell in cells if (verdict := _verdict(cell)) is not None}
    if graded and not judged:
        judged = {float(number[1]) for cell in cells if (number := _NUMBER_CELL.fullmatch(cell))}
    return {named.pop(): float(judged.pop())} if len(named) == len(judged) == 1 else {}


def _verdict(cell: str) -> bool | None:
    mark = cell[:1]
    if mark and mark in _TICKS + _CROSSES and len(cell) <= len("✓\ufe0f"):
        return mark in _TICKS
    word = _VERDICT.match(cell.strip(_LINE_MARKS))
    return word["yes"] is not None if word else None


def _items(text: str) -> Iterable[tuple[str, Any]]:
    if '"' not in text:  # as Python prints it
        text = text.replace("'", '"')
    try:
        value = parse_json(text)
    except json.JSONDecodeError:
        return ()
    return cast("dict[str, Any]", value).items() if isinstance(value, dict) else ()


def _named(name: str, choices: tuple[str, ...], *, lettered: bool) -> int | None:
    bare = name.strip(EDGES)
    if lettered:
        letter = letter_alone(bare, len(choices))
        if letter is not None:
            return letter
        if bare[1:2] in (".", ")", ":", " ") and bare[:1] in LETTERS[: len(choices)]:
            behind = option_equal_to(bare[2:], choices)
            return behind if behind == LETTERS.index(bare[0]) else None
    return option_equal_to(bare, choices)


def _by_place(text: str, count: int) -> int | None:
    alone = _PLACE_ALONE.fullmatch(text) if len(text) < _LONGEST_SHORT else None
    found: set[int] = set()
    if alone:
        found.add(_place(alone["word"], count))
    elif _may_name_place(text):
        for near, _ in places_of(lowered(text), _PLACE_WORDS):
            for match in _PLACE.finditer(text, max(0, near - _PLACE_CHARS), near + _PLACE_CHARS):
                named = match["word"] or match["nth"] or match["number"] or match["zh"] or "last"
                if not is_negated(text, match.start(), match.end()):
                    found.add(_place(named, count))
    index = found.pop() if len(found) == 1 else -1
    return index if 0 <= index < count else None


def _may_name_place(text: str) -> bool:
    return not (text.isascii() and _PLACE_LEADS.isdisjoint(words_of(text)) and not any_of("0123456789", text))


def _place(named: str, count: int) -> int:
    named = named.lower()
    if named == "last":
        return count - 1
    if named.isascii() and named.isdecimal():
        return int(named) - 1
    return ORDINALS.index(named) if named in ORDINALS else _CHINESE_NUMBERS.index(named)


def _statement(text: str, choices: tuple[str, ...]) -> int | None:
    """Return which of "True" and "False" a text says: "This statement is not true"."""
    wanted = [option_equal_to(word, choices) for word in ("true", "false")]
    match = _STATEMENT.fullmatch(text) if None not in wanted and len(text) < _LONGEST_SHORT else None
    return wanted[(match["true"] is None) != (match["not"] is not None)] if match else None


def _opposite(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that a whole answer means by "not": "Probably not" is "No", "not present" "Absent"."""
    if len(text) > _LONGEST_SHORT:
        return None
    if _PROBABLY_NOT.fullmatch(text):
        return option_equal_to("no", choices) if option_equal_to("yes", choices) is not None else None
    denied = _NOT_ONE.fullmatch(text)
    other = _OPPOSITES.get(denied["held"].lower()) if denied and len(choices) == 2 else None
    if denied is None or other is None or option_equal_to(denied["held"], choices) is None:
        return None
    return option_equal_to(other, choices)


def _list_of_numbers(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that lists the same numbers as a whole answer: "1 and 3" is "1, 3"."""
    if _NUMBER_LIST.fullmatch(text) is None:
        return None
    said = frozenset(_NUMBER_IN_LIST.findall(text))
    lists = [frozenset(_NUMBER_IN_LIST.findall(own)) if _NUMBER_LIST.fullmatch(own) else None for own in choices]
    return lists.index(said) if lists.count(said) == 1 else None


def _number(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that a number written as a word is: "three nodules"; "one" is a pronoun."""
    if not any(choice.strip().isdecimal() for choice in choices):
        return None
    if _NONE_SEEN.fullmatch(text):
        return option_equal_to("0", choices)
    named = options_mentioned(_NUMBER_WORD.sub(lambda word: str(NUMBERS.index(word[0].lower())), text), choices)
    return named[0] if len(named) == 1 and _NUMBER_WORD.search(text) else None


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


@lru_cache(maxsize=1024)
def _option_words(choices: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(_words(unify(choice)) for choice in choices)


def option_short_for(text: str, choices: tuple[str, ...], *, announced: bool = False) -> int | None:
    """Return the option that a whole text is short for: its first words, its last, its first and last, its initials.

    None where another option has them too, or where what is left out denies something or holds a digit.

    Args:
        text: The response, or what a marker announces.
        choices: Texts of the options.
        announced: Whether it is announced as an answer: then its last words stand for an option too ("the effusion").
    """
    if len(text) > _LONGEST_SHORT or "\n" in text or _AGREES.fullmatch(text):
        return None
    bare = _BEHIND.sub("", text.strip(EDGES))
    bare = bare[_LEAD.match(bare).end() :]  # type: ignore[union-attr]
    if bare.isupper() and bare.isalpha() and len(bare) > 1 and not is_synonym(bare):
        named = [index for index, initials in enumerate(_initials(choices)) if bare in initials]
        if len(named) == 1:
            return named[0]
    said = _words(bare)
    run_together = ["".join(own) for own in _option_words(choices)]
    if said and "".join(said) in run_together:  # "T2 N1 M0"
        return run_together.index("".join(said)) if run_together.count("".join(said)) == 1 else None
    if (by_label := _by_label(said, choices)) is not None:
        return by_label
    content = _content(said)
    contents = [_content(own) for own in _option_words(choices)]
    if len(content) > 1 and content in contents:
        return contents.index(content) if contents.count(content) == 1 else None
    if (reordered := _in_another_order(content, contents, more=int("of" in said))) is not None:
        return reordered
    if (measured := _without_unit(bare, choices)) is not None:
        return measured
    if _RANGE_OF_NUMBERS.fullmatch(bare):
        return _range_without_unit(said, choices)
    coded = len(said) == 1 and said[0].isalnum() and not said[0].isalpha() and not said[0].isdecimal()  # "B12"
    wordless = not coded and not any(len(word) > _SHORTEST_WORD - 1 and word.isalpha() for word in said)
    if wordless or set(said) & _NO_SHORT_FORM:
        return None
    having = [index for index, own in enumerate(_option_words(choices)) if set(said) <= set(own)]
    if len(having) != 1:
        return None
    own: Sequence[str] = _option_words(choices)[having[0]]
    left = list(own)
    for word in said:
        left.remove(word) if word in left else None
    ends = own[: len(said)] == said or (own[0], own[-1]) == (said[0], said[-1])
    ends = ends or ((announced or coded or len(said) > 1) and own[-len(said) :] == said)
    denying = set(_DENYING) - ({"nor"} if "neither" in said else set())  # "Neither" for "Neither A nor B"
    wanting = set(left) & denying or any(character.isdigit() for word in left for character in word)
    return having[0] if ends and not wanting else None


def _range_without_unit(said: tuple[str, ...], choices: tuple[str, ...]) -> int | None:
    """Return the one option that begins with a range and goes on with words only: "20-30" is "20-30 years"."""
    found = [index for index, own in enumerate(_option_words(choices)) if own[: len(said)] == said]
    rest = _option_words(choices)[found[0]][len(said) :] if len(found) == 1 else ()
    return found[0] if rest and all(word.isalpha() and word not in _DENYING for word in rest) else None


def _without_unit(said: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that a bare number is where all options are numbers of one unit: "1.5" is "1.5 cm".

    None for a whole number, which may be anything.
    """
    if _BARE_NUMBER.fullmatch(said) is None:
        return None
    measured = [_MEASURED.fullmatch(unify(choice).strip()) for choice in choices]
    if not all(measured) or len({own["unit"] for own in measured if own}) != 1:
        return None
    found = [index for index, own in enumerate(measured) if own and own["number"] == said]
    return found[0] if len(found) == 1 else None


def _in_another_order(said: tuple[str, ...], contents: list[tuple[str, ...]], *, more: int) -> int | None:
    """Return the one option all of whose words are said: "calcified lesion", "lower lobe of the right lung".

    Args:
        said: The words that carry the meaning.
        contents: Those of each option.
        more: How many more words may be said, which no option has.
    """
    words = set(said)
    having = [index for index, own in enumerate(contents) if len(set(own)) > 1 and words.issuperset(own)]
    if len(having) != 1 or len(said) != len(words) or words & {*_DENYING, "or", "and", "to"}:
        return None
    left = words.difference(contents[having[0]])
    digits = any(character.isdigit() for word in left for character in word)  # "5 mg of 10" is no "10 mg"
    elsewhere = any(left.intersection(own) for own in contents)
    return None if digits or elsewhere or len(left) > more else having[0]


def _by_label(said: Sequence[str], choices: tuple[str, ...]) -> int | None:
    """Return the option whose numeral is said, alone or behind what it counts: "III", "the BI-RADS category is 4"."""
    if not said or (index := _labels(choices).get(said[-1])) is None:
        return None
    heads = {*_option_words(choices)[0][:-1], *_FUNCTION_WORDS, *_LABELLED}
    named = not set(_option_words(choices)[0][:-1]).isdisjoint(said)
    in_order = _option_words(choices)[0][-1] == "1" and len(said) > 1
    alone = said[-1].isdecimal() and not (named or in_order)  # "2" may be any number
    return index if heads.issuperset(said[:-1]) and not alone else None


def _content(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words that carry the meaning: "the appendix is not visualised" says "appendix not visualised"."""
    return tuple(word for word in words if word not in _FUNCTION_WORDS)


@lru_cache(maxsize=1024)
def _labels(choices: tuple[str, ...]) -> dict[str, int]:
    """Return numeral ▶ option where options differ in their last word only, a Roman numeral, or a digit in order."""
    words = _option_words(choices)
    if len(words) < 2 or any(len(own) < 2 or own[:-1] != words[0][:-1] for own in words):
        return {}
    labels = [own[-1] for own in words]
    told_apart = len(set(labels)) == len(labels)
    numerals = told_apart and all(_ROMAN.fullmatch(label) for label in labels)
    digits = told_apart and all(label.isdecimal() for label in labels) and labels == sorted(labels, key=int)
    return {label: index for index, label in enumerate(labels)} if numerals or digits else {}


@lru_cache(maxsize=1024)
def _initials(choices: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the initials of each option, with and without the words that link the others."""
    return tuple(
        tuple(
            "".join(word[0] for word in words).upper()
            for words in (own, tuple(word for word in own if word not in _LINKS))
            if len(words) > 1
            and all(word.isalpha() and word.isascii() and (len(word) > 2 or word in _LINKS) for word in words)
        )
        for own in _option_words(choices)
    )


def _spelt_out(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the one option whose initials (three or more) stand in a text, or whose acronym is written out there."""
    found = {
        index
        for index, forms in enumerate(_initials(choices))
        for initials in set(forms)
        if len(initials) > 2
        and sum(initials in others for others in _initials(choices)) == 1
        and (place := find_whole(text, initials)) >= 0
        and not is_negated(text, place, place + len(initials))
    }
    for index, pattern, acronyms in _written_out(choices):
        if not all(_may_be_written_out(initials_of(text), acronym) for acronym in acronyms):
            continue
        for match in re.compile(pattern, re.IGNORECASE).finditer(text):
            if not is_negated(text, match.start(), match.end()):
                found.add(index)
    return found.pop() if len(found) == 1 else None


def _may_be_written_out(initials: str, acronym: str) -> bool:
    """Return whether words that begin with the letters of an acronym follow one another, but for "of" and the like.

    To see it costs a hundredth of a pattern, which is new with every question.
    """
    ends = {place + 1 for place, initial in enumerate(initials) if initial == acronym[0]}
    for letter in acronym[1:]:
        after = ends | {end + 1 for end in ends if initials[end : end + 1] in _LINK_INITIALS}
        ends = {end + 1 for end in after if initials[end : end + 1] == letter}
        if not ends:
            return False
    return bool(ends)


@lru_cache(maxsize=1024)
def _written_out(choices: tuple[str, ...]) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Return number, pattern and acronyms (in small letters) of the options that hold acronyms of their own."""
    patterns: dict[str, list[int]] = {}
    held: dict[str, tuple[str, ...]] = {}
    for index, choice in enumerate(choices):
        plain = unify(choice)
        acronyms = _ACRONYM.findall(plain)
        if not acronyms:
            continue
        pieces = _ACRONYM.split(plain)
        parts = [re.escape(pieces[0])]
        for acronym, rest in zip(acronyms, pieces[1:], strict=True):
            words = r"[\s-]+(?:(?:of|the|and|in)\s+)?".join(rf"{letter}[a-z]+" for letter in acronym)
            parts += (words, re.escape(rest))
        pattern = rf"(?<![\w-]){''.join(parts)}(?!\w)"
        patterns.setdefault(pattern, []).append(index)
        held[pattern] = tuple(map(str.lower, acronyms))
    return tuple((own[0], pattern, held[pattern]) for pattern, own in patterns.items() if len(own) == 1)


@lru_cache(maxsize=1024)
def _spellable(choices: tuple[str, ...]) -> tuple[tuple[int, str, tuple[frozenset[str], ...]], ...]:
    """Return number and text of the options that may be misspelt, with their words, of which one may be so."""
    folded = ((index, unify(choice).casefold().strip(EDGES)) for index, choice in enumerate(choices))
    return tuple(
        (index, wanted, tuple(map(words_of, wanted.split())))
        for index, wanted in folded
        if len(wanted) >= _SHORTEST_MISSPELT and wanted.isascii()
    )


def _misspelt(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the one option of eight characters or more that a text names with one letter too many, too few or swapped.

    A word's first letter must be right ("typical" is no "atypical"), and no letter may stand for another one
    ("abduction" is no "adduction"). The word has four letters or more, and a plural is no slip.
    """
    folded = text.casefold()
    if len(folded) != len(text):
        return None
    found: set[int] = set()
    said = words_of(text)
    for index, wanted, words in _spellable(choices):
        if sum(not word <= said for word in words) > 1:
            continue
        for start, end in _slips(folded, wanted):
            if not is_negated(folded, start, end):
                found.add(index)
    return found.pop() if len(found) == 1 else None


def _slips(text: str, wanted: str) -> Iterator[tuple[int, int]]:
    """Yield where an option stands with one slip: one of its halves is whole there."""
    middle = len(wanted) // 2
    for half, offset in ((wanted[:middle], 0), (wanted[middle:], middle)):
        place = text.find(half)
        while place >= 0:
            for shift in (-1, 0, 1):
                start = place - offset - (shift if offset else 0)
                end = start + len(wanted) + shift
                if (
                    start >= 0
                    and end <= len(text)
                    and (start == 0 or not text[start - 1].isalnum())
                    and (end == len(text) or not text[end].isalnum())
                    and _is_slip(text[start:end], wanted)
                ):
                    yield start, end
            place = text.find(half, place + 1)


def _is_slip(said: str, wanted: str) -> bool:
    both = tuple(zip(said.split(), wanted.split(), strict=False))
    differing = [(one, other) for one, other in both if one != other]
    if len(said.split()) != len(wanted.split()) or len(differing) != 1:
        return False
    one, other = differing[0]
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    if (
        len(other) < _SHORTEST_WORD
        or not one.isalpha()
        or not other.isalpha()
        or longer in (f"{shorter}s", f"{shorter}es")
    ):
        return False
    at = next(n for n in range(len(longer)) if one[n : n + 1] != other[n : n + 1])
    if at == 0:
        return False
    if len(longer) == len(shorter):
        return one[:at] + one[at : at + 2][::-1] + one[at + 2 :] == other
    return longer[:at] + longer[at + 1 :] == shorter
