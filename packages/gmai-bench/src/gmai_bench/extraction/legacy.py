"""The parsers that published numbers were made with, re-implemented from their published behaviour, quirks included.

They exist to show how far a number depends on its parser (`gmai bench score --extractor all`) and to set a number
beside a published one. One thing differs on purpose: where the original draws a random option, the answer counts its
expected value, one over the number of options, so that the same answers always give the same number.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from gmai_bench.extraction.options import Extraction
from gmai_bench.extraction.vqa_words import token_recall, vqa_words

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Legacy = Callable[[str, tuple[str, ...], str], Extraction]
"""Takes the response, the options and the reference; only `llava_med` looks at the last."""

UNREAD = Extraction(None, "unparsed")


def mmmu_official(response: str, choices: tuple[str, ...], _reference: str) -> Extraction:
    """Read as MMMU's `parse_multi_choice_response`: "(X)", then " X ", then option texts in more than five words.

    The last occurrence wins, capitals only, and an unread answer is a random option there: here its expected value.
    """
    text = response
    for mark in ",.!?;:'":
        text = text.strip(mark)
    text = f" {text} "
    letters = LETTERS[: len(choices)]
    for form, rule in (("({})", "letter_in_brackets"), (" {} ", "letter")):
        found = {i: text.rfind(form.format(letter)) for i, letter in enumerate(letters) if form.format(letter) in text}
        if found:
            return Extraction(max(found, key=lambda i: found[i]), rule)
    if len(text.split()) > 5:
        lower = text.lower()
        found = {i: lower.rfind(choice.lower()) for i, choice in enumerate(choices) if choice.lower() in lower}
        if found:
            return Extraction(max(found, key=lambda i: found[i]), "option_text")
    return Extraction(None, "random", expected=1 / len(choices))


def mmmu_pro(response: str, choices: tuple[str, ...], _reference: str) -> Extraction:
    """Read as MMMU-Pro's `evaluate.py`: the one capital behind the last "Answer:", "(X)", "X ", "X.", option texts.

    Letters are looked for within words too ("DNA " holds A); of several the last " X " wins, else the first of them.
    An unread answer is a random option there: here its expected value.
    """
    letters = LETTERS[: len(choices)]
    if "Answer:" in response:
        behind = response.rpartition("Answer:")[2]
        held = [i for i, letter in enumerate(letters) if letter in behind]
        if len(held) == 1:
            return Extraction(held[0], "marker_letter")
    text = response
    for mark in ",.!?;:'":
        text = text.strip(mark)
    text = f" {text} "
    for form, weighed, rule in (
        ("({})", "({})", "letter_in_brackets"),
        ("{} ", " {} ", "letter"),
        ("{}.", " {} ", "letter"),
    ):
        found = [i for i, letter in enumerate(letters) if form.format(letter) in text]
        if found:
            return Extraction(max(found, key=lambda i: text.rfind(weighed.format(letters[i]))), rule)
    lower = text.lower()
    held = [i for i, choice in enumerate(choices) if choice.lower() in lower] if len(text.split()) > 5 else []
    if held:
        return Extraction(max(held, key=lambda i: lower.rfind(choices[i].lower())), "option_text")
    return Extraction(None, "random", expected=1 / len(choices))


_VLMEVALKIT_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_VLMEVALKIT_MARKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_VLMEVALKIT_ANSWER = re.compile(r"answer\s+is\s+\**([A-D])\**", re.IGNORECASE)


def vlmevalkit_exact(response: str, choices: tuple[str, ...], _reference: str) -> Extraction:
    """Read as VLMEvalKit does without a judge: one letter among the last four words, "answer is X", one option text."""
    if any(refusal in response for refusal in _VLMEVALKIT_REFUSALS):
        return Extraction(None, "refused")
    words = response.translate(_VLMEVALKIT_MARKS).split()
    letters = LETTERS[: len(choices)]
    named = [letter for letter in letters if letter in words]
    if len(named) == 1 and words.index(named[0]) > len(words) - 5:
        return Extraction(letters.index(named[0]), "letter")
    if not named and "Z" in words:
        return Extraction(None, "refused")
    stated = _VLMEVALKIT_ANSWER.search(response)
    if stated and stated[1].upper() in letters:
        return Extraction(letters.index(stated[1].upper()), "answer_is")
    lower = response.lower()
    if len(lower) <= 2 * sum(len(choice) for choice in choices):
        held = [i for i, choice in enumerate(choices) if choice.lower() in lower]
        if len(held) == 1:
            return Extraction(held[0], "option_text")
    return UNREAD


_HUATUO_LETTER = re.compile(r"(?:is |[是为]|\W|^)(?![aA] )([a-nA-N])(?:\W|$)")


def huatuo(response: str, choices: tuple[str, ...], _reference: str) -> Extraction:
    """Read as HuatuoGPT-Vision's scorer: the first lone letter from a to n, the last option text, the nearest option.

    A small letter is found but equals no option's letter, so it is wrong; so is a letter beyond the options.
    """
    letter = _HUATUO_LETTER.search(response)
    if letter:
        index = LETTERS[: len(choices)].find(letter[1])
        return Extraction(index, "letter") if index >= 0 else Extraction(None, "letter_of_no_option")
    lower = response.lower()
    found = {i: lower.rindex(choice.lower()) for i, choice in enumerate(choices) if choice.lower() in lower}
    if found:
        return Extraction(max(found, key=lambda i: found[i]), "option_text")
    ratios = [_ratio(choice.lower(), lower) for choice in choices]
    return Extraction(max(range(len(choices)), key=lambda i: (ratios[i], i)), "nearest_option")


def omnimedvqa_qa(response: str, choices: tuple[str, ...], _reference: str) -> Extraction:
    """Read as OmniMedVQA's question-answering score: the option that difflib finds nearest, the first of equals.

    A response that has nothing in common with any option (an empty one) is skipped there and counts as wrong.
    """
    if response in choices:  # only equal texts have a ratio of 1, and the first of equals wins
        return Extraction(choices.index(response), "nearest_option")
    best, index = 0.0, None
    for i, choice in enumerate(choices):
        ratio = _ratio(choice, response, above=best)
        if ratio > best:
            best, index = ratio, i
    return UNREAD if index is None else Extraction(index, "nearest_option")


@lru_cache(maxsize=65536)
def _ratio(first: str, second: str, *, above: float = -1.0) -> float:
    """Return difflib's ratio, or 0 where its cheap upper bounds show that it is not above `above`."""
    matcher = difflib.SequenceMatcher(None, first, second)
    if matcher.real_quick_ratio() <= above or matcher.quick_ratio() <= above:
        return 0.0
    return matcher.ratio()


