import ast
import importlib
import os
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

NAMES = {"gmai-bench", "gmai-cli", "gmai-data", "gmai-model"}


def read_project(package: Path) -> dict:
    return tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]


def test_there_are_four_packages(root: Path) -> None:
    assert {path.parent.name for path in root.glob("packages/*/pyproject.toml")} == NAMES


def test_a_package_has_what_a_release_needs(package: Path) -> None:
    project = read_project(package)
    module = package / "src" / package.name.replace("-", "_")
    assert project["name"] == package.name
    assert Version(project["version"])
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "Apache-2.0"
    assert (module / "py.typed").is_file()
    assert "scriv-insert-here" in (package / "CHANGELOG.md").read_text("utf-8")


def test_a_readme_names_its_package_and_its_commands(package: Path) -> None:
    text = (package / "README.md").read_text("utf-8")
    assert text.startswith(f"# {package.name}\n")
    assert "gmai " in text, "a README shows the command that the package brings"


def test_every_license_is_the_same_text(root: Path, package: Path) -> None:
    assert (package / "LICENSE").read_bytes() == (root / "LICENSE").read_bytes()


def test_members_accept_one_another(root: Path) -> None:
    """A range such as >=0.1,<0.2 must take in the version that stands in the member's pyproject.toml."""
    versions = {path.name: read_project(path)["version"] for path in (root / "packages").iterdir()}
    for package in (root / "packages").iterdir():
        project = read_project(package)
        optional = project.get("optional-dependencies", {}).values()
        for line in [*project["dependencies"], *(line for lines in optional for line in lines)]:
            requirement = Requirement(line)
            if requirement.name in versions:
                assert requirement.specifier.contains(versions[requirement.name]), f"{package.name}: {line}"
                assert {clause.operator for clause in requirement.specifier} == {">=", "<"}, f"{package.name}: {line}"


def test_only_ranges_bind_the_packages(package: Path) -> None:
    """`gmai-cli` is under all of them; none of the three names another, but through `gmai-cli[all]`."""
    project = read_project(package)
    named = {Requirement(line).name for line in project["dependencies"]} & NAMES
    assert named == (set() if package.name == "gmai-cli" else {"gmai-cli"})


def test_data_and_bench_need_no_torch(root: Path) -> None:
    for name in ("gmai-cli", "gmai-data", "gmai-bench"):
        needed = {Requirement(line).name for line in read_project(root / "packages" / name)["dependencies"]}
        assert not needed & {"torch", "torchvision", "transformers", "datasets", "accelerate", "deepspeed"}, name


def test_init_files_hold_a_docstring_only(package: Path) -> None:
    for path in (package / "src").rglob("__init__.py"):
        body = ast.parse(path.read_text("utf-8")).body
        assert len(body) == 1, f"{path}: an __init__ file holds a docstring and nothing else"
        assert isinstance(body[0], ast.Expr), path
        assert isinstance(body[0].value, ast.Constant), path


def test_every_module_says_what_it_is(package: Path) -> None:
    for path in (package / "src").rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), f"{path}: no docstring"


def test_no_module_is_named_for_nothing(package: Path) -> None:
    refused = {"utils", "util", "helpers", "helper", "common", "misc", "core", "base"}
    assert not [path for path in (package / "src").rglob("*") if path.stem in refused]


def test_fragments_parse(package: Path) -> None:
    """`scriv collect` must find every fragment under a known heading, or it would be lost in a release."""
    config_module, scriv_module = importlib.import_module("scriv.config"), importlib.import_module("scriv.scriv")
    before = Path.cwd()
    os.chdir(package)
    try:
        config = config_module.Config.read()
        scriv = scriv_module.Scriv(config=config)
        fragments = scriv.fragments_to_combine()
        sections = scriv.combine_fragments(fragments)
        assert config.version == read_project(package)["version"]
    finally:
        os.chdir(before)
    released = re.search(r"^## \d", (package / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert fragments or released, "neither a fragment nor a release says what the package can do"
    assert set(sections) <= {"Added", "Changed", "Fixed", "Removed", "Security"}
    for heading, paragraphs in sections.items():
        assert paragraphs, heading
        assert all(line.startswith(("- ", "  ")) for text in paragraphs for line in text.splitlines() if line), heading
