import pytest
from gmai_bench.extraction.mmmu_open import is_right


@pytest.mark.parametrize(
    ("response", "reference", "right"),
    [
        ("So the result is 1,234.50", "1234.5", True),
        ("It could be 3. Therefore it is 12.504", "12.5", True),
        ("12.6", "12.5", False),
        ("the answer is transformation", "Transformation", True),
        ("x = 7", "7", True),
        ("-3.5e2", "-350", True),
        ("grade b ", "B", True),
        ("nothing of it", "12", False),
        ("1" * 100_000 + ",", "12", False),
    ],
)
def test_key_phrases_hold_texts_and_numbers(response: str, reference: str, right: bool) -> None:
    assert is_right(response, reference) is right
