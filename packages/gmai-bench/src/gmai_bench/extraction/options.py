"""Answer text ▶ one of the options, with the rule that fired, or `ambiguous`, `refused`, `empty`, `unparsed`.

The rules run from the most to the least explicit and the first that finds something decides; none ever guesses.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from gmai_bench.extraction.agreement import (
    agreeing_end,
    agreeing_line,
    agreeing_lines,
    agreeing_places,
    agreeing_start,
    holds_option,
    option_but_for_blanks,
    undecorated,
)
from gmai_bench.extraction.letters import (
    leading_letter,
    letter_alone,
    letter_behind_colon,
    letter_below_colon,
    letters_and_denials,
    lone_capitals,
    marked_letter,
    mentioned_letters,
)
from gmai_bench.extraction.markers import (
    SECOND_THOUGHT_WORDS,
    after_second_thought,
    answer_after_refusal,
    before_next_question,
    clause_after_reason,
    closing_conclusion,
    closing_letter,
    closing_line,
    concluding_sentence,
    draws_other_conclusion,
    favoured_letters,
    labelled,
    leaves_open,
    marked_spans,
    may_refuse,
    opens_with_conclusion,
    option_letters,
    refuses,
    superlatives,
    when_forced,
    without_asides,
    without_disclaimer,
    without_neighbours,
    without_questions,
    without_reasons,
    without_suppositions,
)
from gmai_bench.extraction.mentions import (
    option_described,
    option_equal_to,
    option_of_first_sentence,
    option_of_last_sentence,
    option_that_opens,
    option_with_more,
    options_mentioned,
    options_on_others,
    without_list_of_all,
)
from gmai_bench.extraction.negation import is_negated
from gmai_bench.extraction.restated import (
    option_excepted,
    option_instead,
    option_judged_right,
    option_of_two,
    option_restated,
    option_short_for,
)
from gmai_bench.extraction.spellings import any_of
from gmai_bench.extraction.text import LETTERS, lowered, strip_thoughts, unify

EXTRACTOR = "gmai-options/13"
"""Name and version of these rules; a change of any of them raises the version."""

Style = Literal["letters", "text"]
"""How the options were shown: with letters, or as bare text (then a letter in the answer means nothing)."""

_LETTER_RUN = re.compile(r"^[\s*(\[]*[A-Z](?:[\s,;/、&+)(\]\[]*[A-Z])*[\s*)\].。]*$")
"""Capitals and separators only: "ABD", "A, C", "(A)(B)"."""

_SMALL_RUN = re.compile(r"^[\s*(\[]*[a-z](?:[\s,;/、&+)(\]\[]+(?:and\s+)?[(\[]?[a-z])*[\s*)\].。]*$")
"""The same of small letters, never run together: "a, c", "(a) and (c)"."""

_WRAPPING = " *\"'()[]{}.`:,、。"
"""What may stand around a letter behind a marker."""

_CLOSING_MARKS = ").*$}。 "
"""What may stand behind the letter that ends an answer."""

_LETTER_BEHIND_TEXT = re.compile(r"[.!?;]\s(?:\*\*)?\(?([A-Z])\)?[.*]*$")
"""The letter behind the text of an option: "MRI. B"."""
_TWO_LETTERS = re.compile(r"\w\w")
_LONGEST_PAIR = 200
_CLOSING_CHARS = 12

_NO_CONTENT = " \t*`$\\[](){}_#-=~.。"
"""What a line may consist of that says nothing."""

_STRUCK = re.compile(r"~~[^~\n]{1,300}~~")
"""Struck through in Markdown: taken back."""
_BOLD = re.compile(r"\*\*(?P<held>[^*\n]{1,200})\*\*")
_BEFORE_BOLD = re.compile(r"(?:^|[.:\n]|\b(?:is|be|as|of|with|an?|the|likely|suggests?|indicates?))\s*$", re.IGNORECASE)
"""What stands before an answer in bold; "CT or **MRI**" is none."""
_BEFORE_BOLD_CHARS = 20

_TWO_BOXES = re.compile(
    r"boxed\{\s*([A-Z])\s*\}[\s$]*(?:,|;|/|&|\bor\b|\band\b)[\s$]*(?:possibly\s+)?\$?\\boxed\{\s*([A-Z])\s*\}"
)
_TWO_OBJECTS = re.compile(
    r"\[?\s*\{\s*\"answer\"\s*:\s*(\"[^\"{}]{1,200}\")\s*\}\s*,?\s*\{\s*\"answer\"\s*:\s*(\"[^\"{}]{1,200}\")\s*\}\s*\]?"
)
NO_ANSWER = ("ambiguous", "refused", "empty", "unparsed")


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found in a response."""

    choice: int | None
    """Index of the option, `None` where none could be told."""
    rule: str
    """The rule that fired, or one of `NO_ANSWER`."""
    expected: float | None = None
    """The score itself where a published parser gives one without a choice (token recall, a random option)."""


