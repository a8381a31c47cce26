"""Names in a table beside names on disk."""

import unicodedata

import pytest
from gmai_data.imaging.source_files import as_on_disk, inside, is_dicom_file, matching, matching_any, raster_data
from gmai_data.ledger import SourceError
from gmai_formats.errors import UserError

COMPOSED = "L\u00e4sion_\u00e9"


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / unicodedata.normalize("NFD", "d\u00e4") / "x"
    folder.mkdir(parents=True)
    for name in (unicodedata.normalize("NFD", COMPOSED) + ".png", "plain.JPG", "two.png", "two.PNG", "TWO.tif"):
        (folder / name).write_bytes(b"x")
    return tmp_path


def test_composed_and_decomposed_names_are_one(root):
    found = as_on_disk(root, f"d\u00e4/x/{COMPOSED}.png")
    assert (root / found).is_file()
    assert found == unicodedata.normalize("NFD", f"d\u00e4/x/{COMPOSED}.png")
    assert as_on_disk(root, found) == found


@pytest.mark.parametrize("name", ["plain.jpg", "plain.JPG", "plain.Jpg", "plain.jpg ", " plain.jpg"])
def test_an_ending_in_another_case_and_blanks_are_the_same_name(root, name):
    folder = unicodedata.normalize("NFD", "d\u00e4/x")
    assert as_on_disk(root, f"{folder}/{name}") == f"{folder}/plain.JPG"


@pytest.mark.parametrize("name", ["two.Png", "Plain.jpg", "absent.png", "plain.png"])
def test_nothing_is_guessed(root, name):
    folder = unicodedata.normalize("NFD", "d\u00e4/x")
    assert as_on_disk(root, f"{folder}/{name}") == f"{folder}/{name}"
    assert as_on_disk(root, f"{folder}/two.PNG") == f"{folder}/two.PNG"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.{jpg,png}", ["1.JPG", "2.png"]),
        ("{a,b}/*.{png,tif}", ["a/4.TIF", "b/3.png"]),
        ("*.{png, jpg}", ["1.JPG", "2.png"]),
        ("{1,2}.*", ["1.JPG", "2.png"]),
    ],
)
def test_a_pattern_with_alternatives(tmp_path, pattern, names):
    for name in ("1.JPG", "2.png", "3.gif", "b/3.png", "a/4.TIF"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert list(matching(tmp_path, pattern, recipe="toy", what="images")) == names


def test_names_that_no_file_has_and_links_in_a_circle_cost_that_file(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    for link, target in (("loop.png", "loop.png"), ("one", "two"), ("two", "one"), ("gone.png", "nowhere")):
        (tmp_path / link).symlink_to(target)
    (tmp_path / "up").symlink_to(".")
    found = matching(tmp_path, "**/*", recipe="toy", what="images")
    assert list(found) == ["a.png", "gone.png", "loop.png", "one", "two"]
    assert inside(tmp_path, "loop.png") == tmp_path / "loop.png"
    assert inside(tmp_path, "one/x.png") == tmp_path / "one/x.png"
    with pytest.raises(SourceError, match="file missing: no file has a NUL"):
        inside(tmp_path, "a\0.png")


def test_patterns_that_would_look_for_ever_are_refused_or_made_plain(tmp_path):
    deep = tmp_path.joinpath(*["x"] * 40)
    deep.mkdir(parents=True)
    (deep / "a.png").touch()
    found = matching(tmp_path, "**/" * 12 + "*.png", recipe="toy", what="images")
    assert [tmp_path / path for path in found] == [deep / "a.png"]
    with pytest.raises(UserError, match=r"recipe toy: `.*` stands for 1048576 patterns"):
        next(matching(tmp_path, "{a,b}" * 20 + ".png", recipe="toy", what="images"))


def test_of_several_patterns_each_file_says_which_took_it(tmp_path):
    for name in ("1.PNG", "2.jpg"):
        (tmp_path / name).touch()
    found = matching_any(tmp_path, ("*.{png,gif}", "?.{png,jpg}", "no/*"), recipe="toy", what="images")
    assert dict(found) == {"1.PNG": {0, 1}, "2.jpg": {1}}
    with pytest.raises(UserError, match=r"recipe toy finds no images that match `\*\.gif`, `no/\*`"):
        list(matching_any(tmp_path, ("*.gif", "no/*"), recipe="toy", what="images"))


def test_links_that_lead_out_of_the_root_are_refused_wherever_they_are(tmp_path):
    root, beside = tmp_path / "root", tmp_path / "beside"
    for folder in (root / "in", beside):
        folder.mkdir(parents=True)
        (folder / "a.png").touch()
    (root / "file.png").symlink_to(beside / "a.png")
    (root / "folder").symlink_to(beside)
    (root / "own").symlink_to("in")
    for outside in ("file.png", "folder/a.png", "../beside/a.png", "in/../../beside/a.png", "in/..", "..", "folder/.."):
        if outside != "in/..":
            with pytest.raises(SourceError, match="path outside the root"):
                inside(root, outside)
    for below in ("own/a.png", "in/a.png", "in/../in/a.png", "in/..", ".", "x" * 300, f"{'y' * 300}/a.png"):
        inside(root, below)


@pytest.mark.parametrize("size", [1, 11, 1023, 1024, 1025, 100_000])
def test_the_bytes_of_a_raster_are_all_there_and_those_of_dicom_are_left_alone(tmp_path, size):
    content = bytes(range(1, 256)) * (size // 255 + 1)
    (tmp_path / "a.jpg").write_bytes(content[:size])
    assert raster_data(tmp_path, "a.jpg") == content[:size]
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + content[:size])
    assert raster_data(tmp_path, "a.dcm") is None


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "file missing"),
        (b"", "file empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "Git LFS pointer instead of data"),
    ],
)
def test_a_raster_without_data_is_named(tmp_path, content, rule):
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(SourceError, match=rule):
        raster_data(tmp_path, "a.jpg")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("IM1", bytes(128) + b"DICM", True),
        ("1.2.840.1", bytes(128) + b"DICM", True),
        ("slide.svs", b"II*\0", False),
        ("a.IMA", b"", True),
        ("gone.dcm", None, True),
        ("gone", None, False),
    ],
)
def test_dicom_files_by_their_ending_or_first_bytes(tmp_path, name, content, found):
    if content is None:
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / name).write_bytes(content)
    assert is_dicom_file(tmp_path / name) is found
