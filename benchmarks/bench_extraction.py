"""Reading and scoring speed: our rules beside the published parsers on the same answers, and a whole OmniMedVQA.

    python benchmarks/bench_extraction.py [--file ANSWERS.jsonl] [--vlmevalkit vlmeval/utils/matching_util.py]
        [--repeat 5]

One core, no model; CPU seconds, so that a busy machine does not count. The answers are long chains of thought
written by a grammar, so that none repeats.
"""

import argparse
import ast
import csv
import importlib
import json
import logging
import pkgutil
import random
import runpy
import statistics
import sys
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path

from gmai_bench import extraction
from gmai_bench.answers.predictions import Kept, Prediction
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.benchmarks.record import Coverage, Record
from gmai_bench.extraction.legacy import LEGACY
from gmai_bench.extraction.options import extract
from gmai_bench.scoring.results import score_benchmark

CHOICES = ("Pneumothorax of the left lung", "Pleural effusion", "Lobar pneumonia", "No abnormality")
SENTENCES = (
    "The image shows an opacity in the lower zone with a meniscus at the costophrenic angle.",
    "The cardiac silhouette is of normal size and the mediastinum is central.",
    "Option A can be ruled out, because lung markings reach the chest wall everywhere.",
    "Compared with the other side, vessels are less sharp here, as one would expect with fluid.",
    "A consolidation would show an air bronchogram, which is not seen in this projection.",
    "Let me look at each of the options again and weigh them against what is visible.",
    "There is no fracture, no free air below the diaphragm and no foreign body.",
    "On balance the findings fit best with fluid in the pleural space rather than in the lung.",
)
ENDS = (
    "The answer is B.",
    "**Answer: B**",
    "Therefore, the correct option is (B).",
    "So I choose B, pleural effusion.",
    "Final answer: \\boxed{B}",
    "In summary, this is a pleural effusion.",
    "因此，答案是B。",
)


WHAT = ("Pneumonia", "Effusion", "Nodule", "Collapse", "Fibrosis")
TEN = tuple(f"{what} of the {side} lung" for what in WHAT for side in ("left", "right"))
DOUBTS = (
    "Option A (Pneumonia of the left lung) can be ruled out, because lung markings reach the chest wall.",
    "- **C. Effusion of the left lung**: this is unlikely, given the findings.",
    "It could be B or D, but D is not consistent with the findings.",
    "If E = 5 and F = 3 then the ratio is higher.",
)
TEN_ENDS = (
    "The answer is {x}.",
    "**Answer: {x}. {t}**",
    "**{x}. {t}**",
    "Therefore, the correct option is ({x}).",
    "So I choose {x}, {t}.",
    "In summary, this is a {t}.",
    "Thus, option {x} is correct, because the meniscus is seen.",
)


def ten_option_answers(n: int, seed: int = 0) -> list[tuple[str, int]]:
    """Return chains of thought over ten options that weigh others before they end, and the option each one chooses."""
    draw = random.Random(seed)  # noqa: S311 - test data
    made: list[tuple[str, int]] = []
    for i in range(n):
        k = draw.randrange(10)
        thoughts = " ".join(draw.choices(SENTENCES + DOUBTS, k=draw.randint(5, 12)))
        made.append((f"{thoughts} (case {i})\n\n" + draw.choice(TEN_ENDS).format(x="ABCDEFGHIJ"[k], t=TEN[k]), k))
    return made


def answers(n: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)  # noqa: S311 - test data
    return [
        " ".join(draw.choices(SENTENCES, k=draw.randint(5, 12))) + f" (case {i})\n\n" + draw.choice(ENDS)
        for i in range(n)
    ]


def read_by_a_person(least_options: int) -> list[tuple[str, tuple[str, ...]]]:
    """Return answers that tests were written with, each behind a chain of thought: few announce an answer."""
    draw = random.Random(1)  # noqa: S311 - test data
    made: list[tuple[str, tuple[str, ...]]] = []
    for name in ("read_by_a_person", "second_thoughts", "restated"):
        path = Path(__file__).parents[1] / f"tests/gmai_bench/extraction/{name}.tsv"
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                options = tuple(row["options"].split("; "))
                thoughts = " ".join(draw.choices(SENTENCES[3:], k=draw.randint(5, 12)))
                made.append((f"{thoughts}\n\n{json.loads(row['response'])}", options))
    return [pair for pair in made if len(pair[1]) >= least_options]


def rate(read: Callable[[str], object], said: Sequence[str], *, at_most_s: float = 4.0) -> float:
    begin = time.process_time()
    for done, text in enumerate(said, start=1):
        read(text)
        if done % 500 == 0 and time.process_time() - begin > at_most_s:
            break
    return done / (time.process_time() - begin)


