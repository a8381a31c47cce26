import pytest
from gmai_bench.extraction.options import extract
from gmai_bench.extraction.restated import (
    option_excepted,
    option_instead,
    option_judged_right,
    option_restated,
    option_short_for,
)

FOUR = ("CT", "MRI", "X-ray", "Ultrasound")
DISSECTIONS = ("Type A aortic dissection", "Type B aortic dissection", "Aortic aneurysm")
CANCERS = ("Ductal carcinoma", "Ductal carcinoma in situ", "Invasive ductal carcinoma", "No carcinoma")


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("the second option", 1),
        ("The second option is wrong; the fourth option is right.", 3),
        ("Option 3", 2),
        ("choice no. 3", 2),
        ("the last one", 3),
        ("第三个选项", 2),
        ("最后一个选项", 3),
        ("Option 5", None),
        ("Option 3 mg", None),
        ("There are 4 options.", None),
        ("4", None),
    ],
)
def test_options_named_by_their_place(text: str, option: int | None) -> None:
    assert option_restated(text, FOUR) == option


@pytest.mark.parametrize(
    ("text", "choices", "option"),
    [
        ("Type B", DISSECTIONS, 1),
        ("It's a type A dissection.", DISSECTIONS, 0),
        ("dissection", DISSECTIONS, None),
        ("aneurysm", DISSECTIONS, None),
        ("DCIS", CANCERS, 1),
        ("carcinoma", CANCERS, None),
        ("Malignant", ("Not malignant", "Normal"), None),
        ("BRAF", ("EGFR", "BRAF V600E"), None),
        ("B12", ("Vitamin A", "Vitamin B12"), 1),
        ("L5", ("L4-L5", "L5-S1"), None),
        ("lower lobe of the right lung", ("Left lower lobe", "Right lower lobe", "Right upper lobe"), 1),
        ("no fracture of the left femur", ("Left femur fracture", "Right femur fracture"), None),
        ("T2 N1 M0", ("T2N0M0", "T2N1M0"), 1),
        ("AF", ("Atrial fibrillation", "Atrial flutter"), None),
        ("CT", ("Chest tube", "Pacemaker"), None),
    ],
)
def test_short_forms_that_fit_one_option(text: str, choices: tuple[str, ...], option: int | None) -> None:
    assert option_short_for(text, choices) == option


def test_last_word_alone_counts_only_where_it_is_announced() -> None:
    assert option_short_for("the aneurysm", DISSECTIONS, announced=True) == 2
    assert extract("Answer: aneurysm", DISSECTIONS, style="letters").choice == 2


@pytest.mark.parametrize(
    ("text", "choices", "option"),
    [
        ("consistent with atrial fibrilation", ("Atrial fibrillation", "Sinus rhythm"), 0),
        ("not atrial fibrilation", ("Atrial fibrillation", "Sinus rhythm"), None),
        ("atypical pneumonia", ("Typical pneumonia", "Bronchitis"), None),
        ("abduction of the arm", ("Adduction of the arm", "Flexion of the arm"), None),
        ("Grade II-III", ("Grade II", "Grade III"), None),
        ("Regions A and B", ("Region A", "Region C"), None),
        ("severe non-proliferative diabetic retinopathy", ("Mild NPDR", "Severe NPDR"), 1),
        ("This statement is not true.", ("True", "False"), 1),
        ("That's correct", ("True", "False"), 0),
        ("It shows three nodules", ("2", "3", "4"), 1),
        ("two or three", ("2", "3", "4"), None),
    ],
)
def test_misspelt_and_written_out(text: str, choices: tuple[str, ...], option: int | None) -> None:
    assert option_restated(text, choices) == option


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ('{"A": false, "B": true, "C": false, "D": false}', 1),
        ('```json\n{"CT": 0.1, "MRI": 0.7, "X-ray": 0.2}\n```', 1),
        ('{"A": 0.5, "B": 0.5}', None),
        ('{"A": true, "B": true, "C": false}', None),
        ("1. CT - No\n2. MRI - Yes\n3. X-ray - No", 1),
        ("(A) CT: wrong\n(B) MRI: correct", 1),
        ("| A | no |\n| B | yes |", 1),
        ("| | Modality | Why |\n|---|---|---|\n| CT | ✗ | no bone |\n| **MRI** | ✓ | dark bone |", 1),
        ("| Option | Likelihood |\n|---|---|\n| A | 0.2 |\n| B | 70 % |", 1),
        ("| Option | Slices |\n|---|---|\n| A | 20 |\n| B | 70 |", None),
        ("A → no (bone is dark)\nB → yes (bone is dark)", 1),
        ("A: yes", None),
        ("A: no\nB: no", None),
        ('{"A": NaN, "B": 1, "C": ' + "[" * 3000, None),
    ],
)
def test_verdicts_on_each_option(text: str, option: int | None) -> None:
    assert option_judged_right(text, FOUR, lettered=True) == option


