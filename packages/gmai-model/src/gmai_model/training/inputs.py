"""Everything that comes before the model: samples, their lengths and the plan, the same on every rank.

The first start of a run measures and plans; the plan's folder, `OUT/plan/`, then holds it as arrays that a resumed run
maps instead of computing them again, whatever its position.
"""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from gmai_cli.console import say, table
from gmai_formats.checkpoints import naming_opened
from gmai_formats.errors import UserError
from gmai_formats.files import as_json, replace_atomically
from gmai_formats.rows.mixtures import load_mixture
from gmai_formats.rows.rules import shortened
from gmai_formats.state import DamagedError, damage, read_state, seal, write_state

from gmai_model.batching.caches import cache_folder
from gmai_model.batching.collate import Collator
from gmai_model.batching.groups import LossGroup, groups_of
from gmai_model.batching.images import copied_bytes
from gmai_model.batching.lengths import CUT, REJECTED, Lengths, measure, reasons
from gmai_model.batching.mixture import used_entries
from gmai_model.batching.packing import Packs
from gmai_model.batching.plan import Plan, load_array, make_plan, save_array
from gmai_model.batching.prepare import Dataset, choose_rows, find_datasets, find_images, index_files, open_tables
from gmai_model.batching.samples import SampleSource
from gmai_model.batching.team import Team
from gmai_model.batching.tokens import REASONS, Encoder
from gmai_model.opening import open_processor
from gmai_model.training.config import SampleSettings

_IMAGES_LOOKED_FOR = 1000
"""Samples, spread over the mixture, whose image files are looked for before the model is loaded."""

_LEFT_OUT = "left_out.jsonl"
_ARRAYS = ("dataset", "row", "tokens", "supervised", "order", "starts")
"""Files of the plan's folder."""


@dataclass(frozen=True)
class MixtureShare:
    """One dataset of the effective mixture."""

    name: str
    available: int
    """Samples it holds."""
    ratio: float
    used: int
    """Samples taken of it, repeats counted."""
    left_out: int
    """How many of them cannot be trained on."""
    images: int
    tokens: int
    supervised_tokens: int
    token_share: float
    """Share of the tokens of all datasets."""


@dataclass(frozen=True)
class Split:
    """The training or validation samples of a stage."""

    source: SampleSource
    lengths: Lengths
    plan: Plan
    shares: list[MixtureShare]


def image_size(model: Path, processor: Any) -> int:
    """Return the side of the square images that a checkpoint's processor makes.

    Raises:
        UserError: It says none.
    """
    size: Any = getattr(processor.image_processor, "crop_size", None)
    try:
        return int(size["height"])
    except (TypeError, KeyError, ValueError):
        raise UserError(
            f"{model / 'preprocessor_config.json'}: crop_size names no height, which is the side of the images that "
            f"the model is trained on. Restore the file; `gmai model check {model}` says more."
        ) from None


