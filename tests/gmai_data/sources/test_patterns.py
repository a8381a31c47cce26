"""Regular expressions of cards are bounded in time and otherwise Python's."""

import re

import pytest
from gmai_data.sources import patterns
from gmai_data.sources.patterns import pattern_of
from gmai_formats.errors import UserError


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "MOST_S", 0.2)


@pytest.mark.parametrize("expression", ["((?:a|aa)+)$", "(?:a|aa|aaa)*([0-9])", "(?:.|[a-c]|(?:a))+([x-z])"])
def test_an_expression_that_takes_for_ever_ends(expression: str) -> None:
    with pytest.raises(UserError, match=r"takes more than 0.2 s on 'aaa"):
        pattern_of(expression).fullmatch("a" * 600 + "!")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (r"(patient\d+)", "x/patient007/1.png"), (r"^(s\d+)/", "S12/1.png"), (r"(?P<a>\w+)_(?P=a)", "ab_ab"),
        (r"(?-i:(?P<class>MASS|CALC))_\d+", "mass_1"), (r"[^/]*\.(?i:png)", "x.PNG"), (r"(?P<x>[ac]+)", "[a"),
        (r"(é+)", "É"), (r"ſ", "S"), (r"a{,2}b", "aab"), (r"(?<!x)y", "xyy"), (r"\bω\b", "Ω"),
    ],
)  # fmt: skip
def test_it_finds_what_python_finds(expression: str, text: str) -> None:
    for ignore_case in (False, True):
        ours = pattern_of(expression, ignore_case=ignore_case)
        theirs = re.compile(expression, re.IGNORECASE if ignore_case else 0)
        for one, other in ((ours.search, theirs.search), (ours.fullmatch, theirs.fullmatch)):
            found, due = one(text), other(text)
            assert (found and (found.span(), found.groupdict())) == (due and (due.span(), due.groupdict()))


@pytest.mark.parametrize("expression", ["(", "(?P<a>x)(?P<a>y)", r"\p{L}", "a**", "(?<=a*)b", r"\m"])
def test_what_python_refuses_is_refused(expression: str) -> None:
    with pytest.raises(re.error):
        pattern_of(expression)
