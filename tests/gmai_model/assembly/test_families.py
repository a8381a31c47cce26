"""Every kind of model is taken whole, or refused with its reason; docs/reference/families.md has the table."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly.families import LANGUAGE, TEXT_CLASSES, VISION, describe
from gmai_model.batching.collate import make_row
from gmai_model.batching.samples import Sample
from gmai_model.batching.tokens import Encoder
from gmai_model.packed import PackedLlava
from gmai_model.stages import STAGES
from gmai_model.training.parts import set_trainable
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from .stand_ins import LANGUAGES, VERSIONS, VISIONS, Kind, by_name, partner, take

pytest.importorskip("sentencepiece", reason="install gmai-model[convert]")
PAGE = Path(__file__).parents[3] / "docs/reference/families.md"
PICTURE = Image.effect_noise((70, 50), 80).convert("RGB")


def trains(made: Path) -> list[float]:
    """Take the gradient of each stage over one packed row of two samples; return the losses."""
    llava: Any = AutoModelForImageTextToText.from_pretrained(made, dtype=torch.float32)
    processor: Any = AutoProcessor.from_pretrained(made)
    tokens = llava.config.image_seq_length
    encoder = Encoder(processor.tokenizer, tokens_per_image=tokens, max_tokens=400)
    turns = [{"role": "user", "content": "<image>\nWhat is shown?"}, {"role": "assistant", "content": "The liver."}]
    encoded = [
        encoder(Sample("1", turns, [None])),
        encoder(Sample("2", [{**turns[0], "content": "What?"}, turns[1]], [])),
    ]  # type: ignore[list-item]
    for sample in encoded:
        learned = processor.tokenizer.decode(sample.input_ids[sample.supervised])
        assert "The liver." in learned
        assert "What" not in learned
        assert (
            sample.input_ids[sample.supervised][-1]
            in json.loads((made / "generation_config.json").read_text())["eos_token_id"]
        )
    pixels = processor.image_processor(images=[PICTURE], return_tensors="pt")["pixel_values"]
    row = make_row(encoded, pixels, image_size=pixels.shape[-1], unreadable=[])
    losses: list[float] = []
    for stage in STAGES.values():
        set_trainable(llava, stage.trainable)
        llava.zero_grad()
        loss, _ = PackedLlava(llava)(row)
        loss.backward()
        without = [name for name, each in llava.named_parameters() if each.requires_grad and each.grad is None]
        assert not without
        losses.append(loss.item())
    return losses


def answers(made: Path) -> None:
    """Open it as a user of plain transformers does and ask about a picture."""
    model, info = AutoModelForImageTextToText.from_pretrained(made, output_loading_info=True, dtype="auto")
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    processor = AutoProcessor.from_pretrained(made)
    content = [{"type": "image"}, {"type": "text", "text": "What is shown?"}]
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(images=[PICTURE], text=[prompt], return_tensors="pt")
    begins = processor.tokenizer.bos_token_id
    assert begins is None or inputs["input_ids"][0].tolist().count(begins) <= prompt.count(
        processor.tokenizer.bos_token
    )
    assert int((inputs["input_ids"] == model.config.image_token_id).sum()) == model.config.image_seq_length
    assert model.generate(**inputs, max_new_tokens=2, do_sample=False).shape[1] > inputs["input_ids"].shape[1]


def versions(kind: Kind) -> str:
    """Return the versions of transformers in which it computes the same, and those in which it does not."""
    found: dict[str, str] = json.loads(VERSIONS.read_text("utf-8"))["kinds"][kind.name]
    equal = [version for version, what in found.items() if what == "equal"]
    other = [version for version in found if version not in equal]
    return ", ".join(equal) + (f"; not in {', '.join(other)}" if other else "")


def outcome(tmp_path: Path, kind: Kind, *, language: bool) -> str:
    """Return the table's line about a kind."""
    if kind.refused:
        with pytest.raises(UserError, match=kind.refused) as caught:
            take(tmp_path, *partner(kind))
        assert "\n" not in str(caught.value)
        return f"| {kind.name} | refused: {kind.refused} | | | |"
    made = take(tmp_path, *partner(kind))
    answers(made)
    losses = trains(made)
    assert np.isfinite(losses).all()
    record = json.loads((made / "gmai.json").read_text())
    rows = json.loads((made / "config.json").read_text())["text_config"]["vocab_size"]
    assert rows > max(AutoProcessor.from_pretrained(made).tokenizer.get_vocab().values())
    proven = record["proven"]
    shown = (
        [proven["tokens"], proven["chat_template"], proven["logits"]]
        if language
        else [proven["features"], proven["pixels"]]
    )
    notes = "; ".join(record["notes"]) if language else ""
    equal = re.sub(r": largest difference [^\s;]+", " within 1e-5", "; ".join(shown))
    cells = (kind.name, "taken", equal, versions(kind), notes)
    return "".join(f"| {cell.replace('|', chr(92) + '|').replace('<', '&lt;')} " for cell in cells) + "|"


