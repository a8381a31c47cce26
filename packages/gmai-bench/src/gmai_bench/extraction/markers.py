"""Explicit markers of an answer and the span each one announces; refusals."""

import re

_ANNOUNCED = re.compile(
    r"""
    \\boxed\{(?:\\text\{)?(?P<boxed>[^{}]*)\}
  | <answer>(?P<tag>.*?)(?:</answer>|$)
  | (?:
        \b(?:answer|choice)(?:\s+(?!is\b)\w+){0,3}?\s*(?:\*\*|")?\s*(?::|=|\bis\b|\bwould\s+be\b|\bmust\s+be\b)
      | \b(?:I|we)\s+(?:would\s+|will\s+|'d\s+)?(?:choose|chose|select|pick|go\s+with|answer)\b
      | (?<=[,;。])\s*而(?:应)?是
      | (?:答案|答|正确选项)\s*(?:应该是|应为|应选|选项|是|为|选|:|=)+
      | (?<![不可备])选(?:择|项(?=\s*[A-Z是为:]))?\s*(?:是|为|:)?
    )
    [\s:*"]* (?:\b(?:option|choice|answer)\b\s*:?\s*)?
    (?P<line>[^\n]*)
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_NEXT = re.compile(r"\banswer\s*(?:is\b|:)|\\boxed|<answer>|答案", re.IGNORECASE)
_SENTENCE_END = re.compile(
    r"[;。；]|(?:(?<=\w\w)|(?<=[)*\"]))\.(?:\s|$)|(?<=\b[A-Z])\.\s+(?=(?:Here|The|This|It|Because|Option)\b)"
)

_BEST = re.compile(
    r"(?<![A-Za-z0-9])(?P<letter>\(?[A-Z]\)?)(?:\*\*)?\s+(?:is|seems|looks)\s+(?:\w+\s+)?(?:\w+\s+)?"
    r"(?:more\s+likely|most\s+likely|correct|right|best|(?<=the\s)answer)\b"
)
_OPTION = re.compile(
    r"\b(?:option|choice)\s+(?:\*\*)?(?P<letter>\(?[A-Z]\)?)(?![A-Za-z0-9])|选项\s*(?P<zh>[A-Z])", re.IGNORECASE
)

_REFUSAL = re.compile(
    r"\b(?:can(?:no|')t|can not|unable to|not able to|won't|will not)\s+(?:\w+\s+){0,2}?"
    r"(?:help|assist|answer|determine|provide|diagnose|identify|tell|interpret|analy[sz]e|comment|offer|give|"
    r"(?:see|view|access)\s+(?:the|any|this|an)?\s*images?)\b"
    r"|^\W*(?:I'm\s+|I\s+am\s+)?sorry\b|\bas an AI\b|\bI (?:do not|don't) know\b"
    r"|无法(?:回答|判断|确定|识别|提供|诊断|查看)|不能(?:回答|判断|确定|提供|诊断)|^\W*(?:很)?(?:抱歉|对不起)|我不知道",
    re.IGNORECASE,
)
_MARKER_WORDS = re.compile(r"answer|choice|choose|chose|select|pick|go\s+with|boxed|答|选|而", re.IGNORECASE)


def marked_spans(text: str) -> list[str]:
    """Return what stands behind each explicit marker, in the order of the text.

    A span ends with its line or sentence. Inside a span letters and options are weighed like in any text, so
    "the answer is (D), not (A)" gives the span "(D), not (A)".
    """
    if not _MARKER_WORDS.search(text):
        return []
    spans: list[str] = []
    position = 0
    while (match := _ANNOUNCED.search(text, position)) is not None:
        held = match["boxed"] if match["boxed"] is not None else match["tag"]
        if held is not None:
            spans.append(held.strip())
            position = match.end()
            continue
        start, line = match.start("line"), match["line"]
        again = _NEXT.search(line)
        line = line[: again.start()] if again else line
        end = _SENTENCE_END.search(line)
        line = line[: end.start()] if end else line
        spans.append(line.strip())
        position = max(start + len(line), match.start() + 1)
    return [span for span in spans if span]


def favoured_spans(text: str) -> list[str]:
    """Return the letters said to be best ("B is more likely", "C is correct"), as written."""
    return [match["letter"] for match in _BEST.finditer(text)]


def option_letters(text: str) -> list[tuple[int, int]]:
    """Return the places of letters named as "option X"."""
    return [match.span("letter" if match["letter"] else "zh") for match in _OPTION.finditer(text)]


def refuses(text: str) -> bool:
    """Say whether the response declines to answer."""
    return _REFUSAL.search(text) is not None
