"""The parts of texts that have a form of their own: a report's findings and impression, a reasoning's last line."""

import re

from gmai_data.checks.facts import Facts
from gmai_data.vocabulary import Language

_FINDINGS = {Language.EN: r"findings?\s*:", Language.ZH: r"(?:影像|检查)?(?:所见|表现)\s*[:：]"}
_IMPRESSION = {Language.EN: r"(?:impression|conclusion)s?\s*:", Language.ZH: r"(?:印象|结论|诊断意见)\s*[:：]"}
ANSWER = {Language.EN: "Answer: {answer}", Language.ZH: "答案：{answer}"}
"""The last line of a reasoning."""
_LEAST_WORDS, _LEAST_CHARACTERS = 8, 12
"""Of the steps before the last line: fewer give no reason."""


def wrong_parts(facts: Facts, turns: tuple[tuple[str, str], ...]) -> str | None:
    """Return which part of a report or a reasoning is missing, or None."""
    if facts.form == "report":
        return _wrong_report(facts, turns[-1][1])
    if facts.form == "reasoning":
        return _wrong_reasoning(facts, *turns[-1])
    return None


def _wrong_report(facts: Facts, answer: str) -> str | None:
    parts = re.fullmatch(
        rf"\s*\**{_FINDINGS[facts.language]}\**(?P<findings>.+?)\**{_IMPRESSION[facts.language]}\**(?P<impression>.+)",
        answer, re.IGNORECASE | re.DOTALL,
    )  # fmt: skip
    if parts is None:
        return "a report has two parts, which begin with Findings: and Impression:"
    empty = next((name for name in ("findings", "impression") if not parts[name].strip(" *\n.。")), None)
    return f"the part {empty} says nothing" if empty else None


def _wrong_reasoning(facts: Facts, question: str, answer: str) -> str | None:
    lines = [line.strip() for line in answer.strip().splitlines() if line.strip()]
    wanted = ANSWER[facts.language].format(answer=facts.answer)
    if not lines or _bare(lines[-1]) != _bare(wanted):
        return f'its last line must be "{wanted}"'
    steps = " ".join(lines[:-1])
    if facts.language == Language.EN:
        enough = len(steps.split()) >= _LEAST_WORDS
    else:
        enough = len(re.findall(r"[一-鿿]", steps)) >= _LEAST_CHARACTERS
    if not enough:
        return "it gives no steps before the last line"
    if facts.question and _bare(question) != _bare(facts.question):
        return "its question is not the one that was given"
    return None


def _bare(text: str) -> str:
    return re.sub(r"[\s*.。`\"']+", " ", text.replace("：", ":").lower()).strip().replace(": ", ":")