@pytest.mark.e2e
def test_table_in_the_docs_is_what_happens(tmp_path: Path) -> None:
    lines = PAGE.read_text("utf-8").split("## What was tried\n")[0].rstrip() + "\n\n## What was tried\n"
    for title, kinds in (("Language models", LANGUAGES), ("Vision encoders", VISIONS)):
        heads = ("kind", "", "equal to the source", "the same in transformers", "what was done")
        lines += f"\n### {title}\n\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|\n"
        for number, kind in enumerate(kinds):
            folder = tmp_path / f"{title}-{number}"
            folder.mkdir()
            lines += outcome(folder, kind, language=title.startswith("Language")) + "\n"
    if os.environ.get("GMAI_UPDATE_DOCS"):
        PAGE.write_text(lines, "utf-8")
    assert lines == PAGE.read_text("utf-8"), "run this test with GMAI_UPDATE_DOCS=1 and read what changed"


def test_table_covers_what_it_must() -> None:
    assert sum(not kind.refused for kind in LANGUAGES) >= 14
    assert sum(not kind.refused for kind in VISIONS) >= 5
    assert all(family.text_type in TEXT_CLASSES for family in LANGUAGE.values())
    text = describe()
    assert all(f"  {kind} " in text for kind in (*LANGUAGE, *VISION))


def test_families_name_the_versions_that_the_night_found(tmp_path: Path) -> None:
    found: dict[str, dict[str, str]] = json.loads(VERSIONS.read_text("utf-8"))["kinds"]
    same: dict[str, set[str]] = {}
    for number, kind in enumerate(kind for kind in (*LANGUAGES, *VISIONS) if not kind.refused):
        folder = tmp_path / str(number)
        folder.mkdir()
        kind.write(folder)
        config: dict[str, Any] = {"model_type": "open_clip"}
        if (folder / "config.json").is_file():
            config = json.loads((folder / "config.json").read_text())
        equal = {version for version, what in found[kind.name].items() if what == "equal"}
        same[config["model_type"]] = same.get(config["model_type"], equal) & equal
    families = {**LANGUAGE, **VISION}
    assert {kind: set(families[kind].same_in) for kind in same} == same
    assert same.keys() == families.keys()
    assert "the same in transformers 4.57.6, 5.23.0\n  internlm2" in describe()


@pytest.mark.parametrize(
    ("name", "ends", "note"),
    [
        ("Llama-3.2", {"<|eot_id|>"}, "reserved tokens (<|reserved_special_token_11|>"),
        ("Yi-chat", {"<|im_end|>"}, "embedding rows were added"),
        ("Qwen2.5-7B", {"<|im_end|>"}, "take spare rows of the embedding"),
        ("Mistral-Instruct-v0.1", {"</s>"}, "sliding window of 128 tokens is left out"),
        ("Vicuna", {"</s>", "<|im_end|>"}, "no chat template of its own: ChatML"),
    ],
)
def test_tokens_rows_and_ends_of_a_family(tmp_path: Path, name: str, ends: set[str], note: str) -> None:
    made = take(tmp_path, by_name(VISIONS, "SigLIP and"), by_name(LANGUAGES, name))
    tokenizer = AutoProcessor.from_pretrained(made).tokenizer
    numbers = json.loads((made / "generation_config.json").read_text())["eos_token_id"]
    assert ends <= {tokenizer.convert_ids_to_tokens(number) for number in numbers}
    record = json.loads((made / "gmai.json").read_text())
    assert any(note in line for line in record["notes"])
    config = json.loads((made / "config.json").read_text())
    assert config["text_config"]["vocab_size"] % 64 == 0 or "rows were added" not in str(record["notes"])
    assert config["vision_feature_select_strategy"] == "full"
    region = "<ref>liver</ref><box>[[1, 2, 3, 4]]</box>"
    assert tokenizer.decode(tokenizer.encode(region), skip_special_tokens=True).replace(" ", "") == region.replace(
        " ", ""
    )
