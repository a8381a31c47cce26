"""One rule says whether a card names a licence: for its checks, for the catalogue and for publishing."""

import pytest
from gmai_data.publishing.licences import reason_to_refuse
from gmai_data.sources.licence import NOT_STATED, is_stated
from pydantic import ValidationError


@pytest.mark.parametrize("words", [NOT_STATED, "Not stated", "unknown", "None", " UNKNOWN "])
def test_words_for_no_licence(words, toy):
    assert not is_stated(words)
    assert reason_to_refuse({"license": words}) == "its licence is not stated"
    assert toy(license=words, license_sought=["https://a.org"]).license_sought
    with pytest.raises(ValidationError, match="license_source is where a licence was read"):
        toy(license=words, license_source="https://a.org")


@pytest.mark.parametrize("words", ["MIT", "CC-BY-4.0", "terms of the challenge", "nonexclusive"])
def test_names_of_licences(words, toy):
    assert is_stated(words)
    with pytest.raises(ValidationError, match="license_sought lists where no licence was found"):
        toy(license=words, license_sought=["https://a.org"])
