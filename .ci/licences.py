"""What each package pulls, with versions and licences: a CycloneDX list (SBOM) and a table for every package.

Usage: `uv run .ci/licences.py --out FOLDER`. Versions are those of uv.lock; licences are what the installed
distributions state. Fails where a package pulls one whose licence forbids passing our wheel's users on to it.
"""

import argparse
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PACKAGES = ("gmai-cli", "gmai-data", "gmai-model", "gmai-bench")
REFUSED = re.compile(r"\bA?GPL|GNU (?:Affero )?General Public|SSPL|Commons Clause|BUSL", re.IGNORECASE)
"""Licences that would bind whoever ships an application built on these packages."""


def pulled(package: str) -> dict[str, str]:
    """Return name ▶ version of everything that `pip install PACKAGE` brings, from uv.lock."""
    lines = subprocess.run(
        ["uv", "export", "--quiet", "--frozen", "--no-hashes", "--no-header", "--no-annotate", "--no-dev",
         "--no-emit-workspace", "--package", package],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    ).stdout.splitlines()  # fmt: skip
    found: dict[str, str] = {}
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


def licence(name: str) -> str:
    """Return what an installed distribution states about its licence."""
    try:
        stated: Any = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "not installed here"
    classifiers = [value.split(" :: ")[-1] for value in stated.get_all("Classifier", []) if value.startswith("License")]
    text = str(stated.get("License-Expression") or "") or ", ".join(c for c in classifiers if c != "OSI Approved")
    return text or str(stated.get("License") or "not stated").strip().partition("\n")[0]


def bill(package: str, parts: dict[str, str]) -> dict[str, Any]:
    """Return the CycloneDX 1.6 document of a package."""
    components = [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "licenses": [{"license": {"name": licence(name)}}],
        }
        for name, version in sorted(parts.items())
    ]
    me = {"type": "application", "name": package, "version": metadata.version(package)}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": me}, "components": components}


def main() -> None:
    """Write the lists, and fail where a licence is refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    refused: list[str] = []
    for package in PACKAGES:
        parts = pulled(package)
        rows = [(name, version, licence(name)) for name, version in sorted(parts.items())]
        table = "".join(f"| {name} | {version} | {text} |\n" for name, version, text in rows)
        page = f"# What {package} pulls\n\n| distribution | version | licence |\n|---|---|---|\n{table}"
        (out / f"{package}.md").write_text(page, encoding="utf-8")
        (out / f"{package}.cdx.json").write_text(json.dumps(bill(package, parts), indent=1) + "\n", encoding="utf-8")
        refused += [f"{package} pulls {name} {version}: {text}" for name, version, text in rows if REFUSED.search(text)]
        print(f"{package}: {len(rows)} distributions")
    if refused:
        sys.exit("licences: " + "\n".join(refused))


if __name__ == "__main__":
    main()
