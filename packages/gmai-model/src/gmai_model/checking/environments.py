"""An environment of its own with an older transformers, made once and kept in the user's cache."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from gmai_cli.console import say
from gmai_formats.errors import UserError


def older_python(version: str) -> Path:
    """Return the interpreter of an environment with that transformers and the torch that is installed here.

    Args:
        version: Of transformers, such as `4.49.0`.

    Raises:
        UserError: It cannot be made: no such version, no room, or no package index to be reached.
    """
    if not re.fullmatch(r"\d+(\.\d+)+(\.?[a-z]+\d+)?", version):
        raise UserError(
            f"--transformers {version}: no version. Give one such as 4.57.6; --python takes an interpreter."
        )
    torch = importlib.metadata.version("torch").partition("+")[0]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "gmai" / "environments" / f"transformers-{version}-torch-{torch}-py{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if (folder / "complete").is_file():
        return python
    say(f"making {folder} with transformers {version} and torch {torch}; this is done once and takes about 5 GB")
    shutil.rmtree(folder, ignore_errors=True)
    wanted = [f"torch=={torch}", f"transformers=={version}", "pillow", "jinja2"]
    uv = shutil.which("uv")
    if uv:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], version)
        _run([uv, "pip", "install", "--quiet", "--python", str(python), *wanted], version)
    else:
        _run([sys.executable, "-m", "venv", str(folder)], version)
        _run([str(python), "-m", "pip", "install", "--quiet", *wanted], version)
    (folder / "complete").touch()
    return python


def _run(command: list[str], version: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = [line.strip(" ×╰─▶") for line in result.stderr.splitlines() if line.strip()]
        raise UserError(
            f"--transformers {version}: no environment could be made: {'; '.join(lines[:3])}. It needs a package index "
            f"once. Run it where there is one, or name an interpreter with --python."
        )
