"""Multiple-choice questions: the options, their order, and the two ways of writing them."""

from collections.abc import Sequence

from gmai_data.seeded import shuffled

OPTIONS = 4
"""Options per question where enough wrong answers are known."""
LETTERS = "ABCD"


def options_for(answer: str, wrong: Sequence[str], *names: object) -> list[str] | None:
    """Return the options of a question in their order, the answer among them.

    A wrong answer that contains another option, or is contained in one (`kidney` and `left kidney`), is left out:
    no rule could tell from a reply which of the two was meant.

    Args:
        answer: The right option.
        wrong: Answers that are certainly wrong; which ones are taken, and the order, depend on `names` only.
        names: Names of the draw, such as the sample's id.

    Returns:
        2 to 4 options, or None where no wrong answer can be told apart from the right one.
    """
    options = [answer]
    for candidate in shuffled(sorted(set(wrong)), "options", *names):
        if len(options) == OPTIONS:
            break
        if not any(_overlap(candidate, option) for option in options):
            options.append(candidate)
    return shuffled(options, "order", *names) if len(options) > 1 else None


def _overlap(one: str, other: str) -> bool:
    one, other = one.lower(), other.lower()
    return one in other or other in one


def lettered(options: Sequence[str]) -> str:
    """Return `A. x` lines."""
    return "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