_ANNOUNCED_LETTERS = {
    form.replace("X", letter): (index, Extraction(index, "marker_letter"))
    for index, letter in enumerate(LETTERS)
    for form in (
        *("Answer: X", "Answer: X.", "Answer: (X)", "Answer: (X).", "**Answer: X**", "**Answer: (X)**", "Answer:X"),
        *("The answer is X", "The answer is X.", "The answer is (X)", "The answer is (X).", "Final answer: X"),
        *(
            "The correct answer is X.",
            "The correct answer is (X).",
            "The correct option is X.",
            "\\boxed{X}",
            "$\\boxed{X}$",
        ),
        *("答案:X", "答案是X", "答案是X。", "答案：X"),
        *(
            f"Answer: {formula}"
            for formula in (
                *(
                    "\\( \\text{X} \\)",
                    "\\( \\text{(X)} \\)",
                    "\\(\\text{X}\\)",
                    "\\(\\text{(X)}\\)",
                    "\\( X \\)",
                    "\\(X\\)",
                ),
                *(
                    "\\( \\textbf{X} \\)",
                    "\\(\\textbf{X}\\)",
                    "\\(\\textbf{(X)}\\)",
                    "\\boxed{X}",
                    "$\\boxed{X}$",
                    "$X$",
                ),
            )
        ),
    )
}
"""Announcements of a letter that are all of an answer; a Markdown "**Answer:** X" has a marker to be looked at."""
_LONE_LETTERS = {
    form.format(letter): (index, Extraction(index, "letter_alone"))
    for index, letter in enumerate(LETTERS)
    for form in ("{}", "{}.", "({})", "{})", "({}).", "**{}**", "{}\n", " {}", "{}.\n")
}
"""Letters in wrappings that say nothing else, which most short answers are."""
_ANNOUNCING_PARTS = ("nswer", "ption", "boxed", "答")
_ANNOUNCED_WITH_TEXT = re.compile(
    r"(?:The (?:correct )?|Final )?[Aa]nswer(?: is|:) (?:\(([A-Z])\) ?|([A-Z])[.:)] )(?=[A-Za-z0-9])"
)
"""What stands before an option's text in "Answer: (B) MRI", "The correct answer is B. MRI"."""
_NOT_PLAIN = ("\n", "~~", "<", "[", "nswer", "hoose")
"""With one of these in it a text is read by all the rules."""

