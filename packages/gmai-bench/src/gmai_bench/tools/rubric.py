"""A judge reads answers criterion by criterion: one pinned prompt, one named model, every reply kept.

What it said lies in `rubric.jsonl` of the benchmark's folder under the digest of what it was asked, so that an answer,
a prompt or a judge that changed is asked again; `rubric.json` says which judge and prompt the number is of.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from gmai_cli.console import progress
from gmai_formats.errors import UserError, told
from gmai_formats.json_text import parse_json
from gmai_formats.state import DamagedError, read_state, write_state

from gmai_bench.answers.predictions import Prediction, append_to, read_own, request_digest
from gmai_bench.backends.asks import Ask, Backend, InFolder
from gmai_bench.benchmarks.question import Criterion
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.images import ImageStore, Shown
from gmai_bench.scoring import rubric
from gmai_bench.scoring.results import ScoredBenchmark, mean_of, rescored
from gmai_bench.scoring.verdict import Scored, Verdict

PROMPT_NAME = "gmai-rubric/1"
PROMPT = """A conversation and one criterion follow. Say whether the last message of the conversation meets it.

Judge nothing else. All parts of the criterion must be met, except that examples in it ("such as", "for example",
"including") need not all occur. Some criteria describe a fault and have negative points: say of them too whether what
they describe is the case, not whether the message is good.

Conversation:
<<conversation>>

Criterion, with its points in brackets:
<<rubric_item>>

Reply with a JSON object alone: {"explanation": "one sentence", "criteria_met": true or false}."""

VERDICTS, JUDGE = "rubric.jsonl", "rubric.json"
_TRIES = 3
_FIELD = re.compile(r"<<(conversation|rubric_item)>>")


def read_prompt(path: Path | None) -> tuple[str, str]:
    """Return the name and text of the prompt: ours, or one of a file with `<<conversation>>` and `<<rubric_item>>`.

    Raises:
        UserError: It cannot be read, or lacks one of the two.
    """
    if path is None:
        return PROMPT_NAME, PROMPT
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--rubric-prompt {path}: cannot be read ({told(error)}). Correct the path, or leave it out."
        ) from error
    missing = [f"<<{name}>>" for name in ("conversation", "rubric_item") if f"<<{name}>>" not in text]
    if missing:
        raise UserError(
            f"--rubric-prompt {path}: has no {' and no '.join(missing)}. The conversation and one criterion stand "
            "there, as in the grader template of HealthBench's code."
        )
    return path.name, text


def has_rubric(benchmark: ScoredBenchmark) -> bool:
    """Return whether a benchmark's answers are judged by rubrics."""
    return benchmark.record.card.scoring == rubric.NAME


def judge_rubrics(
    folder: Path, benchmark: ScoredBenchmark, backend: Backend, prompt: tuple[str, str], out: Path
) -> int:
    """Let a judge read what it has not read yet, criterion by criterion, and return how much it was asked.

    Raises:
        UserError: The judge cannot be asked, or gives no readable verdict in three tries; what it said is kept.
    """
    state = {
        "judge": backend.name, "judge_digest": backend.digest, "generation": dict(backend.generation),
        "prompt_name": prompt[0], "prompt": prompt[1],
    }  # fmt: skip
    write_state(folder / JUDGE, state)
    wanted = {digest: text for item in benchmark.scored for digest, text in _questions_to_judge(item, state)}
    placed = backend.in_folder(folder / "judge") if isinstance(backend, InFolder) else backend
    asked = 0
    for _ in range(_TRIES):
        kept = read_own(folder / VERDICTS)
        missing = [digest for digest in wanted if digest not in kept.by_id]
        if not missing:
            return asked
        asked += len(missing)
        asks = [Ask(digest, wanted[digest], ()) for digest in missing]
        with (
            append_to(folder / VERDICTS, whole_bytes=kept.whole_bytes, extra={}) as writer,
            progress("judge", len(asks), unit="criteria") as bar,
        ):
            for answer in placed.answers(asks, Shown(ImageStore(out / "images"), "none", 0)):
                if _read(answer.response) is not None:
                    writer.write(Prediction(answer.id, answer.response, answer.id))
                bar.advance()
    left = len(wanted) - len(read_own(folder / VERDICTS).by_id.keys() & wanted.keys())
    if left:
        raise UserError(
            f"the judge {backend.name} gave no readable verdict on {left} of {len(wanted)} criteria, in {_TRIES} tries "
            'each. It replies with {"criteria_met": true} or false. Choose another model; what it said is kept.'
        )
    return asked


