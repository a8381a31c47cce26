import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.benchmarks.question import KeepImage, Question
from gmai_bench.report.build import rebuild
from gmai_bench.run import Settings, score_file
from gmai_bench.tools.contamination import FILE, contamination, fingerprints, summarise, write_fingerprints
from gmai_formats.errors import UserError
from gmai_formats.fingerprints.perceptual import HASH, NEAR_BITS, perceptual_hash, thumbnail
from PIL import Image, ImageDraw, ImageFilter, ImageOps

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def encode(image: Image.Image, format_: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format_, **options)
    return buffer.getvalue()


def picture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, size=(160, 200), dtype=np.uint8)
    return ImageOps.autocontrast(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(9)))


def write_samples(folder: Path, rows: list[tuple[list[bytes], str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema([("images", pa.list_(IMAGE)), ("messages", pa.list_(message))])
    table = [
        {
            "images": [{"bytes": image, "path": None} for image in images],
            "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "CT"}],
        }
        for images, text in rows
    ]
    pq.write_table(pa.Table.from_pylist(table, schema=schema), folder / "train-00000.parquet")
    return folder


@pytest.fixture
def benchmark(inputs: SimpleNamespace, tmp_path: Path) -> Path:
    rows = inputs.held_out_rows()
    for i, row in enumerate(rows):
        row["images"] = [{"bytes": encode(picture(i // 2)), "path": f"{i // 2}.png"}]
    return inputs.write_held_out(tmp_path / "benchmarks", rows)


def test_what_occurs_in_training_is_listed(benchmark: Path, tmp_path: Path) -> None:
    jpeg = encode(picture(1).resize((120, 96)), "JPEG", quality=80)
    samples = write_samples(
        tmp_path / "samples",
        [
            ([encode(picture(0))], "<image>\nWhich modality is this?"),
            ([jpeg], "<image>\nDescribe the picture."),
            ([encode(picture(40))], "WHAT is the imaging technique of the picture"),
        ],
    )
    prints = [fingerprints(DeclaredBenchmark(benchmark), limit=None, allow_partial=False)]
    (found,) = contamination(prints, samples, tmp_path / "found.json")
    assert (found.questions, found.images) == (12, 6)
    assert (len(found.exact_images), len(found.near_images)) == (1, 1)
    assert found.questions_on_seen_images == 4
    assert len(found.texts) == 12  # both questions are asked somewhere
    assert set(found.both) == {"q0-0"}
    assert found.both["q0-0"] == "train-00000.parquet row 1"
    kept = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert kept["findings"][0]["both"] == {"q0-0": "train-00000.parquet row 1"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_image_met_exactly_is_not_counted_as_a_near_one(
    benchmark: Path, tmp_path: Path, order: tuple[int, int]
) -> None:
    """The recompressed copy comes before the very file, or after it."""
    copies = encode(picture(0)), encode(picture(0), "JPEG", quality=90)
    rows = [([copies[place]], "<image>\nDescribe it.") for place in order]
    benchmarks = [fingerprints(DeclaredBenchmark(benchmark), limit=None, allow_partial=False)]
    (found,) = contamination(benchmarks, write_samples(tmp_path / "samples", rows), None)
    digest = hashlib.sha256(copies[0]).hexdigest()
    assert found.exact_images == {digest: f"train-00000.parquet row {1 + order.index(0)}"}
    assert found.near_images == {}
    assert found.questions_on_seen_images == 2


def test_a_picture_that_is_merely_close_by_hash_is_no_copy(benchmark: Path, tmp_path: Path) -> None:
    """The same organ with a lesion, as another patient's: one hash, two pictures."""
    other = picture(0)
    ImageDraw.Draw(other).ellipse((90, 60, 104, 74), fill=255)
    hashes = [perceptual_hash(thumbnail(np.asarray(one))) or 0 for one in (picture(0), other)]
    assert (hashes[0] ^ hashes[1]).bit_count() <= NEAR_BITS
    samples = write_samples(tmp_path / "samples", [([encode(other)], "<image>\nDescribe it.")])
    benchmarks = [fingerprints(DeclaredBenchmark(benchmark), limit=None, allow_partial=False)]
    (found,) = contamination(benchmarks, samples, None)
    assert (found.near_images, found.questions_on_seen_images) == ({}, 0)


def test_counts_of_earlier_versions_are_not_taken_for_copies(tmp_path: Path) -> None:
    assert summarise(tmp_path) is None
    (tmp_path / FILE).write_text('{"samples": "s", "findings": []}', encoding="utf-8")
    with pytest.raises(UserError, match=r"close by its hash as near, as earlier versions did\. .* --trained-on again"):
        summarise(tmp_path)


def test_an_image_that_cannot_be_read_is_met_by_its_digest_alone(benchmark: Path, tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", [([b"no image", encode(Image.new("L", (9, 9), 30))], "Look.")])
    benchmarks = [fingerprints(DeclaredBenchmark(benchmark), limit=None, allow_partial=False)]
    (found,) = contamination(benchmarks, samples, None)
    assert (found.exact_images, found.near_images, found.texts) == ({}, {}, {})


def test_a_transparent_and_a_turned_copy_are_near(benchmark: Path, tmp_path: Path) -> None:
    """Hashes are those of the pixels that every command shows: transparency on white, turned as EXIF says."""
    on_white = Image.merge("LA", (picture(0), Image.new("L", picture(0).size, 255)))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = picture(1).transpose(Image.Transpose.ROTATE_90)
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", quality=95, exif=exif)
    samples = write_samples(tmp_path / "samples", [([encode(on_white), buffer.getvalue()], "Look.")])
    benchmarks = [fingerprints(DeclaredBenchmark(benchmark), limit=None, allow_partial=False)]
    (found,) = contamination(benchmarks, samples, None)
    assert len(found.near_images) == 2


def test_the_list_for_a_data_build(benchmark: Path, tmp_path: Path) -> None:
    prints = [fingerprints(DeclaredBenchmark(benchmark), limit=None, allow_partial=False)]
    assert write_fingerprints(prints, tmp_path / "list.jsonl") == 12
    first = json.loads((tmp_path / "list.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["protocol"] == "held_out/option-text"
    assert first["question"] == "which modality is this"
    assert len(first["images"][0]["sha256"]) == 64
    assert first["hash"] == HASH
    assert int(first["images"][0]["phash"], 16) == perceptual_hash(thumbnail(np.asarray(picture(0))))


def test_what_are_no_samples_is_named(benchmark: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no Parquet file"):
        contamination([], tmp_path / "none", None)
    with pytest.raises(UserError, match=r"held_out\.parquet: has the columns .* Samples have `messages` and `images`"):
        contamination([], benchmark.parent, None)


class Counted(DeclaredBenchmark):
    """A benchmark that counts how often it is read."""

    reads = 0

    def questions(self, keep_image: KeepImage) -> Iterator[Question]:
        self.reads += 1
        return super().questions(keep_image)


def test_the_pictures_of_a_benchmark_are_read_once(benchmark: Path, tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", [([encode(picture(0))], "<image>\nWhich modality is this?")])
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(json.dumps({"id": f"q{i // 2}-{i % 2}", "response": "A"}) + "\n" for i in range(12)), encoding="utf-8"
    )
    counted = Counted(benchmark)
    score_file(answers, [counted], tmp_path / "out", Settings(trained_on=samples), model="theirs")
    assert counted.reads == 1
    assert summarise(tmp_path / "out") == [
        counts.counts()
        for counts in contamination(
            [fingerprints(DeclaredBenchmark(benchmark), limit=None, allow_partial=False)], samples, None
        )
    ]


def test_a_run_says_what_its_training_samples_hold(inputs: SimpleNamespace, benchmark: Path, tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples", [([encode(picture(0))], "<image>\nWhich modality is this?")])
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(json.dumps({"id": f"q{i // 2}-{i % 2}", "response": "A"}) + "\n" for i in range(12)), encoding="utf-8"
    )
    for trained_on, said in (
        (None, "Contamination: not looked for"),
        (samples, "| 12 | 2 | 6 | 1 | 1 the same and 0 copies"),
    ):
        out = tmp_path / ("with" if trained_on else "without")
        settings = Settings(trained_on=trained_on)
        score_file(answers, [DeclaredBenchmark(benchmark)], out, settings, model="theirs")
        assert said in (out / "report.md").read_text(encoding="utf-8")
    (found,) = json.loads((tmp_path / "with/report.json").read_text(encoding="utf-8"))["contamination"]
    assert (found["questions"], found["images"], found["same_image"], found["both"]) == (12, 6, 1, 1)
    assert "2 of 12 questions are on images" in (tmp_path / "with/report.html").read_text(encoding="utf-8")
    rebuild(tmp_path / "with")
    assert "Seen in training" in (tmp_path / "with/report.md").read_text(encoding="utf-8")
