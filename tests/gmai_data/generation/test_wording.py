"""A record's facts in words of one language."""

import pytest
from gmai_data.annotation import Box
from gmai_data.generation.wording import Words, speaks_chinese, wording
from gmai_data.vocabulary import Language, Modality

EN, ZH = Language.EN, Language.ZH


@pytest.fixture
def words(annotation, recipe):
    def make(language=EN, seed=0, card=recipe, **changes):
        return Words(annotation(**changes), card, language, seed)

    return make


@pytest.mark.parametrize(
    ("xyxy", "english", "chinese"),
    [
        ((0, 0, 10, 10), "upper left", "左上部"),
        ((40, 0, 60, 10), "upper central", "上部中央"),
        ((40, 40, 60, 60), "central", "中央"),
        ((0, 40, 10, 60), "middle left", "左侧中部"),
        ((90, 90, 100, 100), "lower right", "右下部"),
        ((32, 0, 34, 2), "upper left", "左上部"),
        ((33, 0, 35, 2), "upper central", "上部中央"),
        ((66, 0, 67, 2), "upper central", "上部中央"),
        ((66, 0, 68, 2), "upper right", "右上部"),
        ((100, 100, 100, 100), "lower right", "右下部"),
    ],
)
def test_the_ninth_of_the_image_in_which_a_box_has_its_centre(words, xyxy, english, chinese):
    box = Box("alpha", xyxy)
    assert words().position(box) == english
    assert words(ZH).position(box) == chinese


def test_lists(words):
    assert words().enumerate(["alpha"]) == "alpha"
    assert words().enumerate(["alpha", "beta"]) == "alpha and beta"
    assert words().enumerate(["alpha", "beta", "gamma"]) == "alpha, beta and gamma"
    assert words(ZH).enumerate(["alpha", "beta", "gamma"]) == "阿尔法、beta和gamma"


def test_names_in_each_language(words):
    assert (words().label("alpha"), words(ZH).label("alpha"), words(ZH).label("beta")) == ("alpha", "阿尔法", "beta")
    assert (words().modality(Modality.MR), words(ZH).modality(Modality.MR)) == ("MR", "磁共振成像")
    assert (words().version, words(ZH).version) == (f"en-{wording(EN)['version']}", f"zh-{wording(ZH)['version']}")


@pytest.mark.parametrize(
    ("modality", "said"),
    [
        (Modality.CT, "A CT image"),
        (Modality.MR, "An MR image"),
        (Modality.X_RAY, "An X-ray image"),
        (Modality.HISTOPATHOLOGY, "A histopathology image"),
        (Modality.DERMOSCOPY, "A dermoscopic image"),
        (Modality.MICROSCOPY, "A microscopy image"),
        (Modality.PET, "A PET image"),
        (Modality.FUNDUS, "A fundus photograph"),
        (Modality.ULTRASOUND, "An ultrasound image"),
        (Modality.ENDOSCOPY, "An endoscopic image"),
        (Modality.OCT, "An OCT image"),
        (Modality.INFRARED, "An infrared reflectance image"),
        (Modality.COLPOSCOPY, "A colposcopic image"),
    ],
)
def test_the_article_and_the_case_of_each_modality(words, modality, said):
    assert words(modality=modality).say(["{a_image}"], "x") == said


def test_a_sentence_is_filled_and_its_first_fact_begins_with_a_capital_letter(words):
    made = words()
    assert made.say(["{labels} in {anatomy}, {department}"], "x") == "Alpha in skin, Dermatology"
    assert made.say(["{anatomy}: {noun}"], "x").startswith("Skin: ")
    assert made.say(["see {modality} {label}"], "x", label="alpha") == "see dermoscopy alpha"
    assert words(ZH).say(["{anatomy}，{labels}，{department}，{modality}"], "x") == "皮肤，阿尔法，皮肤科，皮肤镜"
    assert words(labels=()).say(["none: {labels}"], "x") == "none: "


def test_what_is_drawn_depends_on_record_seed_and_purpose_alone(words):
    paraphrases = [str(number) for number in range(1000)]
    drawn = [
        words().say(paraphrases, "x"), words().say(paraphrases, "y"), words(seed=1).say(paraphrases, "x"),
        words(id="other").say(paraphrases, "x"),
    ]  # fmt: skip
    assert len(set(drawn)) == len(drawn)
    assert words(ZH, labels=()).say(paraphrases, "x") == drawn[0]


def test_both_languages_have_the_same_templates():
    def shape(value):
        return {name: shape(each) for name, each in value.items()} if isinstance(value, dict) else None

    english, chinese = shape(wording(EN)), shape(wording(ZH))
    assert english == chinese


