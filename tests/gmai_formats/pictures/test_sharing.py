import numpy as np
import pytest
from gmai_formats.pictures.sharing import BYTES_PER_PIXEL, RAW, values_of
from PIL import Image

SIZES = [(1, 1), (7, 5), (333, 1), (1, 333), (1023, 771), (5000, 3400)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("exports", [True, False], ids=["as it lies there", "as an older Pillow gives it"])
def test_an_image_is_the_same_on_the_other_side(
    size: tuple[int, int], mode: str, exports: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exports:
        monkeypatch.delattr(Image.Image, "__arrow_c_array__", raising=False)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    with values_of(image) as values:
        content = bytes(values)
    assert len(content) == size[0] * size[1] * BYTES_PER_PIXEL[mode]
    again = Image.frombytes(mode, size, content, "raw", RAW[mode])
    assert again.tobytes() == image.tobytes()


def test_a_part_of_an_image_and_a_changed_one_are_given_whole() -> None:
    image = Image.effect_noise((64, 48), 60).convert("RGB")
    for changed in (image.crop((3, 5, 40, 31)), image.transpose(Image.Transpose.ROTATE_90), image.resize((10, 9))):
        with values_of(changed) as values:
            again = Image.frombytes("RGB", changed.size, bytes(values), "raw", RAW["RGB"])
        assert again.tobytes() == changed.tobytes()
