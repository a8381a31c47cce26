import pytest
from gmai_formats.fingerprints.texts import normalised


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<image>\n What's  THIS? 这是什么？", "what s this 这是什么"),
        ("Is it a T2-weighted\tMRI_scan?", "is it a t2 weighted mri scan"),
        ("Ödem — ja/nein", "ödem ja nein"),
        ("<image><image>", ""),
        ("...", ""),
    ],
)
def test_only_words_in_lower_case_stay(text, words):
    assert normalised(text) == words
    assert normalised(words) == words
