"""A benchmark declared in YAML beside its rows: of `gmai data build`, bundled here, or one's own."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.cells import (
    AnswerKind,
    Options,
    field,
    fields_of,
    filled,
    first_letter,
    kind_of,
    options_of,
    place_of,
    refuse,
    text_of,
    without_letters,
)
from gmai_bench.benchmarks.declaration import Declaration, read_declaration
from gmai_bench.benchmarks.dialogues import conversation_of, rubric_of, tagged
from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import Copy, Images, find_copy, find_local
from gmai_bench.benchmarks.prompts import LETTERS, fill
from gmai_bench.benchmarks.question import SET_JOIN, Card, KeepImage, Question
from gmai_bench.benchmarks.tables import Layout, image_bytes, read_rows

_LONGEST_NAME = 200
"""Characters; a longer text is an image in base64."""


class DeclaredBenchmark:
    """A benchmark that a YAML file describes."""

    def __init__(self, path: Path, data_root: Path | None = None) -> None:
        """Read and check the YAML; the questions are read by `questions`.

        Args:
            path: The YAML file.
            data_root: Where the copy of a dataset of the Hub lies; else it is downloaded.

        Raises:
            UserError: The file is missing, no YAML mapping, or breaks the format; or the copy is not there.
        """
        self._path = path
        self._declaration = d = read_declaration(path)
        hub: HubSource | None = None
        if d.hub is None and d.get:
            self._copy = find_local(d.name, data_root, d.get)
        elif d.hub is None:
            self._copy = Copy(path.parent, path.name)
        else:
            hub = HubSource(d.hub.repo_id, tuple(d.hub.files))
            self._copy = find_copy(d.name, data_root, hub)
        for pattern in (d.questions, *([d.join.file] if d.join else [])) if d.hub or d.get else ():
            if not any(file.is_file() for file in self._files(pattern)):
                how = f"Get it with `{hub.command(d.name)}` and pass --data-root DATA" if hub else f"How: {d.get}"
                raise UserError(
                    f"{self._copy.folder}: found no {pattern}. {d.name} is read in its published layout. {how}."
                )

    @property
    def declaration(self) -> Declaration:
        """What the YAML says."""
        return self._declaration

    @property
    def card(self) -> Card:
        """The fixed facts, as the YAML gives them."""
        d = self._declaration
        return Card(
            name=d.name,
            title=d.title,
            protocol=d.protocol,
            protocol_version=d.protocol_version,
            scoring=_scoring(d),
            also=d.also,
            expected=d.expected.total if d.expected else None,
            groups=(*d.groups, *d.tags),
            source=self._copy.source,
            license=d.license,
            notes=d.notes,
            published_extractor=d.published_extractor,
            published_option=d.published_option,
            expected_groups=d.expected.groups if d.expected else {},
            hub=d.hub.repo_id if d.hub else "",
            revision=self._copy.revision,
            count_source=d.expected.source if d.expected else "",
            count_verified=d.expected is None or d.expected.verified,
        )

    def questions(self, keep_image: KeepImage) -> Iterator[Question]:
        """Yield the rows of the files as questions."""
        kind = self._answer_kind()
        images = Images(self._copy.folder, self._declaration.image_folders)
        seen: dict[str, str] = {}
        for number, (place, row) in enumerate(self._rows(with_images=True)):
            name = self._declaration.columns.id
            identity = f"{number:05d}" if name is None else text_of(field(row, name))
            if identity in seen:
                raise UserError(
                    f'{place}: id "{identity}" is also that of {seen[identity]}. Ids must be unique, for an answer is '
                    f"kept by its id. Rename one of them."
                )
            seen[identity] = place
            yield self._question(identity, row, place, kind, images, keep_image)

    def left_out(self) -> Iterator[str]:
        """Yield the ids of the rows that `where` leaves out: a file of answers to the whole data set has them too."""
        name = self._declaration.columns.id
        if name is not None and self._declaration.where:
            yield from (text_of(field(row, name)) for _, row in self._rows(with_images=False, asked=False))

    def _files(self, pattern: str) -> list[Path]:
        found = sorted(self._copy.folder.glob(pattern)) if any(c in pattern for c in "*?[") else []
        return found or [self._copy.folder / pattern]

    def _rows(self, *, with_images: bool, asked: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
        d, columns = self._declaration, self._declaration.columns
        choices = [columns.choices] if isinstance(columns.choices, str) else columns.choices or []
        more = [name for name in (columns.id, columns.cluster, columns.context, columns.alternatives) if name]
        answered = columns.rubric or columns.reference
        needed = [*fields_of(columns.question or columns.messages), *fields_of(answered), *choices, *more]
        needed += [*d.groups, *d.tags.values(), *d.where, *d.skip_empty]
        given = "images" in columns.model_fields_set  # else a file without such a column is one of texts
        pictures = [name for column in _listed(columns.images) for name in fields_of(column)]
        needed += pictures if with_images and given else []
        joined = self._joined()
        beside = d.join.columns if d.join else []
        tops = [*dict.fromkeys(name.partition(".")[0] for name in needed if name not in beside)]
        layout = Layout(d.delimiter, d.header, d.records)
        key = [d.join.key] if d.join else []
        optional = pictures if with_images and not given else []
        rows = read_rows(
            self._files(d.questions), [*tops, *key], named_in=str(self._path), optional=optional, layout=layout
        )
        for place, row in rows:
            whole = row | self._beside(row, joined, place)
            empty = bool(d.skip_empty) and not any(text_of(field(whole, name)).strip() for name in d.skip_empty)
            if not empty and asked == all(text_of(field(whole, column)) in own for column, own in d.where.items()):
                yield place, whole

    def _joined(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the second file by their key."""
        join = self._declaration.join
        if join is None:
            return {}
        layout = Layout(join.delimiter, join.header)
        rows = read_rows(self._files(join.file), [join.key, *join.columns], named_in=str(self._path), layout=layout)
        return {text_of(row[join.key]): {name: row.get(name) for name in join.columns} for _, row in rows}

    def _beside(self, row: dict[str, Any], joined: dict[str, dict[str, Any]], place: str) -> dict[str, Any]:
        join = self._declaration.join
        if join is None:
            return {}
        key = text_of(field(row, join.key))
        if key not in joined:
            raise UserError(
                f'{place}: {join.file} has no row with {join.key} "{key}". It belongs to the questions of '
                f"{self._path}. Download both files again."
            )
        return joined[key]

    def _answer_kind(self) -> AnswerKind:
        """Return what the references are: as declared, else what every row of the file fits."""
        d = self._declaration
        if d.answer is not None or (d.columns.choices is None and not d.fixed_choices):
            return d.answer or "text"
        rows = (
            (place, self._references(row, place), options)
            for place, row in self._rows(with_images=False)
            if (options := self._options(row, place)).texts
        )
        return kind_of(rows, str(self._path))

    def _options(self, row: dict[str, Any], place: str) -> Options:
        d = self._declaration
        if d.fixed_choices:
            return Options(d.fixed_choices, tuple(LETTERS[: len(d.fixed_choices)]))
        found = options_of(row, d.columns.choices, place, lettered=d.lettered_options)
        return without_letters(found, place) if d.lettered_options else found

    def _references(self, row: dict[str, Any], place: str) -> list[Any]:
        d = self._declaration
        given: Any = filled(row, d.columns.reference)
        if d.lettered_options and isinstance(given, str):
            given = first_letter(given, place)
        if d.split_answers and isinstance(given, str):
            given = [part.strip() for part in given.split(d.split_answers) if part.strip()]
        if not isinstance(given, list):
            together = d.multiple and d.answer == "letter"
            given = [letter for letter in text_of(given) if letter.isalpha()] if together else [given]
        listed = cast("list[Any]", given)
        if not listed:
            raise UserError(
                f"{place}: has 0 references. A question has one, or several: no answer could be right here. "
                f"Correct the row, or declare `skip_empty: [{d.columns.reference}]` to leave such rows out."
            )
        return listed

    def _question(
        self, identity: str, row: dict[str, Any], place: str, kind: AnswerKind, images: Images, keep_image: KeepImage
    ) -> Question:
        d, columns = self._declaration, self._declaration.columns
        text = text_of(field(row, columns.question)) if columns.question else d.fixed_question
        turns: tuple[tuple[str, str], ...] = ()
        if columns.messages:
            *before, (_, text) = conversation_of(field(row, columns.messages), place)
            turns = tuple(before)
        options = self._options(row, place)
        criteria = rubric_of(field(row, columns.rubric), place) if columns.rubric else ()
        listed = "\n".join(f"[{criterion.points:g}] {criterion.text}" for criterion in criteria)
        right = [listed] if criteria else self._right(row, options, kind, place)
        cells: Sequence[Any] = [filled(row, name) for name in _listed(columns.images)]
        encoded = image_bytes(list(cells), place=place, folder=self._copy.folder, read=images.read)
        shown = tuple(keep_image(image, place) for image in encoded)
        if "<image>" in text:
            text = re.sub(rf"^\s*(?:<image>\s*){{{len(shown)}}}", "", text)
        if not text.strip() or "<image>" in text:
            raise UserError(
                f"{place}: the question is empty or contains `<image>` ({text!r:.60}). The asker puts the {len(shown)} "
                f"images of the row in front of the question, where as many placeholders may stand. Take the others "
                f"out, or drop the row."
            )
        context = text_of(field(row, columns.context)) if columns.context else ""
        return Question(
            id=identity,
            text=text,
            prompt=fill(d.prompt, text, options.texts, letters=d.choices_style == "letters", context=context),
            images=shown,
            choices=options.texts,
            reference=SET_JOIN.join(right) if d.multiple else right[0],
            alternatives=() if d.multiple else tuple(right[1:]),
            cluster=text_of(field(row, columns.cluster)) if columns.cluster else "+".join(shown) or identity,
            groups={column: text_of(field(row, column)) or "(none)" for column in d.groups}
            | {group: tagged(group, field(row, column)) for group, column in d.tags.items()},
            turns=turns,
            rubric=criteria,
            image_names=_names(cells),
        )

    def _right(self, row: dict[str, Any], options: Options, kind: AnswerKind, place: str) -> list[str]:
        """Return the right options or answers, the first one being the reference."""
        d = self._declaration
        references = self._references(row, place)
        if len(references) > 1 and options.texts and not d.multiple:
            raise UserError(
                f"{place}: has {len(references)} references. Where all must be chosen, declare `multiple: true`. "
                f"Where each alone is right, name the column of the others as `alternatives`."
            )
        if d.columns.alternatives:
            more: Any = field(row, d.columns.alternatives)
            references += cast("list[Any]", more) if isinstance(more, list) else [more] if text_of(more) else []
        if not options.texts:
            answers = [text for reference in references if (text := text_of(reference)).strip()]
            if not answers:
                raise UserError(f"{place}: the reference is empty. An open question needs its answer. Drop the row.")
            return list(dict.fromkeys(answers))
        if not 2 <= len(options.texts) <= len(LETTERS):
            _refuse_count(options, place)
        found = [place_of(reference, options, kind) for reference in references]
        if None in found:
            refuse(place, references[found.index(None)], options, d.answer)
        indices = [index for index in found if index is not None]
        ordered = sorted(set(indices)) if d.multiple else list(dict.fromkeys(indices))
        return [options.texts[index] for index in ordered]


def _refuse_count(options: Options, place: str) -> NoReturn:
    raise UserError(
        f"{place}: found the choices {list(options.texts)!r:.120}. A question has 2 to {len(LETTERS)} choices, or "
        f"none. Correct the row."
    )


def _names(cells: Sequence[Any]) -> tuple[str, ...]:
    """Return the paths of a row's images, where it has paths of them."""
    found: list[str] = []
    for cell in cells:
        path: Any = cast("dict[str, Any]", cell).get("path") if isinstance(cell, dict) else cell
        if isinstance(path, list):
            found += _names(cast("list[Any]", path))
        elif isinstance(path, str) and 0 < len(path) <= _LONGEST_NAME:
            found.append(path)
    return tuple(found)


def _listed(columns: str | list[str] | None) -> list[str]:
    return [columns] if isinstance(columns, str) else columns or []


def _scoring(d: Declaration) -> str:
    if d.scoring:
        return d.scoring
    if d.multiple:
        return "option-letter-set"
    return "option-letter" if d.choices_style == "letters" else "option-text"
