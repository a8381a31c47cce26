"""The same picture twice: which one stays, and what is no duplicate."""

import json

import cv2
import numpy as np
import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.checks.duplicates import LEFT_OUT, hash_of, left_out, named_hash, screen
from gmai_data.sources.cards.catalogue import resolve
from gmai_formats.fingerprints.perceptual import HASH, perceptual_hash, thumbnail
from gmai_formats.state import write_state


def draw(seed, size=96):
    small = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def classes(tmp_path, card_file):
    """Return a function that writes pictures (name ▶ pixels) into class folders and builds them."""

    def make(pictures, **options):
        root = tmp_path / "data"
        for name, pixels in pictures.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / name), pixels)
        out = tmp_path / "out"
        assert build(resolve([str(card_file())], root), out, BuildSettings(), options=RunOptions(**options)) == 0
        return out, json.loads((out / "manifest.json").read_text())["recipes"]["toy"]

    return make


def test_equal_and_nearly_equal_pictures_are_left_out_with_their_samples(classes):
    pixels = {f"a/{seed}.png": draw(seed) for seed in range(6)}
    pixels["b/again.png"] = draw(3)
    pixels["b/small.jpg"] = cv2.resize(draw(4), (70, 70), interpolation=cv2.INTER_AREA)
    out, account = classes(pixels)
    assert account["images"]["read"] == 8
    assert account["images"]["kept"] == 6
    assert account["images"]["dropped"] == {"duplicate image": 1, "near-duplicate image": 1}
    assert account["samples"]["dropped"]["of a duplicate image"] > 0
    assert account["samples"]["read"] == account["samples"]["kept"] + sum(account["samples"]["dropped"].values())
    assert sum(account["samples_by_kind"].values()) == account["samples"]["kept"]
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    assert {line["check"] for line in dropped} == {"duplicate image", "near-duplicate image"}
    assert all(line["detail"].startswith("of 2d#cls#") for line in dropped)
    import pyarrow.parquet as pq

    left = {line["id"] for line in dropped}
    for path in out.rglob("*.parquet"):
        column = "annotation" if "annotation" in pq.read_schema(path).names else "id"
        ids = pq.read_table(path, columns=[column])[column].to_pylist()
        assert not [each for each in ids if any(each.startswith(gone) for gone in left)]


def test_pictures_that_differ_in_one_finding_are_both_kept(classes):
    plain = draw(5, 256)
    disc = cv2.circle(np.zeros((256, 256), np.uint8), (128, 96), 5, 1, -1)[..., None] > 0
    finding = np.where(disc, np.where(plain > 127, plain - 70, plain + 70), plain).astype(np.uint8)
    one, other = perceptual_hash(thumbnail(plain)), perceptual_hash(thumbnail(finding))
    assert (one ^ other).bit_count() <= 3, "the hash alone would call them the same"
    _, account = classes({"a/plain.png": plain, "b/finding.png": finding})
    assert account["images"]["dropped"] == {}


def test_slices_of_one_volume_are_never_duplicates(phantom_build):
    manifest = json.loads((phantom_build / "manifest.json").read_text())
    for name in ("phantom-ct", "phantom-mr", "phantom-ultrasound"):
        assert "near-duplicate image" not in manifest["recipes"][name]["images"]["dropped"]


def test_the_real_slices_and_photographs_are_all_kept(real_data, tmp_path):
    out = tmp_path / "out"
    sources = resolve([f"bccd={real_data / 'bccd' / 'BCCD'}"], None)
    build(sources, out, BuildSettings(limit=60))
    images = json.loads((out / "manifest.json").read_text())["recipes"]["bccd"]["images"]
    assert images["dropped"] == {}, "no two of the first 60 photographs are the same"


COPIES = {
    "rows less": lambda pixels: (pixels[4:], 60),
    "columns less": lambda pixels: (pixels[:, :-5], 90),
    "quality 40": lambda pixels: (pixels, 40),
    "brighter": lambda pixels: (np.round(255 * (pixels / 255) ** 0.85).astype(np.uint8), 90),
    "less contrast, on three sides less": lambda pixels: ((pixels * 0.8 + 20).astype(np.uint8)[3:, 3:-3], 75),
}


def radiograph(seed, size=(360, 330)):
    """Draw a body with ribs, a heart and noise."""
    random, width = np.random.default_rng(seed), size[1]
    canvas = np.full(size, 40, np.uint8)
    for rib in range(10):
        center, axes = (width // 2, 40 + 32 * rib + int(random.integers(8))), (width // 2 - 30, 40)
        cv2.ellipse(canvas, center, axes, 0, 180, 360, 90, 6)
    cv2.ellipse(
        canvas, (width // 2 + int(random.integers(40)), 200), (70, 50), int(random.integers(60)), 0, 360, 150, -1
    )
    return np.clip(canvas + random.normal(0, 6, size), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", COPIES)
def test_a_changed_copy_in_another_source_is_left_out(classes, tmp_path, change):
    root = tmp_path / "data"
    (root / "b").mkdir(parents=True)
    pixels, quality = COPIES[change](radiograph(1))
    assert cv2.imwrite(str(root / "b" / "copy.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    _, account = classes({f"a/{seed}.png": radiograph(seed) for seed in range(4)})
    assert account["images"]["dropped"] == {"near-duplicate image": 1}
    assert account["images"]["kept"] == 4


def test_an_exact_duplicate_is_not_counted_again_as_a_near_one(classes):
    pixels = {f"{folder}/{seed}.png": draw(seed) for folder in "abc" for seed in range(2)}
    _, account = classes(pixels)
    assert account["images"]["dropped"] == {"duplicate image": 4}


def test_a_hash_in_the_provenance_says_which_hash_it_is(phantom_build):
    import pyarrow.parquet as pq

    (path, *_) = sorted((phantom_build / "annotations").rglob("*.parquet"))
    row = pq.read_table(path).slice(0, 1).to_pylist()[0]
    pixels = cv2.imdecode(np.frombuffer(row["image"]["bytes"], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    expected = perceptual_hash(thumbnail(np.ascontiguousarray(pixels)))
    assert json.loads(row["provenance"])["phash"] == f"{HASH}:{expected:016x}"


@pytest.mark.parametrize("value", [0, 5, 2**63 - 1, None])
def test_a_named_hash_is_read_again(value):
    assert hash_of(named_hash(value)) == value


@pytest.mark.parametrize("content", [b"", b"{", bytes(40), b'{"rows": {}, "sha256": "0"}'])
def test_what_a_killed_screening_left_damaged_is_written_again(content, tmp_path, capsys):
    damaged, whole, none = (tmp_path / name for name in ("a", "b", "c"))
    for folder in (damaged, whole, none):
        folder.mkdir()
    (damaged / LEFT_OUT).write_bytes(content)
    write_state(whole / LEFT_OUT, {"rows": {"0": "reason"}})
    assert screen([damaged, whole, none]) == 0
    assert f"{damaged / LEFT_OUT} is damaged" in capsys.readouterr().err
    assert not (damaged / LEFT_OUT).exists()
    assert left_out(whole)["rows"] == {"0": "reason"}
