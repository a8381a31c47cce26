import importlib.metadata
from types import SimpleNamespace

import pytest
from gmai_bench.scoring import scorers
from gmai_bench.scoring.verdict import Scorer, Verdict
from gmai_formats.errors import UserError


class Installed(importlib.metadata.EntryPoint):
    """What an installed package would declare; `load` gives an object, or raises."""

    def __new__(cls, name: str, value: object) -> "Installed":
        return super().__new__(cls)

    def __init__(self, name: str, value: object) -> None:
        super().__init__(name, "their_package.rule:SCORER", scorers.GROUP)
        vars(self)["given"] = value

    def load(self) -> object:
        if isinstance(vars(self)["given"], Exception):
            raise vars(self)["given"]
        return vars(self)["given"]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> object:
    def declare(value: object) -> None:
        scorers.scorer.cache_clear()
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [Installed("their-rule", value)])

    yield declare
    scorers.scorer.cache_clear()


def test_every_scorer_has_a_version() -> None:
    assert all("/" in one.version for one in scorers.SCORERS.values())
    assert scorers.scorer("exact").version == "normalised-exact/1"


def test_a_laboratory_adds_a_scorer_by_entry_point(install: object) -> None:
    theirs = Scorer("first-word/1", lambda response, question: Verdict(float(response == "so"), "first_word", response))
    install(theirs)
    assert scorers.scorer("their-rule") is theirs


def test_an_unknown_scorer_is_named_with_the_nearest(install: object) -> None:
    install(None)
    with pytest.raises(UserError, match=r'scoring "their-rul": no such scorer\. Did you mean "their-rule"\?'):
        scorers.scorer("their-rul")


def test_a_scorer_that_does_not_load_is_named(install: object) -> None:
    install(ImportError("no module named torch"))
    with pytest.raises(UserError, match=r"their_package\.rule:SCORER does not load \(ImportError: no module"):
        scorers.scorer("their-rule")
    install("a string")
    with pytest.raises(UserError, match=r"their_package\.rule:SCORER is a str\. .* must name a gmai_bench"):
        scorers.scorer("their-rule")


def test_the_scorer_of_a_question_goes_before_that_of_its_protocol(inputs: SimpleNamespace) -> None:
    assert inputs.verdict("B", ("yes", "no"), "no", "option-letter").score == 1.0
    assert inputs.verdict("B", ("yes", "no"), "no", "option-text").rule == "unparsed"
