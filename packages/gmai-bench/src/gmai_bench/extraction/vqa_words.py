"""The words that LLaVA-Med compares: the normalisation of the VQA challenge, from its published behaviour.

Punctuation goes or becomes a blank, full stops go, number words become digits, articles go, and contractions written
without their apostrophe get it back.
"""

import re
from collections import Counter
from collections.abc import Iterator

_NUMBER_WORDS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
_ARTICLES = ("a", "an", "the")
_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_FULL_STOP = re.compile(r"\.(?!\d)")
_MOST_FULL_STOPS = 32
"""The original passes a flag where the number of replacements stands, so that later full stops stay."""
_DIGIT_COMMA = re.compile(r"\d,\d")

_CONTRACTED = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd "
    "he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've "
    "needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've "
    "somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll "
    "that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've "
    "we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's "
    "who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've "
    "you'll you're you've"
)
"""Those of the table; words of their own, such as "well" and "shed", are not in it."""


def _with_one_apostrophe_missing(word: str) -> Iterator[str]:
    for place, character in enumerate(word):
        if character == "'":
            yield word[:place] + word[place + 1 :]


CONTRACTIONS = {short: word for word in _CONTRACTED.split() for short in _with_one_apostrophe_missing(word)} | {
    "somebody'd": "somebodyd"  # the wrong way round in the published table
}


def vqa_words(text: str) -> list[str]:
    """Return the words of a text as LLaVA-Med normalises it once."""
    joined = _DIGIT_COMMA.search(text) is not None
    result = text
    for mark in _MARKS:
        beside_blank = f"{mark} " in text or f" {mark}" in text
        result = result.replace(mark, "" if beside_blank or joined else " ")
    words = _FULL_STOP.sub("", result, count=_MOST_FULL_STOPS).lower().split()
    numbered = (_NUMBER_WORDS.get(word, word) for word in words)
    return [CONTRACTIONS.get(word, word) for word in numbered if word not in _ARTICLES]


def token_recall(response: str, reference: str) -> float:
    """Return LLaVA-Med's recall: words of the response that occur in the reference, over them and the missing ones.

    Both are normalised twice, as its script does.
    """
    answered, expected = (Counter(vqa_words(" ".join(vqa_words(text)))) for text in (response, reference))
    hits = sum(count for word, count in answered.items() if word in expected)
    missed = sum(count for word, count in expected.items() if word not in answered)
    return hits / (hits + missed) if hits else 0.0