class Inputs:
    """The samples of a stage and of its validation loss, measured and planned.

    Args:
        config: What they are chosen and packed by.
        model: The checkpoint whose tokenizer and image processor are used.
        data: What `load_mixture` takes.
        out: The run's folder; the plan goes there.
        is_main: Whether this rank shows progress.
        with_images: Find the images of Parquet files, or copy them; without it no row of them can be made.

    Raises:
        UserError: The mixture is unusable, not one of its samples is, or it changed since the run was planned.
    """

    def __init__(
        self, config: SampleSettings, *, model: Path, data: Path, out: Path, is_main: bool, with_images: bool = True
    ) -> None:
        mixture, root = load_mixture(data)
        with naming_opened(model):
            self.processor = open_processor(model)
            self.image_size = image_size(model, self.processor)
            of_image = self.processor._get_num_multimodal_tokens([(self.image_size,) * 2])
            self.tokens_per_image: int = of_image.num_image_tokens[0]
        self.encoder = Encoder(
            self.processor.tokenizer, tokens_per_image=self.tokens_per_image, max_tokens=config.pack_tokens,
            long_samples=config.long_samples,
        )  # fmt: skip
        self._config, self._is_main, self._with_images = config, is_main, with_images
        self._out, self._cache = out, cache_folder()
        self._team = Team()
        self._entries, self._root = used_entries(mixture, stage=config.stage), root
        self.digest = ""
        """Of what the plan of the training samples was made of."""
        self._train, self._held_out = self._prepare("train"), self._prepare("validation")
        self.source, self.lengths, self.plan = self._train.source, self._train.lengths, self._train.plan
        self.held_out = self._held_out.source
        self.held_out_lengths, self.held_out_plan = self._held_out.lengths, self._held_out.plan
        if not self.plan.packs:
            found = ", ".join(f"{reason} ({count})" for reason, count in self.lengths.rejected.most_common())
            raise UserError(
                f"none of the {len(self.source)} samples can be used: {found}. `gmai data validate` lists the rows."
            )

    def image_bytes(self) -> tuple[int, int]:
        """Return how large the copies of images of Parquet files are in the cache, and how many files need none."""
        files = {file for split in (self._train, self._held_out) for table in split.source.tables
                 if table.source.is_parquet for file in table.source.files}  # fmt: skip
        sizes = [copied_bytes(file) for file in files]
        return sum(sizes), sizes.count(0)

    def _prepare(self, split: str) -> Split:
        team, cache, folder = self._team, self._cache, self._out / "plan" / split
        datasets = find_datasets(self._entries, self._root, split=split, cache=cache, team=team)
        with team.together():
            planned = team.is_main and self._is_planned(datasets, folder)
        planned = team.from_main(planned)
        index_files(datasets, cache, team)
        tables = open_tables(datasets, cache)
        with team.together():
            if not planned and team.is_main:
                stage, seed = self._config.stage, self._config.seed
                limit = self._config.validation_samples
                dataset, row = choose_rows(datasets, tables, stage=stage, split=split, seed=seed, limit=limit)
                save_array(folder, "dataset", dataset)
                save_array(folder, "row", row)
        source = SampleSource(tables, load_array(folder, "dataset"), load_array(folder, "row"))
        if planned:
            with team.together():
                if team.is_main:
                    _check_images(source, folder)
        else:
            measured = measure(source, self.encoder, cache, team, shown=self._is_main)
            with team.together():
                if team.is_main:
                    self._plan(split, datasets, source, measured, folder)
        if self._with_images:
            find_images(datasets, cache, team)
        if split == "train":
            self.digest = hashlib.sha256(as_json(self._made_of(datasets)).encode()).hexdigest()
        return _open(source, folder)

    def _is_planned(self, datasets: list[Dataset], folder: Path) -> bool:
        """Return whether the folder holds the plan of these datasets.

        Raises:
            UserError: It holds another one.
        """
        try:
            planned = read_state(folder / "plan.json")
            found = [damage(folder / name, sealed) for name, sealed in planned["files"].items()]
            problem = next(filter(None, found), "")
        except FileNotFoundError:
            return False
        except (DamagedError, KeyError) as error:
            planned, problem = {}, str(error)
        if problem:
            say(f"{folder}: {problem}; the plan is made again, which gives the same one")
            return False
        before, now = planned["made_of"], self._made_of(datasets)
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            names = [name for name in {**before["datasets"], **now["datasets"]}
                     if before["datasets"].get(name) != now["datasets"].get(name)]  # fmt: skip
            what = f"the samples of {', '.join(names)}" if names else f"the {changed[0]}"
            raise UserError(
                f"{folder}: {what} changed since this run was planned. A run is resumed with the data that it began "
                f"with. Choose another --out, or remove the old run."
            )
        return True

    def _made_of(self, datasets: list[Dataset]) -> dict[str, Any]:
        config = self._config
        of_dataset = {
            dataset.entry.name: f"{dataset.entry.share(config.stage)} {_digest(dataset.digests)}"
            for dataset in datasets
        }
        settings = [getattr(config, field.name) for field in fields(SampleSettings)]
        return {"datasets": of_dataset, "tokenizer or template": self.encoder.digest, "settings": settings}

    def _plan(
        self, split: str, datasets: list[Dataset], source: SampleSource, measured: np.ndarray, folder: Path
    ) -> None:
        config = self._config
        plan = make_plan(
            measured["tokens"], pack_tokens=config.pack_tokens, packs_per_step=config.global_batch_size,
            method=config.packing, epochs=config.epochs if split == "train" else 1, seed=config.seed,
        )  # fmt: skip
        for name in ("tokens", "supervised"):
            save_array(folder, name, np.ascontiguousarray(measured[name]))
        save_array(folder, "order", plan.packs.order)
        save_array(folder, "starts", plan.packs.starts)
        _write_left_out(source, measured, folder / _LEFT_OUT)
        shares = _shares(datasets, source, measured, stage=config.stage if split == "train" else None)
        write_state(
            folder / "plan.json",
            {
                "made_of": self._made_of(datasets),
                "files": {name: seal(folder / name) for name in (*(f"{name}.npy" for name in _ARRAYS), _LEFT_OUT)},
                "packs_per_step": plan.packs_per_step, "pack_tokens": plan.pack_tokens,
                "total_tokens": plan.total_tokens,
                "left_out": dict(reasons(measured["outcome"]).most_common()),
                "cut": int((measured["outcome"] == CUT).sum()),
                "images": source.image_marks(_IMAGES_LOOKED_FOR),
                "shares": [asdict(share) for share in shares],
            },
        )  # fmt: skip

    def announce(self, *, listed: bool = True) -> None:
        """Print the effective mixture, and what of it cannot be trained on or is not as its author said.

        Args:
            listed: Name the file that lists all samples left out; it goes when the run's folder is temporary.
        """
        table(
            ("dataset", "samples", "ratio", "used", "left out", "images", "tokens", "share"),
            [
                (s.name, s.available, s.ratio, s.used, s.left_out, s.images, s.tokens, f"{s.token_share:.1%}")
                for s in self._train.shares
            ],
            news=True,
        )
        for entry, share in ((e, s) for e in self._entries for s in self._train.shares if e.name == s.name):
            if entry.length is not None and abs(entry.length - share.available) > 0.01 * entry.length:
                say(f"{entry.name}: the mixture says {entry.length} samples, {share.available} are there")
            if entry.augment:
                say(f"{entry.name}: the mixture asks for augmentation, which is not done")
        for table_, share in zip(self.source.tables, self._train.shares, strict=True):
            for note, count in table_.notes.items():
                say(f"{share.name}: {count} rows: {note}")
            if unread := table_.unread:
                more = f" and {len(unread) - 12} more" if len(unread) > 12 else ""
                say(f"{share.name}: fields that are not read: {', '.join(unread[:12])}{more}")
        looked, missing = self.source.missing_images(_IMAGES_LOOKED_FOR)
        if missing:
            say(f"{len(missing)} of {looked} image files that were looked for are missing; the first: {missing[0]}")
        for reason, count in self.lengths.rejected.most_common():
            say(f"left out {count} samples: {reason}")
        if self.lengths.rejected:
            names = self._out / "plan" / "train" / _LEFT_OUT
            with names.open(encoding="utf-8") as lines:
                first = json.loads(lines.readline())
            where = f"; all are in {names}" if listed else ""
            say(f"the first one is {first['file']} row {first['row']} ({first['reason']}){where}")
        if self.lengths.cut:
            say(f"{self.lengths.cut} samples lost turns at their end to fit {self._config.pack_tokens} tokens")
        self._announce_idle()
        asked = self._held_out
        for reason, count in asked.lengths.rejected.most_common():
            say(f"validation: left out {count} of {len(asked.source)} samples: {reason}")
        if asked.shares and not asked.plan.packs:
            say(f"no validation loss: none of the {len(asked.source)} validation samples can be used")

    def _announce_idle(self) -> None:
        """Name the datasets of the mixture that nothing is trained on."""
        for share in self._train.shares:
            if not share.available:
                say(f"{share.name}: nothing of it is trained on: its files have no rows")
            elif not share.used:
                say(f"{share.name}: nothing of it is trained on: ratio {share.ratio:g} of {share.available} is none")
            elif share.left_out == share.used:
                say(f"{share.name}: nothing of it is trained on: all {share.used} samples were left out")

    def record(self) -> dict[str, Any]:
        """Return what was taken, what was left out and why, and how it is packed."""

        def of(split: Split) -> dict[str, Any]:
            return {
                "datasets": [asdict(share) for share in split.shares],
                "samples": len(split.source),
                "left_out": dict(split.lengths.rejected.most_common()),
                "cut": split.lengths.cut,
                "tokens": sum(share.tokens for share in split.shares),
                "supervised_tokens": sum(share.supervised_tokens for share in split.shares),
                "packs": len(split.plan.packs),
                "fill": round(split.plan.fill, 4),
                "steps": split.plan.steps,
            }

        return {"train": of(self._train), "validation": of(self._held_out)}

    @cached_property
    def groups(self) -> list[LossGroup]:
        """What losses are kept apart for: sources and kinds, of the training and of the validation samples."""
        return groups_of([entry.name for entry in self._entries])

    @property
    def can_validate(self) -> bool:
        """Whether there are validation samples that can be used."""
        return len(self._held_out.plan.packs) > 0

    @property
    def shares(self) -> list[MixtureShare]:
        """The effective mixture of the training samples."""
        return self._train.shares

    def collator(self, source: SampleSource) -> Collator:
        """Return what turns sample numbers into rows."""
        names = [entry.name for entry in self._entries]
        return Collator(
            source, self.encoder, self.processor.image_processor, image_size=self.image_size,
            sources=[names.index(table.source.name) for table in source.tables],
        )  # fmt: skip


