"""Self-contained HTML: no script, font or image from elsewhere, and a policy that forbids them."""

import base64
import hashlib
import html
from collections.abc import Sequence

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --bar: #3b7dd8; --paper: #d8863b; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 1.2rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .5rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.filters { display: flex; gap: .8rem; flex-wrap: wrap; position: sticky; top: 0; padding: .6rem 0; background: Canvas; }
.filters label { display: flex; gap: .35rem; align-items: center; } .filters select { max-width: 16rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: .9rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
figure[hidden] { display: none; }
.frame { position: relative; background: #000; } .frame img { display: block; width: 100%; }
.frame svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.frame rect { fill: none; stroke: #ffd400; stroke-width: 2; vector-effect: non-scaling-stroke; }
.frame rect:hover { fill: #ffd40044; }
figcaption { padding: .45rem .6rem; font-size: .85rem; overflow-wrap: anywhere; }
figcaption b { display: block; } .id { opacity: .7; font-size: .75rem; }
svg.ring text { font: 13px system-ui, sans-serif; fill: currentColor; }
"""


def text(value: object) -> str:
    """Return a value escaped for use as text or inside a quoted attribute."""
    return html.escape(str(value), quote=True)


def page(title: str, body: str, script: str = "") -> str:
    """Return a whole page; only this style and this script may run, by their digests, and nothing may be fetched."""
    allowed = "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_source(STYLE)}'",
            f"script-src '{_source(script)}'" if script else "script-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>\n<body><h1>{text(title)}</h1>\n{body}\n"
        + (f"<script>{script}</script>" if script else "")
        + "</body></html>\n"
    )


def _source(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def bars(title: str, rows: Sequence[tuple[str, int, float, float | None]]) -> str:
    """Return an SVG of one bar per (name, count, per cent here, per cent in the paper or None)."""
    height, widest = 30, max([share for _, _, share, _ in rows] + [paper or 0 for *_, paper in rows] + [1.0])
    lines: list[str] = []
    for number, (name, count, share, paper) in enumerate(rows):
        y = number * height
        lines.append(f'<text x="290" y="{y + 18}" text-anchor="end">{text(name)}</text>')
        lines.append(f'<rect x="300" y="{y + 5}" width="{420 * share / widest:.1f}" height="9" fill="var(--bar)"/>')
        words = f"{share:.1f} % ({count})"
        if paper is not None:
            lines.append(
                f'<rect x="300" y="{y + 16}" width="{420 * paper / widest:.1f}" height="6" fill="var(--paper)"/>'
            )
            words += f", paper {paper:.1f} %"
        right = 300 + 420 * max(share, paper or 0) / widest
        lines.append(f'<text x="{right + 8:.1f}" y="{y + 18}">{words}</text>')
    size = f'width="940" height="{len(rows) * height + 6}" viewBox="0 0 940 {len(rows) * height + 6}"'
    return (
        f'<h2>{text(title)}</h2><svg class="ring" role="img" aria-label="{text(title)}" {size}>{"".join(lines)}</svg>'
    )