def test_chinese_needs_every_name(annotation, toy):
    names = {"a": {"en": "alpha", "zh": "阿"}, "b": {"en": "beta", "zh": "贝"}, "c": "gamma"}
    card = {"anatomy": {"en": "skin", "zh": "皮肤"}, "label_noun": {"en": "finding", "zh": "病变"}}
    made = toy(labels=names, **card)
    assert speaks_chinese(annotation(), made)
    assert not speaks_chinese(annotation(absent=("gamma",)), made)
    assert not speaks_chinese(annotation(labels=("gamma",)), made)
    assert not speaks_chinese(annotation(), toy(labels=names, **{**card, "anatomy": "skin"}))
    assert not speaks_chinese(annotation(), toy(labels=names, **{**card, "label_noun": "finding"}))


def test_what_the_card_says_of_its_boxes(words, toy):
    assert words(card=toy(exhaustive=False)).exhaustive is False
    assert words(card=toy(exhaustive=True)).exhaustive is True
    segmented = {rule: toy(task="2d_segmentation", boxes={"per": rule}) for rule in ("class", "component")}
    assert [words(card=segmented[rule]).one_box_per_region for rule in segmented] == [False, True]


def boxes(label, count, start=0):
    return tuple(Box(label, (start + number, 0, start + number + 1, 1)) for number in range(count))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"boxes": boxes("platelet", 3)}, ("three platelets", True)),
        ({"boxes": boxes("platelet", 1)}, ("one platelet", False)),
        ({"boxes": boxes("platelet", 13)}, ("13 platelets", True)),
        ({"boxes": boxes("platelet", 31)}, ("platelets", True)),
        ({"boxes": boxes("platelet", 3), "incomplete": ("platelet",)}, ("platelets", True)),
        ({"boxes": ()}, ("a platelet", False)),
    ],
)
def test_numbers_are_told_where_they_are_certain(words, toy, changes, said):
    card = toy(task="2d_detection", labels={"a": {"en": "platelet", "zh": "血小板"}})
    assert words(card=card, labels=("platelet",), **changes).shown() == said


def test_in_chinese_what_is_counted_has_a_number(words, toy):
    card = toy(
        task="2d_detection", labels={"a": {"en": "platelet", "zh": "血小板"}, "b": {"en": "liver", "zh": "肝脏"}}
    )
    made = words(ZH, card=card, labels=("platelet", "liver"), boxes=(*boxes("platelet", 2), *boxes("liver", 1, 9)))
    assert made.shown() == ("2个血小板和肝脏", True)


def test_of_many_labels_the_largest_are_named_and_the_others_counted(words, toy):
    names = ["liver", "spleen", "stomach", "pancreas", "aorta", "colon", "heart", "brain", "skull", "trachea", "uterus"]
    card = toy(
        task="2d_segmentation", labels=dict(zip("abcdefghijk", names, strict=True)),
        label_noun={"en": "structure", "zh": "结构"},
    )  # fmt: skip
    drawn = tuple(Box(name, (0, 0, 1, 10 + number)) for number, name in enumerate(names))
    shown, several = words(card=card, labels=tuple(names), boxes=drawn).shown()
    assert shown == "the uterus, trachea, skull, brain, heart, colon, aorta, pancreas and three other structures"
    assert several
    assert words(ZH, card=card, labels=tuple(names), boxes=drawn).shown()[0].endswith("pancreas等11种结构")
    nine = words(card=card, labels=tuple(names[:9]), boxes=drawn[:9]).shown()[0]
    assert nine.endswith("spleen and liver"), "one more is named rather than counted"


@pytest.mark.parametrize(
    ("provenance", "modality", "named"),
    [
        ({"window": "lung -600/1500"}, Modality.CT, ("lung window", "肺窗")),
        ({"window": "percentile 1–9"}, Modality.CT, ("", "")),
        ({"window": "lung"}, Modality.MR, ("", "")),
        ({}, Modality.CT, ("", "")),
    ],
)
def test_the_window_of_a_ct_slice(words, provenance, modality, named):
    assert tuple(words(each, provenance=provenance, modality=modality).window for each in (EN, ZH)) == named


@pytest.mark.parametrize(
    ("axis", "english", "chinese"),
    [("axial", ("an axial MR image", "an axial MR slice"), "轴位磁共振图像"), ("", ("an MR image",), "磁共振图像")],
)
def test_the_plane_of_a_slice(words, axis, english, chinese):
    provenance = {"axis": axis} if axis else {}
    assert words(provenance=provenance, modality=Modality.MR).say(["x {a_image}"], "x").removeprefix("x ") in english
    assert words(ZH, provenance=provenance, modality=Modality.MR).say(["{image}"], "x") == chinese


@pytest.mark.parametrize(
    ("anatomy", "region", "site"),
    [
        ("chest", "the chest", "region"), ("blood smear", "a blood smear", "specimen"),
        ("lung tissue", "lung tissue", "specimen"), ("tissue of ten organs", "tissue of ten organs", "specimen"),
        ("lymph node", "a lymph node", "region"),
    ],
)  # fmt: skip
def test_what_an_image_is_of(words, toy, anatomy, region, site):
    assert words(card=toy(anatomy=anatomy)).say(["x {region} {site}"], "x") == f"x {region} {site}"
