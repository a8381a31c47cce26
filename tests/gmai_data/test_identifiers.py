"""What looks like an identifier is found, and never told whole."""

import pytest
from gmai_data.identifiers import find_identifier


@pytest.mark.parametrize(
    "text",
    [
        "Mail jane.doe@example.org for it", "Seen 14/03/2019", "on March 14", "UID 1.2.840.10008.1.2", "MRN AB123456",
        "call 555-123-4567 now", "number 12345678", "Dr. Smith said", "My name is Ann", "我叫王芳", "2019年3月",
        "Patient ID: 4711", "Patient's name: Roe", "Name: Jane Roe", "李女士来诊",
    ],
)  # fmt: skip
def test_identifier_like_strings_are_found_and_not_told(text):
    found = find_identifier(text)
    assert found is not None
    assert len(found.split("…")[0]) <= 3


@pytest.mark.parametrize(
    "text",
    [
        "A T2 image",
        "grade 3 of 5",
        "<box>[[100, 200, 300, 400]]</box>",
        "in May it may be",
        "doctor",
        "2 mg/day",
        "Structure name: Liver",
        "name: left kidney",
        "由于医生",
        "任何医生",
        "先生长的",
    ],
)
def test_plain_texts_are_left_alone(text):
    assert find_identifier(text) is None


def test_what_is_told_is_three_characters_and_the_place():
    assert find_identifier("Mail jane.doe@example.org") == "jan… at character 5"
    assert find_identifier("See 2019-03-14.") == "201… at character 4"
    assert find_identifier("") is None


@pytest.mark.parametrize(
    ("identifier", "none"),
    [
        ("123456", "12345"),
        ("AB12345", "AB1234"),
        ("1.2.840.10008.1", "1.2.840.1"),
        ("14.03.1999", "14.03.2199"),
        ("3月14日", "3月的14张"),
        ("14th March", "14 marches"),
        ("https://example.org", "https"),
        ("姓名：王", "姓名"),
        ("My name is Roe", "my name is roe"),
        ("Prof. Roe", "Prof. of it"),
        ("Case No. 47", "Case No. unknown"),
        ("Patient No 4711", "Patient Nothing 4711"),
        ("accession No.: A47", "accession name"),
        ("Patient number #47", "patient number. 3 lesions"),
        ("11010519491231002X", "1101X"),
    ],
)
def test_where_an_identifier_begins_to_be_one(identifier, none):
    assert find_identifier(f"So {identifier}") is not None
    assert find_identifier(f"So {none}") is None
