"""An LLM judge, only when asked for: it reads the answers that the rules read too, and its agreement is reported.

Its readings never change a protocol's number. They are kept in the benchmark's folder by what was asked, so that a
second call asks only about answers it has not read.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmai_cli.console import progress, say
from gmai_formats.errors import UserError
from gmai_formats.state import write_state

from gmai_bench.answers.predictions import Prediction, append_to, read_own, request_digest
from gmai_bench.backends.asks import Ask, Backend
from gmai_bench.benchmarks.prompts import lettered
from gmai_bench.extraction.letters import letter_alone
from gmai_bench.images import ImageStore, Shown
from gmai_bench.report.build import read_folder, run_folders
from gmai_bench.scoring.statistics import wilson
from gmai_bench.scoring.verdict import Scored
from gmai_bench.tools.equality import is_open, judge_open
from gmai_bench.tools.rubric import has_rubric

PROMPT = """Below are a question, its options and an answer that someone gave. Which option does the answer choose?
Do not judge whether it is right. Reply with the letter of that option alone, or with NONE if the answer chooses none
or more than one.

Question: {question}
Options:
{options}
Answer: {answer}"""


def judge_folder(out: Path, backend: Backend) -> Mapping[str, Mapping[str, Any]]:
    """Let a judge read the answers of an output folder.

    It says which option was chosen, and of an open question whether the answer says what the reference says.

    Returns:
        Per protocol what stands in its `judge.json`; nothing where all questions are open.

    Raises:
        UserError: No benchmark has known answers, or the judge cannot be asked.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for folder in run_folders(out):
        benchmark = read_folder(folder)
        if benchmark.record.card.variant:
            say(
                f"{benchmark.result.protocol}: several answers make one verdict, which a judge of answers does not read"
            )
            continue
        if not benchmark.result.hidden and any(map(is_open, benchmark.scored)):
            judge_open(folder, benchmark, backend, out)
            found.setdefault(benchmark.result.protocol, {})
        items = [item for item in benchmark.scored if item.question.choices and not item.question.continuations]
        if items and not benchmark.result.hidden:
            found[benchmark.result.protocol] = _judge(folder, items, backend, out)
            write_state(folder / "judge.json", found[benchmark.result.protocol])
    if not found and not any(has_rubric(read_folder(folder)) for folder in run_folders(out)):
        raise UserError(
            f"{out}: no benchmark with known answers that a judge would read: options, or more than yes and no. "
            "Give a run of another benchmark."
        )
    return found


def _judge(folder: Path, items: list[Scored], backend: Backend, out: Path) -> Mapping[str, Any]:
    path = folder / "judge.jsonl"
    kept = read_own(path)
    shaping = {"model_digest": backend.digest, "generation": dict(backend.generation)}
    prompts = {request_digest(prompt := _prompt(item), (), shaping): prompt for item in items}
    asks = [Ask(request, prompt, ()) for request, prompt in prompts.items() if request not in kept.by_id]
    read = {request: prediction.response for request, prediction in kept.by_id.items()}
    nothing_shown = Shown(ImageStore(out / "images"), "none", 0)
    with (
        append_to(path, whole_bytes=kept.whole_bytes, extra={}) as writer,
        progress("judge", len(asks), unit="answers") as bar,
    ):
        for answer in backend.answers(asks, nothing_shown) if asks else ():
            writer.write(Prediction(answer.id, answer.response, answer.id))
            read[answer.id] = answer.response
            bar.advance()
    return _summary(items, [read[request_digest(_prompt(item), (), shaping)] for item in items], backend)


def _prompt(item: Scored) -> str:
    options = lettered(item.question.choices)
    answer = json.dumps(item.prediction.response, ensure_ascii=False)
    return PROMPT.replace("{options}", options).replace("{question}", item.question.text).replace("{answer}", answer)


def _summary(items: list[Scored], read: list[str], backend: Backend) -> Mapping[str, Any]:
    chosen = [_choice(item, text) for item, text in zip(items, read, strict=True)]
    right = sum(choice == item.question.reference for item, choice in zip(items, chosen, strict=True))
    by_rules = [
        (item.verdict.answer, choice) for item, choice in zip(items, chosen, strict=True) if item.verdict.answer
    ]
    agreed = sum(rules == judge for rules, judge in by_rules)
    unread = [choice for item, choice in zip(items, chosen, strict=True) if item.verdict.answer is None]
    return {
        "judge": backend.name,
        "judge_digest": backend.digest,
        "n": len(items),
        "correct": right,
        "accuracy": right / len(items),
        "interval": wilson(right, len(items)),
        "accuracy_of_the_rules": sum(item.verdict.score == 1.0 for item in items) / len(items),
        "both_read": len(by_rules),
        "agreement": agreed / len(by_rules) if by_rules else None,
        "read_by_the_judge_only": sum(choice is not None for choice in unread),
        "read_by_neither": sum(choice is None for choice in unread),
    }


def _choice(item: Scored, text: str) -> str | None:
    index = letter_alone(text.strip().partition("\n")[0], len(item.question.choices))
    return None if index is None else item.question.choices[index]
