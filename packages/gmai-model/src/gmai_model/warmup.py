"""A short warm-up of each random part, in place of pretraining.

Real parts come pretrained: CLIP on images with captions, InternLM2.5 on text. A random preset's parts know nothing,
and stage 1, which trains the projector alone, could teach nothing between two random networks. So the vision encoder
learns to name each image's labels, and the language model reads the samples' text with each image put into words:
the tokens of its modality and labels, drawn at random for each of the image's places. The projector, the one part that
stage 1 trains, is left as it was drawn. The two share nothing, and are warmed up side by side.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from gmai_cli.console import progress, say, say_next
from gmai_cli.folders import check_new
from gmai_formats.checkpoints import naming_files
from gmai_formats.errors import UserError
from gmai_formats.rows.images import FilePart
from gmai_formats.rows.mixtures import load_mixture
from gmai_formats.weights import changed_settings, require_as_written, require_filled
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import LlavaForConditionalGeneration

from gmai_model.batching.collate import decode_image, make_row
from gmai_model.batching.packing import pack
from gmai_model.batching.samples import Sample
from gmai_model.batching.sources import parquet_files
from gmai_model.batching.tokens import Encoded, Encoder, Rejected
from gmai_model.opening import open_llava, open_processor
from gmai_model.packed import PackedLlava
from gmai_model.training.export import export
from gmai_model.training.given import check_folder
from gmai_model.training.inputs import image_size
from gmai_model.training.schedule import learning_rate

VISION_LEARNING_RATE = 2e-3
LANGUAGE_LEARNING_RATE = 2e-3
IMAGES_PER_STEP = 16
TOKENS_PER_STEP = 1024
STRAY_WORDS = 0.4
"""Share of an image's places that take a word of any image: no patch of a real image shows all there is to name."""


def warm_up(model: Path, data: Path, out: Path, *, vision_steps: int, language_steps: int, seed: int) -> None:
    """Write `out`: the checkpoint `model` with its vision encoder and language model warmed up on the samples.

    Args:
        model: A small checkpoint with random parts; everything is held in memory.
        data: A `mix.yaml`, a folder or a Parquet file of samples with `modality` and `labels` columns.
        out: The checkpoint to write.
        vision_steps: Steps of 16 images; 0 leaves the vision encoder alone.
        language_steps: Steps of 1,024 tokens; 0 leaves the language model alone.
        seed: Of the order of images and texts.

    Raises:
        UserError: `out` holds something, or the samples lack the columns.
    """
    check_new(out)
    check_folder(model)
    require_as_written(model)
    if found := changed_settings(model):
        say(found)
    require_filled(model)
    processor, llava = open_processor(model), open_llava(model, torch.float32)
    rows = _read_rows(data)
    with naming_files(str(model)):
        accuracy, loss = side_by_side(
            lambda stop: _warm_vision(
                llava, processor, rows, steps=vision_steps, seed=seed, stop=stop, shown=language_steps == 0
            ),
            lambda stop: _warm_language(model, llava, processor, rows, steps=language_steps, seed=seed, stop=stop),
        )
    trained = {
        name: parameter.detach()
        for name, parameter in llava.named_parameters()
        if not name.startswith("model.multi_modal_projector.")
    }
    history = {
        "stage": 0, "name": "warm_up", "trainable": ["language_model", "vision_encoder"],
        "vision_steps": vision_steps, "language_steps": language_steps, "seed": seed,
        "label_accuracy": accuracy, "text_loss": loss,
    }  # fmt: skip
    export(model, out, trained, history=history)
    say(f"wrote {out}: label sets told apart {accuracy:.0%} of the time, text loss {loss:.3f}; projector untouched")
    say_next("train", "--stage", 1, "--model", out, "--data", data, "--out", "runs/stage1")


def side_by_side(first: Callable[[Event], float], second: Callable[[Event], float]) -> tuple[float, float]:
    """Return what two functions return that run at the same time; where one fails, the other is told to stop."""
    stop = Event()

    def guarded(one: Callable[[Event], float]) -> float:
        try:
            return one(stop)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(guarded, first)
        of_second = guarded(second)
        try:
            return beside.result(), of_second
        except BaseException:
            stop.set()  # Ctrl-C reaches the thread that waits alone
            raise


