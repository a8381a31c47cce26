"""Offered questions ▶ a balanced benchmark: no answer may be guessed from the wording of the options alone."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from gmai_formats.files import write_text

from gmai_data.generation.choices import options_for
from gmai_data.generation.wording import wording
from gmai_data.seeded import hash_fraction
from gmai_data.vocabulary import Language

MIN_OPTIONS = 3
TWO = 2
"""Options where a source has no balanced questions with more: two classes, one kind of object, no label at all."""
PRIOR_MARGIN = 0.15
"""How far above chance the best guess from option texts may lie; sets above it lose their most telling option."""

Offer = dict[str, Any]
"""A line of a shard's `offers.jsonl`."""


@dataclass
class HeldOut:
    """The chosen questions (without images) and what was left out, by reason."""

    questions: list[dict[str, Any]]
    dropped: Counter[str] = field(default_factory=Counter[str])

    @property
    def chance(self) -> float:
        """Return the mean accuracy of a uniform guess."""
        return sum(1 / len(question["choices"]) for question in self.questions) / max(len(self.questions), 1)


def select(offers: Sequence[Offer], seed: int) -> HeldOut:
    """Choose questions such that no answer is right much more often than another of its set.

    Label questions of one source are a set; the modality questions of all sources are one. An image is asked at most
    one question of each kind. A source whose images all show the same labels (a blood smear shows every kind of cell)
    has no label question to ask; there, and only there, the question is what a marked region holds. A source that has
    neither is asked questions with two answers, of the first kind that can be balanced: which of two labels, whether
    one is there, in which half of the image it lies, which of two images shows it or lies higher in the body.
    """
    sets: dict[tuple[str, str], list[Offer]] = defaultdict(list)
    for offer in offers:
        sets[_set_of(offer)].append(offer)
    chosen = HeldOut([])
    answered: set[str] = set()
    rounds = [(MIN_OPTIONS, ("modality", "label", "region")), *((TWO, (kind,)) for kind in _OF_TWO)]
    left = dict(sets)
    for least, kinds in rounds:
        before = frozenset(answered)
        for source, asks in sorted(left):  # `label` stands before `region`
            kind = asks.partition(" ")[0]
            if kind not in kinds or source in before or (asks == "region" and source in answered):
                continue
            questions = _balanced(sets[source, asks], seed, least)
            if questions:
                chosen.questions.extend(questions)
                chosen.dropped[_FOR_BALANCE] += len(left.pop((source, asks))) - len(questions)
                answered |= {source} if asks != "modality" else set()
    for (source, asks), offered in sorted(left.items()):
        reason = _NO_SET
        if source in answered:
            reason = "regions are asked only where labels cannot be" if asks == "region" else _NOT_NEEDED
        chosen.dropped[reason] += len(offered)
    chosen.dropped = Counter({reason: count for reason, count in chosen.dropped.items() if count})
    chosen.questions.sort(key=lambda question: question["id"])
    return chosen


_FOR_BALANCE, _NO_SET = "left out for balance", "no balanced set of at least 2 answers"
_NOT_NEEDED = "asked only where nothing else can be"
_OF_TWO = ("label", "region", "presence", "side", "height", "two_images")
"""Kinds of questions with two answers, in the order in which they are tried."""


def write_card(
    folder: Path, questions: str, count: int, *, title: str, license_name: str, groups: Sequence[str] = ()
) -> None:
    """Write `held_out.yaml`, which declares the questions of a file beside it as a benchmark.

    Args:
        folder: Of both.
        questions: Name of the file, with the columns `id`, `images`, `question`, `choices`, `reference`, `image_id`.
        count: How many there are.
        title: Of the benchmark.
        license_name: Of the pictures.
        groups: Columns by which results are grouped, if any.
    """
    card = {
        "name": "held_out",
        "title": title,
        "protocol": "held_out/option-text",
        "questions": questions,
        "columns": {
            "id": "id",
            "images": "images",
            "question": "question",
            "choices": "choices",
            "reference": "reference",
            "cluster": "image_id",
        },
        **({"groups": list(groups)} if groups else {}),
        "prompt": wording(Language.EN)["perception"]["option_text"].replace("{options}", "{choices}"),
        "choices_style": "text",
        "expected": {"total": count},
        "license": license_name,
    }
    write_text(folder / "held_out.yaml", yaml.safe_dump(card, sort_keys=False, allow_unicode=True))


