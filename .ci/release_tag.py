"""Check that a release tag fits the repository: `release_tag.py gmai-data-v0.2.0`.

Prints `package=…` and `module=…` for the release workflow; refuses a tag whose version is not the package's, or whose
changelog has no entry for it.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TAG = re.compile(r"(?P<package>gmai-(?:cli|data|model|bench))-v(?P<version>\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")


def check(tag: str, root: Path = ROOT) -> tuple[str, str]:
    """Return (package, version) of a tag.

    Raises:
        ValueError: The tag has another form, or the package another version, no changelog entry or fragments left.
    """
    match = TAG.fullmatch(tag)
    if match is None:
        raise ValueError(f"{tag}: a release tag reads PACKAGE-vX.Y.Z, such as gmai-data-v0.2.0")
    package, version = match["package"], match["version"]
    folder = root / "packages" / package
    stated = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    if stated != version:
        raise ValueError(f"{tag}: {package} has version {stated}. Tag the commit whose pyproject.toml says {version}.")
    if f"\n## {version} (" not in (folder / "CHANGELOG.md").read_text("utf-8"):
        raise ValueError(
            f"{tag}: {package}/CHANGELOG.md has no entry {version}. Run `uv run scriv collect` there first."
        )
    left = sorted(path.name for path in (folder / "changelog.d").glob("*.md"))
    if left:
        raise ValueError(f"{tag}: {left[0]} is not collected. Run `uv run scriv collect` in {package} first.")
    return package, version


if __name__ == "__main__":
    try:
        name, _ = check(sys.argv[1] if len(sys.argv) == 2 else "")
    except ValueError as error:
        sys.exit(f"release_tag: {error}")
    print(f"package={name}\nmodule={name.replace('-', '_')}")