def _read_rows(data: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    mixture, root = load_mixture(data)
    rows: list[dict[str, Any]] = []
    for entry in mixture.datasets:
        for file in parquet_files(entry, root, split="train"):
            schema = pq.read_schema(file)
            missing = {"messages", "images", "modality", "labels"} - set(schema.names)
            if missing:
                raise UserError(
                    f"{file}: no column {sorted(missing)[0]!r}, which the warm-up learns from. Give a build."
                )
            rows += pq.read_table(file, columns=["id", "messages", "images", "modality", "labels"]).to_pylist()
    if not rows:
        raise UserError(f"{data}: no training samples. Give the mix.yaml of a build that has some.")
    return rows


def _warm_vision(
    llava: LlavaForConditionalGeneration, processor: Any, rows: list[dict[str, Any]], *, steps: int, seed: int,
    stop: Event, shown: bool,
) -> float:  # fmt: skip
    """Teach the encoder to name modality and labels from its feature layer; the head is thrown away.

    Returns:
        Share of images of the last tenth of the steps whose whole label set was right.
    """
    images: dict[bytes, tuple[str, ...]] = {}
    for row in rows:
        if len(row["images"]) == 1:
            images.setdefault(row["images"][0]["bytes"], (row["modality"], *row["labels"]))
    classes = sorted({name for names in images.values() for name in names})
    if not images or steps == 0:
        return math.nan
    pixels = torch.cat([
        processor.image_processor(images=[decode_image(data)], return_tensors="pt")["pixel_values"] for data in images
    ])  # fmt: skip
    wanted = torch.tensor([[float(name in names) for name in classes] for names in images.values()])
    tower: nn.Module = llava.model.vision_tower
    config: Any = llava.config
    layer: int = config.vision_feature_layer
    width: int = config.vision_config.hidden_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(classes)))

    right: list[float] = []
    order = _endless_order(len(pixels), seed=seed)

    def compute() -> Tensor:
        chosen = [next(order) for _ in range(IMAGES_PER_STEP)]
        patches = tower(pixels[chosen], output_hidden_states=True).hidden_states[layer][:, 1:]
        scores = head(patches)
        named = (scores.detach().mean(dim=1) > 0) == (wanted[chosen] > 0)
        right.append(float(named.all(dim=1).float().mean()))
        # The projector sees one patch at a time, so each has to say what the whole image shows.
        return nn.functional.binary_cross_entropy_with_logits(scores, wanted[chosen][:, None].expand_as(scores))

    _optimise("warm-up, vision encoder", [tower, head], compute, steps=steps, peak=VISION_LEARNING_RATE, stop=stop,
              shown=shown)  # fmt: skip
    return float(np.mean(right[-max(steps // 10, 1) :]))


def _warm_language(
    model: Path, llava: LlavaForConditionalGeneration, processor: Any, rows: list[dict[str, Any]], *, steps: int,
    seed: int, stop: Event,
) -> float:  # fmt: skip
    """Teach the language model to answer from the samples' text, each image put into words.

    Returns:
        Mean loss per answer token over the last tenth of the steps.

    Raises:
        UserError: There is no text to learn.
    """
    if steps == 0:
        return math.nan
    encoder = Encoder(processor.tokenizer, tokens_per_image=llava.config.image_seq_length, max_tokens=TOKENS_PER_STEP)
    lengths = np.zeros(len(rows), dtype=np.int32)
    encoded: dict[int, Encoded] = {}
    words: dict[int, np.ndarray] = {}
    for number, row in enumerate(rows):
        try:
            encoded[number] = encoder(Sample(row["id"], row["messages"], [FilePart(Path())] * len(row["images"])))
        except Rejected:
            continue  # counted and named by the stages themselves
        lengths[number] = len(encoded[number].input_ids)
        if not row["images"]:
            continue
        text = " ".join(["", row["modality"], *row["labels"]])
        words[number] = np.asarray(processor.tokenizer(text, add_special_tokens=False)["input_ids"], dtype=np.int32)
    if not lengths.any():
        raise UserError(
            f"{model}: not one of {len(rows):,} samples has a text that the language model could learn: each is longer "
            f"than {TOKENS_PER_STEP:,} tokens, holds a special token of the tokenizer, or has no answer. Give other "
            f"samples with --data; `gmai model check {model}` says whether the tokenizer is as it was."
        )
    packed = PackedLlava(llava)
    side = image_size(model, processor)
    losses: list[float] = []

    def packs() -> Iterator[np.ndarray]:
        epoch = 0
        while True:
            order = np.random.default_rng((seed, epoch)).permutation(np.flatnonzero(lengths))
            for positions in pack(lengths[order], TOKENS_PER_STEP, "best_fit"):
                yield order[positions]
            epoch += 1

    source = packs()
    any_words = np.unique(np.concatenate([np.zeros(0, np.int32), *words.values()]))
    rng = np.random.default_rng(seed)

    def compute() -> Tensor:
        samples = [
            _in_words(encoded[number], words[number], any_words, llava.config.image_token_id, rng)
            if number in words
            else encoded[number]
            for number in next(source)
        ]
        row = make_row(samples, None, image_size=side, unreadable=[])
        # Without the vision encoder, which is being warmed up beside.
        logits = packed.logits_of(row, llava.get_input_embeddings()(row.input_ids))
        loss = cross_entropy(logits.float(), row.targets)
        losses.append(float(loss.detach()))
        return loss

    parts: list[nn.Module] = [llava.model.language_model, llava.lm_head]
    _optimise("warm-up, language model", parts, compute, steps=steps, peak=LANGUAGE_LEARNING_RATE, stop=stop)
    return float(np.mean(losses[-max(steps // 10, 1) :]))


def _in_words(
    sample: Encoded, words: np.ndarray, any_words: np.ndarray, image_token: int, rng: np.random.Generator
) -> Encoded:
    """Put words, drawn at random, into the places of the images; some are words of other images."""
    count = len(sample.input_ids)
    drawn = np.where(rng.random(count) < STRAY_WORDS, rng.choice(any_words, count), rng.choice(words, count))
    input_ids = np.where(sample.input_ids == image_token, drawn, sample.input_ids)
    return Encoded(input_ids.astype(np.int32), sample.supervised, 0)


def _endless_order(count: int, *, seed: int) -> Iterator[int]:
    epoch = 0
    while True:
        yield from np.random.default_rng((seed, epoch)).permutation(count).tolist()
        epoch += 1


def _optimise(
    description: str, modules: list[nn.Module], compute: Callable[[], Tensor], *, steps: int, peak: float, stop: Event,
    shown: bool = True,
) -> None:  # fmt: skip
    parameters = [parameter for module in modules for parameter in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    with progress(description, steps, unit="steps", shown=shown) as bar:
        for step in range(steps):
            if stop.is_set():
                return
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps=steps, peak=peak, warmup_ratio=0.05)
            loss = compute()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            bar.advance(note=f"loss {float(loss.detach()):.3f}")
