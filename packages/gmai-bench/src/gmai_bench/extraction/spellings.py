"""Other spellings of the text of an option that mean the same: numbers as words, numerals, British forms."""

import re
from collections.abc import Callable, Iterator

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_SUFFIXES = ("st", "nd", "rd")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")

_BRITISH: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(american), british)
    for american, british in (
        (r"(?<![a-z])hem(?=[ao])", "haem"),  # hemorrhage, hematoma, hemothorax
        (r"(?<=[a-z])emi(?=[ac]\b)", "aemi"),  # anemia, ischemic
        (r"\bedema", "oedema"),
        (r"(?<=[a-z])edema", "oedema"),
        (r"esoph", "oesoph"),
        (r"tumor", "tumour"),
        (r"\bfet(?=al|us)", "foet"),
        (r"diarrhea", "diarrhoea"),
        (r"\b(?P<lead>p|orthop)ed(?=ia|ic)", r"\g<lead>aed"),
        (r"\b(?P<lead>c|f)ec(?=al\b|um\b|es\b)", r"\g<lead>aec"),
        (r"anesth", "anaesth"),
        (r"gynec", "gynaec"),
        (r"\bceliac", "coeliac"),
        (r"estrogen", "oestrogen"),
        (r"\bgray", "grey"),
        (r"color", "colour"),
        (r"fiber", "fibre"),
        (r"\bcenter", "centre"),
        (r"hemorrhage", "haemorrhage"),
    )
)
_AMERICAN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(british), american)
    for british, american in (
        (r"haem(?=[aot])", "hem"),
        (r"(?<=[a-z])aemi(?=[ac]\b)", "emi"),
        (r"oedema", "edema"),
        (r"oesoph", "esoph"),
        (r"tumour", "tumor"),
        (r"\bfoet(?=al|us)", "fet"),
        (r"diarrhoea", "diarrhea"),
        (r"(?<=p)aed(?=ia|ic)", "ed"),
        (r"(?<=[cf])aec(?=al\b|um\b|es\b)", "ec"),
        (r"anaesth", "anesth"),
        (r"gynaec", "gynec"),
        (r"\bcoeliac", "celiac"),
        (r"oestrogen", "estrogen"),
        (r"\bgrey", "gray"),
        (r"colour", "color"),
        (r"fibre", "fiber"),
        (r"\bcentre", "center"),
    )
)
_ORDINAL = re.compile(rf"\b(?:(?P<word>{'|'.join(ORDINALS)})|(?P<digits>\d+)(?:st|nd|rd|th))\b")
_NUMBERED = r"(?P<lead>\b(?:grade|stage|type|class|category|level|segment|zone|phase|group|factor|nerve)\s+)"
_WITH_ROMAN = re.compile(rf"{_NUMBERED}(?P<numeral>viii|vii|vi|iv|ix|iii|ii|i|v|x)(?P<sub>[a-c]?)\b")
_WITH_DIGIT = re.compile(rf"{_NUMBERED}(?P<numeral>10|[1-9])(?P<sub>[a-c]?)\b")
_RANGE = re.compile(r"(?<![\w.-])(?:between\s+)?(\d+(?:\.\d+)?)\s*(?:-|to|and)\s*(\d+(?:\.\d+)?)(?![\w.-])")
_PICTURE = re.compile(r"(?P<head>image|picture|figure|panel|scan|slide|view|frame|video) (?P<digits>[1-9]|10)")
_BINOMIAL = re.compile(r"(?P<genus>[A-Z])[a-z]{3,} (?P<species>[a-z]{3,})")


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


def _replaced(table: tuple[tuple[re.Pattern[str], str], ...]) -> Callable[[str], str]:
    def replace(text: str) -> str:
        for pattern, other in table:
            text = pattern.sub(other, text)
        return text

    return replace


_RULES: tuple[Callable[[str], str], ...] = (
    lambda text: re.sub(r"(?<![\d.,])(\d+)(?![\d.,])", r"\1.0", text),  # "5.0 mg"
    lambda text: _RANGE.sub(r"\1 to \2", text),
    lambda text: _RANGE.sub(r"between \1 and \2", text),
    lambda text: _RANGE.sub(r"\1-\2", text),
    lambda text: re.sub(r"(?<=\d)\s*%", " percent", text),
    lambda text: re.sub(r"(?<=\d)\s*per\s?cent\b", "%", text),
    lambda text: re.sub(r"(?<=\d)\.0+(?!\d)", "", text),
    lambda text: re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text),  # "1000 mg" for "1,000 mg"
    lambda text: re.sub(r"(?<![\d.,])(\d{1,3})(\d{3})(?![\d.,])", r"\1,\2", text),
    _replaced(_BRITISH),
    _replaced(_AMERICAN),
    lambda text: _ORDINAL.sub(_ordinal, text),
    lambda text: text.replace("figure ", "fig. ", 1) if _PICTURE.fullmatch(text) else text,
    lambda text: text.replace("figure ", "fig ", 1) if _PICTURE.fullmatch(text) else text,
    lambda text: _picture(match) if (match := _PICTURE.fullmatch(text)) else text,
    lambda text: _WITH_ROMAN.sub(_digit, text),
    lambda text: _WITH_DIGIT.sub(_numeral, text),
    lambda text: _WITH_ROMAN.sub(_word, text),
    lambda text: _WITH_DIGIT.sub(_word, text),
)


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
    if binomial := _BINOMIAL.fullmatch(option):
        genus, species = binomial["genus"].casefold(), binomial["species"]
        yield f"{genus}. {species}"
        yield f"{genus}.{species}"
    for rule in _RULES:
        other = rule(folded)
        if other != folded:
            yield other
