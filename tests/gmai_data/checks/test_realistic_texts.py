"""Texts as models write them about real cards: good ones pass, bad ones are refused for the right reason."""

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.checks.facts import Facts, LabelNames
from gmai_data.checks.written import first_complaint
from gmai_data.sources.cards.catalogue import find_recipe
from gmai_data.vocabulary import Kind, Language, Split
from gmai_formats.rows.box_text import box_text

CAPTION, REGION, FREE, DIALOGUE, TEXT = (
    Kind.IMAGE_CAPTION, Kind.REGION_CAPTION, Kind.FREE_INSTRUCTION, Kind.DIALOGUE, Kind.TEXT_ONLY,
)  # fmt: skip
SIZE_PX = 1000
CELLS = tuple(Box("red blood cell", (100 * n, 10, 100 * n + 90, 90)) for n in range(1, 6))
KIDNEY = Box("left kidney", (600, 400, 700, 550))


def told(card, labels, kind, turns, language=Language.EN, boxes=(), positions=(), source=""):
    """Return (check, what is wrong) of a text, or None."""
    recipe = find_recipe(card)
    present = tuple(recipe.labels[raw].en if raw in recipe.labels else raw for raw in labels)
    absent = tuple(name for name in recipe.label_names if name not in present)
    annotation = Annotation(
        id="a", image=b"", width_px=SIZE_PX, height_px=SIZE_PX, modality=recipe.modality,
        department=recipe.department, clinical_task=recipe.clinical_task, anatomy=recipe.anatomy.en, task=recipe.task,
        labels=present, absent=absent, incomplete=(), boxes=tuple(boxes), split=Split.TRAIN, group="g", source=card,
        license="", provenance={},
    )  # fmt: skip
    names = {box.label: recipe.chinese(box.label) if language == Language.ZH else box.label for box in boxes}
    references = tuple(box_text(names[box.label], [box.xyxy], SIZE_PX, SIZE_PX) for box in boxes)
    facts = Facts(
        annotation, kind, language, LabelNames(recipe, language), tuple(boxes), references, tuple(positions), source,
        (2, 400), (1, 5),
    )  # fmt: skip
    return first_complaint(facts, tuple(turns))


def ref(box, name=""):
    return box_text(name or box.label, [box.xyxy], SIZE_PX, SIZE_PX)


def caption(answer, question="What does this picture show?"):
    return [(question, answer)]


def caption_zh(answer, question="请描述这幅图像的内容。"):
    return [(question, answer)]


