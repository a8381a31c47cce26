"""Other spellings of the text of an option that mean the same: numbers as words, numerals, British forms."""

import re
from collections.abc import Callable, Iterable, Iterator

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_SUFFIXES = ("st", "nd", "rd")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")

_BRITISH: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (key, re.compile(american), british)
    for key, american, british in (
        ("hem", r"(?<![a-z])hem(?=[ao])", "haem"),  # hemorrhage, hematoma, hemothorax
        ("emi", r"(?<=[a-z])emi(?=[ac]\b)", "aemi"),  # anemia, ischemic
        ("edema", r"\bedema", "oedema"),
        ("edema", r"(?<=[a-z])edema", "oedema"),
        ("esoph", r"esoph", "oesoph"),
        ("tumor", r"tumor", "tumour"),
        ("fet", r"\bfet(?=al|us)", "foet"),
        ("diarrhea", r"diarrhea", "diarrhoea"),
        ("ed", r"\b(?P<lead>p|orthop)ed(?=ia|ic)", r"\g<lead>aed"),
        ("ec", r"\b(?P<lead>c|f)ec(?=al\b|um\b|es\b)", r"\g<lead>aec"),
        ("anesth", r"anesth", "anaesth"),
        ("gynec", r"gynec", "gynaec"),
        ("celiac", r"\bceliac", "coeliac"),
        ("estrogen", r"estrogen", "oestrogen"),
        ("gray", r"\bgray", "grey"),
        ("color", r"color", "colour"),
        ("fiber", r"fiber", "fibre"),
        ("center", r"\bcenter", "centre"),
        ("hemorrhage", r"hemorrhage", "haemorrhage"),
    )
)
"""What each pattern holds, the pattern, and what takes its place."""
_AMERICAN: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (key, re.compile(british), american)
    for key, british, american in (
        ("haem", r"haem(?=[aot])", "hem"),
        ("aemi", r"(?<=[a-z])aemi(?=[ac]\b)", "emi"),
        ("oedema", r"oedema", "edema"),
        ("oesoph", r"oesoph", "esoph"),
        ("tumour", r"tumour", "tumor"),
        ("foet", r"\bfoet(?=al|us)", "fet"),
        ("diarrhoea", r"diarrhoea", "diarrhea"),
        ("paed", r"(?<=p)aed(?=ia|ic)", "ed"),
        ("aec", r"(?<=[cf])aec(?=al\b|um\b|es\b)", "ec"),
        ("anaesth", r"anaesth", "anesth"),
        ("gynaec", r"gynaec", "gynec"),
        ("coeliac", r"\bcoeliac", "celiac"),
        ("oestrogen", r"oestrogen", "estrogen"),
        ("grey", r"\bgrey", "gray"),
        ("colour", r"colour", "color"),
        ("fibre", r"fibre", "fiber"),
        ("centre", r"\bcentre", "center"),
    )
)
_WORD_OF_THREE = re.compile(r"[a-z]{3}")
_SUFFIXES_OF_ORDINALS = ("st", "nd", "rd", "th")
_IN_ORDINALS = ("th", "first", "second")
"""One of these is in every ordinal that is a word."""
_ORDINAL = re.compile(rf"\b(?:(?P<word>{'|'.join(ORDINALS)})|(?P<digits>\d+)(?:st|nd|rd|th))\b")
_NUMBERED_HEADS = (
    "grade", "stage", "type", "class", "category", "level", "segment", "zone", "phase", "group", "factor", "nerve",
)  # fmt: skip
_NUMBERED = rf"(?P<lead>\b(?:{'|'.join(_NUMBERED_HEADS)})\s+)"
_WITH_ROMAN = re.compile(rf"{_NUMBERED}(?P<numeral>viii|vii|vi|iv|ix|iii|ii|i|v|x)(?P<sub>[a-c]?)\b")
_WITH_DIGIT = re.compile(rf"{_NUMBERED}(?P<numeral>10|[1-9])(?P<sub>[a-c]?)\b")
_RANGE = re.compile(r"(?<![\w.-])(?:between\s+)?(\d+(?:\.\d+)?)\s*(?:-|to|and)\s*(\d+(?:\.\d+)?)(?![\w.-])")
_PICTURE = re.compile(r"(?P<head>image|picture|figure|panel|scan|slide|view|frame|video) (?P<digits>[1-9]|10)")
_BINOMIAL = re.compile(r"(?P<genus>[A-Z])[a-z]{3,} (?P<species>[a-z]{3,})")


