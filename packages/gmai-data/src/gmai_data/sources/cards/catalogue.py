"""The bundled recipes, the groups that name several, and where each one's files are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmai_cli.console import say
from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.files import unpack_first

from gmai_data.sources.cards.recipe import Recipe, load_recipe
from gmai_data.sources.cards.summaries import PHANTOM_PREFIX, bundled_folder

GROUPS = {"phantoms": PHANTOM_PREFIX}
"""Group ▶ the prefix of its recipes. Each recipe of a group has its own folder, named like the recipe, below --root."""


@dataclass(frozen=True)
class Source:
    """A recipe and the folder that holds its files."""

    recipe: Recipe
    root: Path


def bundled_names() -> list[str]:
    """Return the names of the bundled recipes, sorted."""
    return sorted(path.stem for path in bundled_folder().iterdir() if path.suffix == ".yaml")


def find_recipe(name: str) -> Recipe:
    """Return a bundled recipe by name, or the card at a path that ends in `.yaml`.

    Raises:
        UserError: Unknown name, or a card that is not valid.
    """
    if name.endswith((".yaml", ".yml")):
        return load_recipe(Path(name))
    if name not in bundled_names():
        card = next((name + ending for ending in (".yaml", ".yml") if Path(name + ending).is_file()), None)
        if card is not None:
            raise UserError(f'unknown recipe "{name}". {card} is here: a card of your own is given with its ending.')
        if Path(name).is_file():
            raise UserError(f"{name}: no card. A card is a file that ends in `.yaml`. Rename it, or correct the path.")
        if Path(name).is_dir():
            raise UserError(
                f"{name}: a folder, where a recipe is due. Give the recipe's name or card, and the folder with --root; "
                "`gmai data recipes new` drafts the card of a folder."
            )
        begun = [each for each in bundled_names() if name and each.startswith(f"{name}-")]
        hint = f" So begin: {', '.join(begun)}." if begun else did_you_mean(name, [*bundled_names(), *GROUPS])
        raise UserError(
            f'unknown recipe "{name}".{hint} '
            "Give a bundled name (`gmai data recipes list`), a group, or the path of a YAML card."
        )
    return load_recipe(bundled_folder() / f"{name}.yaml")


def resolve(requests: Sequence[str], root: Path | None) -> list[Source]:
    """Return the sources that a command line names.

    A request is `NAME` or `NAME=FOLDER`. A group (`phantoms`) stands for those of its recipes that have a folder there.
    `NAME` alone takes `--root`; when several recipes share one `--root`, or a group is named, each takes
    `--root/<recipe name>`.

    Raises:
        UserError: Unknown or repeated recipe, no folder for it, or a folder that does not exist or is empty.
    """
    entries: list[tuple[Recipe, Path]] = []
    plain = [request for request in requests if "=" not in request]
    shared = len(plain) > 1 or any(name in GROUPS for name in plain)
    for request in requests:
        name, _, own_root = request.partition("=")
        base = Path(own_root) if own_root else root
        found = None if name in GROUPS else find_recipe(name)
        if base is None:
            raise UserError(f"recipe {name} has no folder. Give --root DIR, or write {name}=DIR.")
        if found is None:
            entries.extend((find_recipe(member), base / member) for member in _members(name, base))
        else:
            entries.append((found, base / found.name if shared and not own_root else base))
    names = [recipe.name for recipe, _ in entries]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"recipe {name} is named {names.count(name)} times. Each recipe has one folder per build.")
    for recipe, folder in entries:
        _require_folder(recipe, folder)
    return [Source(recipe, folder) for recipe, folder in entries]


def _members(group: str, base: Path) -> list[str]:
    """Return the recipes of a group whose folders are there, and say which are not; all of them where none is."""
    every = [name for name in bundled_names() if name.startswith(GROUPS[group])]
    here = [name for name in every if (base / name).is_dir()]
    if here and here != every:
        say(f"{group}: without {', '.join(name for name in every if name not in here)}, which {base} does not hold")
    return here or every


def _require_folder(recipe: Recipe, folder: Path) -> None:
    file = next((place for place in (folder, *folder.parents) if place.is_file()), None)
    if file is not None:
        raise UserError(
            f"{file}: a file, but recipe {recipe.name} reads a folder.{unpack_first(file)} Give the folder of the "
            "dataset."
        )
    if not folder.is_dir():
        hint = "Draw it with `gmai data phantoms DIR`." if recipe.name.startswith(PHANTOM_PREFIX) else (
            f"Download the dataset from {recipe.homepage} and give its folder with --root DIR or {recipe.name}=DIR "
            "(with several recipes, --root holds one folder per recipe name)."
        )  # fmt: skip
        raise UserError(f"{folder}: no such folder, but recipe {recipe.name} reads there. {hint}")
    if next(folder.iterdir(), None) is None:
        raise UserError(f"{folder}: the folder is empty. Recipe {recipe.name} expects data from {recipe.homepage}.")
