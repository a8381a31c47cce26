"""Which option texts a response names: whole words, the longest first, denied ones left out."""

import re
from collections.abc import Iterator
from functools import lru_cache

from gmai_bench.extraction.negation import WINDOW_CHARS, is_negated
from gmai_bench.extraction.spellings import (
    NUMBERS,
    ORDINALS,
    PARTS_PUT_IN,
    WORDS_PUT_IN,
    any_of,
    other_spellings,
    species_shortened,
    spelling_keys,
)
from gmai_bench.extraction.text import LETTERS, WORD, find_whole, lowered, unify, without_hyphens, words_of

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("ct", "computed tomography", "计算机断层扫描"),
    ("mri", "mr", "magnetic resonance imaging", "magnetic resonance", "磁共振成像", "核磁共振", "磁共振"),
    ("us", "ultrasound", "ultrasonography", "sonography", "sonogram", "usg", "超声", "b超", "彩超"),
    ("x-ray", "xray", "x ray", "radiograph", "radiography", "x线", "x光", "x射线"),
    ("oct", "optical coherence tomography"),
    ("pet", "positron emission tomography"),
    ("flair", "t2-flair", "t2/flair", "fluid attenuated inversion recovery"),
    ("dwi", "diffusion-weighted imaging", "diffusion weighted imaging", "diffusion-weighted", "diffusion weighted"),
    ("swi", "susceptibility-weighted imaging", "susceptibility weighted imaging", "susceptibility-weighted"),
    ("pa", "posteroanterior", "postero-anterior"),
    ("ap", "anteroposterior", "antero-posterior"),
    ("yes", "是", "是的", "yeah", "yep", "affirmative"),
    ("no", "否", "不是", "不是的", "nope", "没有"),
    (
        "all of the above",
        "all of these",
        "all of them",
        "all the above",
        "以上都是",
        "以上均是",
        "以上皆是",
        "以上全部",
    ),
    ("none of the above", "none of these", "none of them", "以上都不是", "以上均不是", "以上皆非", "以上都不对"),
)
"""Closed table of exact synonyms of options: modalities, MR sequences, yes and no, all and none."""
_IN_NUMBERS = frozenset((*NUMBERS, *(f"{number}s" for number in NUMBERS), *ORDINALS, *(f"{nth}s" for nth in ORDINALS)))
_FAMILY_OF = {form: number for number, family in enumerate(SYNONYMS) for form in family}
_WORDS_PUT_IN = WORDS_PUT_IN.union(*(WORD.findall(form) for form in _FAMILY_OF))
_LONGEST_SYNONYM = max(map(len, _FAMILY_OF))
_ON_OTHERS = frozenset(form for family in SYNONYMS[-2:] for form in family)

