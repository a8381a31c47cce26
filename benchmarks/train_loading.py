"""Loading: images decoded, made square, resized to 336 px and normalised by one process, beside what people write.

    OMP_NUM_THREADS=1 chrt -r 1 python benchmarks/train_loading.py

Ours is what a data worker does (`read.read_picture`, `pixels.Pixels`); beside it the plain loop, Pillow and the
checkpoint's Hugging Face image processor, image by image. Both give the same numbers, which is checked. CPU time; the
ways take turns, so that a busy machine slows both.
"""

import io
import time
from collections.abc import Callable

import numpy as np
from gmai_formats.pictures.read import read_picture
from gmai_model.batching.pixels import Pixels, values_of
from PIL import Image
from torch import Tensor  # noqa: TID253
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil  # noqa: TID253

SIDE = 336
CASES = (
    ("X-ray, 1024×1024 PNG, grey", 1024, 1024, "PNG", "L"),
    ("figure, 800×600 JPEG", 800, 600, "JPEG", "RGB"),
    ("slice, 512×512 PNG", 512, 512, "PNG", "RGB"),
    ("slide, 400×512 JPEG", 400, 512, "JPEG", "RGB"),
    ("thumbnail, 224×224 PNG", 224, 224, "PNG", "RGB"),
)
IMAGES, ROUNDS = 12, 5


def encode(width: int, height: int, kind: str, mode: str, rng: np.random.Generator) -> bytes:
    """Return an image with structure at several scales and a little noise, as photographs and scans have."""
    shape = (height, width, 3)
    values = np.zeros(shape)
    for cells in (4, 16, 64):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        values += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=float) / 3
    values += rng.normal(0, 3, shape)
    buffer = io.BytesIO()
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def main() -> None:
    square = {"height": SIDE, "width": SIDE}
    processor = LlavaImageProcessorPil(do_pad=True, size=square, crop_size=square, do_center_crop=False)
    pixels = Pixels(processor, size=SIDE)
    assert pixels.short

    def ours(data: bytes) -> Tensor:
        return values_of(pixels([read_picture(data).image]), pixels.table)

    def plain(data: bytes) -> Tensor:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        return processor(images=image, return_tensors="pt")["pixel_values"]

    ways: dict[str, Callable[[bytes], Tensor]] = {"ours": ours, "plain": plain}
    rng = np.random.default_rng(0)
    print("| image | ours, images/s | Pillow + processor | ratio | max difference |\n|---|---:|---:|---:|---:|")
    ratios: list[float] = []
    for name, width, height, kind, mode in CASES:
        images = [encode(width, height, kind, mode, rng) for _ in range(IMAGES)]
        difference = max(float((ours(data) - plain(data)).abs().max()) for data in images)
        seconds = dict.fromkeys(ways, 0.0)
        for _ in range(ROUNDS):
            for way, read in ways.items():
                before = time.process_time()
                for data in images:
                    read(data)
                seconds[way] += time.process_time() - before
        rates = {way: ROUNDS * IMAGES / spent for way, spent in seconds.items()}
        ratios.append(rates["ours"] / rates["plain"])
        print(
            f"| {name} | {rates['ours']:.0f} | {rates['plain']:.0f} | {ratios[-1]:.2f} | {difference:g} |", flush=True
        )
    print(f"\ngeometric mean of the ratios: {np.exp(np.mean(np.log(ratios))):.2f}")


if __name__ == "__main__":
    main()