def any_of(words: Iterable[str], text: str) -> bool:
    """Return whether one of the words stands in the text."""
    for word in words:  # noqa: SIM110 - any() with a generator takes three times as long
        if word in text:
            return True
    return False


def _ordinal(match: re.Match[str]) -> str:
    if match["word"]:
        number = ORDINALS.index(match["word"]) + 1
        return f"{number}{_SUFFIXES[number - 1] if number <= len(_SUFFIXES) else 'th'}"
    number = int(match["digits"])
    return ORDINALS[number - 1] if 0 < number <= len(ORDINALS) else match[0]


def _picture(match: re.Match[str]) -> str:
    return f"{ORDINALS[int(match['digits']) - 1]} {match['head']}"


def _digit(match: re.Match[str]) -> str:
    return f"{match['lead']}{_ROMAN.index(match['numeral']) + 1}{match['sub']}"


def _numeral(match: re.Match[str]) -> str:
    return f"{match['lead']}{_ROMAN[int(match['numeral']) - 1]}{match['sub']}"


def _word(match: re.Match[str]) -> str:
    numeral = match["numeral"]
    number = int(numeral) if numeral.isdecimal() else _ROMAN.index(numeral) + 1
    return match[0] if match["sub"] else f"{match['lead']}{NUMBERS[number]}"


def _replaced(table: tuple[tuple[str, re.Pattern[str], str], ...]) -> Callable[[str], str]:
    def replace(text: str) -> str:
        for key, pattern, other in table:
            if key in text:
                text = pattern.sub(other, text)
        return text

    return replace


_DIGIT = re.compile(r"\d")
_WHOLE = re.compile(r"(?<![\d.,])(\d+)(?![\d.,])")
_PERCENT_SIGN = re.compile(r"(?<=\d)\s*%")
_PERCENT_WORD = re.compile(r"(?<=\d)\s*per\s?cent\b")
_ZEROS = re.compile(r"(?<=\d)\.0+(?!\d)")
_THOUSANDS_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})(\d{3})(?![\d.,])")
_BRITISH_FORM, _AMERICAN_FORM = _replaced(_BRITISH), _replaced(_AMERICAN)


_UNIT = re.compile(r"(?<=\d)(?P<gap>\s?)(?P<unit>cm|mm|mg|kg|ml)\b")
_UNITS = {"cm": "centimetre", "mm": "millimetre", "mg": "milligram", "kg": "kilogram", "ml": "millilitre"}
_CENTIMETRES = re.compile(r"(?P<whole>\d+)(?:\.(?P<tenths>\d))?(?P<gap>\s?)cm")
_DECIMAL_POINT = re.compile(r"(?<![\d.,])(\d+)\.(\d{1,2})(?![\d.,])")


def _of_units(folded: str) -> Iterator[str]:
    """Yield units in full, "2.5 centimetres", and centimetres as millimetres: "25 mm"."""
    if not _UNIT.search(folded):
        return
    for ending in ("", "s"):
        full = _UNIT.sub(lambda match: f" {_UNITS[match['unit']]}{ending}", folded)  # noqa: B023 - used at once
        yield full
        yield full.replace("metre", "meter").replace("litre", "liter")
    if length := _CENTIMETRES.fullmatch(folded):
        millimetres = int(f"{length['whole']}{length['tenths'] or '0'}")
        yield f"{millimetres} mm"
        yield f"{millimetres}mm"


def _of_numbers(folded: str) -> Iterator[str]:
    yield from _of_units(folded)
    yield _WHOLE.sub(lambda match: f"{match[1]}.0", folded)  # "5.0 mg"; a function costs half of a template
    if any(joint in folded for joint in ("-", "to", "and")):
        yield _RANGE.sub(r"\1 to \2", folded)
        yield _RANGE.sub(r"between \1 and \2", folded)
        yield _RANGE.sub(r"\1-\2", folded)
    if "%" in folded:
        yield _PERCENT_SIGN.sub(" percent", folded)
    if "cent" in folded:
        yield _PERCENT_WORD.sub("%", folded)
    if "." in folded:
        yield _ZEROS.sub("", folded)
        yield _DECIMAL_POINT.sub(lambda match: f"{match[1]},{match[2]}", folded)  # "2,5 cm"
    if "," in folded:
        yield _THOUSANDS_COMMA.sub("", folded)  # "1000 mg" for "1,000 mg"
    yield _THOUSANDS.sub(lambda match: f"{match[1]},{match[2]}", folded)


