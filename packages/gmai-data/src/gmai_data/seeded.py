"""Random choices seeded by names: the same names give the same choice on every machine, in every order of work."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

_Choice = TypeVar("_Choice")


def hash_fraction(*names: object) -> float:
    """Return a number in [0, 1) that looks random and depends on the names alone."""
    return _fraction("\x1f".join(map(str, names)))


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]) / 2**56


def choose(choices: Sequence[_Choice], *names: object) -> _Choice:
    """Return one of the (non-empty) choices."""
    return choices[int(hash_fraction(*names) * len(choices))]


def shuffled(choices: Sequence[_Choice], *names: object) -> list[_Choice]:
    """Return the choices in an order that depends on the names and on each choice, not on the order given."""
    if len(choices) < 2:
        return list(choices)
    before = "".join([f"{name!s}\x1f" for name in names])

    def place(choice: _Choice) -> tuple[float, str]:
        text = str(choice)
        return _fraction(before + text), text

    return sorted(choices, key=place)