_WORDS_TOO = ("us",)
"""Within a sentence these mean something else in small letters: "let us see"."""
_AGREED = re.compile(r"\b(?:that's|that is|you're|you are|all|quite)\s+$")
"""Before "right" these make no side of it."""
_NUMBER_AND_UNIT = re.compile(r"(?<![\w.,])(\d+(?:[.,]\d+)*)\s*([^\W\d_]|%)")
"""Written with or without a blank between them: "5 mg", "5mg", "20 %"."""
_NON = re.compile(r"\bnon[ -]?(?=[^\W\d_]{4})")
_SHARED_BEFORE = re.compile(r"((?:\w+\s)?(\w+))-?\s*(?:\b(?:or|to|and)\b|[/-]|或|和|至)\s*$")
_JOINS = ("or", "to", "and", "/", "-", "或", "和", "至")
_JOIN_CHARS = 6
_SHORTEST_HEAD = 5
_SHORTEST_LEAD = 3
_SHARED_AFTER = re.compile(r"\s*(?:\b(?:or|to|and)\b|[/-]|或|和|至)\s*(\w+)")
_WITH_EXPANSION = re.compile(r"^(.+?)\s*\((.+?)\)?$")
_YES_NO_OPENING = re.compile(  # "Yes, …", "Likely yes, but …"
    r"\W*(?:(?:(?:most|very)\s+)?(?:likely|probably|possibly|certainly|definitely|clearly)\s*,?\s+)?"
    r"(yes|no|是的?|不是的?|否|不(?=[,。])|没有)\W*[,.;:!\n-](?!\W*(?:yes|no|是|否|不是)\W*(?:[,.;:!]|$))",
    re.IGNORECASE,
)
_LABEL = re.compile(  # "Final selection: MRI"
    r"^\W*(?:(?:my\s+)?final\s+\w+|conclusion|response|verdict|decision|prediction|impression|结论|最终\w{1,4})\W*[:=]",
    re.IGNORECASE,
)
_BETWEEN_LISTED = re.compile(r"\s{0,3}(?:[,、/;|]\s{0,3})?(?:\b(?:and|or|vs\.?|versus)\b|[&和与或])?\s{0,3}")
_LONGEST_BETWEEN = 17
"""Characters that it takes at most."""
_EPONYMOUS = ("disease", "syndrome", "sarcoma", "thyroiditis", "lymphoma", "tumor", "tumour", "palsy", "anomaly")
_SOME_WORDS = re.compile(r"(?<![^\W\d_])[a-z]{3,}(?![^\W\d_])(?=.)", re.DOTALL)
_MARKS = (".", ")", ":")
"""Behind the letter of an option."""
_FIRST_CHARS = 80
_FORM_KEYS = ("(", "-", "non", *_EPONYMOUS)
"""One of these, a digit, or what `spelling_keys` looks for is in every option that has another spelling."""
_DIGIT = re.compile(r"\d")
_EPONYM = re.compile(rf"(?<=[a-z])('s)?(?= (?:{'|'.join(_EPONYMOUS)})\b)")
_SENTENCE_END = re.compile(r"\n|(?<=\w)[.!]\s|[。！]")
_PLAIN_SENTENCE_END = re.compile(r"\n|(?<=\w\w)[.!?]\s|[。！]")
"""None in "B. MRI"."""
_DESCRIBED = re.compile(  # none in "Differential: CT"
    r"(?!.{0,60}\b(?:differential|alternative|exclud|rule|options?|consider|vs|versus|unlike))"
    r"(?:[^\s:.]+\s+){2,40}[^\s:.]+\s?[:→⇒](?P<held>[^.:;\n]{1,120})(?:[.;\n]|$)",
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"(?:[=≈→⇒]|->|\b(?:i\.e\.|that is|in other words),?)(?:\s*(?:it|this)(?:'s|\s+is)\b)?(?P<held>[^=≈→⇒>\n]{1,60})$",
    re.IGNORECASE,
)
_LONGEST_RESULT = 90
_LINKING = frozenset(("with", "of", "the", "a", "an", "and", "in", "is", "or", "to"))
_DENIALS = frozenset(("no", "not", "non", "without", "none", "neither", "nor", "absent"))
_WORD_OR_NUMBER = re.compile(r"[^\W_]+(?:[.,]\d+)*")
_NUMERAL = re.compile(r"[\d.,]+|[ivx]+")
_LONGEST_WITH_MORE = 60
_ALTERNATIVES = frozenset(("or", "vs", "versus", "than"))
_CLAUSE_MARKS = (". ", ",", ";", ":", "\n", "(", "?")
_ARTICLE = re.compile(r"^\s*(?:an?|the)\s+", re.IGNORECASE)
_MOST_AROUND = 60
"""Characters of marks and labels around an option that is all of a sentence, at most."""
EDGES = " \t\r\n.,;:!?*\"'`()[]{}。，；：！？、"
"""Around an option in a text: marks that say nothing."""


def is_synonym(text: str) -> bool:
    """Return whether a text means something of its own in the table: "CT" is no "Chest tube"."""
    return any(text.casefold() in family for family in SYNONYMS)


