"""The shell of every page: nothing is fetched from elsewhere, and only the page's own style and script may run."""

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5d6777; --line: #d9dee6; --ground: #fff; --card: #f6f8fa;
        --mark: #2563a8; --second: #b3372f; --good: #1c7c4a; --bad: #b3372f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b5; --line: #343c48; --ground: #14181e;
        --card: #1c222b; --mark: #6fa8e6; --second: #ea7b73; --good: #5bbf8a; --bad: #ea7b73; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0 auto;
       max-width: 68rem; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); } .right { color: var(--good); } .wrong { color: var(--bad); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; } td, th { padding: .15rem 1.2rem .15rem 0; vertical-align: top; }
td.n { text-align: right; } code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.2rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .8rem; min-width: 0; }
.card img { max-width: 100%; max-height: 14rem; border-radius: 4px; background: #000; }
.card p, .card dl { margin: .4rem 0 0; font-size: .9rem; overflow-wrap: anywhere; }
.card dt { color: var(--soft); } .card dd { margin: 0 0 .3rem; }
.bars { display: grid; grid-template-columns: minmax(6rem, max-content) minmax(4rem, 1fr) max-content;
        gap: .35rem .9rem; align-items: center; } .bars svg { display: block; width: 100%; }
.bars .words { font-variant-numeric: tabular-nums; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg .grid { stroke: var(--line); }
svg .line { fill: none; stroke: var(--mark); stroke-width: 1.5; } svg .dot { fill: var(--second); }
.bars > div { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; align-items: center; }
@media (max-width: 40rem) { body { padding: 1rem .8rem 3rem; } .bars { grid-template-columns: 1fr auto; }
  .bars svg { order: 1; grid-column: 1 / -1; margin-bottom: .4rem; } }
"""


def text(value: object) -> str:
    """Return a value escaped for use as text or inside a quoted attribute."""
    return html.escape(str(value), quote=True)


def policy(style: str, script: str = "") -> str:
    """Return the Content-Security-Policy of a page: its style and script by their digests, images as data only."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_source(script)}'" if script else "script-src 'none'",
            f"style-src '{_source(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def page(title: str, body: Iterable[str], *, heading: str = "", style: str = "", script: str = "") -> str:
    """Return a whole page.

    Args:
        title: Of the window; escaped here.
        body: HTML in which every text of a file or model was escaped by `text`.
        heading: The first line, where it is not the title.
        style: Rules beside `STYLE`.
        script: The page's script.
    """
    style = STYLE + style
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(style, script)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{style}</style></head>\n<body><h1>{text(heading or title)}</h1>\n"
        + "\n".join(body)
        + (f"\n<script>{script}</script>" if script else "")
        + "</body></html>\n"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table that scrolls by itself where it is wider than the page; every cell is escaped."""
    head = "".join(f"<th>{text(name)}</th>" for name in heads)
    lines = ("".join(f"<td>{text(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table>{f"<tr>{head}</tr>" if heads else ""}{body}</table></div>'


def image(encoded: bytes, alt: object = "") -> str:
    """Return an element that holds a PNG or JPEG image."""
    kind = "jpeg" if encoded.startswith(b"\xff\xd8") else "png"
    return f'<img src="data:image/{kind};base64,{base64.b64encode(encoded).decode()}" alt="{text(alt)}">'


def _source(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
