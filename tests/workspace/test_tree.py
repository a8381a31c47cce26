import ast
import re
from pathlib import Path

LARGEST_BYTES = 100_000
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".json",
    ".ini",
    ".cfg",
    ".sh",
    ".sbatch",
    ".css",
    ".js",
    ".j2",
    ".html",
    ".csv",
    "",
}
# Put together here, so that this file does not name what it looks for.
ABSOLUTE = re.compile(r"(?<![\w.~$}])/(?:" + "|".join(("wo" + "rk", "ro" + "ot", "op" + "t")) + r")/\w")
REGISTRIES = ("py" + "pi.org", "python" + "hosted.org", "conda." + "anaconda.org", "test.py" + "pi")


def test_no_file_is_large(tracked: list[Path], root: Path) -> None:
    large = [path for path in tracked if path.stat().st_size > LARGEST_BYTES and path != root / "uv.lock"]
    assert not large, f"more than {LARGEST_BYTES} bytes: tests draw their images, data is not committed"


def test_no_file_names_a_path_of_one_machine(tracked: list[Path], root: Path) -> None:
    for path in tracked:
        if path.suffix in TEXT and path != root / "uv.lock":
            found = ABSOLUTE.search(path.read_text("utf-8"))
            assert found is None, f"{path} names {found and found.group()}…: nobody else has that folder"


def test_only_the_lock_names_a_package_registry(tracked: list[Path], root: Path) -> None:
    for path in tracked:
        if path.suffix in TEXT and path != root / "uv.lock":
            text = path.read_text("utf-8")
            assert not [host for host in REGISTRIES if host in text], f"{path} names a package registry"


def test_text_files_end_with_one_line_end(tracked: list[Path]) -> None:
    for path in tracked:
        text = path.read_bytes()
        if path.suffix in TEXT and text:
            assert text.endswith(b"\n"), path
            assert not text.endswith(b"\n\n"), path
            assert b"\r" not in text, path


def test_tests_mirror_the_packages(root: Path) -> None:
    """A folder of tests stands for a package, or is one of those that hold the packages together."""
    folders = {path.name for path in (root / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    packages = {path.name for path in root.glob("packages/*/src/*")}
    assert folders <= packages | {"workspace", "contracts", "e2e", "slurm", "servers", "safety"}


def lacks_tests(root: Path) -> set[str]:
    """Return the modules with logic that have no test file at the same place below tests/."""
    found: set[str] = set()
    for package in root.glob("packages/*/src/*"):
        for path in package.rglob("*.py"):
            inner = path.relative_to(package)
            has_logic = any(
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
            )
            mirror = root / "tests" / package.name / inner.parent / f"test_{inner.name.lstrip('_')}"
            if has_logic and path.name != "__main__.py" and not mirror.is_file():
                found.add(f"{package.name}/{inner.as_posix()}")
    return found


def test_every_module_with_logic_has_its_test_file(root: Path) -> None:
    assert not lacks_tests(root)


def test_the_mirror_would_notice(tmp_path: Path) -> None:
    package = tmp_path / "packages" / "a" / "src" / "a"
    package.mkdir(parents=True)
    (package / "plain.py").write_text("X = 1\n")
    (package / "logic.py").write_text("def f():\n    return 1\n")
    assert lacks_tests(tmp_path) == {"a/logic.py"}
