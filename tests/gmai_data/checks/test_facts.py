"""The names of a card's labels in a text, and the words that name a modality."""

import pytest
from gmai_data.checks.facts import LabelNames, modality_pattern, other_modalities, region_name
from gmai_data.vocabulary import Language, Modality

EN, ZH = Language.EN, Language.ZH


@pytest.fixture
def names(toy):
    def make(labels, language=EN, **card):
        return LabelNames(toy(labels={str(number): name for number, name in enumerate(labels)}, **card), language)

    return make


def labels(names, text):
    return [mention.label for mention in names.mentions(text)]


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("tumor", "two tumours"),
        ("tumour", "a tumor"),
        ("oedema", "edema"),
        ("haemorrhage", "hemorrhages"),
        ("naevus", "nevi"),
        ("metastasis", "metastases"),
        ("biopsy", "biopsies"),
        ("vertebra", "vertebrae"),
        ("bacterium", "bacteria"),
        ("cortex", "renal cortices"),
        ("calyx", "calyces"),
        ("thorax", "thoraces"),
        ("adenoma", "adenomata"),
        ("mass", "masses"),
        ("platelets", "a platelet"),
        ("left-lung", "left lung"),
        ("crohn's disease", "crohn’s disease"),
        ("grey matter", "gray matter"),
    ],
)
def test_spellings_and_plurals_make_no_other_name(names, label, text):
    assert labels(names([label, "delta"]), text) == [label]


@pytest.mark.parametrize(
    "text",
    ["left ventricle's cavity", "left ventricle’s cavities", "left-ventricle cavity", "the left ventricle cavity"],
)
def test_a_name_may_be_said_with_an_apostrophe(names, text):
    assert labels(names(["left ventricle cavity", "alzheimer's disease"]), text) == ["left ventricle cavity"]
    assert labels(names(["left ventricle cavity", "alzheimer's disease"]), "alzheimer's disease") == [
        "alzheimer's disease"
    ]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (EN, "the l4/l5 disc"), (EN, "disk l4/5"), (EN, "l4-l5 intervertebral discs"),
        (EN, "the disc between l4 and l5"),
        (ZH, "l4/5椎间盘"), (ZH, "l4-l5椎间盘"), (ZH, "腰4/5椎间盘"),
    ],
)  # fmt: skip
def test_a_disc_is_called_by_the_vertebrae_around_it(names, language, text):
    spine = [{"en": "intervertebral disc L4/L5", "zh": "腰4/腰5椎间盘"}, {"en": "vertebra L5", "zh": "第5腰椎"}]
    assert labels(names(spine, language), text) == ["intervertebral disc L4/L5"]


@pytest.mark.parametrize("text", ["deltas of deltaic", "nondelta", "non-delta", "xdelta"])
def test_a_name_is_a_whole_word(names, text):
    assert labels(names(["delta", "alpha"]), text.removeprefix("deltas of ")) == []


def test_the_longest_name_counts_where_they_overlap(names):
    both = names(["kidney", "kidney cyst"])
    assert labels(both, "a kidney cyst of the kidney") == ["kidney cyst", "kidney"]


def test_one_word_for_a_pair_names_both_sides(names):
    pair = names(["left kidney", "right kidney"])
    for text in ("both kidneys", "bilateral kidneys", "left and right kidneys", "right and left kidney"):
        assert labels(pair, text) == ["left kidney", "right kidney"]
    assert labels(pair, "the kidneys") == []
    assert labels(names(["left kidney", "liver"]), "both kidneys") == []
    chinese = names([{"en": "left kidney", "zh": "左侧肾"}, {"en": "right kidney", "zh": "右侧肾"}], ZH)
    assert labels(chinese, "双侧肾可见") == ["left kidney", "right kidney"]


def test_the_name_behind_no_is_the_opposite(names):
    made = names(["no tumor", "liver"])
    tumor, none = made.mentions("a tumor. there is no tumor")
    assert (tumor.label, tumor.opposite) == ("", "no tumor")
    assert (none.label, none.opposite) == ("no tumor", "")
    of_anything = names(["no finding", "liver"], label_noun="finding")
    assert not of_anything.mentions("one finding")


def test_words_around_a_name_end_with_its_clause_and_are_few(names):
    made = names(["liver", "spleen"])
    (mention,) = made.mentions("no spleen, however the liver is large; no more")[1:]
    assert (mention.before, mention.after) == (" the ", " is large")
    (far,) = made.mentions("x" * 100 + " liver " + "y" * 100)
    assert (len(far.before), len(far.after)) == (80, 80)
    (chinese,) = names([{"en": "liver", "zh": "肝脏"}, "x"], ZH).mentions("可见肾，肝脏未见。其余")
    assert (chinese.before, chinese.after) == ("", "未见。")


def test_synonyms_stand_for_their_label(names):
    made = names(["liver", "spleen"], synonyms={"0": ["hepar"]})
    assert labels(made, "the hepar") == ["liver"]


def test_chinese_names_are_found_without_gaps_and_not_behind_a_negating_letter(names):
    made = names([{"en": "small cell", "zh": "小细胞"}, "x"], ZH)
    assert labels(made, "可见小细胞癌") == ["small cell"]
    assert labels(made, "非小细胞癌") == []
    assert names(["liver"], ZH).mentions("liver") == (), "a card without Chinese names"


@pytest.mark.parametrize(
    ("modality", "text", "named"),
    [
        (Modality.CT, "a ct scan", True),
        (Modality.CT, "a direct act", False),
        (Modality.MR, "mris", True),
        (Modality.X_RAY, "x-ray attenuation", False),
        (Modality.X_RAY, "xrays", True),
        (Modality.HISTOPATHOLOGY, "h&e", True),
        (Modality.PET, "petal", False),
        (Modality.FUNDUS, "the fundus of the stomach", False),
        (Modality.OCT, "optical coherence", True),
    ],
)
def test_words_of_a_modality(modality, text, named):
    assert bool(modality_pattern(modality, EN).search(text)) == named


def test_chinese_words_count_in_chinese_texts_and_english_ones_in_both():
    assert modality_pattern(Modality.ULTRASOUND, ZH).search("超声")
    assert not modality_pattern(Modality.ULTRASOUND, EN).search("超声")
    assert modality_pattern(Modality.CT, ZH).search("这是ct图像")


def test_every_modality_is_named_and_some_go_along():
    for modality in Modality:
        any_other, others = other_modalities(modality, EN)
        assert modality not in dict(others)
        assert not any_other.search(str(modality).lower())
    assert Modality.PET not in dict(other_modalities(Modality.CT, EN)[1])
    assert Modality.MR in dict(other_modalities(Modality.CT, EN)[1])
    assert not {Modality.OCT, Modality.INFRARED} & dict(other_modalities(Modality.FUNDUS, EN)[1]).keys()


def test_regions_have_marks_beside_the_labels(names):
    own = names([{"en": "alpha", "zh": "甲"}, {"en": "beta", "zh": "乙"}])
    more = own.with_regions(2)
    marks = [more.mark_of(region_name(number)) for number in range(2)]
    assert [more.label_of(mark) for mark in marks] == ["region 0", "region 1"]
    assert not set(marks) & set(own.masked("alpha beta"))
    with pytest.raises(IndexError):
        own.label_of(marks[1])
