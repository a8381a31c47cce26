"""What a command is given, looked at before torch is imported, which takes seconds."""

from pathlib import Path

from gmai_formats.checkpoints import require_bounded
from gmai_formats.rows.mixtures import load_mixture
from gmai_formats.weights import require_checkpoint


def check_paths(model: Path, data: Path) -> None:
    """Refuse wrong paths, without opening the tokenizer, which takes seconds.

    Raises:
        UserError: No checkpoint at `model`, or an unusable mixture.
    """
    require_checkpoint(model)
    load_mixture(data)


def check_inputs(model: Path, data: Path) -> None:
    """Refuse what cannot be trained before any process waits for another.

    Raises:
        UserError: As by `check_paths` and `check_folder`.
    """
    check_folder(model)
    load_mixture(data)


def check_folder(model: Path) -> None:
    """Refuse what is no checkpoint folder.

    Raises:
        UserError: It has no configuration, or one that would take all time or memory.
    """
    require_checkpoint(model)
    require_bounded(model)