_REFUSING_STARTS = ("I'", "I ", "I’", "Sorry")
_PLAIN_SENTENCES = re.compile(r"[A-Za-z][A-Za-z',;.?! -]*")
_LONE_LETTER = re.compile(
    r"(?<![A-Za-z'])(?:[B-HJ-Z](?![A-Za-z])|[A-Za-z](?=['.,;?!-]*(?:[.?!,;-]|$))(?!'[a-z])|A(?![a-z]))"
)
"""A letter that may be that of an option, which "I" and "a" before a word are not."""
_UNDETERMINED = re.compile(
    r"\W*(?:it|this|that|the\s+(?:answer|diagnosis|finding))\s+(?:cannot|can't|can not)\s+be\s+"
    r"(?P<verb>determined|told|decided|assessed)"
    r"(?:\s+(?:from|with|on|by)\s+(?:the|this)\s+(?:given\s+|provided\s+)?\w+(?:\s+(?:alone|provided|given))?)?\W*",
    re.IGNORECASE,
)
_I_JUDGED = ("I is", "I seems", "I looks")
_IN_REFUSALS = ("not", "'t", "unable", "sorry", "decline", "as an ai")
"""One of these is in every refusal in English."""
_WITH_OWN_TEXT = {
    rule: [Extraction(n, rule) for n in range(len(LETTERS))] for rule in ("letter_leading", "marker_letter")
}
_LONGEST_LOOKED_UP = max(map(len, (*_LONE_LETTERS, *_ANNOUNCED_LETTERS)))
_ANNOUNCED_BELOW = [Extraction(n, "marker_letter") for n in range(len(LETTERS))]
_TAGS = ("~~", "<", "[t", "[T", "[/")
_TAKES_BACK = (*SECOND_THOUGHT_WORDS, " no")
_ANNOUNCES = ("~~", "nswer", "hoose")
"""Without one of these no line announces an answer or has something struck out."""

EMPTY = Extraction(None, "empty")
AMBIGUOUS = Extraction(None, "ambiguous")
REFUSED = Extraction(None, "refused")
UNPARSED = Extraction(None, "unparsed")


def extract(response: str, choices: tuple[str, ...], *, style: Style) -> Extraction:
    """Return the option that a response chooses.

    Args:
        response: What the model said.
        choices: Texts of the options in the order shown; of equal ones the first is returned.
        style: Whether the options were shown with letters.
    """
    at_once = _read_at_once(response, choices) if style == "letters" else None
    return at_once or extract_by_all_rules(response, choices, style=style)


def _read_at_once(response: str, choices: tuple[str, ...]) -> Extraction | None:
    """Return what all rules find in the commonest short answers, without a look at what the options may be called."""
    if response[1:3] == ". " and response[0].isupper():
        return _with_own_text(response, response[0], 3, choices, "letter_leading") or _of_one_line(response, choices)
    if len(response) <= _LONGEST_LOOKED_UP:
        if response in _LONE_LETTERS:
            index, alone = _LONE_LETTERS[response]
            return alone if index < len(choices) else None
        if response in _ANNOUNCED_LETTERS:
            index, announced = _ANNOUNCED_LETTERS[response]
            return announced if index < len(choices) and not _announces(choices) else None
    if response[:1] in "ATFa" and (announced := _ANNOUNCED_WITH_TEXT.match(response)):
        letter = announced[1] or announced[2]
        return _with_own_text(response, letter, announced.end(), choices, "marker_letter")
    if "\n" in response:
        return _announced_below(response, choices)
    return _refused_at_once(response, choices) if response.startswith(_REFUSING_STARTS) else None


def _announced_below(response: str, choices: tuple[str, ...]) -> Extraction | None:
    """Return the letter that the last line announces in a form that is looked up ("Answer: B"), whatever stands above.

    It is what all rules find where no option is such a text itself, nothing is thought or struck out, and no further
    question is asked.
    """
    letter = closing_line(response)
    if (
        letter is None
        or not response.isascii()
        or any_of(_TAGS, response)
        or not 0 <= LETTERS.find(letter) < len(choices)
    ):
        return None
    if (
        "\r" in response
        or response[0] in "{` \t\n"
        or _announces_two(response)
        or before_next_question(response) is not response
    ):
        return None
    if _verbatim(response.strip(), choices) is not None or _of_option(response, choices):
        return None
    return _ANNOUNCED_BELOW[LETTERS.index(letter)]


