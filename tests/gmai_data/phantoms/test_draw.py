"""Phantoms: real formats, the same bytes from the same seed, and classes that are in the pixels."""

import csv
import hashlib
import io
from collections import defaultdict

import av
import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
from gmai_data.phantoms import pictures
from gmai_data.phantoms.draw import DATASETS, draw_all
from gmai_formats.errors import UserError
from PIL import Image


def test_same_seed_same_files(phantoms, tmp_path):
    draw_all(tmp_path / "again", "small", 0)
    draw_all(tmp_path / "other", "small", 1)

    def content(folder):
        return {
            path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            # gzip stamps the time into its header
            if path.is_file() and path.suffix != ".gz"
        }

    assert content(tmp_path / "again") == content(phantoms)
    assert content(tmp_path / "other") != content(phantoms)


def test_a_folder_with_something_in_it_is_refused(phantoms):
    with pytest.raises(UserError, match="not empty"):
        draw_all(phantoms, "small", 0)


def test_without_a_writer_of_videos_the_rest_is_drawn_and_it_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("gmai_data.phantoms.draw.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(
        "gmai_data.phantoms.draw.DATASETS", {name: DATASETS[name] for name in ("phantom-text", "phantom-ultrasound")}
    )
    draw_all(tmp_path / "p", "small", 0)
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["phantom-text"]
    assert "phantom-ultrasound: not drawn, since videos need PyAV. Install it with `" in capsys.readouterr().err


def test_dicom_is_valid(phantoms):
    path = sorted((phantoms / "phantom-ct").glob("*/dicom/*.dcm"))[0]
    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID.is_little_endian
    assert dataset.pixel_array.shape == (112, 112)
    assert (dataset.RescaleIntercept, dataset.SOPClassUID.name) == (-1024, "CT Image Storage")


def test_modalities_can_be_told_apart_by_pixels_alone(phantom_build):
    """A nearest mean over 8×8 thumbnails is the weakest of learners; a network must do better."""
    (path,) = (phantom_build / "annotations").glob("*.parquet")
    thumbnails = defaultdict(list)
    for row in pq.ParquetFile(path).read(columns=["image", "modality"]).to_pylist():
        image = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB").resize((8, 8), Image.Resampling.BOX)
        thumbnails[row["modality"]].append(np.asarray(image, np.float32).ravel())
    means = {name: np.mean(found[::2], axis=0) for name, found in thumbnails.items()}
    right = total = 0
    for name, found in thumbnails.items():
        for thumbnail in found[1::2]:
            right += min(means, key=lambda other: np.linalg.norm(thumbnail - means[other])) == name
            total += 1
    assert right / total > 0.9


@pytest.mark.parametrize(
    ("draw", "labels"),
    [
        (pictures.xray, pictures.XRAY),
        (lambda label, rng: pictures.skin(label, rng)[0], pictures.SKIN),
        (pictures.fundus, pictures.FUNDUS),
        (pictures.ultrasound, pictures.ULTRASOUND),
    ],
)
def test_classes_can_be_told_apart_wherever_they_lie(draw, labels):
    """Sorted means of 4×4 px blocks know nothing of place or shape, and still separate the classes."""

    def features(label, seed):
        picture = draw(label, np.random.default_rng(seed)).astype(np.float32)
        blocks = picture.reshape(28, 4, 28, 4, -1).mean(axis=(1, 3)).reshape(784, -1)
        return np.sort(blocks - np.median(blocks, axis=0), axis=0).ravel()

    means = {label: np.mean([features(label, seed) for seed in range(12)], axis=0) for label in labels}
    right = sum(
        min(means, key=lambda other: np.abs(features(label, seed) - means[other]).sum()) == label
        for label in labels
        for seed in range(100, 112)
    )
    assert right / (12 * len(labels)) > 0.7


def test_a_cine_video_shows_its_lesion_from_the_frame_its_table_names(phantoms, phantom_build):
    frames = list(csv.DictReader((phantoms / "phantom-ultrasound" / "frames.csv").open()))
    assert [(row["frame"], row["finding"]) for row in frames[:4]] == [
        ("0", "normal"), ("4", "cyst"), ("0", "normal"), ("4", "benign"),
    ]  # fmt: skip
    with av.open(str(phantoms / "phantom-ultrasound" / "videos" / "patient000.avi")) as video:
        pixels = [frame.to_ndarray(format="gray") for frame in video.decode(video=0)]
    darkest = [np.percentile(each, 2) for each in pixels]
    assert len(pixels) == 11
    assert max(darkest[4:]) < 10 < min(darkest[:4]), "the cyst is black, and only its frames are"
    (path,) = (phantom_build / "annotations").glob("*.parquet")
    rows = pq.read_table(path, columns=["source", "group", "split", "labels"]).to_pylist()
    videos = defaultdict(list)
    for row in rows:
        if row["source"] == "phantom-ultrasound":
            videos[row["group"]].append(row)
    assert len(videos) == 12
    for sampled in videos.values():
        assert len({row["split"] for row in sampled}) == 1
        assert [row["labels"] == ["normal tissue"] for row in sampled] == [True, False, False]