def vlmevalkits_own(path: Path) -> Callable[[str, tuple[str, ...]], object]:
    """Return VLMEvalKit's own parser from its file, which needs nothing of its package but the log."""
    logs = types.ModuleType("vlmeval.smp.log")
    logs.__dict__["get_logger"] = logging.getLogger
    sys.modules |= {
        "vlmeval": types.ModuleType("vlmeval"),
        "vlmeval.smp": types.ModuleType("vlmeval.smp"),
        logs.__name__: logs,
    }
    can_infer = runpy.run_path(str(path))["can_infer"]
    return lambda text, choices: can_infer(text, dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", choices, strict=False)))


def forget() -> None:
    """Empty what the rules keep of questions that they have met."""
    for module in pkgutil.iter_modules(extraction.__path__, f"{extraction.__name__}."):
        for kept in vars(importlib.import_module(module.name)).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()


def compared(said: Sequence[tuple[str, tuple[str, ...]]], vlmevalkit: Path | None, repeats: int) -> None:
    """Print the median speeds on the same answers; each question is met once at first, then again.

    The ratios are those within one run, of which the median is given too.
    """
    ours: Callable[[str, tuple[str, ...]], object] = lambda text, choices: extract(text, choices, style="letters")  # noqa: E731
    readers: dict[str, Callable[[str, tuple[str, ...]], object]] = {
        "gmai-options, first time": ours,
        "gmai-options, again": ours,
        "vlmevalkit-exact": lambda text, choices: LEGACY["vlmevalkit-exact"](text, choices, "A"),
    }
    if vlmevalkit:
        readers["VLMEvalKit's own code"] = vlmevalkits_own(vlmevalkit)
    runs: list[dict[str, float]] = []
    for _ in range(repeats):
        forget()
        rates: dict[str, float] = {}
        for name, read in readers.items():
            begin = time.process_time()
            for text, choices in said:
                read(text, choices)
            rates[name] = len(said) / (time.process_time() - begin)
        runs.append(rates)
    for name in readers:
        per_s = statistics.median(rates[name] for rates in runs)
        ratios = [rates["gmai-options, first time"] / rates[name] for rates in runs]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})" if repeats > 1 else ""
        print(f"  {name:25} {per_s:10,.0f} answers/s   ours, first, is {statistics.median(ratios):5.2f} × {spread}")


def of_a_model(path: Path, vlmevalkit: Path | None, repeats: int) -> None:
    """Compare the speeds on answers that a model gave."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    options = [row["options"] if isinstance(row["options"], list) else ast.literal_eval(row["options"]) for row in rows]
    said = [(str(row["response"]), tuple(map(str, own))) for row, own in zip(rows, options, strict=True)]
    mean = sum(len(text) for text, _ in said) / len(said)
    print(f"{len(said)} answers of {mean:.0f} characters on average")
    compared(said, vlmevalkit, repeats)


def omnimedvqa(n: int) -> Record:
    types = ("Disease Diagnosis", "Anatomy Identification", "Modality Recognition", "Lesion Grading")
    questions = tuple(
        Question(
            id=str(i),
            text="?",
            prompt="?",
            images=(f"{i // 2}",),
            choices=CHOICES,
            reference=CHOICES[i % 4],
            cluster=str(i // 2),
            groups={"question_type": types[i % 4], "modality": f"modality {i % 12}"},
        )
        for i in range(n)
    )
    card = Card(
        name="omnimedvqa", title="", protocol="omnimedvqa/open-88996", protocol_version=1, scoring="option-text",
        expected=n, groups=("question_type", "modality"), source="", license="", published_extractor="omnimedvqa-qa",
    )  # fmt: skip
    return Record(card, Coverage(n, n, None), questions)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, default=40_000)
    parser.add_argument("--file", type=Path, help="JSON Lines of a model's answers, with `response` and `options`")
    parser.add_argument("--vlmevalkit", type=Path, help="its vlmeval/utils/matching_util.py, to time its own code, too")
    parser.add_argument("--repeat", type=int, default=1, help="runs of a comparison; their median is printed")
    given = parser.parse_args()
    if given.file:
        of_a_model(given.file, given.vlmevalkit, given.repeat)
        return
    n = given.answers
    said = answers(n)
    mean = sum(map(len, said)) / n
    print(f"{n} answers of {mean:.0f} characters on average, one core, CPU time")
    readers: dict[str, Callable[[str], object]] = {"gmai-options": lambda text: extract(text, CHOICES, style="letters")}
    readers |= {name: (lambda text, read=read: read(text, CHOICES, "B")) for name, read in LEGACY.items()}
    rates = {name: rate(read, said) for name, read in readers.items()}
    for name, per_s in rates.items():
        print(f"  {name:18} {per_s:10,.0f} answers/s   ours is {rates['gmai-options'] / per_s:6.1f} ×")
    unread = sum(extract(text, CHOICES, style="letters").choice != 1 for text in said[:5000])
    print(f"  read as B by ours: {5000 - unread} of the first 5000")

    ten = ten_option_answers(n // 4)
    per_s = rate(lambda text: extract(text, TEN, style="letters"), [text for text, _ in ten])
    right = sum(extract(text, TEN, style="letters").choice == k for text, k in ten)
    mean = sum(len(text) for text, _ in ten) / len(ten)
    theirs = rate(lambda text: LEGACY["vlmevalkit-exact"](text, TEN, "B"), [text for text, _ in ten])
    print(
        f"ten options, {mean:.0f} characters on average: {per_s:,.0f} answers/s, {right} of {len(ten)} read right; "
        f"vlmevalkit-exact {theirs:,.0f}, ours is {per_s / theirs:.2f} ×"
    )

    hard = read_by_a_person(6)
    print(f"odd endings of the tests, six options and more, {len(hard)} answers")
    compared(hard, given.vlmevalkit, given.repeat)

    record = omnimedvqa(88_996)
    short = (*CHOICES, "It is a pleural effusion.", "Lobar pneumonia is seen.", "pleural effusion", "")
    kept = Kept({q.id: Prediction(q.id, short[i % len(short)], "") for i, q in enumerate(record.questions)}, 0, 0)
    begin = time.process_time()
    result = score_benchmark(record, kept).result
    print(
        f"88,996 OmniMedVQA answers scored and aggregated in {time.process_time() - begin:.2f} CPU s (n = {result.n})"
    )


if __name__ == "__main__":
    main()