def _refused_at_once(response: str, choices: tuple[str, ...]) -> Extraction | None:
    """Return that plain sentences decline to answer, where no option is in them or sounds like a refusal itself.

    None where something in them may announce an answer, take one back, or be the letter of an option.
    """
    text = response if response.isascii() else response.replace("’", "'")
    if _PLAIN_SENTENCES.fullmatch(text) is None or _LONE_LETTER.search(text) or not refuses(text):
        return None
    lower = lowered(text)
    if without_suppositions(text) is not text or when_forced(text) or after_second_thought(text):
        return None
    after = answer_after_refusal(text)  # "… However, if you describe it, I can help"
    if after and (any_of(_I_JUDGED, after) or option_letters(after) or options_mentioned(after, choices, letters=True)):
        return None
    if without_disclaimer(text) is not text or next(marked_spans(text), None) is not None or _refusing(choices):
        return None
    if "(" in (together := "\n".join(choices)) and may_refuse(together):
        return None  # what is in brackets may be all that is said of an option
    return None if holds_option(lower, choices) else REFUSED


@lru_cache(maxsize=1024)
def _announces(choices: tuple[str, ...]) -> bool:
    """Return whether the text of an option looks like an announcement of an answer itself: "The answer is A"."""
    return any_of(_ANNOUNCING_PARTS, "\n".join(choices))


def extract_by_all_rules(response: str, choices: tuple[str, ...], *, style: Style) -> Extraction:
    """Return the option that a response chooses, by rule after rule: `extract` comes sooner to the same."""
    lettered = style == "letters"
    text = unify(response)
    if not text:
        return EMPTY
    bare = response.strip()
    verbatim = _verbatim(bare, choices)
    if verbatim is not None and not (lettered and letter_alone(text, len(choices)) is not None):
        return Extraction(verbatim, "option_text")
    answer = strip_thoughts(text)
    if answer is not text:
        text = unify(answer)
    if "~~" in text:
        text = _STRUCK.sub(" ", text).strip()
    if not text:
        return UNPARSED
    if (own := before_next_question(text)) and own is not text:
        answered = extract_by_all_rules(own, choices, style=style)
        if answered.choice is not None and not answered.rule.endswith("_mentioned"):
            return answered
    if lettered and (_contradicts_itself(text, choices) or _announces_two(text)):
        return AMBIGUOUS
    closing = closing_letter(text) if lettered else None
    if closing and (index := LETTERS.index(closing)) < len(choices) and not _of_option(text, choices):
        return Extraction(index, "marker_letter")
    last_line = _last_line(text)
    if lettered and (announced := agreeing_end(last_line, choices)) is not None:
        return Extraction(announced, "marker_letter")
    if conclusion := closing_conclusion(text, last_line):
        concluded = _by_mention(conclusion, choices, style)
        if concluded.choice is not None:
            return Extraction(concluded.choice, "concluded")
    found = _read(text, choices, style)
    if found is AMBIGUOUS or found is UNPARSED:
        restated = option_judged_right(text, choices, lettered=lettered)
        if restated is None:
            restated = option_of_two(text, choices, lettered=lettered)
        if restated is None:
            restated = option_instead(text, choices)
        if restated is None:
            restated = option_excepted(text, choices, lettered=lettered)
        if restated is None and found is AMBIGUOUS:
            restated = option_with_more(text, choices)
        if restated is None and found is UNPARSED:
            restated = option_restated(text, choices)
        if restated is not None:
            found = Extraction(restated, "option_restated")
    after = after_second_thought(text)
    if not after:
        return found
    later = extract_by_all_rules(after, choices, style=style)
    if later is UNPARSED and found.rule.endswith("_mentioned") and draws_other_conclusion(after):
        return AMBIGUOUS
    if later.choice == found.choice or later is EMPTY or later is UNPARSED:
        return found
    return later if found.choice is None or not later.rule.endswith("_mentioned") else AMBIGUOUS


