"""Peak memory of `gmai bench score --out` on half a million text questions with four options (asked: below 1 GB).

    OMP_NUM_THREADS=1 python benchmarks/bench_memory.py [--questions 500000]

The benchmark is declared, JSON Lines of its own; the answers are sentences of 40 words in a predictions file. Load,
match, score and report are one process, the real command.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = [
    "the", "of", "pulmonary", "nodule", "opacity", "right", "left", "lower", "lobe",
    "consolidation", "effusion", "mass", "lesion", "contrast", "arterial", "phase", "hepatic", "renal",
    "cyst", "fracture", "displaced",
]  # fmt: skip
DECLARATION = """name: big
title: Big
protocol: big/letters
questions: questions.jsonl
columns: {id: id, question: question, choices: options, reference: answer}
groups: [topic]
prompt: "{question}\\n{choices}\\nAnswer with the letter."
choices_style: letters
"""


def write(folder: Path, count: int) -> None:
    """Write the declaration, its questions and answers to them."""
    draw = random.Random(0)  # noqa: S311 - no secret
    with (
        (folder / "questions.jsonl").open("w", encoding="utf-8") as questions,
        (folder / "answers.jsonl").open("w", encoding="utf-8") as answers,
    ):
        for n in range(count):
            options = {letter: " ".join(draw.choices(WORDS, k=4)) + f" {n}{letter}" for letter in "ABCD"}
            question = {
                "id": f"q{n:07d}",
                "question": " ".join(draw.choices(WORDS, k=20)) + "?",
                "options": options,
                "answer": draw.choice("ABCD"),
                "topic": draw.choice(WORDS),
            }
            questions.write(json.dumps(question) + "\n")
            letter = draw.choice("ABCD")
            said = f"Let me think. {' '.join(draw.choices(WORDS, k=30))}. So the answer is {letter}. {options[letter]}"
            answers.write(json.dumps({"id": question["id"], "response": said}) + "\n")
    (folder / "big.yaml").write_text(DECLARATION, encoding="utf-8")


def main() -> None:
    """Print what one run took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=500_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, given.questions)
        command = [sys.executable, "-m", "gmai_cli", "bench", "score", "answers.jsonl", "--benchmark", "big.yaml"]
        subprocess.run([*command, "--out", "out"], cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        page_mb = (folder / "out/report.html").stat().st_size / 1e6
    print(f"{given.questions:,} questions: peak RSS {used.ru_maxrss / 1024:.0f} MiB, {used.ru_utime:.0f} CPU s")
    print(f"page {page_mb:.1f} MB")


if __name__ == "__main__":
    main()