_MEDEVALKIT_MARKERS = (
    "**answer**:", "**answer**", "*answer*:", "**answer:**", "answer is", "answer:", "答案:", "final answer",
    "final answer is",
)  # fmt: skip


def _medevalkit_span(response: str) -> str:
    """Return what MedEvalKit takes for the answer: box or tag, then what follows the last marker of each kind."""
    text = response.lower()
    if "boxed" in text:
        text = _boxed(text)
    elif "<answer>" in text:
        closed = text[: text.rfind("</answer>") + len("</answer>")] if "</answer>" in text else ""
        held = re.findall(r"<answer>(.*?)</answer>", closed, re.DOTALL)
        text = " ".join(held).strip() or text
    for marker in _MEDEVALKIT_MARKERS:
        if marker in text:
            text = text.rpartition(marker)[2]
    return text


def _boxed(text: str) -> str:
    start = text.rfind("\\boxed{")
    if start < 0:
        return "none"
    depth = 0
    for place in range(start + 6, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + 7 : place]
    return "none"


def _tagged(response: str) -> str:
    """Return what stands in <answer> tags, which most of MedEvalKit's tasks take before they look for a box."""
    held = re.findall(r"<answer>(.*?)</answer>", response, re.DOTALL) if "</answer>" in response else []
    return " ".join(held).strip() or response


def medevalkit(response: str, choices: tuple[str, ...], reference: str) -> Extraction:
    """Read as MedEvalKit's `judge_multi_choice`: letter or option before the first full stop, else the nearest option.

    The nearest option of an answer that resembles none is the first.
    """
    return medevalkit_untagged(_tagged(response), choices, reference)


def medevalkit_untagged(response: str, choices: tuple[str, ...], _reference: str) -> Extraction:
    """Read as its tasks PMC_VQA and MedFrameQA, which look for a box before they look for tags."""
    text = response.lower()
    letters = [letter.lower() for letter in LETTERS[: len(choices)]]
    paragraphs = text.split("\n\n")
    if paragraphs[0] in letters:
        text = paragraphs[0]
    elif paragraphs[-1].split(".")[0] in letters:
        text = paragraphs[-1].split(".")[0]
    text = _medevalkit_span(text).strip().replace("\n", "")
    options = [choice.lower() for choice in choices]
    head = text.split(".")[0].split(":")[-1]
    if head in letters:
        return Extraction(letters.index(head), "letter")
    if head in options:
        return Extraction(options.index(head), "option_text")
    ratios = [_ratio(option, text) for option in options]
    return Extraction(max(range(len(options)), key=lambda i: (ratios[i], -i)), "nearest_option")


def medevalkit_yes_no(response: str, reference: str) -> bool:
    """Return whether MedEvalKit takes a yes/no answer for right: just one of the two as a substring, the right one."""
    text = _medevalkit_span(_tagged(response)).replace("\n", "").replace(".", "")
    return (("yes" in text) != ("no" in text)) and reference.lower() in text


def medevalkit_exact(response: str, reference: str, *, closed: bool) -> bool:
    """Return whether MedEvalKit's exact match holds; in closed questions full stops and line ends are taken out."""
    text = _medevalkit_span(_tagged(response)).strip()
    if closed:
        text = text.replace("\n", "").replace(".", "")
    return text == reference.lower().strip()


def llava_med(response: str, choices: tuple[str, ...], reference: str) -> Extraction:
    """Score as LLaVA-Med: the reference as a substring of a yes/no answer, token recall of anything else.

    "normal" holds "no", so it answers every question with no.
    """
    if {choice.lower() for choice in choices} != {"yes", "no"}:
        return Extraction(None, "token_recall", expected=token_recall(response, reference))
    text = " ".join(vqa_words(response))
    if "yes" not in text and "no" not in text:
        return Extraction(None, "unparsed", expected=0.0)
    return Extraction(None, "substring", expected=float(reference.lower() in text))


LEGACY: Mapping[str, Legacy] = {
    "mmmu-official": mmmu_official,
    "mmmu-pro": mmmu_pro,
    "vlmevalkit-exact": vlmevalkit_exact,
    "huatuo": huatuo,
    "omnimedvqa-qa": omnimedvqa_qa,
    "llava-med": llava_med,
    "medevalkit": medevalkit,
    "medevalkit-untagged": medevalkit_untagged,
}
"""Name ▶ parser, as `--extractor` takes them."""
