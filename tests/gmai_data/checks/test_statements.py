"""Statements resolved one by one, about records other than those of grounding_texts.yaml."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.checks.facts import Facts, Known, LabelNames, Measure
from gmai_data.checks.statements import sentences, unresolved
from gmai_data.checks.written import first_complaint, without_unresolved
from gmai_data.vocabulary import Kind, Language, Split
from gmai_formats.rows.box_text import box_text

EN, ZH = Language.EN, Language.ZH
RECORDS = {
    "brats": {
        "card": "brats2020",
        "labels": ["peritumoral edema", "enhancing tumor"],
        "boxes": [["peritumoral edema", 550, 200, 800, 480], ["enhancing tumor", 600, 260, 700, 380]],
        "provenance": {"axis": "axial", "slice": 80, "window": "percentile 1-99"},
    },
    "lung": {
        "card": "msd-lung",
        "labels": ["lung tumor"],
        "boxes": [["lung tumor", 200, 300, 300, 400]],
        "provenance": {"axis": "axial", "slice": 3, "window": "lung -600/1500"},
    },
    "thy": {
        "card": "tn3k",
        "labels": ["thyroid nodule"],
        "boxes": [["thyroid nodule", 300, 300, 700, 700]],
        "provenance": {},
    },
    "histo": {"card": "lc25000-lung", "labels": ["lung adenocarcinoma"], "boxes": [], "provenance": {}},
    "frac": {
        "card": "fracatlas",
        "labels": ["fracture"],
        "boxes": [["fracture", 400, 600, 500, 800]],
        "provenance": {},
    },
    "chol": {"card": "cholec80", "labels": ["gallbladder dissection"], "boxes": [], "provenance": {}},
    "bt": {"card": "brain-tumor-mri", "labels": ["glioma"], "boxes": [], "provenance": {}},
    "nt": {"card": "brain-tumor-mri", "labels": ["no tumor"], "boxes": [], "provenance": {}},
    "ph": {
        "card": "phantom-ct",
        "labels": ["liver", "kidneys", "hepatic lesion"],
        "boxes": [
            ["liver", 100, 200, 500, 600],
            ["kidneys", 200, 600, 300, 750],
            ["kidneys", 700, 600, 800, 750],
            ["hepatic lesion", 200, 300, 260, 360],
        ],
        "provenance": {"axis": "axial", "window": "soft_tissue 40/400"},
    },
}
GOOD = [
    (
        "brats",
        "en",
        "Axial MR image of the brain. The enhancing tumor is bright and lies within the peritumoral edema in the upper "
        "right part of the image.",
    ),
    ("brats", "en", "The peritumoral edema surrounds the enhancing tumor and is the larger of the two areas."),
    (
        "brats",
        "en",
        "In this MRI of the brain, an enhancing tumor with an irregular rim is seen together with peritumoral edema, "
        "both on the right side of the image.",
    ),
    (
        "lung",
        "en",
        "This axial CT slice of the chest, in a lung window, contains a lung tumor in the left part of the image.",
    ),
    (
        "lung",
        "en",
        "The lung tumor appears as a rounded, soft-tissue-like density with spiculated margins against the dark lung.",
    ),
    (
        "lung",
        "en",
        "A lung tumor is visible in the upper left part of this chest CT; its outline is slightly lobulated.",
    ),
    ("thy", "en", "Ultrasound of the thyroid with a thyroid nodule that is oval, hypoechoic and sharply bordered."),
    ("thy", "en", "The thyroid nodule takes up much of the centre of the image."),
    (
        "histo",
        "en",
        "Histopathology of lung tissue with lung adenocarcinoma; purple and pink stained structures form irregular, "
        "gland-like rings.",
    ),
    ("histo", "en", "This H&E-like stained histology image shows lung adenocarcinoma with densely packed dark dots."),
    ("histo", "en", "The lung adenocarcinoma has a disordered pattern with dark purple spots of different size."),
    ("frac", "en", "An X-ray of a limb with a fracture, seen as a thin dark line that interrupts the bright outline."),
    ("frac", "en", "The fracture lies in the lower half of the image."),
    ("frac", "en", "This radiograph shows a fracture; a sharp, dark gap crosses the bright structure."),
    ("chol", "en", "An endoscopy frame of the abdominal cavity during gallbladder dissection."),
    (
        "chol",
        "en",
        "The surgical phase shown in this laparoscopic image is gallbladder dissection; the scene is brightly lit with "
        "reddish and yellowish surfaces.",
    ),
    ("chol", "en", "Gallbladder dissection is the phase seen here, with shiny, moist surfaces and a dark background."),
    ("bt", "en", "An MRI of the brain that shows a glioma with a blurred edge and mixed brightness."),
    ("bt", "en", "The glioma stands out from the rest of the brain by its brighter and less even signal."),
    ("bt", "en", "MR image of the brain with a glioma; the area is roundish and has a darker core."),
    ("nt", "en", "An MRI of the brain with no tumor."),
    ("nt", "en", "No tumor is visible in this MR image of the brain; grey levels are even on the whole."),
    ("nt", "en", "MR image of the brain in which there is no tumor."),
    ("ph", "en", "CT of the abdomen with the liver, the kidneys and a hepatic lesion."),
    ("ph", "en", "The hepatic lesion lies within the liver and is darker than the liver itself."),
    ("ph", "en", "The two kidneys are found on either side of the image, both lower than the liver."),
    ("ph", "en", "The liver is larger than the hepatic lesion."),
    ("brats", "zh", "脑部轴位磁共振图像，可见强化肿瘤及瘤周水肿，均位于图像右侧。"),
    ("brats", "zh", "瘤周水肿围绕强化肿瘤，范围较大，信号不均匀。"),
    ("lung", "zh", "胸部轴位CT肺窗图像，图像左侧可见肺肿瘤，边缘有毛刺。"),
    ("lung", "zh", "肺肿瘤呈类圆形软组织密度影，轮廓略呈分叶状。"),
    ("thy", "zh", "甲状腺超声图像，可见一个甲状腺结节，呈椭圆形低回声，边界清楚。"),
    ("histo", "zh", "肺组织的组织病理图像，可见肺腺癌，排列紊乱，染色较深。"),
    ("frac", "zh", "四肢X线片，可见骨折，表现为细的暗线，亮的轮廓在此中断。"),
    ("frac", "zh", "骨折位于图像下半部。"),
    ("bt", "zh", "脑部磁共振图像，可见胶质瘤，边缘模糊，信号不均匀。"),
    ("nt", "zh", "脑部磁共振图像，无肿瘤。"),
    ("nt", "zh", "脑部MRI图像，未见肿瘤。"),
    ("ph", "zh", "腹部CT图像，可见肝脏、肾脏及肝内病灶，肝内病灶较肝脏暗。"),
    ("ph", "zh", "双肾分别位于图像两侧，均低于肝脏。"),
]
BAD = [
    (
        "brats",
        "en",
        "Axial MR image of the brain with peritumoral edema and an enhancing tumor, in keeping with a glioblastoma.",
    ),
    ("brats", "en", "Axial post-contrast T1 MR image with an enhancing tumor and peritumoral edema."),
    ("brats", "en", "The enhancing tumor and the peritumoral edema cause a midline shift in this MR image."),
    ("brats", "en", "The enhancing tumor lies in the left frontal lobe with peritumoral edema."),
    ("brats", "en", "The enhancing tumor is larger than the peritumoral edema in this MR image."),
    ("brats", "en", "MR image of a boy's brain with enhancing tumor and peritumoral edema."),
    ("brats", "en", "The peritumoral edema and the enhancing tumor lie in the lower left part of the image."),
    ("brats", "en", "Peritumoral edema and an enhancing tumor, which was resected last year."),
    ("lung", "en", "This coronal CT shows a lung tumor."),
    ("lung", "en", "A lung tumor is visible in the right upper lobe on this CT."),
    ("lung", "en", "A lung tumor with mediastinal lymphadenopathy is shown on this CT of the chest."),
    ("lung", "en", "A lung tumor in a heavy smoker is shown on this chest CT."),
    ("lung", "en", "A CT of the chest with a lung tumor; PET-CT is advised."),
    ("lung", "en", "The soft-tissue window shows a lung tumor."),
    ("lung", "en", "A lung tumor of 2.5 cm is shown in this chest CT."),
    ("lung", "en", "A lung tumor and pleural effusion are visible in this chest CT."),
    ("lung", "en", "A lung tumor is seen in this CT of the chest, likely primary."),
    ("thy", "en", "Ultrasound of the thyroid with a thyroid nodule with microcalcifications."),
    ("thy", "en", "Ultrasound of the right thyroid lobe with a thyroid nodule."),
    ("thy", "en", "Ultrasound with a TI-RADS 4 thyroid nodule."),
    ("thy", "en", "Ultrasound of the thyroid with two thyroid nodules."),
    ("thy", "en", "Ultrasound of the thyroid with a thyroid nodule; fine-needle aspiration is warranted."),
    ("thy", "en", "Colour Doppler ultrasound of a thyroid nodule."),
    ("histo", "en", "Histopathology of lung tissue with lung adenocarcinoma and vascular invasion."),
    ("histo", "en", "Poorly differentiated lung adenocarcinoma in a histopathology image."),
    ("histo", "en", "Histopathology image of a lung adenocarcinoma at 40x magnification."),
    ("histo", "en", "Histopathology of lung adenocarcinoma from a 70-year-old."),
    ("histo", "en", "Histopathology of a lung adenocarcinoma with EGFR mutation."),
    ("frac", "en", "An X-ray of the forearm with a fracture."),
    ("frac", "en", "An X-ray of a limb with a healing fracture."),
    ("frac", "en", "An X-ray of a limb with a displaced fracture after a fall."),
    ("frac", "en", "An X-ray of a limb with a fracture; a cast is needed."),
    ("frac", "en", "An X-ray of a limb with a fracture in the upper half of the image."),
    ("frac", "en", "Lateral radiograph of a limb with a fracture."),
    ("frac", "en", "An X-ray of a child's limb with a fracture."),
    ("frac", "en", "An X-ray of a limb with two fractures."),
    ("frac", "en", "An X-ray of a limb with a fracture and dislocation."),
    ("chol", "en", "An endoscopy frame of gallbladder dissection in a woman."),
    ("chol", "en", "An endoscopy frame of gallbladder dissection with active bleeding."),
    ("chol", "en", "An endoscopy frame of gallbladder dissection; a clip applier is used."),
    ("chol", "en", "An endoscopy frame of gallbladder dissection, three minutes after the start."),
    ("bt", "en", "An MRI of the brain that shows a high-grade glioma."),
    ("bt", "en", "An MRI of the brain with a glioma in the temporal lobe."),
    ("bt", "en", "A FLAIR image of the brain with a glioma."),
    ("bt", "en", "An MRI of the brain with a glioma and hydrocephalus."),
    ("bt", "en", "An MRI of the brain with a glioma that explains the seizures."),
    ("bt", "en", "A CT of the brain with a glioma."),
    ("nt", "en", "An MRI of the brain with a tumor."),
    ("nt", "en", "An MRI of a healthy volunteer's brain with no tumor."),
    ("nt", "en", "An MRI of the brain with no tumor but an old infarct."),
    ("nt", "en", "An MRI of the brain with no tumor; no follow-up is needed."),
    ("ph", "en", "CT of the abdomen with the liver, the kidneys and a hepatic lesion that looks like a haemangioma."),
    ("ph", "en", "CT with the liver, three kidneys and a hepatic lesion."),
    ("ph", "en", "The hepatic lesion lies on the right side of the image."),
    ("ph", "en", "The hepatic lesion is larger than the liver."),
    ("ph", "en", "CT with the liver, kidneys and a hepatic lesion in the late arterial phase."),
    ("ph", "en", "CT of the liver and kidneys with a hepatic lesion and ascites."),
    ("ph", "en", "CT of the abdomen with two hepatic lesions in the liver, beside the kidneys."),
    ("brats", "zh", "脑部磁共振增强图像，可见强化肿瘤及瘤周水肿，符合胶质母细胞瘤。"),
    ("brats", "zh", "左侧额叶可见强化肿瘤及瘤周水肿。"),
    ("brats", "zh", "可见强化肿瘤及瘤周水肿，中线结构移位。"),
    ("brats", "zh", "强化肿瘤及瘤周水肿位于图像左下部。"),
    ("lung", "zh", "胸部CT图像，右肺上叶可见肺肿瘤。"),
    ("lung", "zh", "胸部CT图像，可见肺肿瘤及纵隔淋巴结肿大。"),
    ("lung", "zh", "胸部CT图像，肺肿瘤大小约2.5厘米。"),
    ("lung", "zh", "冠状位CT图像，可见肺肿瘤。"),
    ("lung", "zh", "长期吸烟者胸部CT，可见肺肿瘤。"),
    ("thy", "zh", "甲状腺超声，可见甲状腺结节，内有微钙化。"),
    ("thy", "zh", "甲状腺右叶可见甲状腺结节，超声图像。"),
    ("thy", "zh", "甲状腺超声，可见甲状腺结节，TI-RADS 4类。"),
    ("thy", "zh", "彩色多普勒超声，可见甲状腺结节，血流丰富。"),
    ("frac", "zh", "前臂X线片，可见骨折。"),
    ("frac", "zh", "儿童四肢X线片，可见骨折。"),
    ("frac", "zh", "四肢X线片，可见骨折，需石膏固定。"),
    ("frac", "zh", "四肢X线片，可见陈旧性骨折。"),
    ("bt", "zh", "颞叶可见胶质瘤，脑部磁共振图像。"),
    ("bt", "zh", "脑部磁共振图像，可见高级别胶质瘤。"),
    ("bt", "zh", "脑部磁共振图像，可见胶质瘤，伴脑积水。"),
    ("nt", "zh", "脑部磁共振图像，可见肿瘤。"),
    ("nt", "zh", "健康志愿者脑部磁共振图像，无肿瘤。"),
    ("ph", "zh", "腹部CT图像，可见肝脏、肾脏及肝内病灶，考虑血管瘤。"),
    ("ph", "zh", "腹部CT图像，可见肝脏、肾脏及肝内病灶，另见腹水。"),
    ("ph", "zh", "腹部CT图像，可见肝脏、肾脏及两个肝内病灶。"),
]


@pytest.fixture(scope="module")
def facts_of():
    path = Path(__file__).parent / "test_grounding_texts.py"
    spec = importlib.util.spec_from_file_location("grounding_texts", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.facts_of


def asked(language):
    return "What does this image show?" if language == EN else "请描述这张图像。"


@pytest.mark.parametrize(("name", "language", "text"), GOOD)
def test_what_the_record_holds_passes(facts_of, name, language, text):
    assert first_complaint(facts_of(RECORDS[name], Language(language)), ((asked(language), text),)) is None


@pytest.mark.parametrize(("name", "language", "text"), BAD)
def test_what_it_does_not_hold_is_refused(facts_of, name, language, text):
    assert first_complaint(facts_of(RECORDS[name], Language(language)), ((asked(language), text),)) is not None


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("The left kidney of an old man is seen.", "person invented"),
        ("It is perhaps the left kidney.", "hedge"),
        ("The left kidney is seen; a biopsy follows.", "advice"),
        ("The left kidney was operated on.", "treatment invented"),
        ("The left kidney has grown since last year.", "history invented"),
        ("The left kidney is bright due to iron.", "cause invented"),
        ("The left kidney shows atrophy.", "finding invented"),
        ("A mildly bright left kidney.", "grade invented"),
        ("A contrast-enhanced image of the left kidney.", "acquisition invented"),
        ("A sagittal image of the left kidney.", "plane invented"),
        ("The right-sided structure is the left kidney.", "side invented"),
        ("Three left kidneys are seen.", "count invented"),
        ("The left kidney is 3 cm long.", "size invented"),
        ("The left kidney lies in the lower right part of the image.", "position contradicted"),
        ("The left kidney lies beside the ureter.", "word not resolved"),
    ],
)
def test_each_class_of_statements_is_counted_by_its_name(facts, text, check):
    assert [each.check for each in unresolved(facts(), (("What is it?", text),))] == [check]
    assert next(unresolved(facts(), ((text, "The left kidney."),)), None) is not None or check in ("hedge", "advice")


def test_a_text_without_an_image_is_held_against_no_record(facts):
    text = (("What of it?", "In an old man the ureter drains the left kidney."),)
    assert not list(unresolved(facts(Kind.TEXT_ONLY), text))


def test_what_the_writer_was_shown_may_be_said(facts):
    known = (Known("left kidney", "function", "filters blood; makes urine"),)
    told = facts(knowledge=known, measures=(Measure("left kidney", 40, 50),))
    assert not list(unresolved(told, (("What does it do?", "The left kidney filters blood and makes urine."),)))
    assert not list(unresolved(told, (("How wide is it?", "The left kidney is 40 mm wide."),)))
    assert list(unresolved(facts(), (("What does it do?", "The left kidney makes urine."),)))


def test_sentences_join_to_the_text_again():
    for language, text, count in (
        (EN, "It is 3.5 wide. Is it? Yes!\nAnd so on", 4),
        (ZH, "这是肝脏。对吗？是的！", 3),
        (EN, "One sentence", 1),
        (EN, "", 0),
    ):
        found = sentences(text, language)
        assert "".join(found) == text
        assert len(found) == count


def test_a_sentence_that_the_record_does_not_hold_is_left_out_where_the_rest_is_good(facts):
    good = "The left kidney has a smooth outline. It is brighter than its surroundings."
    turns = (("What is seen?", f"{good} The ureter is dilated."),)
    kept, left_out = without_unresolved(facts(), turns)
    assert kept == (("What is seen?", good),)
    assert left_out == ("The ureter is dilated.",)
    for answer in (
        "The ureter is dilated.",  # nothing would stay
        "The left kidney has a smooth outline. The ureter is dilated. A stone is seen.",  # more than half
        "It is smooth and bright. The left kidney shows a cyst.",  # what stays names no label
    ):
        turns = (("What is seen?", answer),)
        assert without_unresolved(facts(), turns) == (turns, ())
    turns = (("What is seen in this old man?", f"{good} The ureter is dilated."),)  # a question is never shortened
    assert without_unresolved(facts(), turns) == (turns, ())


def test_a_box_of_another_label_makes_no_position_good(facts):
    boxes = (Box("left kidney", (0, 10, 50, 60)),)
    assert list(unresolved(facts(boxes=boxes), (("Where?", "The left kidney lies on the right side of the image."),)))


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("no finding", True), ("normal chest", True), ("clear lungs", True), ("healthy lungs", True),
        ("no pneumonia", True), ("no tumor", False), ("nodule", False), ("clear cell carcinoma", False),
        ("normal heart", False), ("normal fundus", False),
    ],
)  # fmt: skip
def test_lungs_are_clear_where_a_label_holds_it_and_not_where_one_has_such_a_word(toy, annotation_of, label, said):
    for language, text in ((EN, "The lungs are clear."), (ZH, "肺野清晰。")):
        card = toy(labels={"a": {"en": label, "zh": "某某"}}, modality="X-ray", anatomy={"en": "chest", "zh": "胸部"})
        facts = annotation_of(card, label, language)
        found = [each.what for each in unresolved(facts, (("What?", text),)) if "does not say" in each.what]
        assert (not found) == said


@pytest.mark.parametrize(("synonym", "said"), [("No Finding", True), ("no fracture", False)])
def test_a_synonym_of_the_card_holds_it_too(toy, annotation_of, synonym, said):
    card = toy(labels={"a": "unremarkable radiograph"}, synonyms={"a": [synonym]}, modality="X-ray", anatomy="chest")
    facts = annotation_of(card, "unremarkable radiograph", EN)
    found = [each.what for each in unresolved(facts, (("What?", "The lungs are clear."),)) if "not say" in each.what]
    assert (not found) == said


@pytest.fixture
def annotation_of():
    def make(card, label, language):
        record = Annotation(
            id="x", image=b"", width_px=10, height_px=10, modality=card.modality, department=card.department,
            clinical_task=card.clinical_task, anatomy=card.anatomy.en, task=card.task, labels=(label,), absent=(),
            incomplete=(), boxes=(), split=Split.TRAIN, group="g", source="toy", license="MIT", provenance={},
        )  # fmt: skip
        names = LabelNames(card, language)
        return Facts(record, Kind.FREE_INSTRUCTION, language, names, (), (), (), "", (1, 99), (1, 9))

    return make


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        ("In the upper left.", True),
        ("In the lower right corner of the image.", False),
        ("Where is it? It lies in the lower right.", False),
    ],
)
def test_an_answer_without_a_noun_is_held_to_what_was_asked(facts, answer, good):
    box = Box("left kidney", (0, 10, 40, 40))
    told = facts(boxes=(box,))
    told = replace(told, annotation=replace(told.annotation, boxes=(box,)))
    found = list(unresolved(told, [("Where is the left kidney?", answer)]))
    assert (not found) == good, found


def test_foreign_words_of_a_chinese_text_are_resolved(facts):
    told = facts(language=ZH)
    assert not list(unresolved(told, [("请描述。", "CT图像可见左肾，轮廓光滑。")]))
    assert [each.check for each in unresolved(told, [("请描述。", "左肾旁见Bosniak结构。")])] == ["word not resolved"]


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ("{0} lies above {1}.", True),
        ("{0} lies below {1}.", False),
        ("{1} lies below {0}.", True),
        ("{0} is smaller than {1}.", True),
        ("{0} is larger than {1}.", False),
        ("There is {0}, and directly above it runs {1}.", False),
    ],
)
def test_regions_of_one_label_are_held_to_their_own_boxes(facts, said, good):
    boxes = (Box("liver", (100, 100, 200, 200)), Box("liver", (500, 600, 900, 900)))
    made = facts()
    annotation = replace(made.annotation, width_px=1000, height_px=1000)
    references = tuple(box_text(box.label, [box.xyxy], annotation.width_px, annotation.height_px) for box in boxes)
    both = replace(
        made,
        annotation=replace(annotation, labels=("liver",), absent=(), boxes=boxes),
        boxes=boxes,
        references=references,
    )
    found = list(unresolved(both, (("What is shown?", said.format(*references)),)))
    assert (not found) == good, found
