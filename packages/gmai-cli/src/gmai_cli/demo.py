"""`gmai demo`: placeholder body while the commands it composes are built."""

from pathlib import Path
from typing import Annotated

import typer


def demo(out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("gmai-demo")) -> None:
    """Run the whole loop on phantoms."""
    raise NotImplementedError(out)
