import pytest
from gmai_bench.extraction.options import extract
from gmai_bench.extraction.spellings import other_spellings


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("3", "three"),
        ("Seven", "7"),
        ("Third-degree AV block", "3rd-degree av block"),
        ("2nd trimester", "second trimester"),
        ("Grade II", "grade 2"),
        ("Stage 2A", "stage iia"),
        ("Class 3", "class three"),
        ("Hemorrhage", "haemorrhage"),
        ("Anaemia", "anemia"),
        ("Ischemic stroke", "ischaemic stroke"),
        ("Oesophageal tumour", "esophageal tumor"),
        ("Escherichia coli", "e. coli"),
        ("5 mg", "5.0 mg"),
        ("1,000 mg", "1000 mg"),
        ("1-5 years", "between 1 and 5 years"),
        ("10 to 20", "10-20"),
        ("50%", "50 percent"),
    ],
)
def test_other_spellings_of_an_option(option: str, said: str) -> None:
    assert said in other_spellings(option)
    assert extract(said, ("Something else", option), style="letters").choice == 1


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("A 3 cm mass is seen", ("One", "Two", "Three")),
        ("the other two views", ("1", "2", "3")),
        ("at least grade II", ("Grade 1", "Grade 2", "Grade 3")),
        ("grade II or III", ("Grade 1", "Grade 2", "Grade 3")),
    ],
)
def test_what_is_spelt_alike_and_means_something_else(said: str, options: tuple[str, ...]) -> None:
    assert extract(said, options, style="letters").choice is None
