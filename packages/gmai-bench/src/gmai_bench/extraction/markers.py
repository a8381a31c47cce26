"""Explicit markers of an answer and the span each one announces; refusals."""

import re

_ANNOUNCED = re.compile(
    r"""
    \\boxed\{(?:\\text\{)?(?P<boxed>[^{}]*)\}
  | <answer>(?P<tag>.*?)(?:</answer>|$)
  | (?:\b(?:final\s+|correct\s+|right\s+|best\s+|my\s+)*(?:answer|choice|option)(?:\s+\w+){0,2}?\s*(?:\*\*)?\s*(?::|=|\bis\b(?!\s+not\b)|\bwould\sbe\b)\s*(?:\*\*)?
      | \b(?:I|we)\s+(?:would\s+|will\s+|'d\s+)?(?:choose|chose|select|pick|go\s+with|answer)\b\s*(?:option\b|answer\b)?:?
      | (?:答案|答)\s*(?:是|为|应为|应该是|选|:|=)+\s*(?:选项|选)?
      | (?:故|应|因此|所以)?(?<!不)(?:选择|选项?)\s*(?:是|为|:)?
    )\s*(?P<line>[^\n]*)
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_NEXT_MARKER = re.compile(r"\b(?:final|correct|right|best|my)?\s*answer(?:\s+is\b|\s*:)|答案", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[\w)*])\.\s+(?=[A-Z])(?<!\b[A-Z]\.\s)|[;。;]|(?<=\*\*)\.\s")
_POSTFIX = re.compile(
    r"(?<![A-Za-z0-9])(?P<letter>\(?[A-Z]\)?|\*\*[A-Z]\*\*)\s+(?:is|seems|looks)\s+(?:clearly\s+|therefore\s+|the\s+)?"
    r"(?:more|most|best|correct|right)\b(?:\s+(?:likely|answer|option|choice))?"
)
_OPTION = re.compile(r"\b(?:option|choice)\s+(?P<letter>\(?[A-Z]\)?)(?![A-Za-z0-9])", re.IGNORECASE)

_REFUSAL = re.compile(
    r"\b(?:can(?:no|')t|can not|unable to|not able to|won't|will not)\s+(?:\w+\s+){0,2}?"
    r"(?:help|assist|answer|determine|provide|diagnose|identify|tell|interpret|analy[sz]e|comment|offer|give|"
    r"(?:see|view|access)\s+(?:the|any|this|an)?\s*images?)\b"
    r"|^\W*(?:I'm\s+|I\s+am\s+)?sorry\b|\bas an AI\b|\bI (?:do not|don't) know\b"
    r"|无法(?:回答|判断|确定|识别|提供|诊断|查看)|不能(?:回答|判断|确定|提供|诊断)|^\W*(?:很)?(?:抱歉|对不起)|我不知道",
    re.IGNORECASE,
)


def marked_spans(text: str) -> list[str]:
    """Return what stands behind each explicit marker, in the order of the text.

    A span ends with its line or sentence. Inside a span the letters and options are weighed like in any text, so
    "the answer is (D), not (A)" gives the span "(D), not (A)".
    """
    spans: list[str] = []
    position = 0
    while (match := _ANNOUNCED.search(text, position)) is not None:
        boxed, tag = match["boxed"], match["tag"]
        if boxed is not None or tag is not None:
            spans.append((boxed if boxed is not None else tag).strip())
            position = match.end()
            continue
        start = match.start("line")
        line = match["line"]
        again = _NEXT_MARKER.search(line)
        if again:
            line = line[: again.start()]
        end = _SENTENCE_END.search(line)
        span = (line[: end.start()] if end else line).strip()
        if span:
            spans.append(span)
        position = max(start + len(span), match.end() - len(match["line"]))
    return spans


def refuses(text: str) -> bool:
    """Say whether the response declines to answer."""
    return _REFUSAL.search(text) is not None
