"""What separates the columns of a label table."""

import pytest
from gmai_data.sources.tables import delimiter_of


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("image,label", ","),
        ("image;label", ";"),
        ("image\tlabel", "\t"),
        (" image ; label", ";"),
        ('"image";"a,b"', ";"),
        ("image", ","),
        ("a;image;b,c", ";"),
        ("picture;label", ","),
        ("", ","),
    ],
)
def test_the_delimiter_is_the_one_that_gives_the_column(header, delimiter):
    assert delimiter_of(header, "image") == delimiter
