import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.perceptual import NearHashes, _dct_matrix, perceptual_hash
from gmai_bench.tools.contamination import contamination, fingerprints, normalised, write_fingerprints
from gmai_formats.errors import UserError
from PIL import Image, ImageFilter
from scipy.fft import dct

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def encode(image: Image.Image, format_: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format_, **options)
    return buffer.getvalue()


def picture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, size=(160, 200), dtype=np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(9))


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


def test_our_dct_is_scipys() -> None:
    signal = np.random.default_rng(0).normal(size=32)
    assert _dct_matrix() @ signal == pytest.approx(dct(signal, norm="ortho")[:8])


def test_the_hash_survives_format_and_size_and_tells_pictures_apart() -> None:
    hashes = [perceptual_hash(encode(picture(seed))) for seed in range(20)]
    assert len(set(hashes)) == 20
    for seed in range(5):
        small = perceptual_hash(encode(picture(seed).resize((100, 80)), "JPEG", quality=70))
        assert small is not None
        assert (small ^ hashes[seed]).bit_count() <= 6
    distances = [(hashes[i] ^ hashes[j]).bit_count() for i in range(20) for j in range(i)]
    assert min(distances) > 8
    assert perceptual_hash(encode(Image.new("L", (9, 9), 30))) is None
    assert perceptual_hash(b"no image") is None


def test_near_hashes_are_all_found() -> None:
    generator = np.random.default_rng(1)
    hashes = {str(i): int(generator.integers(0, 2**63)) for i in range(300)}
    near = NearHashes(hashes)
    for name, value in list(hashes.items())[:50]:
        flipped = value
        for bit in generator.choice(63, size=6, replace=False):
            flipped ^= 1 << int(bit)
        assert name in near.find(flipped)
        assert name not in near.find(flipped ^ (2**63 - 1))


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


def test_the_list_for_a_data_build(benchmark: Path, tmp_path: Path) -> None:
    prints = [fingerprints(DeclaredBenchmark(benchmark), limit=None, allow_partial=False)]
    assert write_fingerprints(prints, tmp_path / "list.jsonl") == 12
    first = json.loads((tmp_path / "list.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["protocol"] == "held_out/option-text"
    assert first["question"] == "which modality is this"
    assert len(first["images"][0]["sha256"]) == 64
    assert int(first["images"][0]["phash"], 16) == perceptual_hash(encode(picture(0)))


def test_normalised() -> None:
    assert normalised("<image>\n What's  THIS? 这是什么？") == "what s this 这是什么"


def test_what_are_no_samples_is_named(benchmark: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no Parquet file"):
        contamination([], tmp_path / "none", None)
    with pytest.raises(UserError, match=r"held_out\.parquet: has the columns .* Samples have `messages` and `images`"):
        contamination([], benchmark.parent, None)