def _open(source: SampleSource, folder: Path) -> Split:
    values = json.loads((folder / "plan.json").read_text("utf-8"))
    packs = Packs(load_array(folder, "order"), load_array(folder, "starts"))
    plan = Plan(packs, values["packs_per_step"], values["pack_tokens"], values["total_tokens"])
    lengths = Lengths(
        load_array(folder, "tokens"), load_array(folder, "supervised"), Counter(values["left_out"]), values["cut"]
    )
    return Split(source, lengths, plan, [MixtureShare(**share) for share in values["shares"]])


def _digest(digests: list[str]) -> str:
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _shares(
    datasets: list[Dataset], source: SampleSource, measured: np.ndarray, *, stage: int | None
) -> list[MixtureShare]:
    """Return the effective mixture; without a stage every dataset is taken whole."""
    total = max(int(measured["tokens"].sum(dtype=np.int64)), 1)
    shares: list[MixtureShare] = []
    for number, dataset in enumerate(datasets):
        own = measured[source.dataset == number]
        tokens = int(own["tokens"].sum(dtype=np.int64))
        shares.append(
            MixtureShare(
                dataset.entry.name, len(source.tables[number]), 1.0 if stage is None else dataset.entry.share(stage),
                len(own), int((own["outcome"] >= REJECTED).sum()), int(own["images"].sum(dtype=np.int64)), tokens,
                int(own["supervised"].sum(dtype=np.int64)), round(tokens / total, 6),
            )
        )  # fmt: skip
    return shares


