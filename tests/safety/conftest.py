"""Hostile input against the real commands: nothing of it may run, leave its folder, or fill the memory."""

import io
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

GMAI = Path(sys.executable).with_name("gmai")
MEMORY_BYTES = 6 * 2**30

Gmai = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def gmai(tmp_path: Path) -> Gmai:
    """Run `gmai WORDS…` where PWNED would appear, with bounded memory; it must end without a traceback."""

    def run(*words: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        own = os.environ | {"GMAI_BENCH_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(
            [GMAI, *map(str, words)], cwd=tmp_path, env=own | (env or {}), capture_output=True, text=True, timeout=600,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES)),
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert not list(tmp_path.rglob("PWNED")), "the input was run as code"
        return done

    return run


@pytest.fixture
def refused(gmai: Gmai) -> Callable[..., str]:
    """Run a command that must end with exit code 2; return what it said."""

    def run(*words: object) -> str:
        done = gmai(*words)
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr

    return run


def png(size: tuple[int, int] = (64, 48), shade: int = 90) -> bytes:
    picture = Image.effect_noise(size, 60).point(lambda value: min(255, value + shade // 3))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


CARD = """
name: hostile
title: A source of this test
homepage: https://example.org
citation: none
license: CC0-1.0
modality: Fundus photography
department: Ophthalmology
clinical_task: Disease Diagnosis
anatomy: {{en: retina, zh: 视网膜}}
task: 2d_classification
label_noun: {{en: disease, zh: 疾病}}
layout: {layout}
labels:
  a: {{en: "{label}", zh: 甲}}
  b: {{en: glaucoma, zh: 青光眼}}
"""


@pytest.fixture
def card(tmp_path: Path) -> Callable[..., Path]:
    def write(layout: str = "{kind: folder_per_class, images: .}", label: str = "cataract") -> Path:
        path = tmp_path / "card.yaml"
        path.write_text(CARD.format(layout=layout, label=label), encoding="utf-8")
        return path

    return write


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A sound source of two classes."""
    for name in ("a", "b"):
        (tmp_path / "source" / name).mkdir(parents=True)
        for number in range(6):
            (tmp_path / "source" / name / f"{number}.png").write_bytes(png(shade=40 * number))
    return tmp_path / "source"
