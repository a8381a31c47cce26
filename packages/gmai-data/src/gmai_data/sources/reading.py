"""The pictures of an item, whatever its damaged files make a library raise."""

import errno
from collections.abc import Iterator
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.pictures.problems import PictureError

from gmai_data.ledger import Ledger, SetAside, SourceError
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.items import Item, ItemImage

_NOT_OF_THE_INPUT = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def read_pictures(item: Item, recipe: Recipe, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
    """Yield the pictures of an item; whatever its damaged files make a library raise becomes a reason.

    Raises:
        SourceError: The item cannot be used.
        SetAside: It is sound, but not meant to be used.
    """
    if item.problem is not None:
        raise SourceError(*item.problem, item.files[0] if item.files else item.key)
    if item.set_aside:
        raise SetAside(item.set_aside, item.key)
    try:
        yield from recipe.layout.read(item, recipe, root, ledger)
    except SourceError as problem:
        # Libraries name files in full; where the data lie is nobody's business.
        raise SourceError(problem.rule, problem.detail.replace(f"{root}/", ""), problem.file) from problem
    except PictureError as problem:
        raise SourceError(problem.rule, problem.detail, item.files[0] if item.files else item.key) from problem
    except (SetAside, UserError, MemoryError):
        raise
    except OverflowError as error:
        raise SourceError("number out of range", f"{error}; correct it, or leave the item out", item.key) from error
    except Exception as error:  # one file among millions must not end the build, whatever it does to a decoder
        if isinstance(error, OSError) and error.errno in _NOT_OF_THE_INPUT:
            raise
        detail = f"{type(error).__name__}: {' '.join(str(error).split())}".replace(f"{root}/", "")
        raise SourceError(
            "reading failed", f"{detail}; gmai-data knows no reason, please report it", item.key
        ) from error