@lru_cache(maxsize=4096)
def forms_of(option: str) -> tuple[str, ...]:
    """Return the spellings of one option, case folded: itself, "CT (Computed Tomography)" taken apart, its synonyms."""
    plain = unify(option)
    folded = plain.casefold().strip(EDGES) or option.casefold()
    forms = [folded]
    if "(" in folded and (expansion := _WITH_EXPANSION.match(folded)):
        forms += [expansion[1].strip(), expansion[2].strip()]
    if _NUMBER_AND_UNIT.search(folded):
        forms.append(_NUMBER_AND_UNIT.sub(lambda match: match[1] + match[2], folded))
        forms.append(_NUMBER_AND_UNIT.sub(lambda match: f"{match[1]} {match[2]}", folded))
    if any_of(_EPONYMOUS, folded) and (eponym := _EPONYM.search(plain)):
        forms.append(_EPONYM.sub("" if eponym[1] else "'s", folded, count=1))
    if "non" in folded:
        forms += [_NON.sub("non-", folded), _NON.sub("non", folded)]
    for family in sorted({_FAMILY_OF[form] for form in forms if form in _FAMILY_OF}):
        forms += SYNONYMS[family]
    forms += other_spellings(plain.strip(EDGES))
    if any("-" in form for form in forms):
        forms += [without_hyphens(form) for form in forms]
    return tuple(dict.fromkeys(form for form in forms if form))