ZH = Language.ZH
GOOD = {
    "another finding denied before it": (
        "chestxray14", ["Effusion"], CAPTION,
        caption("An X-ray of the chest. No pneumothorax is seen, and a pleural effusion veils part of it."),
    ),
    "a list of denials": (
        "chestxray14", ["Cardiomegaly"], CAPTION,
        caption("Chest X-ray with cardiomegaly. There is no pleural effusion, pneumothorax or consolidation."),
    ),
    "denied behind its name": (
        "chestxray14", ["Nodule"], CAPTION,
        caption("An X-ray of the chest with a nodule; pleural effusion is not seen and a mass is absent."),
    ),
    "British spelling, plural": (
        "chestxray14", ["Edema", "Nodule"], CAPTION,
        caption("This chest radiograph shows oedema of the lungs together with nodules."),
    ),
    "plural of Latin": (
        "chestxray14", ["Pneumothorax"], CAPTION, caption("Chest X-ray showing pneumothoraces beside the lungs."),
    ),
    "not enlarged is no denial": (
        "totalsegmentator-mr", ["3"], CAPTION,
        caption("MR slice of the abdomen. The left kidney is not round and its outline is smooth."),
    ),
    "a comparison": (
        "ham10000", ["nv"], FREE,
        caption("A melanocytic nevus. Unlike melanoma, it has an even colour and a regular border."),
    ),
    "normal words beside a normal class": (
        "octdl", ["DME"], CAPTION,
        caption("OCT of the retina with diabetic macular edema: the layers lose their even contour."),
    ),
    "gastric fundus": (
        "kvasir-v2", ["polyps"], FREE,
        caption("Endoscopy of the gastrointestinal tract: a polyp with a smooth surface and a broad base."),
    ),
    "absence in other words": (
        "pneumoniamnist", ["0"], CAPTION,
        caption("X-ray of the chest without any sign of pneumonia; the lungs are clear."),
    ),
    "no tumour": (
        "brain-tumor-mri", ["notumor"], CAPTION, caption("An MRI of the brain in which no tumour can be seen."),
    ),
    "a background that is none of the classes": (
        "pathmnist", ["5"], CAPTION,
        caption("Histopathology of colorectal tissue: smooth muscle fibres on a pale background."),
    ),
    "dimensions": (
        "totalsegmentator-mr", ["5"], FREE,
        caption("This is a 2D slice of a 3D MR volume; the liver fills most of it."),
    ),
    "a teacher says should see": (
        "totalsegmentator-mr", ["5"], DIALOGUE,
        [("What kind of image is it?", "It is an MR image."),
         ("I cannot identify the large organ, what is it?", "You should see the liver there, the largest structure.")],
    ),
    "the provided image": (
        "bccd", ["WBC"], DIALOGUE,
        [("Based on the provided image, which cell is stained?", "A white blood cell, stained purple."),
         ("How was it made?", "By microscopy of a blood smear.")],
    ),
    "not another modality": (
        "totalsegmentator-mr", ["1"], FREE,
        caption("This is an MR image and not a CT; the spleen is bright in it.", "Which method is this?"),
    ),
    "X-rays that a CT is made of": (
        "phantom-ct", ["1"], TEXT,
        caption("CT measures how X-rays are weakened from many directions, which makes the liver stand out.",
                "A CT of the abdomen shows the liver. Why can it be seen?"),
    ),
    "a text compares methods": (
        "phantom-ct", ["1"], TEXT,
        caption("CT is fast and shows the liver well; MRI and ultrasound contrast soft tissue otherwise.",
                "A CT of the abdomen shows the liver. What is CT good for?"),
    ),
    "one sentence a box": (
        "bccd", ["RBC"], REGION,
        caption(" ".join(f"{ref(box)} is a round pale cell in the upper left part." for box in CELLS),
                "What is inside these boxes?"),
        Language.EN, CELLS, ("upper left",),
    ),
    "laterality of the label": (
        "totalsegmentator-mr", ["3", "2"], CAPTION,
        caption("MR of the abdomen: the left kidney and the right kidney, both kidneys of like size."),
    ),
    "a region with its side": (
        "totalsegmentator-mr", ["3"], REGION,
        caption(f"In the middle right part of the image lies {ref(KIDNEY)}, a bean-shaped organ."),
        Language.EN, (KIDNEY,), ("middle right",),
    ),
    "not only": (
        "kits21", ["1", "2"], CAPTION,
        caption("CT of the abdomen that shows not only the kidney but also a kidney tumour in it."),
    ),
    "without in the same sentence": (
        "ham10000", ["mel"], CAPTION,
        caption("Dermoscopy of the skin without bright spots, showing a melanoma with an irregular network."),
    ),
    "Chinese OCT": (
        "octdl", ["DME"], CAPTION, caption_zh("这是一张视网膜的OCT图像，可见糖尿病性黄斑水肿，中央凹增厚。"), ZH,
    ),
    "Chinese, all around": (
        "chestxray14", ["Mass"], CAPTION, caption_zh("胸部X线片，可见肿块，四周可见清楚的边缘，密度均匀。"), ZH,
    ),
    "Chinese, a short question and answer": (
        "totalsegmentator-mr", ["5"], DIALOGUE,
        [("是CT还是MRI？", "MRI。"), ("图中最大的器官是什么？", "是肝脏，轮廓光滑，信号均匀。")], ZH,
    ),
    "Chinese, nothing abnormal about an organ": (
        "totalsegmentator-mr", ["5"], CAPTION, caption_zh("腹部磁共振图像，肝脏未见高信号区，轮廓光滑。"), ZH,
    ),
    "Chinese, another finding denied": (
        "chestxray14", ["Effusion"], CAPTION, caption_zh("胸部X线片，未见气胸及实变，可见胸腔积液。"), ZH,
    ),
    "Chinese, absence in other words": (
        "pneumoniamnist", ["0"], CAPTION, caption_zh("胸部X线片，双肺清晰，未见肺炎。"), ZH, (), ("bilateral",),
    ),
    "Chinese, full-width digits of the source": (
        "phantom-ct", ["1"], TEXT,
        [("我咳嗽３天了，需要注意什么？", "咳嗽3天，可以多饮水并注意休息。肝脏情况稳定。")], ZH, (), (),
        "咳嗽三天 肝脏",
    ),
    "a stained structure": (
        "kvasir-v2", ["dyed-lifted-polyps"], CAPTION,
        caption("Endoscopy of the gastrointestinal tract with a dyed and lifted polyp; the polyp has a blue rim."),
    ),
    "what one screens for": (
        "brain-tumor-mri", ["notumor"], FREE,
        caption("What one looks for is a brain tumor; there is no tumor in this MRI."),
    ),
    "Chinese, a comparison": (
        "ham10000", ["mel"], CAPTION,
        caption_zh("皮肤镜图像，显示黑色素瘤。与黑素细胞痣不同，其色素网络粗大而紊乱。"), ZH,
    ),
    "Chinese, a name within another": (
        "aptos2019", ["1"], CAPTION,
        caption_zh("眼底照相，可见轻度非增殖性糖尿病视网膜病变，即非增殖性糖尿病视网膜病变的一种。"), ZH,
    ),
    "both of a pair": (
        "totalsegmentator-mr", ["2", "3", "5"], CAPTION,
        caption("MR of the abdomen: both kidneys have a smooth outline, and so has the liver."),
    ),
    "left and right of a pair": (
        "totalsegmentator-mr", ["2", "3"], CAPTION, caption("MR of the abdomen with the left and right kidneys."),
    ),
    "Chinese, both of a pair": (
        "totalsegmentator-mr", ["2", "3", "5"], CAPTION,
        caption_zh("腹部磁共振图像，可见肝脏及双肾，双侧肾轮廓光滑。"), ZH,
    ),
    "a title that is none": (
        "bccd", ["Platelets"], CAPTION,
        caption("Microscopy of a blood smear: platelets lie between the cells, stained violet and well apart."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_texts_pass(name):
    assert told(*GOOD[name]) is None


BAD = {
    "denied": ("label contradicted", "chestxray14", ["Effusion"], CAPTION,
               caption("Chest X-ray with no evidence of pleural effusion on it.")),
    "denied behind": ("label contradicted", "chestxray14", ["Effusion"], CAPTION,
                      caption("Chest X-ray; pleural effusion is not present here.")),
    "denied with n't": ("label contradicted", "totalsegmentator-mr", ["5"], CAPTION,
                        caption("An MR image of the abdomen that doesn't show the liver.")),
    "denied as invisible": ("label contradicted", "totalsegmentator-mr", ["5"], CAPTION,
                            caption("An MR image of the abdomen; the liver cannot be seen in it.")),
    "stated though absent": ("label contradicted", "chestxray14", ["Effusion"], CAPTION,
                             caption("Chest X-ray with pleural effusion and pneumothorax.")),
    "the other kidney": ("label contradicted", "totalsegmentator-mr", ["3"], CAPTION,
                         caption("MR of the abdomen with the left kidney and the right kidney."), Language.EN, (),
                         ("right",)),
    "both where one is": ("label contradicted", "totalsegmentator-mr", ["3"], CAPTION,
                          caption("MR of the abdomen: the left kidney, indeed both kidneys, are visible.")),
    "Chinese, both where one is": ("label contradicted", "totalsegmentator-mr", ["3"], CAPTION,
                                   caption_zh("腹部磁共振图像，可见左侧肾，双肾轮廓光滑。"), ZH),
    "pneumonia where there is none": ("label contradicted", "pneumoniamnist", ["0"], FREE,
                                      caption("No pneumonia was there, but now a pneumonia of the lung is visible.")),
    "none where there is a tumour": ("label contradicted", "brain-tumor-mri", ["glioma"], CAPTION,
                                     caption("An MRI of the brain with a glioma. There is no tumour in it.")),
    "a tumour where there is none": ("label contradicted", "brain-tumor-mri", ["notumor"], FREE,
                                     caption("No tumor of the skull, but a tumor of large extent in the brain.")),
    "not named": ("label not mentioned", "chestxray14", ["Effusion"], CAPTION,
                  caption("A frontal chest X-ray of good quality with clear borders.")),
    "named only as no disease": ("label not mentioned", "pneumoniamnist", ["0"], CAPTION,
                                 caption("An X-ray of the chest with clear lungs and a heart of usual shape.")),
    "another modality": ("modality contradicted", "totalsegmentator-mr", ["5"], CAPTION,
                         caption("A CT scan of the abdomen that shows the liver.")),
    "another modality in the question": ("modality contradicted", "kvasir-v2", ["polyps"], CAPTION,
                                         caption("A polyp of the gastrointestinal tract.", "What shows this MRI?")),
    "fundus photograph of a stomach": ("modality contradicted", "kvasir-v2", ["polyps"], CAPTION,
                                       caption("A fundus photograph in which a polyp is seen.")),
    "a size": ("number invented", "ham10000", ["mel"], CAPTION, caption("Dermoscopy with a melanoma of 6 mm.")),
    "a size in words": ("number invented", "ham10000", ["mel"], CAPTION,
                        caption("Dermoscopy with a melanoma three millimetres wide.")),
    "an age": ("number invented", "chestxray14", ["Nodule"], CAPTION,
               caption("Chest X-ray of a 54-year-old person with a nodule.")),
    "a side": ("side invented", "chestxray14", ["Effusion"], CAPTION,
               caption("Chest X-ray with a pleural effusion of the left side.")),
    "a box moved": ("boxes", "totalsegmentator-mr", ["3"], REGION,
                    caption("There lies <ref>left kidney</ref><box>[[601, 400, 700, 550]]</box> in it."), Language.EN,
                    (KIDNEY,), ("middle right",)),
    "a box of another label": ("boxes", "totalsegmentator-mr", ["3"], REGION,
                               caption(ref(KIDNEY).replace("left kidney", "spleen")), Language.EN, (KIDNEY,),
                               ("middle right",)),
    "a refusal": ("refusal", "ham10000", ["mel"], CAPTION,
                  caption("I'm sorry, but I can't help with medical images such as melanoma.")),
    "talk of the record": ("meta talk", "ham10000", ["mel"], CAPTION,
                           caption("According to the labels this dermoscopy shows a melanoma.")),
    "advice": ("advice", "ham10000", ["mel"], CAPTION,
               caption("Dermoscopy of a melanoma. You should see a dermatologist soon.")),
    "a name": ("identifier", "chestxray14", ["Nodule"], CAPTION,
               caption("Chest X-ray with a nodule. Patient name: Jane Roe.")),
    "the same again": ("repetition", "ham10000", ["mel"], CAPTION,
                       caption("The melanoma has an irregular border. The melanoma has an irregular border.")),
    "Chinese, denied": ("label contradicted", "chestxray14", ["Effusion"], CAPTION,
                        caption_zh("胸部X线片，未见明显胸腔积液。"), ZH),
    "Chinese, denied behind": ("label contradicted", "totalsegmentator-mr", ["5"], CAPTION,
                               caption_zh("腹部磁共振图像，肝脏未显示。"), ZH),
    "Chinese, stated though absent": ("label contradicted", "chestxray14", ["Effusion"], CAPTION,
                                      caption_zh("胸部X线片，可见胸腔积液和气胸。"), ZH),
    "Chinese, a size": ("number invented", "ham10000", ["mel"], CAPTION,
                        caption_zh("皮肤镜图像，可见黑色素瘤，约三厘米大小。"), ZH),
    "Chinese, full-width size": ("number invented", "ham10000", ["mel"], CAPTION,
                                 caption_zh("皮肤镜图像，可见黑色素瘤，约１２毫米。"), ZH),
    "Chinese, a side": ("side invented", "chestxray14", ["Effusion"], CAPTION,
                        caption_zh("胸部X线片，左侧可见胸腔积液。"), ZH),
    "Chinese, another modality": ("modality contradicted", "octdl", ["DME"], CAPTION,
                                  caption_zh("这是一张视网膜的CT图像，可见糖尿病性黄斑水肿。"), ZH),
    "Chinese, a name": ("identifier", "chestxray14", ["Nodule"], CAPTION,
                        caption_zh("王先生的胸部X线片，可见结节。"), ZH),
    "Chinese, a day": ("identifier", "chestxray14", ["Nodule"], CAPTION,
                       caption_zh("胸部X线片，摄于3月14日，可见结节。"), ZH),
    "Chinese, English answer": ("language", "chestxray14", ["Nodule"], DIALOGUE,
                                [("请描述图像。", "A chest radiograph shows a nodule.")], ZH),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_texts_are_refused_for_the_right_reason(name):
    check, *text = BAD[name]
    found = told(*text)
    assert found is not None
    assert found[0] == check, found