def _write_left_out(source: SampleSource, measured: np.ndarray, to: Path) -> None:
    """Name every sample that cannot be trained on, by file, row and reason, one JSON line each."""
    with replace_atomically(to) as file:
        for number in np.flatnonzero(measured["outcome"] >= REJECTED):
            sample = source[int(number)]
            origin, row = source.origin(int(number))
            reason = sample.problem or REASONS[int(measured["outcome"][number]) - REJECTED]
            line = {"file": str(origin), "row": row, "id": sample.id, "reason": reason}
            file.write((json.dumps(line, ensure_ascii=False) + "\n").encode())


def _check_images(source: SampleSource, folder: Path) -> None:
    """Hold image files to those that the run was planned with; missing ones are the run's to report.

    Raises:
        UserError: One of those looked at is another one.
    """
    before: dict[str, int] = read_state(folder / "plan.json").get("images", {})
    now = source.image_marks(_IMAGES_LOOKED_FOR) if before else {}
    changed = [name for name, mark in now.items() if mark and before.get(name, mark) not in (0, mark)]
    if changed:
        raise UserError(
            f"{folder}: {len(changed)} of {len(now)} image files that were looked at are others than when this run was "
            f"planned, {shortened(changed[0])} first. A run is resumed with the data that it began with. Put them "
            f"back, choose another --out, or remove the old run."
        )