def _reworded(folded: str) -> Iterator[str]:
    """Yield the text under each rule that can change it: most have no number, and each is new once per question."""
    digits = _DIGIT.search(folded) is not None
    if digits:
        yield from _of_numbers(folded)
    if (digits or any_of(_IN_ORDINALS, folded)) and any_of(_SUFFIXES_OF_ORDINALS, folded):
        yield _ORDINAL.sub(_ordinal, folded)
    if _WORD_OF_THREE.search(folded) is None:
        return  # "27.4 kJ": no word that could be written otherwise
    if folded.endswith((" alone", " only")):
        head, _, last = folded.rpartition(" ")
        yield f"{head} {'only' if last == 'alone' else 'alone'}"
    yield _BRITISH_FORM(folded)
    yield _AMERICAN_FORM(folded)
    if digits and (picture := _PICTURE.fullmatch(folded)):
        yield folded.replace("figure ", "fig. ", 1)
        yield folded.replace("figure ", "fig ", 1)
        yield _picture(picture)
    if any_of(_NUMBERED_HEADS, folded):
        yield _WITH_ROMAN.sub(_digit, folded)
        yield _WITH_DIGIT.sub(_numeral, folded)
        yield _WITH_ROMAN.sub(_word, folded)
        yield _WITH_DIGIT.sub(_word, folded)


def species_shortened(option: str) -> tuple[str, ...]:
    """Return "e. coli" and "e.coli" for "Escherichia coli": the genus is known by its capital."""
    binomial = _BINOMIAL.fullmatch(option)
    if binomial is None:
        return ()
    genus, species = binomial["genus"].casefold(), binomial["species"]
    return f"{genus}. {species}", f"{genus}.{species}"


_LETTERS_ONLY = re.compile("[a-z]+")
WORDS_PUT_IN = frozenset(
    (
        *NUMBERS, *ORDINALS, *_ROMAN, *_SUFFIXES, *_UNITS, *(f"{unit}s" for unit in _UNITS.values()), *_UNITS.values(),
        *("millimeter", "millimeters", "centimeter", "centimeters", "milliliter", "milliliters"),
        *("th", "to", "and", "between", "percent", "alone", "only", "fig"),
        *(f"{numeral}{sub}" for numeral in _ROMAN for sub in "abc"),
    )
)  # fmt: skip
"""Words of other spellings that the text itself need not hold."""
PARTS_PUT_IN = tuple(
    {other.replace(r"\g<lead>", "") for _, _, other in (*_BRITISH, *_AMERICAN)} | {"non"}
)  # fmt: skip
"""What the rest of such words holds: "haem" for "hem", "nonsmall" for "non-small"."""


_KEYS = (
    "alone", "only", *_IN_ORDINALS, *_NUMBERED_HEADS, *(key for key, _, _ in (*_BRITISH, *_AMERICAN)),
)  # fmt: skip
"""One of these, a digit, the word for a number or the name of a species is in every text that has another spelling."""


def spelling_keys(folded: str) -> tuple[str, ...]:
    """Return the strings that other spellings of texts begin from, as far as they stand in the texts.

    Args:
        folded: The texts together, in small letters.
    """
    return tuple(key for key in _KEYS if key in folded)


def other_spellings(option: str) -> Iterator[str]:
    """Yield other spellings of an option in small letters: "3rd-degree block", "grade 2", "oedema", "three", "e. coli".

    Args:
        option: Its text, as written: the genus of "Escherichia coli" is known by its capital.
    """
    folded = option.casefold()
    if folded in NUMBERS:
        yield str(NUMBERS.index(folded))
    elif folded.isdecimal() and int(folded) < len(NUMBERS):
        yield NUMBERS[int(folded)]
    yield from species_shortened(option)
    yield from (other for other in _reworded(folded) if other != folded)
