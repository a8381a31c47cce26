"""The published parsers on the answers whose reading by the originals is known."""

import pytest
from gmai_bench.extraction import mmmu_open
from gmai_bench.extraction.legacy import (
    LEGACY,
    medevalkit_exact,
    medevalkit_yes_no,
    omnimedvqa_qa,
)
from gmai_bench.extraction.options import extract_set
from gmai_bench.extraction.vqa_words import CONTRACTIONS, token_recall, vqa_words

ABCD = ("CT", "MRI", "X-ray", "Ultrasound")
PARSERS = ("mmmu-official", "vlmevalkit-exact", "huatuo", "medevalkit")
# response; then what MMMU, VLMEvalKit without a judge, HuatuoGPT and MedEvalKit read: a letter, "rnd" for a random
# option, "-" for nothing, "x" for a letter that equals no option's
READ = [
    ("b", "rnd - x B"),
    ("(B)", "B B B A"),
    ("B. MRI", "rnd B B B"),
    ("**B**", "rnd B B A"),
    ("The correct answer is **B**. Here is why: it is not a CT.", "A B B A"),
    ("\\boxed{B}", "rnd B B B"),
    ("<answer>B</answer>", "rnd - B B"),
    ("答案是B", "rnd - B A"),
    ("答案：B", "rnd - B A"),
    ("选B。", "rnd - D A"),
    ("Ｂ", "rnd - D A"),
    ("（B）", "rnd - B A"),
    ("B、MRI", "rnd B B B"),
    ("MRI", "rnd B B B"),
    ("This is an MRI.", "rnd B B B"),
    ("Computed tomography", "rnd - D D"),
    ("A chest X-ray is shown", "A C C D"),
    ("It is not A; the answer is C", "C C A C"),
    ("The answer is (D), not (A).", "A - D D"),
    ("Not B. Not C. I choose D.", "D - B D"),
    ("A or B, but B is more likely", "B - B B"),
    ("Either A or C", "C - C D"),
    ("Sorry, I can't help with images of people yet.", "rnd - x C"),
    ("", "rnd - D A"),
    ("PA view of the chest", "rnd - A A"),
    ("MRA of the brain", "rnd - B B"),
    ("DNA stain", "rnd - D D"),
    ("A. CT\nB. MRI\nC. X-ray\nD. Ultrasound\nAnswer: D", "D - A A"),
    ("Answer: B\n\nExplanation: Option A is incorrect.", "A - B D"),
    ("<think>maybe A or C</think>B", "A A C B"),
]


# what MMMU-Pro's evaluate.py reads of these, in order, and of some more
READ_BY_MMMU_PRO = "rnd B B rnd A rnd rnd B B rnd rnd rnd rnd rnd rnd rnd A C A D B C rnd rnd A A A D A A"
MORE = [
    ("IBM is no option", "rnd"),
    ("Answer: B and C, so B", "B"),
    ("Answer: It is B", "B"),
    ("A. CT or B. MRI", "A"),
    ("the answer is b) MRI for sure, and no CT here", "A"),
]


def read(parser: str, response: str, choices: tuple[str, ...] = ABCD) -> str:
    found = LEGACY[parser](response, choices, "")
    if found.choice is not None:
        return "ABCDE"[found.choice]
    return {"random": "rnd", "letter_of_no_option": "x"}.get(found.rule, "-")


@pytest.mark.parametrize(
    ("response", "due"),
    [*((response, due) for (response, _), due in zip(READ, READ_BY_MMMU_PRO.split(), strict=True)), *MORE],
)
def test_mmmu_pro_is_read_as_by_its_authors(response: str, due: str) -> None:
    """Their verdicts on GPT-4o's 3,460 published answers are the same too, but for 7 that they drew."""
    assert read("mmmu-pro", response) == due


@pytest.mark.parametrize(("response", "due"), READ, ids=[case[0] or "(empty)" for case in READ])
def test_published_parsers_read_as_published(response: str, due: str) -> None:
    assert " ".join(read(parser, response) for parser in PARSERS) == due


def test_the_cases_with_other_options() -> None:
    assert [read(parser, "Abnormal", ("Normal", "Abnormal")) for parser in PARSERS] == ["rnd", "-", "A", "B"]
    assert {read(parser, "E", (*ABCD, "PET")) for parser in PARSERS} == {"E"}


def test_omnimedvqa_takes_the_first_of_the_nearest_and_skips_what_resembles_nothing() -> None:
    assert omnimedvqa_qa("MRI scan", ABCD, "").choice == 1
    assert omnimedvqa_qa("It is not MRI, it is CT", ("MRI", "CT"), "").choice == 0
    assert omnimedvqa_qa("MR", ("MRx", "xMR"), "").choice == 0
    assert omnimedvqa_qa("", ABCD, "").choice is None


