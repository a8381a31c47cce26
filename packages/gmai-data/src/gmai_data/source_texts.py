"""A conversation of a source of texts ▶ a sample as it stands."""

from collections.abc import Iterator
from pathlib import Path

from gmai_data.annotation import Record, annotation_id
from gmai_data.sample import Sample, qualified_id
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.items import Item
from gmai_data.sources.layouts.qa_text import read_turns
from gmai_data.sources.splits import split_of
from gmai_data.vocabulary import Kind, Language, Split, Task


def text_samples(item: Item, recipe: Recipe, root: Path) -> Iterator[Sample]:
    """Yield the conversation of an item; nothing where the source is one of images.

    Raises:
        SourceError: It cannot be read.
    """
    if recipe.task != Task.TEXT:
        return
    split = split_of(item, recipe)
    language, turns = read_turns(item, root)
    record = Record(
        id=annotation_id(recipe.task, recipe.modality, recipe.name, item.files[0], (), f"{item.position:06d}"),
        modality=recipe.modality,
        department=recipe.department,
        clinical_task=recipe.clinical_task,
        anatomy=recipe.anatomy.en,
        task=recipe.task,
        labels=(),
        # A text has no question for the benchmark, so what is held out is still good for validation.
        split=Split.VALIDATION if split == Split.HELD_OUT else split,
        group=str(item.group_number),
        source=recipe.name,
        license=recipe.license,
        provenance={"item": item.key},
    )
    provenance = {"writer": "source", "item": item.key}
    sample_id = qualified_id(record, Kind.TEXT_ONLY, 0)
    yield Sample(sample_id, record, tuple(turns), Kind.TEXT_ONLY, Language(language), (), provenance)