def met_by(folder: Path, benchmark: ScoredBenchmark) -> dict[str, list[bool]]:
    """Return question id ▶ which criteria a judge says are met, where it read all of them as they stand now."""
    try:
        state = read_state(folder / JUDGE)
    except FileNotFoundError:
        return {}
    except DamagedError as error:
        raise UserError(f"{error}. Remove it and judge again: what the judge said is kept.") from error
    verdicts_of = {digest: _read(kept.response) for digest, kept in read_own(folder / VERDICTS).by_id.items()}
    found: dict[str, list[bool]] = {}
    for item in benchmark.scored:
        verdicts = [verdicts_of.get(digest) for digest, _ in _questions_to_judge(item, state)]
        if None not in verdicts:
            found[item.question.id] = cast("list[bool]", verdicts)
    return found


def with_rubrics(folder: Path, benchmark: ScoredBenchmark) -> ScoredBenchmark:
    """Return a benchmark of rubrics with the scores of the answers that a judge has read, and the numbers by tag."""
    if not has_rubric(benchmark):
        return benchmark
    found = met_by(folder, benchmark)
    if not found:
        return benchmark
    state = read_state(folder / JUDGE)
    scored: list[Scored] = []
    tagged: dict[str, list[Scored]] = {}
    for item in benchmark.scored:
        criteria, met = item.question.rubric, found.get(item.question.id)
        if met is None:
            scored.append(item)
            continue
        value = rubric.points(criteria, met)
        scored.append(dataclasses.replace(item, verdict=Verdict(value or 0.0, "judged", _summary(criteria, met))))
        for tag, share in rubric.by_tag(criteria, met).items():
            tagged.setdefault(tag, []).append(dataclasses.replace(item, verdict=Verdict(share, "judged", None)))
    judged = rescored(benchmark, scored)
    result = dataclasses.replace(
        judged.result,
        extractor=f"{judged.result.extractor}, judged by {state['judge']} with {state['prompt_name']}",
        measures={**judged.result.measures, **{tag: mean_of(tagged[tag]) for tag in sorted(tagged)}},
    )
    return dataclasses.replace(judged, result=result)


def _summary(criteria: Sequence[Criterion], met: Sequence[bool]) -> str:
    return "\n".join(
        f"{'met' if is_met else 'not met'}: [{c.points:g}] {c.text}" for c, is_met in zip(criteria, met, strict=True)
    )


def _questions_to_judge(item: Scored, state: dict[str, Any]) -> list[tuple[str, str]]:
    """Return digest and text of what the judge is asked about an answer, criterion by criterion."""
    question = item.question
    answer = strip_thoughts(item.prediction.response).strip()
    turns = [*question.turns, ("user", question.text), ("assistant", answer)]
    conversation = "\n\n".join(f"{role}: {text}" for role, text in turns)
    shaping = {"model_digest": state["judge_digest"], "generation": state["generation"]}
    found: list[tuple[str, str]] = []
    for criterion in question.rubric:
        fields = {"conversation": conversation, "rubric_item": f"[{criterion.points:g}] {criterion.text}"}
        text = _FIELD.sub(lambda match, fields=fields: fields[match[1]], state["prompt"])
        found.append((request_digest(text, (), {**shaping, "id": question.id}), text))
    return found


def _read(reply: str) -> bool | None:
    verdict = strip_thoughts(reply)
    try:
        found: Any = parse_json(
            verdict[verdict.index("{") : verdict.rindex("}") + 1]
        )  # fences and words around it do no harm
    except ValueError:
        return None
    met = cast("dict[str, Any]", found).get("criteria_met") if isinstance(found, dict) else None
    return met if isinstance(met, bool) else None
