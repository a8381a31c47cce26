"""Publishing: a checkpoint and nothing else goes to the Hub, with a card that says what is known."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from gmai_formats.errors import UserError
from gmai_formats.weights import model_digest, shaping_digests
from gmai_model.chat import Assistant, Conversation
from gmai_model.checking.check import Outcome
from gmai_model.publishing import push
from gmai_model.publishing.push import publish, refuse_foreign_files
from PIL import Image

STAGE: dict[str, Any] = {
    "stage": 1, "name": "shallow_alignment", "trainable": ["projector"], "lora": None, "steps": 40, "steps_planned": 40,
    "samples": 900,
    "tokens": 123456, "unreadable": 2, "validation_loss": 1.25,
    "loss_curve": [[step, 4 / step] for step in range(1, 41)], "validation_curve": [[20, 1.5], [40, 1.25]],
    "mixture": [
        {"name": "caption|<b>", "available": 1000, "ratio": 0.9, "used": 900, "left_out": 3, "images": 900,
         "tokens": 123456, "supervised_tokens": 20000, "token_share": 1.0},
    ],
    "settings": {"learning_rate": 0.001, "questions": "/home/somebody/questions.yaml"},
    "sessions": [{"processes": 2, "device": "cpu", "versions": {"torch": "2.15.0"}}],
}  # fmt: skip


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Stands in for the check, which has tests of its own and takes seconds."""
    outcome = Outcome(["130 tensors in 1 file"], [])
    monkeypatch.setattr(push, "check", lambda folder, **limits: outcome)
    return outcome


def dry(folder: Path, **more: Any) -> str:
    options: dict[str, Any] = {"private": True, "reports": [], "data": None, "licence": None, **more}
    publication = publish(folder, "lab/model", **options, dry_run=True)
    assert publication.url is None
    return (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("optimizer.pt", b"x", "an optimiser state"),
        ("global_step10/zero_pp_rank_0_optim_states.safetensors", b"x", "an optimiser state"),
        ("optimizer.safetensors", b"x", "an optimiser state"),
        ("scan", b"\0" * 128 + b"DICM", "which may show a patient"),
        ("volume", b"\0" * 344 + b"n+1\0", "which may show a patient"),
        ("images/case7.PNG", b"x", "which may show a patient"),
        ("photo", b"\xff\xd8\xff", "which may show a patient"),
        ("brain.nii.gz", b"x", "which may show a patient"),
        ("samples.parquet", b"x", "which may show a patient"),
        ("loss_curves.png", b"x", "which may show a patient"),
        ("modeling.py", b"x", "no file of a checkpoint"),
        ("model-00009-of-00009.safetensors", b"x", "no file of a checkpoint"),
        (".env", b"x", "no file of a checkpoint"),
    ],
)
def test_anything_but_a_checkpoint_is_refused(copied: Path, name: str, content: bytes, kind: str) -> None:
    refuse_foreign_files(copied)
    if name == "loss_curves.png":
        (copied / "gmai.json").unlink()  # with it, ours takes the picture's place
    (copied / name).parent.mkdir(exist_ok=True)
    (copied / name).write_bytes(content)
    with pytest.raises(UserError, match=kind) as caught:
        refuse_foreign_files(copied)
    assert str(copied / name) in str(caught.value)


def test_checkpoint_that_fails_the_check_is_refused(copied: Path, checked: Outcome) -> None:
    checked.off.append("config.json: something")
    with pytest.raises(UserError, match=r"not published, 1 things are off, first: config\.json: something"):
        dry(copied)
    assert not (copied / "README.md").exists()


def test_card_tells_stages_mixture_settings_curves_and_hashes(copied: Path, checked: Outcome) -> None:
    record = json.loads((copied / "gmai.json").read_text())
    record |= {"vision": "openai/clip@abc", "language": "internlm/internlm2_5-7b-chat@def"}
    (copied / "gmai.json").write_text(json.dumps({**record, "stages": [STAGE, {**STAGE, "stage": 2}]}))
    card = dry(copied, licence="Apache-2.0")
    metadata = yaml.safe_load(card.split("---")[1])
    assert metadata["license"] == "apache-2.0"
    assert metadata["base_model"] == ["openai/clip", "internlm/internlm2_5-7b-chat"]
    assert metadata["pipeline_tag"] == "image-text-to-text"
    assert "| 1 shallow_alignment | projector | 40 of 40 | 900 | 123,456 | 1.2500 | 2 × cpu |" in card
    assert "| 1 | caption\\|&lt;b> | 1,000 | 0.9 | 900 | 3 | 123,456 |" in card
    assert "1: 4.000, " in card
    assert "40: 0.100" in card
    assert "left out because their image could not be read: 4." in card
    assert "learning_rate: 0.001" in card
    assert "/home/somebody" not in card
    assert "130 tensors in 1 file" in card
    for heading in ("Data sources and licences", "Evaluation", "Intended use and limits", "Checks and hashes"):
        assert f"## {heading}" in card
    with Image.open(copied / "loss_curves.png") as curves:
        assert curves.size == (1040, 300)
        assert (31, 92, 170) in {colour for _, colour in curves.convert("RGB").getcolors(100000) or []}
    assert dry(copied, licence="Apache-2.0") == card  # again over its own card and curves


