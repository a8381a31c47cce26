"""Print the commands of a Markdown page, so that CI runs the very text that a reader copies.

readme_commands.py NAME    the block of README.md under a line `<!-- ci: NAME -->`
readme_commands.py PAGE    every other block marked `bash` of a page, in order
"""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"^(?:<!-- ci: (?P<name>[\w-]+) -->\n+)?```bash\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def named_blocks(text: str) -> dict[str, str]:
    """Return name ▶ commands of every named block of a Markdown text."""
    return {match["name"]: match["text"].strip() for match in _BLOCK.finditer(text) if match["name"]}


def other_blocks(text: str) -> list[str]:
    """Return the commands of the blocks without a name, in order."""
    return [match["text"].strip() for match in _BLOCK.finditer(text) if not match["name"]]


def main() -> None:
    """Print what was asked for, or say what there is."""
    found = named_blocks(README.read_text("utf-8"))
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    if wanted in found:
        print(found[wanted])
    elif wanted.endswith(".md"):
        print("\n".join(other_blocks(Path(wanted).read_text("utf-8"))))
    else:
        sys.exit(f"usage: readme_commands.py NAME|PAGE.md, where NAME is one of: {', '.join(found)}")


if __name__ == "__main__":
    main()
