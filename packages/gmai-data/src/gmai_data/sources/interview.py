"""`gmai data recipes complete`: a draft ▶ questions and answers ▶ a card."""

import sys
from collections.abc import Sequence
from pathlib import Path

import typer
import yaml
from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.files import require_folder, write_text
from gmai_formats.safe_yaml import yaml_text

from gmai_data.sources.cards.completing import (
    answered,
    as_options,
    complete_own,
    in_words,
    questions,
)
from gmai_data.sources.first_split import complete_split


def interview(card: Path, root: Path, answers: Sequence[str], command: str) -> bool:
    """Write answers into a card, ask for the others, and return whether the card is whole.

    Args:
        card: The draft; it is written after every answer.
        root: The dataset's folder.
        answers: `FIELD=VALUE`.
        command: What takes further answers, for messages.

    Raises:
        UserError: No such card or folder, a field that it does not have, or a value that a field cannot have.
    """
    require_folder(root, "Give the folder of the dataset.")
    try:
        text = yaml_text(card)
        text, said = complete_own(answered(text, answers), root)
        write_text(card, text)
        if said:
            say(f"{card}: filled in, and to be corrected there if it is wrong:")
            for line in said:
                say(f"  {line}")
        asked = questions(text)
        if asked and sys.stdin.isatty() and sys.stderr.isatty():
            text = _ask(card, text)
            asked = questions(text)
    except FileNotFoundError as error:
        raise UserError(f"{card}: no such card. `gmai data recipes new {root} --to {card}` drafts it.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{card}: not readable as YAML: {error}. Fix the card.") from error
    if asked:
        say(f"\n{card}: {len(asked)} question{'s' if len(asked) > 1 else ''} that only you can answer:\n")
        for number, question in enumerate(asked, start=1):
            first, *rest = in_words(question)
            say(f"{number}. {first}")
            for line in rest:
                say(f"   {line}")
        say(f"\nanswer (correct what stands behind each =, or write it into {card}):\n{command} {as_options(asked)}")
        return False
    for line in complete_split(card, root):
        say(f"{card}: {line}")
    return True


def _ask(card: Path, text: str) -> str:
    """Return a card's text with the answers given on a terminal."""
    for question in questions(text):
        say("\n" + "\n".join(in_words(question)))
        while True:
            given = typer.prompt(question.field, default="", show_default=False, err=True).strip()
            try:
                text = answered(text, [f"{question.field}={given}"]) if given else text
            except UserError as error:
                say(str(error))
                continue
            break
        write_text(card, text)
    return text