def _with_own_text(response: str, letter: str, start: int, choices: tuple[str, ...], rule: str) -> Extraction | None:
    """Return the option whose letter and text are all of a plain line, "C. Pleural effusion", as all rules find it.

    The commonest short answer: it is told without a look at the other options, and without what is worked out of them.

    Args:
        response: The line.
        letter: The letter in it.
        start: Where the text behind the letter begins.
        choices: Texts of the options.
        rule: The rule that finds it.
    """
    if not 0 <= (index := LETTERS.find(letter)) < len(choices):
        return None
    own = choices[index]
    if not response.startswith(own, start) or response[start + len(own) :] not in ("", "."):
        return None
    if not own.isascii() or not own[:1].isalnum() or any_of(_NOT_PLAIN, own) or response in choices:
        return None
    if own[-1].islower() or own[-1].isdecimal():  # no letter of an option ends it
        lower = own.lower()
        return None if any_of(_TAKES_BACK, lower) and after_second_thought(response) else _WITH_OWN_TEXT[rule][index]
    if closing_letter(response) or after_second_thought(response) or _contradicts_itself(response, choices):
        return None
    return _WITH_OWN_TEXT[rule][index]


def _of_one_line(response: str, choices: tuple[str, ...]) -> Extraction | None:
    """Return the option whose letter opens a line and whose text is the rest of it but for markup and blanks.

    It is what all rules find where none that comes sooner can find something: a line without announcement, without
    tags, that is no option itself and takes nothing back.
    """
    text = unify(response)
    if (
        "\n" in text
        or any_of(_ANNOUNCES, text)
        or strip_thoughts(text) is not text
        or before_next_question(text) is not text
    ):
        return None
    if _verbatim(text, choices) is not None or _contradicts_itself(text, choices) or closing_letter(text):
        return None
    if letter_alone(text, len(choices)) is not None or (index := agreeing_line(text, choices)) is None:
        return None
    return None if after_second_thought(text) else Extraction(index, "letter_leading")


def _read(text: str, choices: tuple[str, ...], style: Style) -> Extraction:
    lettered = style == "letters"
    first = last = None
    if lettered:
        last_line = _last_line(text)
        last = letter_alone(last_line, len(choices))
        first = letter_alone(text[: text.find("\n")], len(choices)) if "\n" in text else None
        if last is not None and first in (None, last):
            return Extraction(last, "letter_alone")
        if last is None and (own := agreeing_line(last_line, choices)) is not None:
            alone = "\n" not in text
            if alone or (first in (None, own) and agreeing_lines(text, choices) == [own]):
                return Extraction(own, "letter_leading" if alone else "letter_with_text")
    equal = option_equal_to(text, choices)
    if equal is None and "$" in text[:3] and "boxed" not in text:
        equal = option_equal_to(undecorated(text), choices)
    if equal is not None:
        return Extraction(equal, "option_text")
    marked = _by_marker(text, choices, style)
    if marked is not None:
        return marked
    if lettered and (behind := letter_behind_colon(_last_line(text), len(choices))) is not None:
        return Extraction(behind, "letter_alone")
    if lettered and (below := letter_below_colon(text, len(choices))) is not None:
        return Extraction(below, "letter_leading")
    if first is not None and last is None:
        return Extraction(first, "letter_alone")
    if lettered and (own := agreeing_start(text, choices)) is not None:
        others = agreeing_lines(text, choices)
        if others in ([], [own]):
            return Extraction(own, "letter_leading")
    found = _refused_or_mentioned(text, choices, style)
    if lettered and found.choice is None:
        places = agreeing_places(text, choices)
        if len(places) == 1:
            return Extraction(places[0], "letter_with_text")
    return found