def odds(questions: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return `chance` and `prior_accuracy` of questions, for the manifest."""
    return {"chance": round(HeldOut(list(questions)).chance, 4), "prior_accuracy": round(prior_accuracy(questions), 4)}


def guessable(questions: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the sets that are no longer balanced (`SOURCE label`, `modality`, …), each with its size and `odds`.

    A build writes none such; leaving sources out of a release can take all questions of an answer away.
    """
    sets: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for question in questions:
        sets[_set_of(question)].append(question)
    return {
        " ".join(filter(None, name)): {"questions": len(members), **odds(members)}
        for name, members in sorted(sets.items())
        if prior_accuracy(members) > HeldOut(members).chance + PRIOR_MARGIN
    }


def _set_of(question: Mapping[str, Any]) -> tuple[str, str]:
    return "" if question["asks"] == "modality" else question["source"], question["asks"]


def prior_accuracy(questions: Sequence[dict[str, Any]]) -> float:
    """Return the accuracy of always choosing the option that is most often right when it is offered."""
    rates = _rates(questions)
    right = sum(
        max(question["choices"], key=lambda text: (rates[text], text)) == question["reference"]
        for question in questions
    )
    return right / max(len(questions), 1)


def _rates(questions: Sequence[dict[str, Any]]) -> dict[str, float]:
    offered = Counter(text for question in questions for text in question["choices"])
    right = Counter(question["reference"] for question in questions)
    return {text: right[text] / count for text, count in offered.items()}


def balanced(offers: Sequence[Offer], seed: int) -> list[dict[str, Any]]:
    """Return the questions of one set that stay, with `choices` and `reference`: with three answers or more, else two.

    Args:
        offers: Each with `id`, `annotation` (the image), `answer` and `wrong`.
        seed: Draws others.
    """
    return _balanced(offers, seed, MIN_OPTIONS) or _balanced(offers, seed, TWO)


def _balanced(offers: Sequence[Offer], seed: int, least: int) -> list[dict[str, Any]]:
    answers = {offer["answer"] for offer in offers}
    while len(answers) >= least:
        quota, kept = _quota(offers, answers, least)
        questions = _draw(offers, kept, quota, seed, least)
        if not questions:
            return []
        chance = HeldOut(questions).chance
        if prior_accuracy(questions) <= chance + PRIOR_MARGIN:
            return questions
        rates = _rates(questions)
        answers = kept - {max(sorted(kept), key=lambda text: rates.get(text, 0.0))}
    return []


def _quota(offers: Sequence[Offer], answers: set[str], least: int) -> tuple[int, set[str]]:
    """Return the most questions an answer may have, and the answers that have at least half as many images.

    Of all quotas the one that gives the largest set: a rare answer neither shrinks the others nor is guessed away.
    """
    images: dict[str, set[str]] = defaultdict(set)
    for offer in offers:
        if offer["answer"] in answers:
            images[offer["answer"]].add(offer["annotation"])
    counts = [len(ids) for ids in images.values()]

    def size(quota: int) -> int:
        reached = [min(count, quota) for count in counts if 2 * count >= quota]
        return sum(reached) if len(reached) >= least else 0

    quota = max(sorted({*counts, *(2 * count for count in counts)}), key=size)
    return quota, {answer for answer, ids in images.items() if 2 * len(ids) >= quota}


def _draw(offers: Sequence[Offer], answers: set[str], quota: int, seed: int, least: int) -> list[dict[str, Any]]:
    by_image: dict[str, list[Offer]] = defaultdict(list)
    for offer in offers:
        if offer["answer"] in answers:
            by_image[offer["annotation"]].append(offer)
    used: Counter[str] = Counter()
    questions: list[dict[str, Any]] = []
    for image in sorted(by_image, key=lambda name: hash_fraction(seed, "held out", name)):
        for offer in sorted(by_image[image], key=lambda offer: (used[offer["answer"]], offer["id"])):
            if used[offer["answer"]] >= quota:
                continue
            wrong = [text for text in offer["wrong"] if text in answers]
            options = options_for(offer["answer"], wrong, seed, offer["id"])
            if options is not None and len(options) >= least:
                used[offer["answer"]] += 1
                questions.append({**offer, "choices": options, "reference": offer["answer"]})
                break
    return questions