@pytest.mark.parametrize(
    ("text", "choices", "option"),
    [
        ("III", ("Grade I", "Grade II", "Grade III"), 2),
        ("It is grade III", ("Stage I", "Stage II", "Stage III"), 2),
        ("The category is 2", ("BI-RADS 1", "BI-RADS 2"), 1),
        ("2", ("BI-RADS 1", "BI-RADS 2"), None),
        ("The category is 2", ("BI-RADS 2", "BI-RADS 1"), None),
        ("The appendix is not visualised", ("Appendix visualised", "Appendix not visualised"), 1),
        ("right middle (not lower) lobe", ("Right middle lobe", "Right lower lobe"), 0),
        ("MRI (not seen)", FOUR, None),
        ("The right (R) kidney is small", ("Left kidney", "Right kidney"), 1),
        ("The right (or left) kidney is small", ("Left kidney", "Right kidney"), None),
        ("BI-RADS category 4", ("BI-RADS 2", "BI-RADS 4", "BI-RADS 5"), 1),
        ("The category is 4", ("BI-RADS 2", "BI-RADS 4", "BI-RADS 5"), None),
        ("effusion in this image", ("Pleural effusion", "Cyst"), None),
        ("No mass is seen on this slice", ("Mass is seen", "No mass seen"), 1),
        ("The shape is lobed, i.e. it is tubulovillous.", ("Tubular adenoma", "Tubulovillous adenoma"), 1),
        ("neither of them", ("Left lung", "Neither lung"), 1),
        ("fever, cough, tachycardia: PE", ("Pulmonary embolism", "Pneumonia"), 0),
    ],
)
def test_labels_content_and_what_is_denied_in_brackets(text: str, choices: tuple[str, ...], option: int | None) -> None:
    assert option_restated(text, choices) == option


def test_long_answers_cost_no_square() -> None:
    for unit in ("pleural effusio ", "{", '{"A": 1', "A: no\n", "option 3 ", "DCI ", "*", "> ", "first "):
        text = unit * (100_000 // len(unit))
        assert option_judged_right(text, FOUR, lettered=True) is None
        assert option_restated(text, ("Pleural effusion", *CANCERS)) in (None, 0, 2)


TESTS = ("CTA of the chest", "TOF angiography", "MRCP", "Ultrasound")


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("computed tomography angiography of the chest", 0),
        ("a Computed-Tomography Angiography of the chest", 0),
        ("time of flight angiography", 1),  # "of" is a word of its own here
        ("magnetic resonance of the cholangio pancreas", None),  # "of the" are two
        ("magnetic resonance and cholangio pancreatography", 2),
        ("computed tomography of the chest", None),
        ("no time of flight angiography", None),
    ],
)
def test_acronyms_that_are_written_out(text: str, option: int | None) -> None:
    assert option_restated(text, TESTS) == option


LESIONS = ("The lesion crosses the midline", "The lesion spares the cortex")


@pytest.mark.parametrize(
    ("text", "choices", "option"),
    [
        ("It crosses the midline", LESIONS, 0),
        ("It does not cross the midline", LESIONS, None),
        ("It crosses the midline but it spares the cortex", LESIONS, None),
        (
            "It crosses the midline",
            (r"The \delta \1 wave crosses the midline", r"The \delta \1 wave spares the cortex"),
            0,
        ),
        ("No nodules are visible", ("0", "1"), 0),
        ("There are no more", ("0", "1"), None),
    ],
)
def test_pronouns_for_a_shared_subject_and_nothing_seen(
    text: str, choices: tuple[str, ...], option: int | None
) -> None:
    assert option_restated(text, choices) == option


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("CT... no, MRI.", 1),
        ("CT, no, it's MRI", 1),
        ("CT: no, MRI: yes", None),
        ("CT, no fracture, MRI", None),
        ("no, MRI", None),
    ],
)
def test_an_option_that_takes_the_place_of_another(text: str, option: int | None) -> None:
    assert option_instead(text, FOUR) == option


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("All but B are wrong.", 1),
        ("Everything except MRI can be excluded", 1),
        ("Every option other than (C) is incorrect", 2),
        ("All but B are right.", None),
        ("All but the last are wrong.", None),
    ],
)
def test_the_one_that_is_not_denied_with_all_others(text: str, option: int | None) -> None:
    assert option_excepted(text, FOUR, lettered=True) == option
    assert option_excepted("All but B are wrong.", FOUR, lettered=False) is None


@pytest.mark.parametrize(
    ("text", "choices", "option"),
    [
        ("A: 10%, B: 70%, C: 20%", FOUR, 1),
        ("CT: no. MRI: yes. X-ray: no.", FOUR, 1),
        ("CT: yes. MRI: yes.", FOUR, None),
        ("Options:\nA. True\nB. False\n\nTo solve this", ("True", "False"), None),
        ("(A) No\n(B) Yes", ("No", "Yes"), None),
        ("A. True: no\nB. False: yes", ("True", "False"), 1),
    ],
)
def test_verdicts_on_one_line_and_options_that_are_verdicts(
    text: str, choices: tuple[str, ...], option: int | None
) -> None:
    assert option_judged_right(text, choices, lettered=True) == option
