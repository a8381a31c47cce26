import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gmai_bench.benchmarks.question import Question
from gmai_bench.images import ImageStore, Shown, images_of_others
from gmai_formats.errors import UserError
from PIL import Image


def encode(image: Image.Image, format_: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format_)
    return buffer.getvalue()


def test_an_image_is_stored_once(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    encoded = encode(Image.new("L", (8, 6), 40))
    digest = store.add(encoded, "row 1")
    assert store.add(encoded, "row 2") == digest
    assert (tmp_path / "images" / digest).read_bytes() == encoded
    assert len(list((tmp_path / "images").iterdir())) == 1
    assert store.open(digest).getpixel((3, 3)) == (40, 40, 40)


def test_an_image_that_a_power_cut_left_short_is_written_again(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    encoded = encode(Image.new("L", (8, 6), 40))
    digest = store.add(encoded, "row 1")
    (tmp_path / "images" / digest).write_bytes(encoded[:10])
    assert store.add(encoded, "row 1") == digest
    assert (tmp_path / "images" / digest).read_bytes() == encoded


def test_noise_is_uniform_and_depends_on_image_and_seed_alone(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    first, second = (store.add(encode(Image.new("RGB", (64, 48), (n, n, n))), "") for n in (1, 2))
    noise = np.asarray(store.show(first, "noise", 0))
    assert noise.shape == (48, 64, 3)
    assert abs(noise.mean() - 127.5) < 4
    assert {0, 255} <= set(noise.ravel().tolist())
    assert np.array_equal(noise, np.asarray(ImageStore(tmp_path).show(first, "noise", 0)))
    assert not np.array_equal(noise, np.asarray(store.show(first, "noise", 1)))
    assert not np.array_equal(noise, np.asarray(store.show(second, "noise", 0)))


def test_pixels_that_do_not_decode_are_named(tmp_path: Path) -> None:
    whole = encode(Image.effect_noise((64, 64), 50).convert("RGB"), "JPEG")
    store = ImageStore(tmp_path)
    digest = store.add(whole[: len(whole) // 2], "row 9")  # a JPEG shows its damage only when it is decoded
    with pytest.raises(UserError, match=rf"{digest}: the image cannot be decoded .*Repair it in the benchmark"):
        store.open(digest)


def test_only_pictures_that_are_shown_anew_change_the_request(tmp_path: Path) -> None:
    """Answers to all others are reused from runs of any version."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    Image.new("RGB", (8, 6)).save(turned, "JPEG", exif=exif)
    store = ImageStore(tmp_path)
    for encoded, rule in (
        (encode(Image.new("RGB", (8, 6))), ""),
        (encode(Image.new("L", (8, 6)), "JPEG"), ""),
        (encode(Image.new("P", (8, 6))), ""),
        (encode(Image.new("RGBA", (8, 6))), " pictures/2"),
        (encode(Image.new("LA", (8, 6))), " pictures/2"),
        (turned.getvalue(), " pictures/2"),
    ):
        digest = store.add(encoded, "")
        assert Shown(store, "none", 0).guard(digest) == digest + rule


def test_the_file_itself_is_sent_where_it_is_shown_as_it_is(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    shown = Shown(store, "none", 0)
    for image, format_, mime in (
        (Image.new("RGB", (8, 6), (9, 8, 7)), "JPEG", "image/jpeg"),
        (Image.new("L", (8, 6), 9), "PNG", "image/png"),
        (Image.new("RGB", (8, 6), (9, 8, 7)), "WEBP", "image/webp"),
    ):
        encoded = encode(image, format_)
        assert shown.encoded(store.add(encoded, "")) == (mime, encoded)
    for image, format_ in ((Image.new("RGBA", (8, 6), (9, 8, 7, 0)), "PNG"), (Image.new("RGB", (8, 6)), "BMP")):
        digest = store.add(encode(image, format_), "")
        mime, sent = shown.encoded(digest)
        with Image.open(io.BytesIO(sent)) as opened:
            assert (mime, opened.mode) == ("image/png", "RGB")
            assert np.array_equal(np.asarray(opened), np.asarray(shown(digest)))
    blank = Shown(store, "blank", 0).encoded(digest)
    assert np.asarray(Image.open(io.BytesIO(blank[1]))).tolist() == [[[127] * 3] * 8] * 6


def test_an_image_of_another_patient_stands_in_its_place(inputs: SimpleNamespace, tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    digests = [store.add(inputs.draw(n), "p") for n in range(5)]
    patients = ("a", "a", "b", "b", "c")
    questions = [
        Question(str(n), "?", "?", (digest,), (), "yes", patient)
        for n, (digest, patient) in enumerate(zip(digests, patients, strict=True))
    ]
    others = images_of_others(questions)
    whose = dict(zip(digests, patients, strict=True))
    assert set(others) == set(digests)
    assert all(whose[one] != whose[other] for one, other in others.items())
    shown = Shown(store, "other", 0, others)
    assert shown(digests[0]).tobytes() == store.open(others[digests[0]]).tobytes()
    assert shown.guard(digests[0]) == others[digests[0]]
    assert shown.encoded(digests[0])[1] == store.read(others[digests[0]])
    with pytest.raises(UserError, match=r"has no image of another patient beside it"):
        images_of_others(questions[:2])
