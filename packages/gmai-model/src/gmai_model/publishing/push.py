"""READ THIS FIRST: nothing but a checkpoint in the folder ▶ it passes `check` ▶ its card ▶ the Hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_cli.hub import push_folder, read_text_file, require_repo_id
from gmai_formats.errors import UserError
from gmai_formats.files import replace_atomically, sha256_file, write_text
from gmai_formats.json_text import read_json_object
from gmai_formats.pictures.dicom_start import is_dicom
from gmai_formats.weights import RECORD, model_digest, read_record, shaping_digests

from gmai_model.assembly.weights import read_weight_map
from gmai_model.checking.check import LIMIT_S, check
from gmai_model.publishing.card import CardFacts, write_card
from gmai_model.publishing.curves import draw_curves
from gmai_model.publishing.earlier import EVALUATION, read_card
from gmai_model.publishing.sources import Source, read_sources

CARD, CURVES = "README.md", "loss_curves.png"
FILES = frozenset(
    {
        "config.json", "generation_config.json", "model.safetensors.index.json", RECORD, "tokenizer.json",
        "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
        "chat_template.jinja", "chat_template.json", "processor_config.json", "preprocessor_config.json",
        "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "NOTICE.txt",
    }
)  # fmt: skip
"""Beside the weights, what a published checkpoint may hold; anything else is refused, not left out."""

_AGAIN = "Write or download the checkpoint again."
_TRAINING = ("optimizer", "optim", "scheduler", "rng_state", "training_args", "trainer_state", "zero_", "global_step")
_DATA = "dcm dicom nii png jpg jpeg tif tiff bmp gif webp svs mha nrrd npy npz parquet tar zip gz h5 mp4 avi csv jsonl"


@dataclass(frozen=True)
class Publication:
    """What is, or would be, on the Hub."""

    files: dict[str, int]
    """Path ▶ bytes."""
    url: str | None
    """None after a dry run."""


def publish(
    checkpoint: Path, repo_id: str, *, private: bool, reports: Sequence[Path], data: Path | None, licence: str | None,
    dry_run: bool, baselines: Sequence[Path] = (), version: str | None = None,
    limit_s: float = LIMIT_S,
) -> Publication:  # fmt: skip
    """Write a checkpoint's card into its folder and push both.

    Args:
        checkpoint: The folder.
        repo_id: `owner/name`.
        private: Whether only the owner can see it.
        reports: A `report.json` of `gmai bench` about this checkpoint, or its folder, and those of its ablations.
        data: The mixture it was trained on, for the sources and licences of its samples.
        licence: Of the weights, an SPDX identifier.
        dry_run: Write the card and send nothing.
        baselines: Reports of other models on the same questions, which stand beside.
        version: Of the model, as its authors number it.
        limit_s: Seconds of the clock in which the check must have opened it.

    Raises:
        UserError: The folder holds anything but a checkpoint, the checkpoint fails `check`, the report is about another
            model, or the Hub refuses.
    """
    require_repo_id(repo_id)
    refuse_foreign_files(checkpoint)
    outcome = check(checkpoint, limit_s=limit_s)
    if outcome.off:
        raise UserError(
            f"{checkpoint}: not published, {len(outcome.off)} things are off, first: {outcome.off[0]}. "
            f"`gmai model check {checkpoint}` lists them all."
        )
    record = read_record(checkpoint)
    curves = draw_curves(record.get("stages", []))
    if curves is not None:
        with replace_atomically(checkpoint / CURVES) as file:
            file.write(curves)
    else:
        (checkpoint / CURVES).unlink(missing_ok=True)
    evaluation, ablations = _read_reports(reports, checkpoint)
    if baselines and evaluation is None:
        raise UserError("--baseline: stands beside the model's own results. Give them with --report.")
    beside = [_any_report(path) for path in baselines]
    sources: list[Source] | None = None if data is None else read_sources(data)
    weights = sorted(path.name for path in checkpoint.glob("model*.safetensors"))
    names = [*weights, *sorted(FILES & {path.name for path in checkpoint.iterdir()}), *([CURVES] if curves else [])]
    facts = CardFacts(
        repo_id=repo_id, record=record, config=read_json_object(checkpoint / "config.json", remedy=_AGAIN),
        checked=outcome.facts, licence=licence, sources=sources, evaluation=evaluation,
        ablations=ablations,
        digests={name: sha256_file(checkpoint / name) for name in names}, curves=CURVES if curves else None,
        baselines=beside, version=version,
    )  # fmt: skip
    published = None if dry_run else read_text_file(repo_id, CARD, repo_type="model")
    local = checkpoint / CARD
    before = read_card(_local_card(local))
    if published is not None:  # what the Hub shows counts; a card that lies here adds what is not there
        before = read_card(published).with_sections_of(before)
    if (
        evaluation is None
        and (results := before.section(EVALUATION))
        and model_digest(shaping_digests(checkpoint)) not in results
    ):
        raise UserError(
            f"{repo_id}: its card holds results of other files than these, and no --report is given. A card holds the "
            f"results of its own model. Give --report, or take the section {EVALUATION} out of the card."
        )
    write_text(local, write_card(facts, before))
    files = {name: (checkpoint / name).stat().st_size for name in [CARD, *names]}
    if dry_run:
        return Publication(files, None)
    url = push_folder(
        checkpoint, repo_id, repo_type="model", private=private, files=list(files), message="Publish the checkpoint",
        merged={} if published is None else {CARD: published},
    )  # fmt: skip
    return Publication(files, url)


def _local_card(path: Path) -> str | None:
    try:
        return path.read_text("utf-8") if path.is_file() else None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: no UTF-8 text (byte {error.start}). A card that lies here is kept, so it must be readable. Write "
            "it as UTF-8, or remove it."
        ) from None


def refuse_foreign_files(checkpoint: Path) -> None:
    """Make sure that the folder holds a checkpoint's files and nothing else.

    Raises:
        UserError: Names the first file that must not be published, and what it seems to be.
    """
    index = checkpoint / "model.safetensors.index.json"
    shards = {"model.safetensors"}
    if index.is_file():
        shards = set(read_weight_map(index).values())
    for path in sorted(checkpoint.rglob("*")):
        name = path.relative_to(checkpoint).as_posix()
        if path.is_dir() or name in FILES or name in shards or name == CARD:  # what others wrote in a card is kept
            continue
        if name == CURVES and (checkpoint / RECORD).is_file():  # drawn anew, so that no other picture is published
            continue
        raise UserError(
            f"{path}: {_kind(path)}. A published folder holds a checkpoint and nothing else. Move the file away; "
            f"it is not left out silently."
        )


def _kind(path: Path) -> str:
    lower = path.name.lower()
    if lower.startswith(_TRAINING) or "optim" in lower or lower.endswith((".distcp", ".pt", ".pth", ".ckpt", ".pkl")):
        return "an optimiser state or another pickle of training"
    with path.open("rb") as file:
        head = file.read(352)
    pictures = is_dicom(head) or head[344:348] in {b"n+1\0", b"ni1\0"} or head[:4] == b"\x89PNG"
    if pictures or head[:2] == b"\xff\xd8" or any(suffix[1:].lower() in _DATA.split() for suffix in path.suffixes):
        return "an image or a data file, which may show a patient"
    return "no file of a checkpoint"


def _read_reports(paths: Sequence[Path], checkpoint: Path) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Return the report on the real images, and those on others."""
    found = [(path, _read_report(path, checkpoint)) for path in paths]
    own = [(path, report) for path, report in found if report.get("image_ablation", "none") == "none"]
    ablations = [report for _, report in found if report.get("image_ablation", "none") != "none"]
    if found and len(own) != 1:
        raise UserError(
            f"{found[-1][0]}: {len(own)} of {len(found)} reports are on the real images. A card holds one such report, "
            "and those with --image-ablation beside it. Give --report for each of them."
        )
    return (own[0][1] if own else None), ablations


def _any_report(path: Path) -> dict[str, Any]:
    file = path / "report.json" if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{file}: no such file. --report takes the report.json of `gmai bench`, or its folder.")
    report = read_json_object(file, remedy="--report takes the report.json of `gmai bench`.")
    if not str(report.get("format", "")).startswith("gmai-bench-report/"):
        raise UserError(
            f"{file}: no report of `gmai bench` (format {report.get('format')!r}). Give the report.json of a run."
        )
    return report


def _read_report(path: Path, checkpoint: Path) -> dict[str, Any]:
    report = _any_report(path)
    if report.get("model_digest") != model_digest(shaping_digests(checkpoint)):
        raise UserError(
            f"{path}: about {report.get('model')} ({report.get('model_digest')}), which is not this checkpoint. A card "
            f"holds the results of its own model. Run `gmai bench --model {checkpoint}`."
        )
    return report
