"""May what was made from a source be passed on? By its licence, or by what the card says of it."""

import pytest
from gmai_data.publishing.licences import may_be_sold, reason_to_refuse


@pytest.mark.parametrize(
    "licence",
    [
        "CC0-1.0", "PDDL-1.0", "MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ODC-By-1.0", "ODbL-1.0",
        "Unlicense", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0",
    ],
)  # fmt: skip
def test_licences_that_allow_it(licence):
    assert reason_to_refuse({"license": licence}) is None
    refused = reason_to_refuse({"license": licence, "redistribution": False})
    assert refused == f"its licence ({licence}) forbids passing the data on"


@pytest.mark.parametrize("licence", ["CC-BY-ND-4.0", "CC-BY-NC-ND-4.0"])
def test_a_licence_without_derivatives_forbids_slices(licence):
    assert reason_to_refuse({"license": licence}) == f"its licence ({licence}) forbids derivatives"


@pytest.mark.parametrize("licence", ["not stated", "Not stated", "unknown", "None", "none"])
def test_what_is_not_stated_is_refused_whatever_the_card_says(licence):
    assert reason_to_refuse({"license": licence, "redistribution": True}) == "its licence is not stated"


@pytest.mark.parametrize("licence", ["TCIA restricted", "GPL-3.0", "cc-by-4.0", "MIT-0"])
def test_a_licence_that_is_not_known_needs_a_word_of_the_card(licence):
    assert reason_to_refuse({"license": licence}) == (
        f"{licence} is no licence that is known to allow it; say `redistribution: true` in the card if it does"
    )
    assert reason_to_refuse({"license": licence, "redistribution": True}) is None


@pytest.mark.parametrize("licence", ["CC0-1.0", "MIT", "CC-BY-4.0", "CC-BY-3.0", "CC-BY-SA-4.0"])
def test_what_may_be_sold(licence):
    assert may_be_sold({"license": licence})
    assert not may_be_sold({"license": licence, "redistribution": False})


@pytest.mark.parametrize("licence", ["CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "not stated"])
def test_what_may_not_be_sold(licence):
    assert not may_be_sold({"license": licence})


@pytest.mark.parametrize(
    "licence", ["Kvasir research and education terms", "CC-BY-4.0, commercial use with permission"]
)
def test_terms_of_their_own_that_let_others_pass_on_are_no_leave_to_sell(licence):
    recipe = {"license": licence, "redistribution": True}
    assert reason_to_refuse(recipe) is None
    assert not may_be_sold(recipe)