@lru_cache(maxsize=1024)
def forms_of_all(choices: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return `forms_of` of each option: what can give one other spellings is looked for in all of them together."""
    together = "\n".join(choices).casefold()
    if not together.isascii() or "\r" in together:
        return tuple(map(forms_of, choices))
    keys = (*(key for key in _FORM_KEYS if key in together), *spelling_keys(together))
    numbers = _DIGIT.search(together) is not None
    forms: list[tuple[str, ...]] = []
    for choice in choices:
        plain = choice.strip().strip(EDGES)
        folded = plain.casefold()
        otherwise = not folded or folded in _FAMILY_OF or folded in NUMBERS or any_of(keys, folded)
        if otherwise or (numbers and _DIGIT.search(folded)):
            forms.append(forms_of(choice))
        else:
            forms.append((folded, *species_shortened(plain)))
    return tuple(forms)


@lru_cache(maxsize=1024)
def _spellings(choices: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return (spelling, option) of all options, the longest first; a spelling of two options is left out.

    Of options with the same text the first stands for all.
    """
    own: dict[str, list[int]] = {}
    derived: dict[str, list[int]] = {}
    distinct = len(set(choices)) == len(choices)
    for index, (choice, forms) in enumerate(zip(choices, forms_of_all(choices), strict=True)):
        if not choice.strip() or not (distinct or choice not in choices[:index]):
            continue
        itself, *others = forms
        own.setdefault(itself, []).append(index)
        for form in others:
            derived.setdefault(form, []).append(index)
    single_words = [itself for itself in own if itself.isalpha()]
    for itself in single_words if len(single_words) > 1 else ():
        for part in single_words:
            if itself.endswith(part) and len(itself) - len(part) >= _SHORTEST_LEAD:
                lead = itself.removesuffix(part)
                derived.setdefault(f"{lead} {part}", []).extend(own[itself])  # "gall bladder", beside "bladder"
    owners = derived | own  # what an option is called outright is no synonym of another
    single = [
        (form, indices[0])
        for form, indices in owners.items()
        if len(indices) == 1 and (form in own or not _is_of_others(form, indices[0], own))
    ]
    return tuple(sorted(single, key=lambda pair: -len(pair[0])))


def _is_of_others(form: str, index: int, own: dict[str, list[int]]) -> bool:
    """Return whether a spelling of an option is in the text of another one, or a list of others: "2,5"."""
    if any(form in text and index not in indices and find_whole(text, form) >= 0 for text, indices in own.items()):
        return True
    return "," in form and own.keys() >= set(form.split(","))


@lru_cache(maxsize=1024)
def _mentionable(choices: tuple[str, ...], *, letters: bool) -> tuple[tuple[str, int], ...]:
    """Return the spellings that are looked for within sentences.

    No letter of an option; and none that the option has not of its own and that means something else there: digits for
    a word ("3 cm"), a word for digits ("the other two"), 没有, which denies what follows.
    """
    return tuple(
        (form, index)
        for form, index in _spellings(choices)
        if not (letters and len(form) == 1 and 0 <= LETTERS.find(form.upper()) < len(choices))
        and (
            form == choices[index].strip().casefold()
            or not (form in NUMBERS or form == "没有" or form.replace(".", "").isdecimal())
        )
    )


@lru_cache(maxsize=1024)
def _by_word(
    choices: tuple[str, ...], *, letters: bool
) -> tuple[frozenset[str], dict[str, tuple[int, ...]], tuple[int, ...]]:
    """Return words that texts with spellings of the options hold, their places in `_mentionable`, and those without.

    That is the longest word of a spelling, or its plural where it ends the spelling.
    """
    places: dict[str, list[int]] = {}
    without: list[int] = []
    for place, (spelling, _) in enumerate(_mentionable(choices, letters=letters)):
        words = list(WORD.finditer(spelling))
        if not words:
            without.append(place)
            continue
        longest = max(words, key=lambda word: len(word[0]))
        places.setdefault(longest[0], []).append(place)
        if longest.end() == len(spelling):
            places.setdefault(f"{longest[0]}s", []).append(place)
    return frozenset(places), {word: tuple(of) for word, of in places.items()}, tuple(without)


@lru_cache(maxsize=1024)
def options_on_others(choices: tuple[str, ...]) -> frozenset[int]:
    """Return the options that speak of all the others: "All of the above"."""
    return frozenset(index for index, forms in enumerate(forms_of_all(choices)) if _ON_OTHERS.intersection(forms))


@lru_cache(maxsize=1024)
def _lookup(choices: tuple[str, ...]) -> tuple[dict[str, int], int]:
    """Return spelling ▶ option and the length of the longest spelling."""
    spellings = _spellings(choices)
    return dict(spellings), len(spellings[0][0]) if spellings else 0


@lru_cache(maxsize=1024)
def _at_most(choices: tuple[str, ...]) -> int:
    """Return how long a spelling of an option can be at most, which is sooner told than how long it is."""
    return 4 * max(map(len, map(str.casefold, map(unify, choices))), default=0) + _LONGEST_SYNONYM


@lru_cache(maxsize=1024)
def _together(choices: tuple[str, ...]) -> str:
    """Return the texts of all options in small letters, or nothing where another script is among them."""
    together = "\n".join(choices)
    return together.casefold() if together.isascii() else ""


def has_word_of_none(text: str, choices: tuple[str, ...]) -> bool:
    """Return whether a word of a text is in no spelling of any option, which costs no look at their spellings."""
    together = _together(choices)
    if not together:
        return False
    for word in _SOME_WORDS.findall(text[:_FIRST_CHARS].lower()):
        if word not in together and word not in _WORDS_PUT_IN and not any_of(PARTS_PUT_IN, word):
            return True
    return False


def _opens_as_none(text: str, choices: tuple[str, ...]) -> bool:
    """Return whether a text opens with a letter and a mark, "B. 2 cm", and no option may: "E. coli" may."""
    if text[1:2] not in _MARKS or not text[:1].isalpha():
        return False
    together = _together(choices)
    initial = text[0].casefold()
    if not together or initial + text[1] in together:
        return False
    return not any(choice.strip().strip(EDGES)[:1].casefold() == initial for choice in choices)


def option_equal_to(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option whose text, or a synonym of it, is the whole text, apart from case and outer punctuation."""
    bare = text.strip(EDGES)
    if len(bare) > _at_most(choices) or _opens_as_none(bare, choices) or has_word_of_none(bare, choices):
        return None  # folding case makes no text shorter
    spellings, _ = _lookup(choices)
    folded = bare.casefold()
    return spellings[folded] if folded in spellings else spellings.get(without_hyphens(folded))


def option_that_opens(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that a response opens with and then explains: "Yes, and there is no fracture", or a line of it.

    A yes or no may stand before a comma; another option is all of its line, and no other line is another option.
    """
    opening = _YES_NO_OPENING.match(text)
    if opening and (index := option_equal_to("否" if opening[1] == "不" else opening[1], choices)) is not None:
        below = text[opening.end() :].split("\n")
        return index if all(option_equal_to(line, choices) in (None, index) for line in below) else None
    return _opening_piece(text.split("\n"), choices)


def option_of_first_sentence(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that is all of the first sentence ("MRI. An X-ray would …"), where no other sentence is one."""
    end = _SENTENCE_END.search(text, 0, _at_most(choices) + _MOST_AROUND)
    if option_equal_to(text[: end.start()] if end else text, choices) is None:
        return None
    return _opening_piece(_SENTENCE_END.split(text), choices)


def option_of_last_sentence(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that is all of the last sentence ("Bone is dark. MRI."), where no other sentence is one."""
    tail = _PLAIN_SENTENCE_END.split(text[-_at_most(choices) - _MOST_AROUND :])
    last = next((piece for piece in reversed(tail) if piece.strip(EDGES)), "")
    if option_equal_to(_LABEL.sub("", last), choices) is None:
        return None
    pieces = [piece for piece in _PLAIN_SENTENCE_END.split(text) if piece.strip(EDGES)]
    return _opening_piece([_LABEL.sub("", pieces[-1]), *pieces[:-1]], choices) if pieces else None


def option_described(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that a description of the first sentence ends in ("a murmur at the apex: VSD. …"), or a sum."""
    described = description_end(text)
    return option_equal_to(_ARTICLE.sub("", described), choices) if described else None


@lru_cache(maxsize=4)
def description_end(text: str) -> str:
    """Return what the description of the first sentence ends in, or a sum; else nothing."""
    found = _DESCRIBED.match(text) or _RESULT.search(text, max(0, len(text) - _LONGEST_RESULT))
    return found["held"] if found else ""


def without_list_of_all(text: str, choices: tuple[str, ...]) -> str:
    """Return the text without lists of all options as they were shown, by letter or text: "Of A, B, C and D, …"."""
    folded = lowered(text)
    texts = _lowered(choices)
    lists = list(_lists_of(texts, folded)) if len(texts) > 1 and all(form and form in folded for form in texts) else []
    if lists or all(letter in text for letter in LETTERS[: len(choices)]):
        lists += (match.span() for match in _list_of_letters(len(choices)).finditer(text))
    parts: list[str] = []
    done = 0
    for start, end in sorted(lists, key=lambda span: span[0]):
        if start >= done:
            parts += (text[done:start], " ")
            done = end
    return "".join(parts) + text[done:] if parts else text


@lru_cache(maxsize=1024)
def _lowered(choices: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(lowered(unify(choice)) for choice in choices)


def _lists_of(wanted: tuple[str, ...], text: str) -> Iterator[tuple[int, int]]:
    """Yield where texts stand one behind the other as a list, as whole words."""
    start = text.find(wanted[0])
    while start >= 0:
        end = start + len(wanted[0]) if start == 0 or not _is_ascii_word(text[start - 1]) else -1
        for other in wanted[1:]:
            end = _end_of_next(other, text, end) if end >= 0 else -1
        if end >= 0 and (end == len(text) or not _is_ascii_word(text[end])):
            yield start, end
        start = text.find(wanted[0], start + 1)


def _is_ascii_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _end_of_next(wanted: str, text: str, end: int) -> int:
    """Return where a text ends that follows a place, at most what joins a list between them; else -1."""
    last = end + len(wanted) + _LONGEST_BETWEEN
    place = text.find(wanted, end, last)
    while place >= 0:
        joined_up = place > end and text[place - 1].isalnum() and text[place].isalnum()
        if not joined_up and _BETWEEN_LISTED.fullmatch(text, end, place):
            return place + len(wanted)
        place = text.find(wanted, place + 1, last)
    return -1


@lru_cache(maxsize=32)
def _list_of_letters(count: int) -> re.Pattern[str]:
    letters = [rf"\(?{letter}\)?" for letter in LETTERS[:count]]
    joined = _BETWEEN_LISTED.pattern.join(letters) if count > 1 else "(?!)"
    return re.compile(rf"(?<![A-Za-z0-9])(?:{joined})(?![A-Za-z0-9])", re.IGNORECASE)


def _opening_piece(pieces: list[str], choices: tuple[str, ...]) -> int | None:
    first = option_equal_to(pieces[0], choices)
    if first is None:
        return None
    return first if all(option_equal_to(piece, choices) in (None, first) for piece in pieces) else None


@lru_cache(maxsize=1024)
def _looked_for(choices: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what a text must hold one of to name an option, a number aside, or `None` where that is not told at once.

    An option without brackets, hyphens and the like has one spelling, its own, and one with digits has only such as
    hold digits or a number in words.
    """
    together = "\n".join(choices).casefold()
    if not together.isascii() or "\r" in together or any_of(_FORM_KEYS, together) or spelling_keys(together):
        return None
    wanted: list[str] = []
    for choice in choices:
        plain = choice.strip().strip(EDGES)
        folded = plain.casefold()
        if not folded or folded in _FAMILY_OF or folded in NUMBERS or species_shortened(plain):
            return None
        if not _DIGIT.search(folded):
            wanted.append(folded)
    return tuple(wanted)


def _names_none(text: str, choices: tuple[str, ...]) -> bool:
    """Return whether a text cannot name any option, as far as that is told without their spellings."""
    wanted = _looked_for(choices)
    if wanted is None or any_of(wanted, folded := text.casefold()) or any_of(wanted, without_hyphens(folded)):
        return False
    return len(wanted) == len(choices) or (_DIGIT.search(text) is None and _IN_NUMBERS.isdisjoint(words_of(text)))


def options_mentioned(text: str, choices: tuple[str, ...], *, letters: bool = False) -> list[int]:
    """Return the distinct options named in the text and not denied.

    A longer option hides the shorter ones inside it ("no pleural effusion" is not "pleural effusion").

    Args:
        text: The response or a part of it.
        choices: Texts of the options.
        letters: Whether they were shown with letters: then a text that is an option's letter names that one.
    """
    if _names_none(text, choices):
        return []
    words, by_word, places = _by_word(choices, letters=letters)
    if said := words & words_of(text):
        places = sorted({place for word in said for place in by_word[word]}.union(places))
    if not places:
        return []
    folded = text.casefold()
    plain = without_hyphens(folded)
    covered = bytearray(len(folded))
    taken: list[tuple[int, int, int]] = []
    spellings = _mentionable(choices, letters=letters)
    for place in places:
        spelling, index = spellings[place]
        searched = folded if "-" in spelling else plain
        if spelling not in searched:
            continue
        start = find_whole(searched, spelling, within=folded)
        while start >= 0:
            end = start + len(spelling)
            if covered.find(1, start, end) < 0 and not (
                (spelling in _WORDS_TOO and _is_word_too(text, folded, start, end))
                or (spelling == "right" and _AGREED.search(folded, max(0, start - 12), start))
            ):
                taken.append((start, end, index))
                covered[start:end] = b"\1" * (end - start)
            start = find_whole(searched, spelling, end, within=folded)
    if not taken:
        return []
    taken.sort()
    taken += [
        (start, end, other) for start, end, index in taken for other in _coordinated(folded, start, end, index, choices)
    ]
    named: list[int] = []
    said_itself = {index for _, _, index in taken}
    for number, (start, end, index) in enumerate(taken):
        if index in named:
            continue
        near = [(first, last) for first, last, _ in taken[max(0, number - WINDOW_CHARS) : number]]
        if not is_negated(folded, start, end, tuple([span for span in near if span[1] > start - WINDOW_CHARS])):
            named.append(index)
            for other, more in _longer(choices)[index]:
                if (
                    other not in said_itself
                    and other not in named
                    and more <= _numbered_words(_clause(text, start, end))
                ):
                    named.append(other)
    return named


def option_with_more(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the option that holds another one and all of whose words but one a short answer is: "CT with IV contrast".

    None where a letter stands beside them.
    """
    if len(text) > _LONGEST_WITH_MORE:
        return None
    said = _numbered_words(text)
    if not said.isdisjoint(_DENIALS | _ALTERNATIVES) or any(len(word) < 2 for word in said - _LINKING):
        return None
    longer = {other for own in _longer(choices) for other, _ in own}
    fitting = [index for index in longer if _numbered_words(unify(choices[index])) - _LINKING <= said]
    if len(fitting) != 1 or unify(choices[fitting[0]]).casefold() in text.casefold():
        return None
    beside = said - _numbered_words(unify(choices[fitting[0]])) - _LINKING
    return fitting[0] if len(beside) < 2 and all(word.isalpha() for word in beside) else None


@lru_cache(maxsize=1024)
def _longer(choices: tuple[str, ...]) -> tuple[tuple[tuple[int, frozenset[str]], ...], ...]:
    """Return, for each option, those that hold all its words, and which words they have more: "CT with contrast".

    None that has a denial more: denials are looked for anyway.
    """
    words = [_numbered_words(unify(choice)) for choice in choices]
    return tuple(
        tuple(
            (other, more)
            for other, more in ((n, own - words[index] - _LINKING) for n, own in enumerate(words) if own > words[index])
            if more.isdisjoint(_DENIALS) and any(len(word) > 1 and not _NUMERAL.fullmatch(word) for word in more)
        )
        if words[index]
        else ()
        for index in range(len(choices))
    )


def _numbered_words(text: str) -> frozenset[str]:
    """Return the words of a text in small letters, a decimal number as one: "2.5" is no "5"."""
    return frozenset(_WORD_OR_NUMBER.findall(text.casefold()))


def _clause(text: str, start: int, end: int) -> str:
    """Return the clause that a mention stands in, at most so far as a denial is looked for."""
    first, last = max(0, start - WINDOW_CHARS), end + WINDOW_CHARS
    before = max(text.rfind(mark, first, start) for mark in _CLAUSE_MARKS)
    after = min((place for mark in _CLAUSE_MARKS if (place := text.find(mark, end, last)) >= 0), default=last)
    return text[max(first, before + 1) : after]


def _is_word_too(text: str, folded: str, start: int, end: int) -> bool:
    """Return whether a spelling in `_WORDS_TOO` stands there in small letters, in a text that has both."""
    return len(folded) == len(text) and not text.isupper() and not text[start:end].isupper()


@lru_cache(maxsize=1024)
def _siblings(choices: tuple[str, ...]) -> tuple[tuple[dict[str, int], dict[str, int]], ...]:
    """Return, for each option, the first words and the last words that would make another option of it."""
    words = [option.casefold().split() for option in map(unify, choices)]
    return tuple(
        (
            {w[0]: n for n, w in enumerate(words) if len(w) > 1 and w[1:] == own[1:] and w != own}
            | {" ".join(w[:2]): n for n, w in enumerate(words) if len(w) > 2 and w[2:] == own[2:] and w[1] != own[1]},
            {w[-1]: n for n, w in enumerate(words) if len(w) > 1 and w[:-1] == own[:-1] and w != own},
        )
        for own in words
    )


def _coordinated(text: str, start: int, end: int, index: int, choices: tuple[str, ...]) -> list[int]:
    """Return the options that share words with one named, or are named shortly beside it.

    "Mild to moderate retinopathy", "hepatitis B or C", "effusion or pneumonia".
    """
    firsts, lasts = _siblings(choices)[index]
    heads = _heads(choices)
    if not (firsts or lasts or heads):
        return []
    joined = text[max(0, start - _JOIN_CHARS) : start].rstrip().endswith(_JOINS)
    before = _SHARED_BEFORE.search(text, max(0, start - WINDOW_CHARS), start) if joined else None
    after = _SHARED_AFTER.match(text, end)
    if before is None and after is None:
        return []
    words = ((before[1], before[2]) if before else ()) + ((after[1],) if after else ())
    found = [firsts.get(word) for word in words[:2]] if before else []
    found += [lasts.get(after[1]) if after else None, *map(heads.get, words)]
    return [other for other in found if other is not None and other != index]


@lru_cache(maxsize=1024)
def _heads(choices: tuple[str, ...]) -> dict[str, int]:
    """Return last word ▶ option where it is the last of several, of that option only, and of five letters or more."""
    words = [option.casefold().split() for option in map(unify, choices)]
    every = [word for own in words for word in set(own)]
    return {
        own[-1]: index
        for index, own in enumerate(words)
        if len(own) > 1 and every.count(own[-1]) == 1 and len(own[-1]) >= _SHORTEST_HEAD
    }
