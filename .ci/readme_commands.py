"""Print the commands of Markdown pages, so that CI runs the very text that a reader copies.

readme_commands.py NAME     the block of README.md under a line `<!-- ci: NAME -->`
readme_commands.py PAGE…    every other block marked `bash` or `python` of the pages, in order
"""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(
    r"^(?:<!-- ci: (?P<name>[\w-]+) -->\n+)?```(?P<language>bash|python)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def named_blocks(text: str) -> dict[str, str]:
    """Return name ▶ commands of every named block of a Markdown text."""
    return {match["name"]: match["text"].strip() for match in _BLOCK.finditer(text) if match["name"]}


def other_blocks(text: str) -> list[str]:
    """Return the blocks without a name, in order, as commands of a shell."""
    return [
        match["text"].strip() if match["language"] == "bash" else f"python - <<'PYTHON'\n{match['text']}PYTHON"
        for match in _BLOCK.finditer(text)
        if not match["name"]
    ]


def main() -> None:
    """Print what was asked for, or say what there is."""
    found = named_blocks(README.read_text("utf-8"))
    wanted = sys.argv[1:]
    if len(wanted) == 1 and wanted[0] in found:
        print(found[wanted[0]])
    elif wanted and all(each.endswith(".md") for each in wanted):
        for page in wanted:
            if blocks := other_blocks(Path(page).read_text("utf-8")):
                print("\n".join([f": {page}", *blocks]))
    else:
        sys.exit(f"usage: readme_commands.py NAME|PAGE.md…, where NAME is one of: {', '.join(found)}")


if __name__ == "__main__":
    main()
