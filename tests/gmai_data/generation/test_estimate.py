"""`--dry-run` with a model: tokens and money by hand, and nothing is sent."""

import json
from collections import Counter

import numpy as np
import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.cli import app
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writers import WriterOptions
from gmai_data.preview import preview_writing
from gmai_data.sources.cards.catalogue import Source
from gmai_formats.chat.prices import Patches, Tiles, text_tokens
from PIL import Image
from typer.testing import CliRunner

ONE_FORM = {"report_share": 0.0, "reasoning_share": 0.0}
"""Every free instruction is asked for by the same prompt."""

TILES = Tiles(by="tiles", base=85, tile=170)
PATCHES = Patches(by="patches", patch_px=32, most=1536, multiplier=1.62)


@pytest.mark.parametrize(
    ("size", "tiles", "patches"),
    [
        ((512, 512), 1, 16 * 16),
        ((513, 512), 2, 17 * 16),
        ((1024, 1024), 2 * 2, 32 * 32),  # 768 × 768
        ((1092, 2184), 2 * 3, 27 * 54),  # 768 × 1536; 35 × 69 patches are too many: 27 × 54 after a shrink by 0.79
        (
            (1800, 2400),
            2 * 2,
            33 * 44,
        ),  # 768 × 1024; 57 × 75 patches are too many: 1056 × 1408 px is the guide's example
        ((6000, 60), 4 * 1, 188 * 2),  # 2048 × 20
    ],
)
def test_tokens_of_an_image_of_a_known_size(size, tiles, patches):
    assert TILES.tokens(*size, "high") == TILES.tokens(*size[::-1], "high") == 85 + 170 * tiles
    assert PATCHES.tokens(*size, "high") == PATCHES.tokens(*size[::-1], "high") == -(-patches * 162 // 100)


@pytest.fixture
def six_images(tmp_path):
    """A folder per class, with six pictures of 600 × 300 px: two tiles, or 19 × 10 patches."""
    for number in range(6):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (300, 600), np.uint8)).save(path)
    return tmp_path / "data"


@pytest.mark.parametrize(("model", "image", "usd"), [("gpt-4o", 425, (2.5, 10)), ("gpt-4.1-mini", 308, (0.4, 1.6))])
def test_what_is_estimated_is_what_is_sent(six_images, toy, tmp_path, openai_server, monkeypatch, model, image, usd):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
    bodies = []
    settings = BuildSettings(limit=3, text_share=1.0, writing=WritingSettings(writer="openai", model=model, **ONE_FORM))
    with openai_server.Server(lambda body, _: bodies.append(body)) as server:
        options = RunOptions(writer=WriterOptions((server.url,)))
        source = Source(toy(), six_images)
        lines = dict(preview_writing([source], tmp_path / "out", settings, options))
        assert not bodies
        assert not (tmp_path / "out").exists()
        build([source], tmp_path / "out", settings, options=options)
    sent = Counter()
    for body in bodies:
        system, (*pictures, text) = body["messages"][0]["content"], body["messages"][1]["content"]
        sent[bool(pictures)] += 1
        sent["tokens"] += text_tokens(system) + text_tokens(text["text"]) + image * len(pictures)
    assert sent[True] == 3 * len(("image_caption", "free_instruction", "dialogue"))
    assert sent[False] == 3
    assert {name: line.requests for name, line in lines.items()} == dict.fromkeys(
        ("dialogue", "free_instruction", "image_caption", "text_record"), 3
    )
    assert sum(line.input_tokens for line in lines.values()) == sent["tokens"]
    for name, line in lines.items():
        assert line.output_tokens == 3 * load_prompts()[name].specific.expected_tokens
        assert line.usd == pytest.approx((line.input_tokens * usd[0] + line.output_tokens * usd[1]) / 1e6)


def test_only_what_is_not_held_out_is_estimated(toy, tmp_path, openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
    for number in range(20):
        path = tmp_path / "data" / "a" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (64, 64), np.uint8)).save(path)
    source = Source(toy(split={"fractions": {"train": 0.2, "held_out": 0.8}}), tmp_path / "data")
    settings = BuildSettings(text_share=0, writing=WritingSettings(writer="openai", model="gpt-4o", **ONE_FORM))
    with openai_server.Server() as server:
        options = RunOptions(writer=WriterOptions((server.url,)))
        lines = dict(preview_writing([source], tmp_path / "out", settings, options))
        build([source], tmp_path / "out", settings, options=options)
        assert server.books.asked
        assert sum(line.requests for line in lines.values()) == sum(server.books.asked.values())


def test_shares_are_multiplied_and_not_drawn_among_the_few(six_images, toy, tmp_path):
    (six_images / "talk.jsonl").write_text(
        '{"turns": [{"question": "What is a mole?", "answer": "A spot of skin."}]}\n'
    )
    names = {"a": {"en": "alpha", "zh": "阿尔法"}, "b": {"en": "beta", "zh": "贝塔"}}
    text = {"name": "talk", "task": "text", "labels": {}, "layout": {"kind": "qa_text"}, "modality": None}
    sources = [Source(toy(labels=names), six_images), Source(toy(**text), six_images)]
    translate = {"text_only": 0.5}
    settings = BuildSettings(
        text_share=0.1, writing=WritingSettings(writer="openai", model="m", **ONE_FORM, translate=translate)
    )
    lines = dict(preview_writing(sources, tmp_path / "out", settings, RunOptions()))
    found = {name: line.requests for name, line in lines.items()}
    assert found["text_record"] == pytest.approx(6 * 0.1)
    assert found["text_dialogue"] == pytest.approx(1 * 0.1)
    assert found["translation"] == pytest.approx((6 * 0.1 + 1 * 0.1) * 0.5 + 1 * 0.5)


def test_prices_of_one_s_own(six_images, card_file, tmp_path, openai_server, monkeypatch):
    prices = {"input_usd": 1e6, "output_usd": 0, "batch": 0.5, "image": {"by": "fixed", "per_image": 1000}}
    others = {
        "free": prices | {"input_usd": 0, "output_usd": 1e6},
        "blind": prices | {"image": {"by": "fixed", "per_image": 0}},
    }
    table = {"as_of": "today", "source": "us", "models": {"ours": prices, **others}}
    (tmp_path / "own.yaml").write_text(json.dumps(table))
    words = ["build", str(card_file()), "--root", str(six_images), "--out", str(tmp_path / "out"), "--dry-run"]
    words += ["--chinese-share", "0", "--text-share", "0", "--prices", str(tmp_path / "own.yaml")]

    def told(*more):
        shown = CliRunner().invoke(app, [*words, *more], catch_exceptions=False).stdout
        assert "Prices as of today" in shown
        cells = next(line.split() for line in shown.splitlines() if line.startswith("all "))
        return int(cells[1]), int(cells[2]), int(cells[3]), float(cells[5])

    with openai_server.Server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
        requests, sent, received, usd = told("--writer", "openai", "--model", "ours")
        assert requests == 6 * 3  # three of the six pictures are looked at
        assert usd == sent  # a dollar a token
        assert sent - told("--writer", "openai", "--model", "blind")[1] == requests * 1000
        assert told("--writer", "openai", "--model", "free")[3] == received
        assert told("--writer", "openai-batch", "--model", "ours")[3] == sent / 2
        assert not server.books.asked
    assert not (tmp_path / "out").exists()
