"""Print a command block of the root README, so that CI runs the very text that a reader copies.

A block is the fenced code under a line `<!-- ci: NAME -->`. Usage: `python .ci/readme_commands.py NAME`.
"""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"^<!-- ci: (?P<name>[\w-]+) -->\n+```(?:bash|sh)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> dict[str, str]:
    """Return name ▶ commands of every marked block of a Markdown text."""
    return {match["name"]: match["text"].strip() for match in _BLOCK.finditer(text)}


def main() -> None:
    """Print one block, or say which there are."""
    found = blocks(README.read_text("utf-8"))
    if len(sys.argv) != 2 or sys.argv[1] not in found:
        sys.exit(f"usage: readme_commands.py NAME, where NAME is one of: {', '.join(found)}")
    print(found[sys.argv[1]])


if __name__ == "__main__":
    main()