def _refused_or_mentioned(text: str, choices: tuple[str, ...], style: Style) -> Extraction:
    text = without_suppositions(text)
    if refuses(text):
        answer = without_disclaimer(text)
        if answer is not text and not refuses(answer):
            return _refused_or_mentioned(answer, choices, style)
        refusing = _refusing(choices)
        stated = text if not refusing or not leaves_open(text) else ""
        mentioned = [i for i in options_mentioned(stated, choices, letters=True) if i in refusing] if refusing else []
        if len(mentioned) == 1:
            return Extraction(mentioned[0], "option_text_mentioned")
        if len(refusing) == 1 and (same := _undetermined(text, choices, min(refusing))) is not None:
            return Extraction(same, "option_text_mentioned")
        after = answer_after_refusal(text) or when_forced(text)
        found = _by_mention(after, choices, style) if after else UNPARSED
        return found if found.choice is not None else REFUSED
    conclusion = concluding_sentence(text)
    opening = option_that_opens(text, choices)
    if opening is None and opens_with_conclusion(conclusion) and leading_letter(text, len(choices)) is None:
        concluded = _by_mention(without_reasons(conclusion), choices, style)
        if concluded.choice is not None:
            return Extraction(concluded.choice, "concluded")
    found = _by_mention(text, choices, style)
    if found is not AMBIGUOUS and not (found is UNPARSED and opening is not None):
        return found
    if opening is None:
        opening = option_of_first_sentence(text, choices)
    if opening is not None:
        return Extraction(opening, "option_text_leading")
    reasoned = without_reasons(text)
    stated = without_list_of_all(without_questions(reasoned), choices)
    shorter = (
        when_forced(text),
        reasoned,
        stated,
        conclusion,
        labelled(text),
        clause_after_reason(text),
        without_asides(stated),
    )
    for shortened in dict.fromkeys((*shorter, without_neighbours(stated))):
        named = _by_mention(shortened, choices, style) if shortened not in ("", text) else AMBIGUOUS
        if named.choice is not None:
            return Extraction(named.choice, "concluded")
    described = option_described(text, choices)
    if described is not None:
        return Extraction(described, "concluded")
    closing = option_of_last_sentence(text, choices)
    if closing is not None:
        return Extraction(closing, "option_text_closing")
    emphasised = _emphasised(text, choices)
    if emphasised is not None:
        return Extraction(emphasised, "option_text_favoured")
    best = {_by_mention(sentence, choices, style).choice for sentence in superlatives(text)} - {None}
    return Extraction(best.pop(), "option_text_favoured") if len(best) == 1 else found


def _undetermined(text: str, choices: tuple[str, ...], index: int) -> int | None:
    """Return the option "Cannot be determined …" where a whole answer says so: "It cannot be determined."."""
    said = _UNDETERMINED.fullmatch(text)
    return index if said and said["verb"].lower() in choices[index].lower() else None


@lru_cache(maxsize=1024)
def _refusing(choices: tuple[str, ...]) -> frozenset[int]:
    """Return the options that sound like a refusal themselves: "Cannot be determined"."""
    together = "\n".join(choices)
    if (together.isascii() and not any_of(_IN_REFUSALS, together.lower())) or not may_refuse(together):
        return frozenset()
    return frozenset(index for index, choice in enumerate(choices) if refuses(choice))