def test_card_of_a_warmed_up_model_says_so(copied: Path, checked: Outcome) -> None:
    warm_up = {
        "stage": 0, "name": "warm_up", "trainable": ["language_model"], "vision_steps": 800, "language_steps": 1900,
        "seed": 0, "label_accuracy": 0.8156, "text_loss": 0.79,
    }  # fmt: skip
    record = json.loads((copied / "gmai.json").read_text())
    (copied / "gmai.json").write_text(json.dumps({**record, "stages": [warm_up, STAGE]}))
    card = dry(copied)
    assert "Stages done: 1 (shallow_alignment)" in card
    assert (
        "in 800 steps (label sets told apart 81.6% of the time), and the language model the training texts in 1,900"
        in card
    )


def test_sources_and_licences_are_counted(copied: Path, checked: Outcome, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"id": str(n), "messages": [], "source": f"s{n % 2}", "license": "CC-BY-4.0"} for n in range(5)]
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "train-00000.parquet")
    card = dry(copied, data=tmp_path / "data")
    assert "| data | s0 | CC-BY-4.0 | 3 |" in card
    assert "| data | s1 | CC-BY-4.0 | 2 |" in card
    kept = dry(copied)
    assert "| CC-BY-4.0 |" in kept
    (copied / "README.md").unlink()
    assert "Not listed: the card was written without" in dry(copied)


def test_results_are_those_of_this_model(copied: Path, checked: Outcome, tmp_path: Path) -> None:
    entry = {
        "name": "vqa", "title": "VQA", "protocol": "vqa/closed", "protocol_version": 1, "n": 272, "accuracy": 0.5,
        "interval": [0.44, 0.56], "chance": 0.5, "partial": False,
    }  # fmt: skip
    report = {
        "format": "gmai-bench-report/1", "model": str(copied), "model_digest": model_digest(shaping_digests(copied)),
        "generation": {"do_sample": False}, "image_ablation": "none", "benchmarks": [entry],
    }  # fmt: skip
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    assert "| VQA | `vqa/closed` v1 | 272 | 50.0% | 44.0% to 56.0% | 50.0% |" in dry(copied, reports=[tmp_path])
    for change, message in (
        ({"model_digest": "sha256:0"}, "is not this checkpoint"),
        ({"image_ablation": "noise"}, "0 of 1 reports are on the real images"),
        ({"format": "x"}, "no report of `gmai bench`"),
    ):
        path.write_text(json.dumps({**report, **change}))
        with pytest.raises(UserError, match=message):
            dry(copied, reports=[path])


def report_of(checkpoint: Path, path: Path) -> Path:
    entry = {
        "name": "vqa",
        "title": "VQA",
        "protocol": "vqa/closed",
        "n": 272,
        "accuracy": 0.5,
        "interval": [0.44, 0.56],
    }
    report = {
        "format": "gmai-bench-report/1",
        "model": "m",
        "model_digest": model_digest(shaping_digests(checkpoint)),
        "benchmarks": [entry],
    }
    path.write_text(json.dumps(report))
    return path


def test_results_and_sources_stay_on_the_card(copied: Path, checked: Outcome, tmp_path: Path) -> None:
    card = dry(copied, reports=[report_of(copied, tmp_path / "report.json")], licence="MIT")
    results = {"name": "vqa/closed v1, n = 272", "type": "accuracy", "value": 50.0}
    assert yaml.safe_load(card.split("---")[1])["model-index"][0]["results"][0]["metrics"] == [results]
    assert "| VQA | `vqa/closed` v1 | 272 | 50.0% |" in card
    again = dry(copied)
    assert again == card  # licence, results and metadata as well
    edit = json.loads((copied / "generation_config.json").read_text())
    (copied / "generation_config.json").write_text(json.dumps({**edit, "temperature": 0.5}))
    with pytest.raises(UserError, match="results of other files than these, and no --report is given"):
        dry(copied)


