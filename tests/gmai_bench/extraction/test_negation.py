import pytest
from gmai_bench.extraction.negation import is_negated
from gmai_bench.extraction.options import extract


@pytest.mark.parametrize(
    ("text", "mention", "denied"),
    [
        ("it is not A", "A", True),
        ("all except A", "A", True),
        ("we rule out A", "A", True),
        ("it is unlikely to be A", "A", True),
        ("isn't A", "A", True),
        ("排除A", "A", True),
        ("A is wrong", "A", True),
        ("A (CT) can be ruled out", "A", True),
        ("A does not fit", "A", True),
        ("A: wrong", "A", True),
        ("A项错误", "A", True),
        ("less than A", "A", True),
        ("more severe than A", "A", True),
        ("A was my first impression", "A", True),
        ("isn't B—it's A", "A", False),
        ("A and is not B", "A", False),
        ("not only A", "A", False),
        ("not B but A", "A", False),
        ("B is wrong, so A", "A", False),
        ("A. It is not B", "A", False),
        ("No. A", "A", False),
        ("there is no doubt that A", "A", False),
        ("切除A", "A", False),
    ],
)
def test_a_denial_holds_in_its_clause(text: str, mention: str, denied: bool) -> None:
    start = text.rindex(mention) if text.startswith(("not B", "B is", "No.")) else text.index(mention)
    assert is_negated(text, start, start + 1) is denied


@pytest.mark.parametrize(
    ("response", "choices", "choice"),
    [
        ("It could be no or yes", ("yes", "no"), None),
        ("no mass", ("No", "Mass"), None),
        ("Between no lesion and cyst", ("No lesion", "Cyst"), None),
        ("not seen or fracture", ("Not seen", "Fracture"), None),
        ("There is no mass", ("Yes", "Mass"), None),
        ("It shows no lesion", ("Lesion", "No lesion"), 1),
    ],
)
def test_an_option_that_is_itself_a_denial_denies_no_other_option(
    response: str, choices: tuple[str, ...], choice: int | None
) -> None:
    assert extract(response, choices, style="text").choice == choice
    assert is_negated("no mass", 3, 7, ((0, 2),)) is False
    assert is_negated("no mass", 3, 7) is True
