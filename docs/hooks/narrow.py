"""MkDocs hook: what tables and code need to be read whole on a telephone; pages.css has the rules for it."""

import re
from typing import Any

TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)
CELL = re.compile(r"<(t[hd])([^>]*)>(.*?)</\1>", re.DOTALL)
CODE = re.compile(r"<code[^>]*>.*?</code>", re.DOTALL)
PRE = re.compile(r"(<pre[^>]*>.*?</pre>)", re.DOTALL)
TAG = re.compile(r"(<[^>]+>)")
OPTION = re.compile(r"(?<![\w./-])-{1,2}[A-Za-z][\w-]*")
JOINT = re.compile(r"(?<=[\w\]}*])([_/=:|]|\.(?!\d))(?=[\w{\[*])")
WORDS = re.compile(r"[\s_./=:|-]+")
GAP = re.compile(r" {3,}")
LONG = 12
"""Characters above which a column is of text, not of numbers and single words."""
ROOM = 52
"""Characters of the smaller type that stand side by side on a telephone, the rims of cells not counted."""
RIM = 1.5


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Return the page with marked tables, whole options, names that break at their joints, and gaps that can shrink."""
    parts = PRE.split(html)
    parts[1::2] = [_whole("\n".join(map(_gaps, block.split("\n")))) for block in parts[1::2]]
    parts[::2] = [TABLE.sub(lambda found: table(found[0]), CODE.sub(_code, part)) for part in parts[::2]]
    return "".join(parts)


def _code(found: re.Match[str]) -> str:
    """Return code within a sentence or a cell."""
    return _whole(_texts(JOINT, r"\1<wbr>", found[0]))


def _whole(html: str) -> str:
    return _texts(OPTION, r'<span class="whole">\g<0></span>', html)


def table(html: str) -> str:
    """Return a table that is stacked on a telephone if three columns or more hold text, or if its words do not fit.

    Stacked, a row is a block with a line for each cell, which carries its column's title.
    """
    rows = [CELL.findall(row) for row in ROW.findall(html)]
    titles = [_plain(content) for _, _, content in rows[0]]
    columns = [[_plain(row[n][2]) for row in rows if n < len(row)] for n in range(len(titles))]
    texts = sum(max(map(len, column[1:]), default=0) > LONG for column in columns)
    least = sum(max(len(word) for cell in column for word in WORDS.split(cell)) + RIM for column in columns)
    if texts < 3 and least <= ROOM:
        return html

    def marked(row: re.Match[str]) -> str:
        title = iter(titles)

        def cell(found: re.Match[str]) -> str:
            name = next(title, "")
            if found[1] == "th":
                return found[0]
            return f'<td data-title="{name}"{found[2]}>{found[3]}</td>' if name else found[0]

        return CELL.sub(cell, row[0])

    kind = "stacked many" if len(titles) > 6 else "stacked"
    return ROW.sub(marked, html).replace("<table>", f'<div class="{kind}"><table>', 1) + "</div>"


def _plain(html: str) -> str:
    """Return the text of a cell, fit for an attribute."""
    return TAG.sub("", html).replace('"', "&quot;").strip()


def _texts(what: re.Pattern[str], put: str, html: str) -> str:
    """Return HTML with a replacement in its texts and not in its tags."""
    return "".join(part if part.startswith("<") else what.sub(put, part) for part in TAG.split(html))


def _gaps(line: str) -> str:
    """Return a line of code whose runs of blanks between two texts are marked; those it begins with are not."""
    parts, begun = [], False
    for part in TAG.split(line):
        if part.startswith("<"):
            parts.append(part)
            continue
        head = "" if begun else part[: len(part) - len(part.lstrip(" "))]
        begun = begun or bool(part.strip())
        parts.append(head + GAP.sub(r'<span class="gap">\g<0></span>', part[len(head) :]))
    return "".join(parts)
