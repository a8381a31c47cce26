"""Four changelogs from fragments, tags, and the workflows that publish."""

import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from_ci = Path(__file__).parents[2] / ".ci"


@pytest.fixture(scope="module")
def check() -> Callable[..., tuple[str, str]]:
    return runpy.run_path(str(from_ci / "release_tag.py"))["check"]


@pytest.fixture
def copy(package: Path, tmp_path: Path) -> Path:
    """A root with a copy of one package, as on the day of its release."""
    shutil.copytree(package, tmp_path / "packages" / package.name, ignore=shutil.ignore_patterns("src"))
    return tmp_path


def version_of(package: Path) -> str:
    found = re.search(r'^version = "(.+)"', (package / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert found
    return found[1]


def test_a_release_collects_the_fragments(check: Callable[..., Any], package: Path, copy: Path) -> None:
    version, folder = version_of(package), copy / "packages" / package.name
    fragments = sorted((folder / "changelog.d").glob("*.md"))
    if not fragments:
        pytest.skip(f"{package.name} has no fragments since its last release")
    tag = f"{package.name}-v{version}"
    with pytest.raises(ValueError, match="Run `uv run scriv collect`"):
        check(tag, copy)
    scriv = Path(sys.executable).with_name("scriv")
    done = subprocess.run([scriv, "collect"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (folder / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", text, re.MULTILINE)
    assert list((folder / "changelog.d").glob("*.md")) == []
    assert check(tag, copy) == (package.name, version)


@pytest.mark.parametrize(
    ("tag", "due"),
    [
        ("v0.1.0", "a release tag reads PACKAGE-vX.Y.Z"),
        ("gmai-v0.1.0", "a release tag reads"),
        ("gmai-data-v99.0.0", "Tag the commit whose pyproject.toml says 99.0.0"),
    ],
)
def test_other_tags_are_refused(check: Callable[..., Any], tag: str, due: str) -> None:
    with pytest.raises(ValueError, match=due):
        check(tag)


def workflow(root: Path, name: str) -> dict[str, Any]:
    return yaml.safe_load((root / ".github" / "workflows" / name).read_text("utf-8"))


def test_workflows_pin_their_actions_and_ask_for_little(root: Path) -> None:
    for path in (root / ".github" / "workflows").glob("*.yml"):
        parsed = workflow(root, path.name)
        assert parsed["permissions"] == {"contents": "read"}, path.name
        for job in parsed["jobs"].values():
            assert job.get("timeout-minutes") or "environment" in job, f"{path.name}: a job without a limit"
            for step in job["steps"]:
                if "uses" in step:
                    assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), step["uses"]


def test_a_tag_publishes_its_package_with_trust_instead_of_a_token(root: Path) -> None:
    release = workflow(root, "release.yml")
    # YAML 1.1 reads the key `on` as true.
    tags = release[True]["push"]["tags"]
    assert sorted(tags) == sorted(f"{path.name}-v*" for path in (root / "packages").iterdir())
    publish = release["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "release"
    text = (root / ".github" / "workflows" / "release.yml").read_text("utf-8")
    assert "secrets." not in text
    for step in (
        "uv build --all-packages --no-sources",
        "twine check --strict",
        ".ci/check_wheels.py",
        ".ci/licences.py",
    ):
        assert step in text


def test_no_upper_bound_without_a_reason(root: Path) -> None:
    """Lower bounds only (CONTRIBUTING.md); between the four packages the range is one minor version."""
    for path in (root / "packages").glob("*/pyproject.toml"):
        for line in path.read_text("utf-8").splitlines():
            names = re.findall(r'"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?>=[^"]*<[^"]*"', line)
            assert all(name.startswith("gmai-") for name in names) or "#" in line, f"{path.parent.name}: {line}"
