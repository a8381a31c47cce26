"""The same picture twice: which one stays, and what is no duplicate."""

import json

import cv2
import numpy as np
import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.checks.image_prints import alike, image_print, thumbnail
from gmai_data.checks.leakage import NEAR_BITS, Benchmarks, leakage_digest
from gmai_data.checks.near_hashes import NearHashes
from gmai_data.checks.text_prints import text_print
from gmai_data.sources.catalogue import resolve
from gmai_formats.errors import UserError


def draw(seed, size=96):
    small = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)


def bits(one, other):
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.fixture
def classes(tmp_path, card_file):
    """Return a function that writes pictures (name ▶ pixels) into class folders and builds them."""

    def make(pictures, **options):
        root = tmp_path / "data"
        for name, pixels in pictures.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / name), pixels)
        out = tmp_path / "out"
        settings = BuildSettings(leakage=leakage_digest(options.get("leakage")))
        assert build(resolve([str(card_file())], root), out, settings, options=RunOptions(**options)) == 0
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
    one, other = thumbnail(plain), thumbnail(finding)
    assert bits(image_print(one), image_print(other)) <= 3, "the hash alone would call them the same"
    assert not alike(one, other)
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


def test_images_and_questions_of_a_benchmark_are_left_out(classes, tmp_path):
    listed = tmp_path / "list.jsonl"
    near = f"{int(image_print(thumbnail(draw(2)[..., ::-1])), 16) ^ 0b111:016x}"
    entry = {
        "protocol": "vqa/closed",
        "id": "q",
        "question": "which gamma is it",
        "images": [{"sha256": "0" * 64, "phash": near}],
    }
    listed.write_text(json.dumps(entry) + "\n")
    _, account = classes({f"a/{seed}.png": draw(seed) for seed in range(4)}, leakage=listed)
    assert account["images"]["dropped"] == {"image of a benchmark: vqa/closed": 1}
    assert account["images"]["kept"] == 3
    benchmarks = Benchmarks(listed)
    assert benchmarks.image("0" * 64, "f" * 16) == "vqa/closed"
    assert benchmarks.image("1" * 64, f"{int(near, 16) ^ (2 ** (NEAR_BITS + 1) - 1):016x}") is None


def test_a_list_that_is_none_is_refused_with_its_line(tmp_path):
    (tmp_path / "list.jsonl").write_text('{"protocol": "p", "question": "q", "images": []}\n{"a": 1}\n')
    with pytest.raises(UserError, match=r"list\.jsonl:2: KeyError 'protocol'.*gmai bench fingerprints"):
        leakage_digest(tmp_path / "list.jsonl")


def test_prints_of_pictures_bear_a_resize_and_tell_pictures_apart():
    assert bits(image_print(thumbnail(draw(1))), image_print(thumbnail(draw(1, 300)))) <= 2
    assert bits(image_print(thumbnail(draw(1))), image_print(thumbnail(draw(2)))) > 10
    grey = cv2.cvtColor(draw(1), cv2.COLOR_RGB2GRAY)
    assert bits(image_print(thumbnail(draw(1))), image_print(thumbnail(grey))) <= 2


def test_prints_of_texts_bear_a_word_and_tell_texts_apart():
    words = (
        "the left kidney has a smooth even outline and lies beside a darker band of tissue in this image of the abdomen"
    )
    long = f"{words} while {words.replace('left', 'other')}"
    one = text_print([("What is seen?", long)])
    assert bits(one, text_print([("What is seen?", long.replace("darker", "darker,"))])) == 0
    assert (
        bits(one, text_print([("What is seen?", "Erythrocytes of even size surround one large lobed nucleus.")])) > 10
    )


def test_near_hashes_finds_all_within_three_bits_and_none_beyond():
    generator = np.random.default_rng(0)
    hashes = NearHashes()
    value = int(generator.integers(0, 2**63))
    hashes.add(value, "one")
    for _ in range(200):
        places = generator.choice(64, 4, replace=False).tolist()
        assert hashes.find(value ^ sum(1 << place for place in places[:3])) == "one"
        assert hashes.find(value ^ sum(1 << place for place in places)) is None