def _emphasised(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the one option whose text stands in bold, where an answer may."""
    if "**" not in text:
        return None
    found = {
        index
        for bold in _BOLD.finditer(text)
        if (index := option_equal_to(bold["held"], choices)) is not None
        and not is_negated(text, bold.start("held"), bold.end("held"))
    }
    places = [
        bold
        for bold in _BOLD.finditer(text)
        if option_equal_to(bold["held"], choices) in found
        and _BEFORE_BOLD.search(text[max(0, bold.start() - _BEFORE_BOLD_CHARS) : bold.start()])
    ]
    return found.pop() if len(found) == 1 and places else None


def _verbatim(bare: str, choices: tuple[str, ...]) -> int | None:
    """Return the first option whose text is all of a text as it stands: "Rh" and "RH" are two, "?" is one."""
    for index, choice in enumerate(choices):
        if bare in choice and choice.strip() == bare:
            return index
    return None


def _of_option(text: str, choices: tuple[str, ...]) -> bool:
    """Return whether the letter that ends a text is that of an option's own text: "The answer is A", "so B"."""
    tail = text.rstrip(_CLOSING_MARKS)
    letter = tail[-1:]
    for choice in choices:
        last = choice[-1:]
        if last == letter or not (last.isalnum() and last.isascii()):  # others end in another letter
            own = unify(choice).rstrip(_CLOSING_MARKS)
            if own and tail.endswith(own) and closing_letter(f"- {own}"):
                return True
    return False


def _contradicts_itself(text: str, choices: tuple[str, ...]) -> bool:
    """Return whether an answer is the text of one option and the letter of another: "Yes. B"."""
    if len(text) > _LONGEST_PAIR or "\n" in text or not text.rstrip(").*")[-1:].isupper():
        return False
    letter = _LETTER_BEHIND_TEXT.search(text, max(0, len(text) - _CLOSING_CHARS))
    if letter is None or (index := LETTERS.index(letter[1])) >= len(choices):
        return False
    if _TWO_LETTERS.search(text, 0, letter.start()) is None:
        return False  # "D. C" over options that are letters
    return option_equal_to(text[: letter.start()], choices) not in (None, index)


def _announces_two(text: str) -> bool:
    """Return whether two different answers are announced side by side: two boxes with "or" between, two objects."""
    if text.count("boxed") < 2 and text.count('"answer"') < 2:
        return False
    two = _TWO_BOXES.search(text) or _TWO_OBJECTS.fullmatch(text)
    return two is not None and two[1].strip(' "') != two[2].strip(' "')


def _last_line(text: str) -> str:
    """Return the last line that holds a word or letter: a fence or the end of a formula may stand behind it."""
    end = len(text)
    while end > 0:
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end]
        if line.strip(_NO_CONTENT):
            return line
        end = start - 1
    return text


def extract_set(response: str, choices: tuple[str, ...]) -> tuple[frozenset[int], str]:
    """Return all the options that a response to a question with several right ones chooses, and the rule that fired.

    The last explicit marker that holds options decides, else all letters that are not denied, else all option texts.
    A run of capitals without a word in it ("ABD") is a list of letters.

    Args:
        response: What the model said.
        choices: Texts of the options, shown with letters.
    """
    text = unify(response)
    if not text:
        return frozenset(), "empty"
    text = unify(strip_thoughts(text))
    for span, _, _ in marked_spans(text):
        found = _letters_of_set(span, choices) or set(options_mentioned(span, choices, letters=True))
        if found:
            return frozenset(found), "marker_set"
    if refuses(text):
        return frozenset(), "refused"
    letters = _letters_of_set(text, choices)
    if letters:
        return frozenset(letters), "letter_set"
    named = options_mentioned(text, choices, letters=True)
    return (frozenset(named), "option_text_set") if named else (frozenset(), "unparsed")


def _text_behind_letter(span: str, letter: int, choices: tuple[str, ...]) -> int | None:
    """Return the option whose text follows the letter that opens a span ("(C) X-ray"), if that is all of it."""
    opened = span.lstrip("*(\"' ")
    if opened[:1].upper() != LETTERS[letter]:
        return None
    equal = option_equal_to(opened[1:], choices)
    return option_but_for_blanks(opened[1:], choices) if equal is None else equal


def _is_run(span: str, count: int) -> bool:
    """Return whether a span is several option letters and no word: "A/B", "ABD" (in the order of the alphabet)."""
    letters = [letter for letter in span if letter in LETTERS] if _LETTER_RUN.match(span) else []
    distinct = sorted(set(letters))
    return len(distinct) > 1 and LETTERS.index(distinct[-1]) < count and (not span.isalpha() or letters == distinct)


def _letters_of_set(text: str, choices: tuple[str, ...]) -> set[int]:
    if _LETTER_RUN.match(text) or _SMALL_RUN.match(text):
        found = {LETTERS.index(letter.upper()) for letter in re.findall(r"\b[a-z]\b|[A-Z]", text)}
        return found if max(found) < len(choices) else set()
    return set(mentioned_letters(text, choices))


