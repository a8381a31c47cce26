"""Inputs drawn in code: a tiny LLaVA with random weights, a held-out benchmark, both layouts of VQA-RAD."""

import base64
import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from gmai_bench.benchmarks.mmmu import SUBJECTS
from gmai_bench.benchmarks.question import Question
from gmai_bench.scoring.scorers import scorer
from gmai_bench.scoring.verdict import Verdict
from PIL import Image

MODALITIES = ("CT", "MR", "X-ray")
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def draw(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    """Return a PNG of coarse coloured blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, size=(3, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(buffer, format="PNG")
    return buffer.getvalue()


def held_out_rows(images: int = 6) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for image in range(images):
        modality = MODALITIES[image % 3]
        for kind, question in enumerate(("Which modality is this?", "What is the imaging technique of the picture?")):
            rows.append(
                {
                    "id": f"q{image}-{kind}",
                    "images": [{"bytes": draw(image), "path": f"{image}.png"}],
                    "question": question,
                    "choices": list(MODALITIES),
                    "reference": modality,
                    "image_id": f"image-{image}",
                    "modality": modality,
                    "department": ("Radiology", "Cardiology")[image % 2],
                }
            )
    return rows


def write_held_out(folder: Path, rows: list[dict[str, object]] | None = None, **changes: object) -> Path:
    rows = held_out_rows() if rows is None else rows
    folder.mkdir(parents=True, exist_ok=True)
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("images", pa.list_(IMAGE)),
            ("question", pa.string()),
            ("choices", pa.list_(pa.string())),
            ("reference", pa.string()),
            ("image_id", pa.string()),
            ("modality", pa.string()),
            ("department", pa.string()),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "held_out.parquet")
    declaration: dict[str, object] = {
        "name": "held_out",
        "title": "Held-out questions of this build",
        "protocol": "held_out/option-text",
        "questions": "held_out.parquet",
        "columns": {
            "id": "id",
            "images": "images",
            "question": "question",
            "choices": "choices",
            "reference": "reference",
            "cluster": "image_id",
        },
        "groups": ["modality", "department"],
        "prompt": "{question}\nOptions: {choices}.\nAnswer with one of the options.",
        "choices_style": "text",
        "expected": {"total": len(rows)},
        "license": "CC0-1.0",
        **changes,
    }
    path = folder / "held_out.yaml"
    path.write_text(yaml.safe_dump(declaration, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMAI_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)  # outside the checkout a run record has no `git status` to wait for


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    return write_held_out(tmp_path / "benchmarks")


@pytest.fixture(scope="session")
def inputs() -> SimpleNamespace:
    """The writers above, for tests that need other inputs than the fixtures give."""
    return SimpleNamespace(
        draw=draw,
        held_out_rows=held_out_rows,
        write_held_out=write_held_out,
        write_predictions=write_predictions,
        image_type=IMAGE,
        verdict=verdict,
    )


def verdict(
    response: str, choices: tuple[str, ...], reference: str, scoring: str = "option-letter", **fields: Any
) -> Verdict:
    """Return what a scorer makes of one answer."""
    question = Question("1", "?", "?", (), choices, reference, "1", **fields)
    return scorer(scoring).score(response, question)


def write_predictions(path: Path, answers: dict[str, str]) -> Path:
    lines = [json.dumps({"id": identity, "response": answer}) for identity, answer in answers.items()]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA checkpoint of two layers with random weights and a tokenizer trained on the spot."""
    torch = pytest.importorskip("torch", reason="needs gmai-bench[local]: pip install 'gmai-bench[local]'")
    pytest.importorskip("transformers", reason="needs gmai-bench[local]: pip install 'gmai-bench[local]'")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    tokenizer = Tokenizer(models.BPE(unk_token=None, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<image>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(
        ["Which modality is this? Options: CT; MR; X-ray. Answer with one of them."] * 4, trainer
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        additional_special_tokens=["<image>"],
        **dict(zip(("pad_token", "bos_token", "eos_token"), special, strict=False)),
    )  # fmt: skip
    image_size, patch = 28, 14
    template = (
        "<s>{% for m in messages %}{{ m.role }}\n{% for c in m.content %}"
        "{% if c.type == 'image' %}<image>\n{% else %}{{ c.text }}{% endif %}{% endfor %}\n{% endfor %}assistant\n"
    )
    processor = LlavaProcessor(
        image_processor=LlavaImageProcessorPil(
            size={"height": image_size, "width": image_size},
            crop_size={"height": image_size, "width": image_size},
            do_center_crop=False,
        ),
        tokenizer=fast,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            image_size=image_size, patch_size=patch, projection_dim=16,
        ),
        text_config=LlamaConfig(
            vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        ),
        image_token_index=3,
        vision_feature_layer=-2,
        image_seq_length=4,
    )  # fmt: skip
    torch.manual_seed(3)
    model = LlavaForConditionalGeneration(config)
    folder = tmp_path_factory.mktemp("tiny-llava")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """Eight PNGs that differ."""
    drawn: list[bytes] = []
    for shade in range(8):
        buffer = io.BytesIO()
        Image.new("RGB", (12, 8), (shade, 3 * shade, 90)).save(buffer, format="PNG")
        drawn.append(buffer.getvalue())
    return drawn


@pytest.fixture(scope="session")
def write_mmmu(pictures: list[bytes]) -> Callable[[Path], Path]:
    """Return a writer of MMMU's Health & Medicine with the counts of the real subjects, under a root."""

    def write(root: Path) -> Path:
        images = [pa.field(f"image_{i}", IMAGE) for i in range(1, 8)]
        names = ("id", "question", "options", "answer", "question_type", "topic_difficulty")
        schema = pa.schema([*(pa.field(name, pa.string()) for name in names), *images])
        for subject, choice in SUBJECTS.items():
            rows = []
            for i in range(30):
                lettered = i < choice
                rows.append(
                    {
                        "id": f"validation_{subject}_{i + 1}",
                        "question": f"What is {{this}} in <image 1>, {i}?",
                        "options": "['it\\'s CT', \"MR\", 'X-ray']" if lettered else "[]",
                        "answer": "B" if lettered else "Transformation",
                        "question_type": "multiple-choice" if lettered else "open",
                        "topic_difficulty": "Easy",
                        "image_1": {"bytes": pictures[i % 8], "path": None},
                    }
                )
            (root / "mmmu-hm" / subject).mkdir(parents=True)
            file = root / "mmmu-hm" / subject / "validation-00000-of-00001.parquet"
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
        return root

    return write


@pytest.fixture(scope="session")
def write_tsv(pictures: list[bytes]) -> Callable[..., Path]:
    """Return a writer of a table of GMAI-MMBench with so many questions."""

    def write(path: Path, n: int, *, answers: bool, first: int = 0) -> Path:
        columns = ["index", "image", "question", *"ABCDE", *(["answer"] if answers else [])]
        columns += ["Clinical VQA Task", "department", "perceptual granularity"]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t")
            writer.writerow(columns)
            for i in range(n):
                image = base64.b64encode(pictures[i % 8]).decode() if i < 8 else str(first + i % 8)
                options = ["CT", "MR", "X-ray", "US", "" if i % 2 else "PET"]
                groups = [("DD", "SG")[i % 2], "OM", "image"]
                writer.writerow(
                    [first + i, image, f'Which, "{i}"?\nLook.', *options, *(["B"] if answers else []), *groups]
                )
        return path

    return write


BUDGETS_MS = (3_000, 20_000, 120_000, 600_000)
"""Virtual time that a page may take. It passes at once where a page waits for nothing, and does not stand still while a
page unpacks its data in another thread: under load the first may be over before that."""


def browser_dom(file: Path, profile: Path, script: str = "", seen: str = 'class="card question"') -> str:
    """Return a report as headless Chromium shows it once it holds `seen`.

    Args:
        file: The page.
        profile: A folder of the browser's own.
        script: What is done once questions are listed, in a copy of the page without its policy.
        seen: What the page holds in the end; with a script, also the mark that it ran.
    """
    if script:
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", file.read_text(encoding="utf-8"))
        acts = (
            "const due = setInterval(() => { if (!document.querySelector('.card.question')) return;"
            f"clearInterval(due); {script}; document.documentElement.dataset.acted = 'yes'; }}, 20);"
        )
        file = file.with_name("scripted.html")
        file.write_text(text.replace("</body>", f"<script>{acts}</script></body>"), encoding="utf-8")
    dom = ""
    for budget_ms in BUDGETS_MS:
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
        command = ["chromium", *flags, f"--virtual-time-budget={budget_ms}", f"--user-data-dir={profile}", "--dump-dom"]
        run = subprocess.run([*command, file.as_uri()], capture_output=True, text=True, timeout=600, check=True)
        shutil.rmtree(profile, ignore_errors=True)
        dom = run.stdout
        if seen in dom and (not script or 'data-acted="yes"' in dom):
            return dom
    raise AssertionError(f"{file.name} never held {seen}: {dom[:2000]}")


@pytest.fixture(name="browser_dom", scope="session")
def _browser_dom() -> Callable[..., str]:
    return browser_dom
