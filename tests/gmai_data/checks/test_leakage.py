"""Images and questions of benchmarks are left out of a build."""

import json

import cv2
import numpy as np
import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.checks.leakage import HASH_ALONE, Benchmarks, Met, leakage_digest
from gmai_data.sources.cards.catalogue import resolve
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file
from gmai_formats.fingerprints.listed import ListedQuestion, write_list
from gmai_formats.fingerprints.perceptual import NEAR_BITS, perceptual_hash, thumbnail


def draw(seed):
    small = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    return cv2.resize(small, (96, 96), interpolation=cv2.INTER_CUBIC)


def listed(path, images, protocol="vqa/closed", question="which gamma is it"):
    write_list(path, [ListedQuestion(protocol, "q", question, images)])
    return path


def pixels_of(small):
    return small.round().astype(np.uint8).tobytes()


FLAT = bytes(64 * 64)


def test_images_of_a_benchmark_are_left_out_by_their_hash(card_file, tmp_path):
    near = perceptual_hash(thumbnail(np.ascontiguousarray(draw(2)[..., ::-1]))) ^ 0b111
    path = listed(tmp_path / "list.jsonl", {"0" * 64: near})
    for seed in range(4):
        (tmp_path / "data" / "a").mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(tmp_path / "data" / "a" / f"{seed}.png"), draw(seed))
    settings = BuildSettings(leakage=leakage_digest(path))
    sources = resolve([str(card_file())], tmp_path / "data")
    assert build(sources, tmp_path / "out", settings, options=RunOptions(leakage=path)) == 0
    images = json.loads((tmp_path / "out" / "manifest.json").read_text())["recipes"]["toy"]["images"]
    assert images["dropped"] == {"image of a benchmark, by its hash alone: vqa/closed": 1}
    assert images["kept"] == 3
    dropped = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert [line["detail"] for line in dropped if "hash alone" in line["check"]] == [HASH_ALONE]


@pytest.mark.parametrize("lesion", [True, False])
def test_pictures_are_compared_themselves_where_the_list_shows_them(card_file, tmp_path, lesion):
    """One hash, two pictures: the same organ with a lesion is another picture, a recompressed copy is the same."""
    shown = draw(2)
    other = shown.copy()
    if lesion:
        cv2.circle(other, (48, 48), 4, (255, 255, 255), -1)
    else:
        other = cv2.imdecode(cv2.imencode(".jpg", other, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_COLOR)
    small = thumbnail(np.ascontiguousarray(shown[..., ::-1]))
    value = perceptual_hash(small)
    distance = value ^ perceptual_hash(thumbnail(np.ascontiguousarray(other[..., ::-1])))
    assert distance.bit_count() <= NEAR_BITS
    path = tmp_path / "list.jsonl"
    write_list(path, [ListedQuestion("vqa", "q", "w", {"0" * 64: value}, {"0" * 64: pixels_of(small)})])
    (tmp_path / "data" / "a").mkdir(parents=True)
    assert cv2.imwrite(str(tmp_path / "data" / "a" / "0.png"), other)
    assert cv2.imwrite(str(tmp_path / "data" / "a" / "1.png"), draw(3))
    sources = resolve([str(card_file())], tmp_path / "data")
    options = RunOptions(leakage=path)
    build(sources, tmp_path / "out", BuildSettings(leakage=leakage_digest(path)), options=options)
    images = json.loads((tmp_path / "out" / "manifest.json").read_text())["recipes"]["toy"]["images"]
    assert images["dropped"] == ({} if lesion else {"image of a benchmark: vqa": 1})


def test_a_picture_is_known_by_its_digest_or_a_near_hash(tmp_path):
    benchmarks = Benchmarks(listed(tmp_path / "list.jsonl", {"0" * 64: 0b1111, "2" * 64: None}))
    assert benchmarks.image("0" * 64, None, FLAT) == Met("vqa/closed", "the same file")
    assert benchmarks.image("2" * 64, 2**40, FLAT) == Met("vqa/closed", "the same file")
    near = benchmarks.image("1" * 64, 0b1111 ^ ((1 << NEAR_BITS) - 1) << 20, FLAT)
    assert near == Met("vqa/closed", HASH_ALONE, by_hash_alone=True)
    assert benchmarks.image("1" * 64, 0b1111 ^ ((2 << NEAR_BITS) - 1) << 20, FLAT) is None
    assert benchmarks.image("1" * 64, None, FLAT) is None


def test_an_image_that_one_line_shows_is_compared_for_all_its_questions(tmp_path):
    """A list of several benchmarks, of which one shows the image and another only names it."""
    small = thumbnail(draw(5))
    value, other = perceptual_hash(small), thumbnail(draw(6))
    lines = [
        ListedQuestion("named", "q", "a", {"0" * 64: value}),
        ListedQuestion("shown", "q", "b", {"0" * 64: value}, {"0" * 64: pixels_of(small)}),
    ]
    write_list(tmp_path / "list.jsonl", lines)
    benchmarks = Benchmarks(tmp_path / "list.jsonl")
    assert benchmarks.image("1" * 64, value, pixels_of(other)) is None
    assert benchmarks.image("1" * 64, value, pixels_of(small)) == Met("named", f"a copy of {'0' * 64}")


def test_of_several_benchmarks_the_nearest_one_is_named(tmp_path):
    first = [ListedQuestion("far", "q", "a", {"0" * 64: 0b111}), ListedQuestion("near", "q", "b", {"1" * 64: 0b1})]
    write_list(tmp_path / "list.jsonl", first)
    assert Benchmarks(tmp_path / "list.jsonl").image("2" * 64, 0, FLAT).protocol == "near"
    assert Benchmarks(tmp_path / "list.jsonl").questions == {"a": "far", "b": "near"}


def test_the_digest_of_a_list_is_taken_once_it_was_read(tmp_path):
    path = listed(tmp_path / "list.jsonl", {})
    assert leakage_digest(path) == sha256_file(path)
    assert leakage_digest(None) is None
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(UserError, match=r"bad\.jsonl:1: .*gmai bench fingerprints"):
        leakage_digest(tmp_path / "bad.jsonl")