def test_card_written_by_hand_is_kept_with_gmais_sections_below(copied: Path, checked: Outcome) -> None:
    (copied / "README.md").write_text(
        "---\nlicense: mit\ntags: [mine]\nauthor: Li\n---\n\n# Our model\n\nBy Li.\n\n## Contact\n\nli@example.org\n\n"
        "## Evaluation\n\nBy three readers.\n\n```md\n## no section\n```\n"
    )
    first = dry(copied)
    for kept in (
        "# Our model\n\nBy Li.",
        "## Contact\n\nli@example.org",
        "## Evaluation, as written by hand",
        "## no section",
    ):
        assert first.count(kept) == 1
    metadata = yaml.safe_load(first.split("---")[1])
    assert (metadata["license"], metadata["author"]) == ("mit", "Li")
    assert set(metadata["tags"]) == {"mine", "medical", "llava", "gmai"}
    second = dry(copied)
    assert second.count("## Contact") == second.count("By three readers.") == second.count("## Evaluation\n") == 1


def test_sections_added_to_gmais_card_are_kept(copied: Path, checked: Outcome) -> None:
    card = dry(copied) + "\n## Citation\n\n@misc{us}\n"
    (copied / "README.md").write_text(
        card.replace("library_name: transformers\n", "library_name: transformers\ndoi: 10.1\n")
    )
    again = dry(copied)
    assert "## Citation\n\n@misc{us}" in again
    assert "doi: '10.1'" in again or "doi: 10.1" in again


def test_card_says_how_to_use_it_and_what_goes_in_and_out(copied: Path, checked: Outcome) -> None:
    card = dry(copied)
    program = card.split("```python\n")[1].split("```")[0]
    compile(program, "card", "exec")
    assert "112 × 112 px by the processor; 64 tokens each" in card
    assert "<box>[[x1, y1, x2, y2]]</box>`, in thousandths" in card
    assert "language" not in yaml.safe_load(card.split("---")[1])


@pytest.mark.e2e
def test_pushed_pulled_and_asked_it_answers_the_same(copied: Path, tmp_path: Path, hub_server: Any) -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= hub_server.environment(tmp_path / "hf-home")
    gmai = Path(sys.executable).with_name("gmai")

    def run(*command: str) -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    pushed = run(str(gmai), "model", "push", str(copied), "me/model")
    assert f"{hub_server.url}/me/model/commit/" in pushed
    repository = hub_server.repositories["model", "me/model"]
    assert repository.private
    assert "model.safetensors" in repository.head.files
    assert repository.head.files["README.md"].content.startswith(b"---\nlibrary_name: transformers")
    program = (
        "import sys; from pathlib import Path; from gmai_cli.hub import pull\n"
        "pull('me/model', repo_type='model', to=Path(sys.argv[1]))"
    )
    run(sys.executable, "-c", program, str(tmp_path / "pulled"))
    asked = Conversation().with_question("Which shape is shown?", [Image.new("RGB", (80, 80), (200, 30, 30))])
    here, there = (Assistant(folder, device="cpu", max_new_tokens=12) for folder in (copied, tmp_path / "pulled"))
    assert "".join(here.answer(asked)) == "".join(there.answer(asked))
    assert model_digest(shaping_digests(copied)) == model_digest(shaping_digests(tmp_path / "pulled"))


def test_card_that_is_no_text_is_refused(copied: Path, checked: Outcome) -> None:
    (copied / "README.md").write_bytes(b"# caf\xe9\n")
    with pytest.raises(UserError, match=r"README\.md: no UTF-8 text \(byte 5\)"):
        dry(copied)


def test_card_of_an_editor_that_marks_its_files_is_taken_once(copied: Path, checked: Outcome) -> None:
    (copied / "README.md").write_bytes(
        "\ufeff---\r\nlicense: mit\r\n---\r\n# Ours\r\n\r\nBy Li.\r\n\r\n## Contact\r\n\r\nli@x.org\r\n".encode()
    )
    first = dry(copied)
    assert yaml.safe_load(first.split("---")[1])["license"] == "mit"
    assert "\ufeff" not in first
    assert first.count("## Contact") == 1
    assert "# Ours\n\nBy Li." in first
    assert dry(copied) == first, "what others wrote above the first section stays in every push"
