"""How well the words of a question alone give its answer: a plain bag-of-words model that never sees a picture.

Multinomial naive Bayes over the words of the question, options included, in five folds that keep the questions about
one image together. Where it is right more often than chance, a model can learn the answers without looking. (For the
idea: hypothesis-only baselines, https://aclanthology.org/S18-2023, and VQA v2, https://arxiv.org/abs/1612.00837.)
"""

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic_core import from_json

from gmai_data.publishing.sub_datasets import sample_files
from gmai_data.sample import without_placeholders
from gmai_data.seeded import hash_fraction
from gmai_data.untyped import pq
from gmai_data.vocabulary import Kind

FOLDS = 5
MARGIN = 0.05
"""So far above chance a family is said to be answered by its words."""
_Z_95, _Z_99 = 1.96, 2.576
_FEWEST = 40
"""Questions of a family below which nothing is said."""
_MOST = 4000
"""Questions of a family that are looked at."""
_WORD = re.compile(r"[a-z]+|\d+|[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Question:
    """A question of perception.

    Attributes:
        family: What was asked: `presence`, `label`, ….
        image: Questions about one image are tested together.
        words: Its text.
        answer: Right answer, as its text.
        options: Those offered, or none.
        about: What the question names beside its family, a label or the noun of labels: it narrows the answers for all.
    """

    family: str
    image: str
    words: str
    answer: str
    options: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True)
class Score:
    """How often the words alone are right.

    Attributes:
        questions: Looked at.
        chance: Of a guess among the options, or among the answers that questions about the same have had.
        right: Share.
        low: Lower end of the 95 % interval (Wilson).
        high: Its upper end.
    """

    questions: int
    chance: float
    right: float
    low: float
    high: float

    @property
    def told(self) -> bool:
        """Return whether the words tell the answer: more than the margin above chance, and not by luck."""
        return is_answered_by_words(self.row())

    def row(self) -> dict[str, float]:
        """Return the score as plain numbers."""
        named = {"chance": self.chance, "text_only": self.right, "low": self.low, "high": self.high}
        return {"questions": self.questions, **{name: round(value, 4) for name, value in named.items()}}


def is_answered_by_words(found: Mapping[str, float]) -> bool:
    """Return whether the row of a score is more than the margin above chance, and not by luck.

    Luck is judged by the 99 % interval: a build looks at a dozen families, and by the 95 % one it would warn of one of
    them every few builds.
    """
    right, chance = found["text_only"], found["chance"]
    return right > chance + MARGIN and _wilson(right, round(found["questions"]), _Z_99)[0] > chance


def text_only(out: Path) -> dict[str, dict[str, float]]:
    """Return the score of each family of a build's or a release's training rows, and of its held-out questions.

    A family with too few questions is left out; those that are held out are named `held out, label` and the like.
    """
    questions: dict[str, list[Question]] = defaultdict(list)
    for name, split, files in sample_files(out):
        if name != "percept" or split != "train":
            continue
        for path in files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=8192, columns=["id", "kind", "messages", "provenance"]):
                    for row in batch.to_pylist():
                        if row["kind"] == Kind.VISUAL_PERCEPTION and (asked := _question(row)) is not None:
                            questions[asked.family].append(asked)
    for path in sorted((out / "benchmarks").glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            columns = ["image_id", "asks", "question", "choices", "reference"]
            for batch in file.iter_batches(batch_size=8192, columns=columns):
                for row in batch.to_pylist():
                    family = f"held out, {row['asks']}"
                    questions[family].append(
                        Question(
                            family, str(row["image_id"]), row["question"], row["reference"], tuple(row["choices"] or ())
                        )
                    )
    return {family: found.row() for family, each in sorted(questions.items()) if (found := score(each)) is not None}


def _question(row: Mapping[str, object]) -> Question | None:
    provenance = from_json(str(row["provenance"]))
    balance = provenance.get("balance")
    if not balance:
        return None
    messages = cast(list[dict[str, str]], row["messages"])
    words = without_placeholders(messages[0]["content"])
    family = str(provenance["asked"]).split(" ")[0]
    options = tuple(balance.get("options", ()))
    if family in ("modality", "label", "region") and not options:
        family += " open"
    about = " ".join(balance["of"])
    return Question(family, str(provenance["annotation"]), words, str(balance["answer"]), options, about)


def score(questions: Sequence[Question]) -> Score | None:
    """Return how often the answers follow from the words, or None where there are too few questions."""
    if len(questions) < _FEWEST:
        return None
    drawn = sorted(questions, key=lambda each: hash_fraction("text only", each.image, each.words))[:_MOST]
    folds: list[list[Question]] = [[] for _ in range(FOLDS)]
    for each in drawn:
        folds[int(hash_fraction("fold", each.image) * FOLDS)].append(each)
    right = 0
    words = {id(each): _tokens(each.words) for each in drawn}
    for number, tested in enumerate(folds):
        others = [each for other, fold in enumerate(folds) if other != number for each in fold]
        model = _Bayes((each, words[id(each)]) for each in others)
        for each in tested:
            right += model.answer(each, words[id(each)]) == each.answer
    answers: dict[str, set[str]] = defaultdict(set)
    for each in drawn:
        answers[_about(each)].add(each.answer)
    chance = sum(1 / (len(each.options) or len(answers[_about(each)])) for each in drawn) / len(drawn)
    share = right / len(drawn)
    low, high = _wilson(share, len(drawn))
    return Score(len(drawn), chance, share, low, high)


def _about(question: Question) -> str:
    """Return what questions with one set of answers share: their language, and what they are about."""
    language = "zh" if re.search("[\u4e00-\u9fff]", question.words) else "en"
    return f"{language} {question.about}"


def _wilson(share: float, count: int, z: float = _Z_95) -> tuple[float, float]:
    centre = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (centre - half) / (1 + z * z / count), (centre + half) / (1 + z * z / count)


class _Bayes:
    """Multinomial naive Bayes with add-one smoothing; pairs of neighbouring words count as words."""

    def __init__(self, questions: Iterable[tuple[Question, list[str]]]) -> None:
        self._answers: Counter[str] = Counter()
        self._words: dict[str, Counter[str]] = defaultdict(Counter)
        self._totals: Counter[str] = Counter()
        self._offered: Counter[str] = Counter()
        seen: set[str] = set()
        for each, words in questions:
            self._answers[each.answer] += 1
            self._offered.update(each.options or (each.answer,))
            self._words[each.answer].update(words)
            self._totals[each.answer] += len(words)
            seen.update(words)
        size = max(len(seen), 1)
        self._least = {answer: math.log(1 / (total + size)) for answer, total in self._totals.items()}
        self._logs = {
            answer: {word: math.log((count + 1) / (self._totals[answer] + size)) for word, count in counts.items()}
            for answer, counts in self._words.items()
        }
        self._unseen = math.log(1 / size)

    def answer(self, question: Question, words: Sequence[str]) -> str:
        among = question.options or tuple(sorted(self._answers)) or ("",)

        def likely(answer: str) -> tuple[float, str]:
            # How often it is right where it is offered, and how well its questions' words fit.
            prior = math.log((self._answers[answer] + 0.5) / (self._offered[answer] + 1))
            if not question.options:
                prior = math.log(self._answers[answer] + 0.5)
            known, least = self._logs.get(answer, {}), self._least.get(answer, self._unseen)
            return prior + sum([known.get(word, least) for word in words]), answer

        return max(map(likely, among))[1]


def _tokens(text: str) -> list[str]:
    words = _WORD.findall(text.lower())
    return words + [f"{one} {two}" for one, two in itertools.pairwise(words)]
