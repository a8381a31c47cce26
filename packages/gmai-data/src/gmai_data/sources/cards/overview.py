"""docs/reference/catalogue.md: the bundled cards, counted by modality, department, task and grade, and listed."""

from collections import Counter
from collections.abc import Iterable, Sequence

from gmai_data.sources.cards.catalogue import bundled_names, find_recipe
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.cards.summaries import NO_PUBLIC_DATASET
from gmai_data.sources.licence import is_stated
from gmai_data.vocabulary import ClinicalTask, Department, Modality, Task

PAPER = {Modality.CT: 27, Modality.MR: 25, Modality.X_RAY: 13, Modality.HISTOPATHOLOGY: 11}
"""Shares of the paper's data, in per cent, as the caption of Fig. 3 names them."""


def real_recipes() -> list[Recipe]:
    """Return the bundled cards of public datasets: no phantoms, no test files of libraries."""
    return [find_recipe(name) for name in bundled_names() if not name.startswith(NO_PUBLIC_DATASET)]


def overview() -> str:
    """Return the page in Markdown."""
    recipes = real_recipes()
    counted = [recipe for recipe in recipes if recipe.expected.items]
    total = sum(recipe.expected.items or 0 for recipe in counted)
    modalities = Counter(str(recipe.modality) for recipe in recipes)
    parts = [
        "# The catalogue",
        "Written from the bundled cards by `python -m gmai_data.sources.cards.overview`; a test compares.",
        f"{len(recipes)} public datasets have a card (`gmai data recipes show NAME`); {len(counted)} of them state the "
        f"publisher's count, {total:,} images, volumes and videos together. How a card is tried is in "
        "[add a card](../how-to/add-a-card.md): `copy` on a real copy, `listing` on a miniature of the publisher's own "
        "file names, `none` not at all.",
        "## Modalities",
        _table(
            ("modality", "cards", "per cent", "per cent of the paper's data (Fig. 3)"),
            [
                (str(name), count, f"{100 * count / len(recipes):.0f}", PAPER.get(name, ""))
                for name in Modality
                for count in [modalities[str(name)]]
            ],
        ),
        "## Departments",
        _counts(Department, (recipe.department for recipe in recipes)),
        "## Clinical tasks",
        _counts(ClinicalTask, (recipe.clinical_task for recipe in recipes)),
        "## Annotations",
        _counts(Task, (recipe.task for recipe in recipes)),
        "## Grades, access and licences",
        _tally("grade", (recipe.verified for recipe in recipes)),
        _tally("access", (recipe.access for recipe in recipes)),
        _licences(recipes),
        _tally("licence", (recipe.license for recipe in recipes)),
        "## Sizes to download",
        _downloads(recipes),
        "## Cards",
        _table(
            ("card", "modality", "department", "clinical task", "items", "download", "licence", "grade"),
            [
                (f"`{each.name}`<br>[{_cell(each.title)}]({each.homepage})", str(each.modality), each.department,
                 each.clinical_task, each.expected.items or "", _download(each), _licence(each), each.verified)
                for each in recipes
            ],
        ),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _licences(recipes: Sequence[Recipe]) -> str:
    """Return how the licences were read, in a paragraph."""
    stated = [recipe for recipe in recipes if is_stated(recipe.license)]
    read = [recipe for recipe in stated if recipe.license_source]
    second_hand = [recipe for recipe in read if recipe.license_second_hand]
    return (
        f"{len(stated)} cards name a licence or terms. For {len(read)} of them `license_source` is where it was read: "
        f"{len(read) - len(second_hand)} at the publisher's, {len(second_hand)} second hand (a copy's page, a list, a "
        f"tool; marked *). For {len(recipes) - len(stated)} none was found in the places of `license_sought`; nothing "
        "that is built from those can be published."
    )


def _downloads(recipes: Sequence[Recipe]) -> str:
    """Return how the sizes to download were read, in a paragraph."""
    read = [recipe.download for recipe in recipes if recipe.download.source]
    second_hand = sum(each.second_hand for each in read)
    total = sum(each.bytes or 0 for each in read)
    return (
        f"{len(read)} cards state how much there is to download, {total / 10**12:.1f} TB together; `download.source` "
        f"is where it was read: {len(read) - second_hand} at the publisher's, {second_hand} second hand (marked *). "
        f"For {len(recipes) - len(read)} no size was found in the places of `download.sought`. `download.of` says what "
        "the size is of, where it is not the whole of what the card reads. How to get the data is `access` and the "
        "address that the title links to."
    )


def _download(recipe: Recipe) -> str:
    found = recipe.download
    said = f"[{found.size}]({found.source})" if found.source else found.size
    return f"{said}*" if found.second_hand else said


def _licence(recipe: Recipe) -> str:
    said = f"[{_cell(recipe.license)}]({recipe.license_source})" if recipe.license_source else _cell(recipe.license)
    return f"{said}*" if recipe.license_second_hand else said


def _counts(vocabulary: Iterable[str], values: Iterable[str]) -> str:
    """Return a table of all words of a vocabulary, those that no card has included."""
    found = Counter(map(str, values))
    return _table(("", "cards"), [(str(word), found[str(word)]) for word in vocabulary])


def _tally(of: str, values: Iterable[str]) -> str:
    return _table((of, "cards"), [(_cell(value), count) for value, count in Counter(map(str, values)).most_common()])


def _table(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("[", "(").replace("]", ")")


if __name__ == "__main__":
    print(overview(), end="")
