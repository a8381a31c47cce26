"""A card's own rules: what its labels say of one another."""

import pytest
from pydantic import ValidationError

LESIONS = {"L": "liver", "T": "liver tumor", "K": "kidney", "C": "cyst of a liver tumor"}


def test_a_present_label_is_never_absent_whatever_it_is_called(toy):
    for names in (
        {"NORMAL": "no pneumonia", "PNEUMONIA": "pneumonia"},
        {"0": "no diabetic retinopathy", "1": "mild diabetic retinopathy"},
        {"a": "non-COVID", "b": "COVID"},
        {"a": "nothing", "b": "no nothing"},
    ):
        card = toy(labels=names)
        one, other = names.values()
        assert card.absent([one]) == (other,)
        assert card.absent([other]) == (one,)
        assert card.absent([one, other]) == ()


def test_only_what_the_card_says_lies_within_another_label(toy):
    plain = toy(labels=LESIONS)
    assert plain.absent(["liver tumor"]) == ("liver", "kidney", "cyst of a liver tumor")
    card = toy(labels=LESIONS, within={"T": ["L"], "C": ["T"]})
    assert card.absent(["liver tumor"]) == ("kidney", "cyst of a liver tumor")
    assert card.absent(["cyst of a liver tumor"]) == ("kidney",)
    assert card.absent(["liver"]) == ("liver tumor", "kidney", "cyst of a liver tumor")
    assert toy(labels=LESIONS, exhaustive=False).absent(["liver"]) == ()
    numbers = toy(labels={1: "liver", 2: "liver tumor"}, within={2: [1]})
    assert numbers.absent(["liver tumor"]) == ()


def test_a_circle_of_labels_within_one_another_ends(toy):
    card = toy(labels={"a": "alpha", "b": "beta", "c": "gamma"}, within={"a": ["b"], "b": ["a"]})
    assert card.absent(["alpha"]) == ("gamma",)


@pytest.mark.parametrize(
    ("labels", "present", "found"),
    [
        ({"n": "no finding", "m": "mass"}, ["no finding", "mass"], '"no finding" and "mass"'),
        ({"n": "Healthy", "m": "mass"}, ["mass", "Healthy"], '"Healthy" and "mass"'),
        ({"n": "no tumor", "m": "tumor", "o": "cyst"}, ["tumor", "no tumor"], '"no tumor" and "tumor"'),
        ({"n": "no tumor", "m": "tumor", "o": "cyst"}, ["cyst", "no tumor"], None),
        ({"n": "no finding", "m": "mass"}, ["no finding"], None),
        ({"n": "normal cecum", "m": "polyp"}, ["normal cecum", "polyp"], None),
        ({"n": "no"}, ["no"], None),
    ],
)
def test_labels_that_contradict_one_another(toy, labels, present, found):
    assert toy(labels=labels).contradiction(present) == found


def test_a_card_names_labels_that_hold_alone(toy):
    card = toy(labels={"U": "uninfected cell", "P": "parasite", "Q": "artefact"}, alone=["U"])
    assert card.contradiction(["artefact", "uninfected cell"]) == '"uninfected cell" and "artefact"'
    assert card.contradiction(["artefact", "parasite"]) is None
    for field, value in (("alone", ["X"]), ("within", {"P": ["X"]}), ("within", {"X": ["P"]})):
        with pytest.raises(ValidationError, match=f'{field}: "X" is not in labels'):
            toy(labels={"U": "uninfected cell", "P": "parasite"}, **{field: value})


def test_a_group_pattern_that_is_no_expression_is_named(toy):
    with pytest.raises(ValidationError, match=r"group_pattern '\(patient\[' is no regular expression: unterminated"):
        toy(split={"group_pattern": "(patient["})


@pytest.mark.parametrize(("one", "other"), [("benign", "Benign"), ("MASS", "mass"), ("left lung", "left  lung")])
def test_names_that_differ_in_case_only_are_refused(toy, one, other):
    with pytest.raises(ValidationError, match="differ in case or blanks only"):
        toy(labels={"a": one, "b": other})
    assert toy(labels={"a": one, "b": one, "c": f"{one} nodule"}).labels["b"].en == one


@pytest.mark.parametrize(
    ("facts", "refused"),
    [
        ({}, None),
        ({"size": "3.4 GB", "source": "https://x.org"}, 3_400_000_000),
        ({"size": "about 2 GiB", "source": "https://x.org", "second_hand": True}, 2 * 1024**3),
        ({"size": "1,234 MB", "source": "https://x.org", "of": "the training part"}, 1_234_000_000),
        ({"size": "~700kB", "source": "https://x.org"}, 700_000),
        ({"size": "512 bytes", "source": "https://x.org"}, 512),
        ({"size": "not stated", "sought": ["https://x.org"]}, None),
        ({"size": "3.4", "source": "https://x.org"}, '"3.4" is no size'),
        ({"size": "0 GB", "source": "https://x.org"}, '"0 GB" is no size'),
        ({"size": "3.4 GB"}, "name source, the address where the size was read"),
        ({"size": "3.4 GB", "source": "https://x.org", "sought": ["https://y.org"]}, "sought lists where no size"),
        ({"source": "https://x.org"}, "use sought"),
        ({"size": "not stated", "second_hand": True}, "use sought"),
        ({"size": "3 GB", "adress": "https://x.org"}, "adress"),
    ],
)
def test_a_size_to_download_was_read_somewhere_or_sought_in_vain(toy, facts, refused):
    if not isinstance(refused, str):
        assert toy(download=facts).download.bytes == refused
        return
    with pytest.raises(ValidationError, match=refused):
        toy(download=facts)


@pytest.mark.parametrize(
    ("facts", "refused"),
    [
        ({"license": "CC-BY-4.0", "license_source": "https://x.org/LICENSE"}, None),
        ({"license": "CC-BY-4.0", "license_source": "https://list.org", "license_second_hand": True}, None),
        ({"license": "not stated", "license_sought": ["https://x.org", "https://list.org"]}, None),
        ({"license": "not stated"}, None),
        ({"license": "CC-BY-4.0", "license_sought": ["https://x.org"]}, "with CC-BY-4.0, name license_source"),
        ({"license": "not stated", "license_source": "https://x.org"}, "use license_sought"),
        ({"license": "CC-BY-4.0", "license_second_hand": True}, "name the address"),
    ],
)
def test_a_licence_was_read_somewhere_or_sought_in_vain(toy, facts, refused):
    if refused is None:
        assert toy(**facts).license == facts["license"]
        return
    with pytest.raises(ValidationError, match=refused):
        toy(**facts)
