"""The walk by patterns beside `pathlib`'s own, on a tree with everything that names may be."""

import itertools
import os

import pytest
from gmai_data.imaging import file_tree
from gmai_data.imaging.file_tree import files_below, matching_below

NAMES = (
    "a.png", "a-b.png", "b.PNG", "a/1.png", "a/b/2.png", "a/b/c/3.jpg", "a b/x.png", "a.d/y.png", "[1]/z.png",
    "a/.hid.png", ".h/w.png", "__MACOSX/a.png", "a/b.dir/4.png", "x/1.nii.gz", "a/1", "ü/é.png",
)  # fmt: skip


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "5.png").touch()
    (folder / "linked").symlink_to(outside)
    (folder / "a" / "up").symlink_to("..")
    (folder / "file.png").symlink_to("a.png")
    (folder / "gone.png").symlink_to("nowhere")
    (folder / "circle.png").symlink_to("circle.png")
    os.mkfifo(folder / "pipe.png")
    return folder


def by_pathlib(root, pattern, folders):
    def is_own(path):
        return not any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(root).parts)

    def is_wanted(path):
        try:
            is_folder, is_file, is_lost = path.is_dir(), path.is_file(), path.is_symlink() and not path.exists()
        except OSError:  # a link in a circle
            return not folders
        return is_folder if folders else is_file or is_lost

    def is_of_two_stars(path):  # from Python 3.13 on they also match files and links; here folders alone everywhere
        return not pattern.endswith("**") or (path.is_dir() and not path.is_symlink())

    found = {path for path in root.glob(pattern) if is_own(path) and is_wanted(path) and is_of_two_stars(path)} - {root}
    return sorted(path.relative_to(root).as_posix() for path in found)


PATTERNS = (
    "*.png", "**/*.png", "a/*.png", "a/**/*.png", "*/*.png", "*/*/*.png", "a/b/2.png", "**/b/*", "**/b/**/*.jpg",
    "linked/deep/*.png", "linked/**/*.png", "**/deep/*.png", "a/up/*.png", "**/up/a.png", "[[]1]/*.png", "?.png",
    "[!a]*.png", "**", "a/**", "*", "*.d*/*", "no/*.png", "a.png/x", "./a/./*.png", "ü/*", "**/*/1*", ".h/*",
)  # fmt: skip


@pytest.mark.parametrize("folders", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_one_pattern_finds_what_pathlib_finds(root, pattern, folders):
    found = list(matching_below(str(root), [pattern], folders=folders))
    assert sorted(path for path, _ in found) == by_pathlib(root, pattern, folders)
    assert all(numbers == (0,) for _, numbers in found)


def test_several_patterns_are_one_walk_in_order(root):
    for pair in itertools.combinations(PATTERNS[:14], 2):
        found = list(matching_below(str(root), pair))
        assert [path for path, _ in found] == sorted({path for one in pair for path in by_pathlib(root, one, False)})
        for path, numbers in found:
            assert numbers == tuple(n for n, one in enumerate(pair) if path in by_pathlib(root, one, False))


def test_two_stars_inside_a_component_are_one(root):
    assert list(matching_below(str(root), ["a**.png"])) == [("a-b.png", (0,)), ("a.png", (0,))]


def test_all_files_below_a_folder_in_order_of_their_paths(root):
    found = list(files_below(str(root), str(root)))
    assert found == sorted(found)
    shown = {name for name in NAMES if not name.startswith((".", "__")) and "/." not in name}
    assert set(found) == shown | {"file.png", "gone.png", "circle.png"}
    assert list(files_below(str(root), str(root / "a" / "b"))) == ["a/b/2.png", "a/b/c/3.jpg"]


def test_a_folder_larger_than_a_block_comes_whole(root, monkeypatch):
    monkeypatch.setattr(file_tree, "BLOCK", 2)
    assert sorted(files_below(str(root), str(root))) == sorted(set(files_below(str(root), str(root))))
    assert sorted(path for path, _ in matching_below(str(root), ["**/*.png"])) == by_pathlib(root, "**/*.png", False)


def test_a_folder_that_cannot_be_opened_is_named(root, monkeypatch, capsys):
    real = os.scandir

    def scandir(path):
        if path == f"{root}/a":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert "a/1.png" not in list(files_below(str(root), str(root)))
    assert f"{root}/a cannot be opened (permission denied): what lies in it is left out" in capsys.readouterr().err