def _by_marker(text: str, choices: tuple[str, ...], style: Style) -> Extraction | None:
    """The last explicit marker ("Answer:", 答案, boxed, <answer>) that holds an option wins over everything else."""
    for span, line, spoken in marked_spans(text):
        if spoken and span not in (conclusion := concluding_sentence(text)) and opens_with_conclusion(conclusion):
            concluded = _by_mention(without_reasons(conclusion), choices, style)
            if concluded.choice is not None:
                return Extraction(concluded.choice, "concluded")
        if style == "letters":
            bare = undecorated(span).strip(_WRAPPING)
            if len(bare) == 1 and 0 <= (index := LETTERS.find(bare.upper())) < len(choices):
                return Extraction(index, "marker_letter")
            own = agreeing_start(line, choices)
            if own is not None:
                return Extraction(own, "marker_letter")
        plain = undecorated(span)
        equal = option_equal_to((span if plain is span else " ".join(plain.split())).strip("\"'() "), choices)
        if equal is not None:
            return Extraction(equal, "marker_text")
        if style == "letters":
            letters = marked_letter(span, choices)
            if len(letters) == 1:
                beside = _text_behind_letter(span, letters[0], choices)
                return Extraction(letters[0], "marker_letter") if beside in (None, letters[0]) else AMBIGUOUS
            if len(letters) > 1 or _is_run(span, len(choices)):
                return AMBIGUOUS
        named = options_mentioned(span, choices, letters=style == "letters")
        if len(named) == 1:
            return Extraction(named[0], "marker_text")
        if not named and (short := option_short_for(span, choices, announced=True)) is not None:
            return Extraction(short, "marker_text")
        if named:
            return AMBIGUOUS
    return None


def _by_mention(text: str, choices: tuple[str, ...], style: Style) -> Extraction:
    """What the text names without announcing it: a letter, else the text of an option."""
    lettered, denied = _by_letter(text, choices) if style == "letters" else (None, frozenset[int]())
    if lettered is not None:
        return lettered
    named = options_mentioned(text, choices, letters=style == "letters")
    left = [index for index in named if index not in denied]
    if len(left) > 1:
        left = [index for index in left if index in options_on_others(choices)] or left
    if len(left) == 1:
        return Extraction(left[0], "option_text_mentioned")
    return AMBIGUOUS if named else UNPARSED


def _by_letter(text: str, choices: tuple[str, ...]) -> tuple[Extraction | None, frozenset[int]]:
    """A letter at the start, one said to be best, "option X", then letters anywhere; and the letters that are denied.

    A letter whose text is contradicted by the name of another option is ambiguous.
    """
    count = len(choices)
    none_denied = frozenset[int]()
    leading = leading_letter(text, count)
    if leading is not None:
        beside = _text_behind_letter(text.splitlines()[0], leading, choices)
        return Extraction(leading, "letter_leading") if beside in (None, leading) else AMBIGUOUS, none_denied
    capitals = lone_capitals(text, count)
    favoured = favoured_letters(text, [place for place, _ in capitals]) if capitals else []
    for places, rule in ((favoured, "letter_favoured"), (option_letters(text), "letter_option")):
        if not places:
            continue
        named_letters = {
            LETTERS.index(text[start:end].strip("()").upper())
            for start, end in places
            if not is_negated(text, start, end)
        } & set(range(count))
        if len(named_letters) == 1:
            return Extraction(named_letters.pop(), rule), none_denied
    letters, denied = letters_and_denials(text, choices) if capitals else ([], none_denied)
    if _is_run(text, count):
        return AMBIGUOUS, denied
    if not letters:
        return None, denied
    if len(letters) > 1 or set(options_mentioned(text, choices, letters=True)) - set(letters):
        return AMBIGUOUS, denied
    return Extraction(letters[0], "letter_mentioned"), denied