def test_llava_med_finds_no_in_normal() -> None:
    parser = LEGACY["llava-med"]
    assert parser("It looks normal.", ("yes", "no"), "no").expected == 1.0
    assert parser("Yes, it does.", ("yes", "no"), "no").expected == 0.0
    assert parser("A mass", ("yes", "no"), "no").expected == 0.0


def test_token_recall_by_hand() -> None:
    assert vqa_words("The right-lower lobe, two masses.") == ["right", "lower", "lobe", "2", "masses"]
    # right and lobe of right, lower, lobe
    assert token_recall("In the right lobe", "right lower lobe") == pytest.approx(2 / 3)
    # a repeated hit weighs twice: (2 + 0) / (2 + 1)
    assert token_recall("right right", "right lobe") == pytest.approx(2 / 3)
    assert token_recall("left", "right") == 0.0


def test_contractions_get_their_apostrophe_back() -> None:
    assert vqa_words("It isnt there, and theyre not; dont") == [
        "it",
        "isn't",
        "there",
        "and",
        "they're",
        "not",
        "don't",
    ]
    assert vqa_words("couldn'tve couldnt've couldntve") == ["couldn't've", "couldn't've", "couldntve"]
    assert vqa_words("yall'll ows oclock twas 'ow'sat") == ["y'all'll", "ows", "o'clock", "'twas", "'ow's'at"]
    assert vqa_words("well, he shed ill its wed") == ["well", "he", "shed", "ill", "its", "wed"]  # words of their own
    assert vqa_words("somebody'd im Ive") == ["somebodyd", "im", "ive"]  # as the published table has it
    assert not any(word != word.lower() for word in CONTRACTIONS)
    assert token_recall("The lobes arent enlarged", "aren't enlarged") == 1.0


def test_numbers_articles_and_full_stops_as_published() -> None:
    assert vqa_words("None of the two, ten and eleven") == ["0", "of", "2", "10", "and", "eleven"]
    assert vqa_words("1,000 ml/h of x-ray") == ["1000", "mlh", "of", "xray"]  # a digit comma joins at every mark
    assert vqa_words("x-ray/CT (left)") == ["x", "ray", "ct", "left"]
    assert vqa_words("1.5 cm. v1. A.") == ["1.5", "cm", "v1"]
    assert vqa_words(". " * 33) == ["."]  # only 32 go
    assert vqa_words("an the A") == []


def test_medevalkits_matching() -> None:
    assert medevalkit_yes_no("No.", "no")
    assert medevalkit_yes_no("It is normal", "no")
    assert not medevalkit_yes_no("yes and no", "no")
    assert medevalkit_exact("The answer is: lung", "Lung", closed=False) is False
    assert medevalkit_exact("\\boxed{Lung}", "lung", closed=False)
    assert medevalkit_exact("Lung.", "lung", closed=True)
    assert not medevalkit_exact("Lung.", "lung", closed=False)


@pytest.mark.parametrize(
    ("response", "reference", "right"),
    [
        ("The answer is transformation.", "Transformation", True),
        ("It is 2", "2", True),
        ("So there are 2.004 of them", "2", True),
        ("The answer is C", "C", True),
        ("It shows clots", "C", True),  # a single letter is looked for with a blank on either side, and " c" is in it
        ("Abc", "C", False),
        ("I cannot say", "Transformation", False),
        ("1,200", "1200", True),
    ],
)
def test_mmmus_open_rule(response: str, reference: str, right: bool) -> None:
    assert mmmu_open.is_right(response, reference) is right


@pytest.mark.parametrize(
    ("response", "letters", "rule"),
    [
        ("ABD", "ABD", "letter_set"),
        ("A, C", "AC", "letter_set"),
        ("(A)(B)", "AB", "letter_set"),
        ("Answer: B and D", "BD", "marker_set"),
        ("答案：AC", "AC", "marker_set"),
        ("A is wrong, B and C fit.", "BC", "letter_set"),
        ("CT and MRI", "AB", "option_text_set"),
        ("AE", "", "unparsed"),
        ("", "", "empty"),
        ("Sorry, I cannot help.", "", "refused"),
    ],
)
def test_several_right_options_are_read_as_a_set(response: str, letters: str, rule: str) -> None:
    found, fired = extract_set(response, ABCD)
    assert ("".join("ABCD"[i] for i in sorted(found)), fired) == (letters, rule)


def test_most_of_medevalkits_tasks_take_tags_before_boxes() -> None:
    """`extract` of its utils/utils.py is called first in all tasks with options but PMC_VQA and MedFrameQA."""
    said = "<think>\\boxed{A}</think><answer>B</answer>"
    assert read("medevalkit", said) == "B"
    assert read("medevalkit-untagged", said) == "A"
    assert medevalkit_exact("\\boxed{lung}<answer>liver</answer>", "liver", closed=True)
    assert read("medevalkit", "<ANSWER>B</ANSWER>") == read("medevalkit-untagged", "<ANSWER>B</ANSWER>")
