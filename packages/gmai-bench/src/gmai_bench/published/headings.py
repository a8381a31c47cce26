"""Headings of published tables: several lines of them as one, and the questions that a heading counts.

"VQA-RAD (251)", "SLAKE (n = 1,061)", "MMMU (150 questions)", "VQA-RAD / 251", "OmniMedVQA (89k)", "SLAKE_{416}",
"VQA-RAD（251题）"; a row of counts by its name.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal

_DIGITS = r"(?P<about>[~≈]|(?:about|ca\.?)\s+)?(?P<n>\d{1,3}(?:[, ]\d{3})+|\d+)(?P<scaled>(?:\.\d+)?\s?[k千万])?"
_UNIT = (
    r"(?:(?:(?:test|validation|val|dev)\s+)?"
    r"(?:qs?|questions?|items?|samples?|cases?|examples?|(?:qa|q-a|question[- ]answer)\s+pairs?|pairs?)"
    r"|test|道?题目?|道|例|个问题|条|个样本|样本)"
)
_COUNTED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:\bn\s*[=:]|(?:^|[(\[]\s*)#|[(\[]\s*total(?:\s+of)?\s*[=:]?|题数\s*[=:]?|样本数\s*[=:]?)\s*{_DIGITS}\s*{_UNIT}?\s*[)\]]?$",
        rf"[(\[]\s*{_DIGITS}\s*{_UNIT}\s*[)\]]$",
        rf"\bout of\s+{_DIGITS}\s*[)\]]?$",
    )
)
_WITH_UNIT = re.compile(rf"(?<![\d.-]){_DIGITS}\s*{_UNIT}$", re.IGNORECASE)
_BRACKETED = re.compile(rf"[(\[]\s*{_DIGITS}\s*[)\]]$", re.IGNORECASE)
_SLASHED = re.compile(rf"(?<![\d\s])\s*/\s*(?!100?\b){_DIGITS}\s*[)\]]?$", re.IGNORECASE)
"""Not "score / 100", which says how high a score may be."""
_YEARS = range(1990, 2036)
"""A number that may be the year of a data set and counts nothing: "VQA-Med (2019)"."""
_LEAST = 10
"""A smaller one may number something: "USMLE Step 2 items"."""
_COUNT_ROW = re.compile(
    r"n|#|(?:#|no\.?|num(?:ber)?)(?:\s+of)?\s*(?:test\s+)?(?:questions?|qs|samples?|items?|cases?)|questions|(?:test\s+)?size"
    r"|题数|题目数量?|问题数量?|样本数量?|样本量|测试集大小",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[${}*]|\\[,;!]|\\(?:text\w*|math\w*)(?=\{)")
"""Of Markdown and LaTeX: "**VQA-RAD** $(n{=}251)$"."""
_SUBSCRIPT = re.compile(r"(?:\\textsubscript|_)\s*\{([^{}]*)\}|<sub>([^<>]*)</sub>", re.IGNORECASE)
"""What stands below the line is read as if it stood in brackets."""
_THRESHOLD = re.compile(r"(?:\b[a-z]*ap|\bar|iou|recall|precision|\b[rp]|top|dice)\W*$", re.IGNORECASE)
"""Of metrics; what stands below them counts nothing: "AP_{50}"."""
_SPANNING = re.compile(r"^\\multicolumn\s*\{(\d{1,3})\}\s*\{[^{}]*\}\s*\{(.*)\}$")
_ACROSS = re.compile(r"^\\multirow\s*(?:\[[^\]]*\])?\s*\{[^{}]*\}\s*\{[^{}]*\}\s*\{(.*)\}$")


def counted(heading: str, *, bare: bool = True) -> tuple[int, bool] | None:
    """Return how many questions a heading counts and whether exactly so many; `None` where it counts none.

    Args:
        heading: The heading.
        bare: Whether a number that only stands in brackets may count questions; that of an average counts columns.
    """
    heading = unicodedata.normalize("NFKC", heading).replace("{,}", ",").replace("{=}", "=")
    plain = _MARKUP.sub("", _SUBSCRIPT.sub(_in_brackets, heading)).strip()
    found = next((match for pattern in _COUNTED if (match := pattern.search(plain))), None)
    if found is None:
        found = _WITH_UNIT.search(plain)
        if found is None and bare:
            found = _BRACKETED.search(plain) or _SLASHED.search(plain)
        if found and (_number(found) < _LEAST or (found["n"].isdecimal() and _number(found) in _YEARS)):
            return None
    return (_number(found), not (found["about"] or found["scaled"])) if found and _number(found) else None


def _in_brackets(below: re.Match[str]) -> str:
    held = (below[1] or below[2] or "").strip("()[] ")
    return "" if _THRESHOLD.search(below.string[: below.start()]) else f"({held})"


def _number(found: re.Match[str]) -> int:
    """Return the number that was matched: "89k" and "8.9万" are rounded thousands."""
    digits = found["n"].replace(",", "").replace(" ", "")
    if not found["scaled"]:
        return int(digits)
    *rest, unit = found["scaled"]
    return round(Decimal(digits + "".join(rest).strip()) * (10_000 if unit == "万" else 1_000))


def is_row_of_counts(name: str) -> bool:
    """Return whether a row so named says how many questions each column has."""
    return _COUNT_ROW.fullmatch(unicodedata.normalize("NFKC", name).strip().rstrip(":")) is not None


def spanned(cells: Sequence[str]) -> list[str]:
    r"""Return the cells of a line of LaTeX, as many as it spans: `\multicolumn{2}{c}{CT}` is one and an empty one."""
    found: list[str] = []
    for cell in cells:
        spanning = _SPANNING.match(cell.strip())
        held = spanning[2] if spanning else cell
        across = _ACROSS.match(held.strip())
        found.append(across[1] if across else held)
        found += [""] * (int(spanning[1]) - 1 if spanning else 0)
    return found


def as_one(lines: Sequence[list[str]], is_number: Callable[[str], bool]) -> tuple[list[str], int]:
    """Return the headings of a table whose lines of headings are put together, and how many lines they take.

    A further line of headings names no row and holds no number, or counts of questions; then an empty heading above it
    is that on its left.

    Args:
        lines: All lines.
        is_number: Whether a cell holds a result.
    """
    header = list(lines[0])
    taken = 1
    for line in lines[1:-1]:
        cells = [cell.strip() for cell in line]
        named = any(cells[1:]) and cells[0] in ("", header[0].strip())
        if len(line) != len(header) or not named or any(map(is_number, filter(_is_no_count, cells[1:]))):
            break
        for place in range(2, len(header)) if taken == 1 else ():
            header[place] = header[place].strip() or header[place - 1]
        header = [f"{above} {below}".strip() for above, below in zip(header, ("", *cells[1:]), strict=True)]
        taken += 1
    return header, taken


def _is_no_count(cell: str) -> bool:
    return bool(cell) and counted(cell) is None
