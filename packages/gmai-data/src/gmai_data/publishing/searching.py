"""`gmai data recipes list` and `search`: the cards that say something, and datasets that are known beside them."""

import dataclasses
import difflib
import functools
import itertools
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmai_cli.console import say, table
from gmai_formats.errors import UserError, did_you_mean

from gmai_data.publishing.licences import may_be_sold, reason_to_refuse
from gmai_data.sources.cards.summaries import (
    NO_PUBLIC_DATASET,
    Known,
    Summary,
    card_of,
    cards_by_name,
    known_datasets,
    summaries,
)
from gmai_data.sources.download_size import UNIT, bytes_of
from gmai_data.sources.licence import is_stated
from gmai_data.vocabulary import CHINESE, ClinicalTask, Department, Modality, Task

_SHOWN_KNOWN = 20
_WITH_DOWNLOAD = 100
"""Columns of a terminal that has room for the size to download, too."""
_LEAST = 7
"""Characters that a column keeps however narrow the terminal is."""
_ALTERNATIVES: dict[str, tuple[tuple[str, ...], ...]] = {
    "mri": (("mr",),),
    "fmri": (("mr", "functional"), ("fmri",)),
    "cxr": (("x ray", "chest"), ("x ray", "lung"), ("x ray", "thorax")),
    "mammogram": (("x ray", "breast"),),
    "mammography": (("x ray", "breast"),),
    "mammo": (("x ray", "breast"),),
    "eye": (("ophthalmology",), ("retina",), ("fundus",)),
    "heart": (("heart",), ("cardiac",), ("cardiovascular",)),
    "cardiac": (("heart",), ("cardiac",)),
    "brain": (("brain",), ("cerebral",)),
    "kidney": (("kidney",), ("renal",)),
    "renal": (("kidney",), ("renal",)),
    "liver": (("liver",), ("hepatic",)),
    "hepatic": (("liver",), ("hepatic",)),
    "lung": (("lung",), ("pulmonary",)),
    "skin": (("skin",), ("dermatology",)),
    "chest": (("chest",), ("thorax",)),
    "thorax": (("chest",), ("thorax",)),
    "spine": (("spine",), ("vertebra",), ("spinal",)),
    "cancer": (("cancer",), ("carcinoma",), ("tumor",), ("malignant",)),
    "tumor": (("tumor",), ("cancer",), ("carcinoma",), ("neoplasm",)),
    "qa": (("text",),),
    "dr": (("diabetic", "retinopathy"), ("dr",)),
    "colonoscopy": (("endoscopy", "polyp"), ("endoscopy", "colon"), ("endoscopy", "bowel"), ("colonoscopy",)),
    "dental": (("dental",), ("tooth",), ("teeth",), ("panoramic",)),
    "tooth": (("tooth",), ("teeth",), ("dental",)),
    "hemorrhage": (("hemorrhage",), ("bleeding",)),
    "ich": (("intracranial", "hemorrhage"), ("brain", "hemorrhage"), ("ich",)),
    "tb": (("tuberculosis",), ("tb",)),
    "amd": (("macular degeneration",), ("amd",)),
    "dme": (("macular edema",), ("dme",)),
    "ild": (("interstitial lung disease",), ("ild",)),
    "copd": (("chronic obstructive pulmonary disease",), ("copd",)),
    "gbm": (("glioblastoma",), ("gbm",)),
    "glioblastoma": (("glioblastoma",), ("gbm",)),
    "hcc": (("hepatocellular carcinoma",), ("hcc",)),
    "cta": (("ct", "vessel"), ("ct", "artery"), ("cta",)),
    "mra": (("mr", "vessel"), ("mr", "artery"), ("mra",)),
    "angiography": (("angiography",), ("angiogram",)),
    "abdominal": (("abdominal",), ("abdomen",)),
    "stomach": (("stomach",), ("gastric",)),
    "gastric": (("gastric",), ("stomach",)),
    "surgery": (("surgery",), ("surgical",)),
    "biopsy": (("biopsy",), ("histopathology",)),
    "cytology": (("cytology",), ("microscopy", "cell")),
    "dementia": (("dementia",), ("alzheimer",)),
    "echo": (("echocardiography",), ("ultrasound", "heart"), ("ultrasound", "cardiac")),
    "echocardiography": (("echocardiography",), ("ultrasound", "heart"), ("ultrasound", "cardiac")),
    "tomosynthesis": (("tomosynthesis",), ("dbt",)),
    "dbt": (("tomosynthesis",), ("dbt",)),
    "oar": (("organ at risk",), ("radiotherapy",)),
    "npc": (("nasopharynx",),),
    "panoramic": (("panoramic",), ("dental", "x ray")),
    "ms": (("multiple sclerosis",), ("ms",)),
    "mets": (("metastasis",), ("metastases",)),
    "metastasis": (("metastasis",), ("metastases",), ("metastatic",)),
    "bounding": (("detection",), ("bounding",)),
    "box": (("detection",), ("box",)),
    "boxe": (("detection",), ("box",)),
    "胸片": (("x ray", "chest"),),
    "seg": (("segmentation",), ("seg",)),
    "det": (("detection",), ("det",)),
    "cls": (("classification",), ("cls",)),
    "bleed": (("hemorrhage",), ("bleeding",)),
    "head": (("head",), ("brain",), ("intracranial",), ("skull",)),
    "child": (("pediatric",), ("child",), ("infant",), ("neonatal",)),
    "kid": (("pediatric",), ("child",), ("infant",), ("neonatal",)),
    "pediatric": (("pediatric",), ("child",), ("infant",), ("neonatal",)),
    "wbc": (("white blood cell",), ("leukocyte",), ("blood cell",)),
    "rbc": (("red blood cell",), ("erythrocyte",), ("blood cell",)),
    "multi-organ": (("organ",),),
    "multiorgan": (("organ",),),
    "assessment": (("assessment",), ("grading",)),
    "patch": (("patch",), ("histopathology",)),
    "laparoscopy": (("laparoscopy",), ("laparoscopic",), ("surgical", "endoscopy")),
    "cystoscopy": (("cystoscopy",), ("endoscopy", "bladder")),
    "fetoscopy": (("fetoscopy",), ("fetoscopic",), ("endoscopy", "placenta"), ("endoscopy", "fetal")),
    "gastroscopy": (("gastroscopy",), ("endoscopy", "stomach"), ("endoscopy", "polyp")),
    "nc": (("nc",), ("non commercial",)),
}
"""A word of a question ▶ the ways to be found by it, each of words that must all be said."""
_ENGLISH: dict[str, str] = {
    "脑": "brain", "颅内": "intracranial", "头颅": "head", "心脏": "heart", "心": "heart",
    "肺": "lung", "胸": "chest", "肝": "liver", "肝脏": "liver", "肾": "kidney",
    "肾脏": "kidney", "胃": "gastric", "胰腺": "pancreas", "胆囊": "gallbladder",
    "脾": "spleen", "肠": "colon", "结肠": "colon", "结直肠": "colorectal", "前列腺": "prostate",
    "膀胱": "bladder", "子宫": "uterus", "宫颈": "cervical", "胎儿": "fetal", "乳腺": "breast",
    "甲状腺": "thyroid", "皮肤": "skin", "眼": "eye", "视网膜": "retina", "牙": "tooth",
    "牙齿": "tooth", "口腔": "oral", "骨": "bone", "膝": "knee", "膝关节": "knee", "脊柱": "spine",
    "椎体": "vertebra", "肌肉": "muscle", "血管": "vessel", "动脉": "artery", "主动脉": "aorta",
    "乳腺癌": "breast cancer", "切片": "histopathology", "造影": "angiography",
    "小儿": "pediatric", "儿童": "pediatric",
    "淋巴结": "lymph node", "细胞": "cell", "细胞核": "nucleus", "肿瘤": "tumor", "癌": "cancer",
    "瘤": "tumor", "转移": "metastasis", "出血": "hemorrhage", "梗死": "infarct",
    "卒中": "stroke", "结节": "nodule", "肺炎": "pneumonia", "结核": "tuberculosis",
    "骨折": "fracture", "息肉": "polyp", "新冠": "covid", "青光眼": "glaucoma",
    "白内障": "cataract", "黑色素瘤": "melanoma", "胶质瘤": "glioma", "疟疾": "malaria",
    "手术": "surgical", "器械": "instrument", "钼靶": "mammography", "X光": "x ray", "x光": "x ray", "核磁": "mr",
    "腹部": "abdomen", "盆腔": "pelvis", "头颈": "head and neck", "淋巴瘤": "lymphoma", "白血病": "leukemia",
    "气胸": "pneumothorax", "痴呆": "dementia", "分级": "grading", "胸部": "chest", "心动图": "echo",
    "冠脉": "coronary", "冠状动脉": "coronary artery", "糖网": "dr", "糖尿病": "diabetic",
    "视网膜病变": "retinopathy", "骨龄": "bone age", "全景片": "panoramic", "口腔全景片": "dental panoramic",
    "食管": "esophagus",
    "食道": "esophagus", "鼻咽": "nasopharyngeal", "卵巢": "ovarian", "喉": "larynx", "耳": "ear", "伤口": "wound",
    "精子": "sperm", "斑块": "plaque", "狭窄": "stenosis", "栓塞": "embolism", "动脉瘤": "aneurysm",
    "硬化": "sclerosis", "黄斑": "macula", "水肿": "edema", "多器官": "organ", "器官": "organ", "病灶": "lesion",
    "病变": "lesion", "膝盖": "knee", "髋": "hip", "骨盆": "pelvis", "肺部": "lung", "脑部": "brain", "眼部": "eye",
    "计数": "counting", "报告": "report", "问答": "qa", "涂片": "smear", "穿刺": "biopsy", "活检": "biopsy",
    "阿尔茨海默病": "alzheimer", "阿尔兹海默": "alzheimer", "X射线": "x ray", "x射线": "x ray",
    "骨关节炎": "osteoarthritis", "关节炎": "arthritis", "脊椎": "spine", "椎骨": "vertebra", "白细胞": "wbc",
    "红细胞": "rbc", "血细胞": "blood cell", "胃镜": "gastroscopy", "肠镜": "colonoscopy", "腹腔镜": "laparoscopy",
    "肿块": "mass", "评估": "assessment", "质量": "quality", "非商业": "nc", "非商用": "nc", "非商业使用": "nc",
    "非商业用途": "nc", "智能手机": "smartphone", "手机": "smartphone", "框": "box", "边界框": "box",
    "上肢": "upper limb",
    "视盘": "optic disc", "视杯": "optic cup", "左心室": "left ventricle", "右心室": "right ventricle",
    "全身": "whole body", "幽门": "pylorus", "直肠": "rectum", "肺癌": "lung cancer", "头部": "head",
}  # fmt: skip
"""A Chinese word of a question ▶ English, for what has no Chinese names; a longer word may consist of several."""
_SAID_FOR: dict[str, tuple[str, ...]] = {
    Modality.CT: ("computed tomography", "计算机断层扫描"),
    Modality.MR: ("magnetic resonance imaging", "磁共振", "核磁共振"),
    Modality.X_RAY: ("xray", "radiograph", "radiography", "X线", "平片"),
    Modality.HISTOPATHOLOGY: ("histology", "pathology", "whole slide image", "wsi", "病理"),
    Modality.DERMOSCOPY: ("dermatoscopy",),
    Modality.MICROSCOPY: ("显微",),
    Modality.PET: ("positron emission tomography", "正电子发射断层扫描"),
    Modality.FUNDUS: ("cfp", "retinal photography", "眼底", "眼底照片"),
    Modality.ULTRASOUND: ("us", "sonography", "echography", "超声波", "B超"),
    Modality.ENDOSCOPY: ("endoscope", "内镜"),
    Modality.OCT: ("optical coherence tomography",),
    Modality.INFRARED: ("slo", "红外"),
    Modality.COLPOSCOPY: (),
    Modality.PHOTOGRAPHY: ("photograph", "photo", "smartphone", "照片"),
    Task.CLASSIFICATION_2D: ("classification", "分类"),
    Task.DETECTION_2D: ("detection", "检测"),
    Task.SEGMENTATION_2D: ("segmentation", "分割"),
    Task.CLASSIFICATION_3D: ("classification", "分类"),
    Task.SEGMENTATION_3D: ("segmentation", "分割"),
    Task.TEXT: ("文本",),
}
"""Entry of a vocabulary ▶ what else it is called."""
_CHINESE: dict[str, str] = {str(entry): name for entry, name in CHINESE.items()}
_SPELLINGS = (("tumour", "tumor"), ("oedema", "edema"), ("haem", "hem"), ("paed", "ped"), ("oesoph", "esoph"))
_SINGULARS = {
    "vertebrae": "vertebra", "nuclei": "nucleus", "metastases": "metastasis", "glomeruli": "glomerulus",
    "teeth": "tooth", "children": "child", "stenoses": "stenosis", "infarction": "infarct", "ovarian": "ovary",
    "placental": "placenta", "atrial": "atrium", "uterine": "uterus", "retinal": "retina", "corneal": "cornea",
    "esophageal": "esophagus", "pancreatic": "pancreas", "vertebral": "vertebra", "nasopharyngeal": "nasopharynx",
    "laryngeal": "larynx", "testicular": "testis", "aortic": "aorta", "prostatic": "prostate", "femoral": "femur",
    "cerebellar": "cerebellum", "hippocampal": "hippocampus", "tracheal": "trachea", "mediastinal": "mediastinum",
}  # fmt: skip
"""A plural that no ending tells, or what is said of an organ ▶ the word that it is searched for by."""
_PHRASES: dict[str, dict[str, Any]] = {
    **{
        word: {"publishable": True}
        for word in (
            "may be published",
            "publishable",
            "可发布",
            "可以发布",
            "free licence",
            "free license",
            "open licence",
            "open license",
        )
    },
    **{word: {"commercial": True} for word in ("commercial use", "commercially usable", "商业使用", "可商用", "商用")},
    **{
        word: {"access": "open"}
        for word in ("open access", "openly available", "no registration", "开放获取", "免注册")
    },
}
"""What a question may say of licence and access ▶ the filter that it means."""
_NOT_DENIED = "".join(
    f"(?<!{word})" for word in ("non", "non[- ]", "no ", "not ", "not for ", "不", "非", "不可", "不能", "不得", "禁止")
)
"""What stands before such a phrase where it is meant: of "non-commercial use" its words are searched for."""
_FILLERS = frozenset({
    "a", "an", "and", "annotated", "annotation", "annotations", "any", "are", "at", "by", "data", "database",
    "dataset", "datasets", "find", "for", "from", "have", "how", "i", "id", "ids", "image", "images", "in", "is",
    "it", "labeled", "labelled", "licence", "license", "licences", "licenses", "many", "me", "need", "of", "on",
    "or", "patient", "patients", "picture", "pictures", "published", "publicly", "public", "set", "sets", "show",
    "that", "the", "there", "to", "under", "vs", "want", "what", "which", "with", "的", "数据", "数据集", "公开",
})  # fmt: skip
"""Words of a question that say nothing about what is asked for."""
_ASKED_IN_CHINESE = re.compile(r"有没有|有哪些|哪些|我(?:想)?要|我?需要|寻找|查找|请问|数据集?|公开的?|图像|图片")
"""What a question in Chinese is asked with, where no blank parts it from what it asks for."""
_HAS_LATIN = re.compile(r"[\u3400-\u9fff][a-z]{2}|[a-z]{2}[\u3400-\u9fff]")
_SIGNS: dict[str, str] = {
    **dict.fromkeys(("more than", "over", "大于", "超过", "多于"), ">"),
    **dict.fromkeys(("less than", "fewer than", "under", "小于", "少于", "不到"), "<"),
    **dict.fromkeys(("at least", "至少", "不少于"), ">="),
    **dict.fromkeys(("at most", "up to", "no more than", "至多", "最多", "不超过"), "<="),
}
_BETWEEN = re.compile(r"\bbetween\s+([\d,.]+k?)\s+and\s+([\d,.]+k?)", re.IGNORECASE)
_BETWEEN_SIZES = re.compile(rf"\bbetween\s+([\d,.]+)\s*({UNIT})?\s+and\s+([\d,.]+)\s*({UNIT})(?![\w])", re.IGNORECASE)
_ONE_WORD = (
    (re.compile(r"\bx rays?\b", re.IGNORECASE), "x-ray"),
    (re.compile(r"\bnon[- ]?commercial(?: use)?\b", re.IGNORECASE), "nc"),
    (re.compile(r"\boptic nerve heads?\b", re.IGNORECASE), "optic disc"),
    (re.compile(r"\bh ?& ?e\b", re.IGNORECASE), "histopathology"),
)
"""What is one word of a question, however it is written."""
_CREATIVE_COMMONS = re.compile(
    r"(?<![\w-])(cc0|cc[- ]by(?:[- ](?:nc|sa|nd)\b)*)(?:[- ]\d\.\d)?(?![\w-])", re.IGNORECASE
)
_TIMES = {"": 1, "k": 1000, "千": 1000, "万": 10_000}
_SIZE = re.compile(
    rf"(?:^|\s)(>=|<=|>|<|{'|'.join(_SIGNS)})\s*(\d{{1,3}}(?:,\d{{3}}){{1,4}}|\d{{1,12}}(?:\.\d+)?)\s*([k千万]?)"
    r"(?:\s*(?:items|images|pictures|cases|volumes|patients|张|例|个|幅))?(?=\s|$)",
    re.IGNORECASE,
)
_DOWNLOAD = re.compile(
    rf"(?:^|\s)(>=|<=|>|<|{'|'.join(_SIGNS)})\s*(\d{{1,3}}(?:,\d{{3}})+|\d{{1,12}}(?:\.\d+)?)\s*({UNIT})"
    r"(?:\s*(?:downloads?|to download))?(?!\w)",
    re.IGNORECASE,
)
"""What a question says of the size to download: a number with a unit of bytes."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a card must have to be listed; None and empty ask for nothing."""

    modality: str | None = None
    department: str | None = None
    clinical_task: str | None = None
    task: str | None = None
    license: str | None = None
    license_is: tuple[str, ...] = ()
    """Licences of Creative Commons without their version, one of which is wanted: CC-BY, and not CC-BY-NC."""
    publishable: bool = False
    commercial: bool = False
    """Whether the licence lets others pass on what is made of the data, and sell it."""
    access: str | None = None
    min_items: int | None = None
    max_items: int | None = None
    min_download: int | None = None
    max_download: int | None = None
    """Bytes. What states no size has neither at least nor at most that much."""

    def holds(self, card: Summary) -> bool:
        """Return whether a card has all of it.

        Raises:
            UserError: A word that is in no vocabulary.
        """
        asked = (
            (self.modality, card.modality, Modality),
            (self.department, card.department, Department),
            (self.clinical_task, card.clinical_task, ClinicalTask),
            (self.task, card.task, Task),
        )
        for word, value, vocabulary in asked:
            if word is not None and value not in _meant(word, [str(entry) for entry in vocabulary]):
                return False
        if self.license is not None and _words(self.license) not in _words(card.license):
            return False
        if self.license_is and not _is_one_of(card.license, self.license_is):
            return False
        if self.publishable and not may_be_published(card):
            return False
        if self.commercial and not may_be_sold({"license": card.license, "redistribution": card.redistribution}):
            return False
        if self.access is not None and card.access != self.access:
            return False
        if not self._holds_download(card):
            return False
        if self.min_items is not None and (card.items is None or card.items < self.min_items):
            return False
        return self.max_items is None or (card.items is not None and card.items <= self.max_items)

    def _holds_download(self, card: Summary) -> bool:
        if self.min_download is None and self.max_download is None:
            return True
        size = card.download_bytes
        return (
            size is not None
            and (self.min_download or 0) <= size
            and (self.max_download is None or size <= self.max_download)
        )

    def without_download(self) -> "Filters":
        """Return the filters without those of the size to download."""
        return dataclasses.replace(self, min_download=None, max_download=None)


def download_limit(option: str, size: str | None) -> int | None:
    """Return a size that an option gives, in bytes.

    Raises:
        UserError: It is no number with a unit.
    """
    if size is None:
        return None
    try:
        return bytes_of(size)
    except ValueError as error:
        raise UserError(f"{option} {error}.") from error


def _is_one_of(said: str, asked: Sequence[str]) -> bool:
    """Return whether what is said of a licence is one of those of Creative Commons that are asked for."""
    name = re.sub(r"[\s-]+", "-", said.upper())
    return any(re.fullmatch(rf"{licence}(-\d\.\d)?(-\(.*)?", name) for licence in asked)


def _meant(word: str, entries: list[str]) -> list[str]:
    """Return the entries of a vocabulary that a word names: in English or Chinese, whole or by one of its words."""
    exact = [entry for entry in entries if entry.lower() == word.lower()]
    alternatives = _ALTERNATIVES.get(word.lower(), ((word,),))
    texts = {entry: _text(entry, _CHINESE.get(entry, ""), *_SAID_FOR.get(entry, ())) for entry in entries}
    found = exact or [
        entry for entry, text in texts.items() if any(all(_says(text, each) for each in way) for way in alternatives)
    ]
    if not found:
        hint = did_you_mean(word, entries).partition(" Known:")[0]
        raise UserError(f'"{word}" names none of: {", ".join(entries)}.{hint}')
    return found


def may_be_published(card: Summary) -> bool:
    """Return whether the licence lets others pass on what is made of the data."""
    return reason_to_refuse({"license": card.license, "redistribution": card.redistribution}) is None


def print_recipes(
    words: str = "", filters: Filters | None = None, *, as_json: bool = False, every: bool = False
) -> None:
    """Print the bundled cards that say all of the words and pass the filters; with words, known datasets, too.

    Args:
        words: A question: whole words, in English or Chinese; `>1000`, `<=500` ask for the number of items, `<50 GB`
            for the size to download, and `may be published` for the licence.
        filters: What else must hold.
        as_json: Print a list of objects in place of a table.
        every: Print all known datasets that are found, not the first of them.

    Raises:
        UserError: Nothing is found, or a filter is in no vocabulary.
    """
    filters, rest = _with_asked(filters or Filters(), words)
    cards = summaries()
    asked = _terms(rest)
    names = cards_by_name(cards)
    plain = dataclasses.replace(filters, license_is=()) == Filters()
    texts = [(card, _text_of_card(card)) for card in cards if filters.holds(card)]
    others = [
        (each, _text_of_known(each))
        for each in (known_datasets() if words and plain else ())
        if not filters.license_is or _is_one_of(each.license, filters.license_is)
    ]
    if asked and not any(_answers(text, asked) for _, text in (*texts, *others)):
        _refuse_for_filters(words, asked, cards, filters)
        asked = _spelled(asked, texts, others)
    near = asked
    if asked and not any(_answers(text, asked) for _, text in texts):
        said = any(_answers(text, asked) for _, text in others)
        # What no card says at all is not left out where a known dataset answers: of OCTA, no other vessels.
        if not said or all(any(_answers(text, [term]) for _, text in texts) for term in asked):
            near = _nearest(asked, [text for _, text in texts])
        if near == asked and not said:
            near = _nearest(asked, [text for _, text in others])
        asked = asked if said else near
    # What is known of a dataset may say more than its card: of sperm heads, that it is about morphology.
    known = [(each, card_of(each, names)) for each, text in others if _answers(text, asked)]
    found = [card for card, text in texts if _answers(text, near)]
    if not found:
        named = {card for _, card in known}
        found = [card for card, _ in texts if card.name in named]
    if near:
        found.sort(key=lambda card: _distance(card, near))
    _say_unknown_sizes(asked, filters, cards)
    if not found and not known:
        asked_for = f'says "{words}"' if words else "has all of that"
        hint = _hint(asked, cards) if plain else ""
        raise UserError(f"no recipe {asked_for}.{hint} `gmai data recipes list` shows all {len(cards)}.")
    if as_json:
        rows = [{**_facts(card), "may_be_published": may_be_published(card)} for card in found]
        more = [{**dataclasses.asdict(each), "card": card or None} for each, card in known]
        print(json.dumps({"recipes": rows, "known": more} if words else rows, ensure_ascii=False, indent=1))
        return
    if found:
        _print_cards(found)
    _print_known(known, every=every, after=bool(found))


def _say_unknown_sizes(asked: Sequence[str], filters: Filters, cards: Sequence[Summary]) -> None:
    """Say how many cards have all the rest that is asked for, and state no size to download."""
    rest = filters.without_download()
    if filters == rest:
        return
    unknown = [
        card.name
        for card in cards
        if card.download_bytes is None
        and not card.name.startswith(NO_PUBLIC_DATASET)
        and rest.holds(card)
        and _answers(_text_of_card(card), asked)
    ]
    if unknown:
        say(f"left out: {len(unknown)} more, whose size to download is not stated")


def _refuse_for_filters(words: str, asked: Sequence[str], cards: Sequence[Summary], filters: Filters) -> None:
    """Raise where cards say the words, and the filters keep them out.

    Raises:
        UserError: It is so; the cards are named, as fewer words would find others that were not asked for.
    """
    out = [card for card in cards if not filters.holds(card) and _answers(_text_of_card(card), asked)]
    if out:
        out.sort(key=lambda card: _distance(card, asked))
        named = ", ".join(card.name for card in out[:5])
        raise UserError(
            f'no recipe that says "{words}" has all that is asked of licence, access, size or kind.'
            f" Without that {len(out)} say it: {named}{', …' if len(out) > 5 else ''}."
        )


def _spelled(asked: list[str], cards: Sequence[tuple[Summary, str]], known: Sequence[tuple[Known, str]]) -> list[str]:
    """Return terms with those that nothing says spelled as the words of cards, and say which."""
    texts = [text for _, text in (*cards, *known)]
    usual = Counter(word for _, text in cards for word in set(re.findall(r"[a-z]{4,}", text)))
    unsaid = [term for term in asked if not any(_answers(text, [term]) for text in texts)]
    spelled = {term: closest for term in unsaid if (closest := _respelled(term, usual))}
    if spelled:
        say("; ".join(f'nothing says "{term}": searched for "{word}"' for term, word in spelled.items()))
    return [spelled.get(term, term) for term in asked]


def _nearest(terms: list[str], texts: Sequence[str]) -> list[str]:
    """Return most of the terms, so that a text says them, or all where none does, and say what is left out."""
    answered = [tuple(term for term in terms if _answers(text, [term])) for text in texts]
    often = Counter(itertools.chain.from_iterable(answered))
    kinds = {term for term in terms if any(_answers(_said_of(kind), [term]) for kind in Modality)}
    # A modality is not left out. Of those that say as many, the one that says what few say: `gastric`, not `cancer`.
    kept = max(
        (some for some in answered if kinds.issubset(some)),
        key=lambda some: (len(some), sum(1 / often[term] for term in some)),
        default=(),
    )
    if len(terms) < 2 or len(kept) == len(terms) or 2 * len(kept) <= len(terms):
        return terms
    left = ", ".join(f'"{term}"' for term in terms if term not in kept)
    say(f"no recipe says all of it: searched without {left}")
    return list(kept)


def _respelled(term: str, usual: Mapping[str, int]) -> str | None:
    """Return the word of the cards that a word begins, or is spelled most like; of equals the one more of them say."""
    if not term.isascii() or len(term) < 4:
        return None
    if begun := [word for word in usual if word.startswith(term)]:
        return max(begun, key=lambda word: usual[word])
    if len(term) < 5:
        return None
    close = difflib.get_close_matches(term, usual, n=4, cutoff=0.85)
    return max(
        close, key=lambda word: (round(difflib.SequenceMatcher(None, term, word).ratio(), 1), usual[word]), default=None
    )


def _distance(card: Summary, terms: Sequence[str]) -> tuple[bool, int]:
    """Return what orders the cards that are found: those whose name says it first, drawn ones last."""
    near = _text(card.name, re.sub(r"(?<=[a-z])(?=\d)", " ", card.name), card.title)
    entries = (card.modality, card.department, card.clinical_task, card.task)
    about = (*entries, *(word for entry in entries for word in (_CHINESE.get(entry, ""), *_SAID_FOR.get(entry, ()))))
    next_to = _text(card.anatomy, *about)
    exact = card.task.replace("_", " ") == " ".join(terms)
    steps = [0 if _answers(near, [term]) else 1 if _answers(next_to, [term]) else 2 for term in terms]
    return card.is_phantom, 0 if exact else 1 + sum(steps)


def _hint(terms: Sequence[str], cards: Sequence[Summary]) -> str:
    """Return what the words that nothing says may have meant, or that no card says all of them."""
    texts = [_text_of_card(card) for card in cards] + [_text_of_known(each) for each in known_datasets()]
    unknown = [term for term in terms if not any(_answers(text, [term]) for text in texts)]
    if not unknown:
        return " Each of its words is found by itself: ask for fewer." if len(terms) > 1 else ""
    names = [card.name for card in cards] + [each.name.lower() for each in known_datasets()]
    words = {*_ALTERNATIVES, *(word for text in (*texts, *names) for word in re.findall(r"[a-z]{4,}", text))}
    hints = [did_you_mean(term, words - {term}) for term in unknown if term.isascii()]
    return "".join(dict.fromkeys(hints))


def _facts(card: Summary) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(card).items() if name != "spoken"}


def _print_cards(cards: Sequence[Summary]) -> None:
    columns = ("recipe", "modality", "task", "items", "download", "licence", "verified", "title")
    rows = [
        (card.name, card.modality, card.task, "" if card.items is None else str(card.items), _download(card),
         _licence(card), card.verified, card.title)
        for card in cards
    ]  # fmt: skip
    if (room := _room()) is not None and room < _WITH_DOWNLOAD:
        at = columns.index("download")
        columns, rows = (*columns[:at], *columns[at + 1 :]), [(*row[:at], *row[at + 1 :]) for row in rows]
    table(columns, _fitted(columns, rows, narrow=("modality", "task", "licence", "title")))
    if any(card.license_second_hand for card in cards):
        print("* read second hand; what has such a licence is published with --accept-second-hand")
    elif any(card.download_second_hand for card in cards):
        print("* read second hand")


def _download(card: Summary) -> str:
    """Return the size to download of a card, as short as a table needs it."""
    if not is_stated(card.download):
        return "" if card.name.startswith(NO_PUBLIC_DATASET) else "?"
    size = re.sub(r"^about\s+", "~", card.download)
    return f"*{size}" if card.download_second_hand else size


def _licence(card: Summary) -> str:
    """Return the licence of a card, first of all marked where others than the publisher say it: its end may be cut."""
    return f"*{card.license}" if card.license_second_hand else card.license


def _print_known(known: Sequence[tuple[Known, str]], *, every: bool, after: bool) -> None:
    open_ = [(each, card) for each, card in known if not card]
    shown = open_ if every else open_[:_SHOWN_KNOWN]
    if not shown:
        return
    if after:
        print()
    columns = ("known, without a card", "modality", "structure", "samples", "task", "access", "homepage")
    rows = [
        (each.name, ", ".join(each.modality), each.structure, each.samples, each.task, each.access, each.homepage)
        for each, _ in shown
    ]
    narrow = ("known, without a card", "samples", "structure", "homepage")
    table(columns, _fitted(columns, rows, narrow=narrow))
    if len(shown) < len(open_):
        print(f"… and {len(open_) - len(shown)} more: add --all")
    print("A card from one of them: gmai data recipes new FOLDER --like NAME")


def _room() -> int | None:
    """Return the width of the terminal, or of what COLUMNS asks for; None where nothing limits it."""
    limited = sys.stdout.isatty() or "COLUMNS" in os.environ
    return shutil.get_terminal_size().columns if limited else None


def _fitted(
    columns: Sequence[str], rows: Sequence[tuple[str, ...]], *, narrow: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """Return the rows cut to the width of the terminal: the widest of the columns that may be narrow, again and again.

    What is written into a file or a pipe is not cut, unless COLUMNS asks for it.
    """
    if (room := _room()) is None:
        return list(rows)
    widths = [max(len(column), *(len(row[at]) for row in rows)) for at, column in enumerate(columns)]
    may = [at for at, column in enumerate(columns) if column in narrow]
    least = {at: max(len(columns[at]), _LEAST) for at in may}
    while sum(widths) + 2 * (len(widths) - 1) > room:
        at = max(may, key=lambda at: widths[at] - least[at])
        if widths[at] <= least[at]:
            break
        widths[at] -= 1
    cut: Callable[[str, int], str] = lambda cell, width: cell if len(cell) <= width else cell[: width - 1] + "…"  # noqa: E731
    return [tuple(cut(cell, widths[at]) for at, cell in enumerate(row)) for row in rows]


def _with_asked(filters: Filters, words: str) -> tuple[Filters, str]:
    """Return the filters with what the words ask of size and licence, and the other words."""
    more: dict[str, Any] = {}
    for written, word in _ONE_WORD:
        words = written.sub(word, words)
    for phrase, meant in _PHRASES.items():
        words, count = re.subn(_NOT_DENIED + re.escape(phrase), " ", words, flags=re.IGNORECASE)
        if count:
            more |= meant
    if licences := _CREATIVE_COMMONS.findall(words):
        more["license_is"] = tuple(re.sub(r"[\s-]+", "-", licence.upper()) for licence in licences)
        words = _CREATIVE_COMMONS.sub(" ", words)
    words = _BETWEEN_SIZES.sub(lambda found: f" >={found[1]} {found[2] or found[4]} <={found[3]} {found[4]} ", words)
    for said, number, unit in _DOWNLOAD.findall(words):
        sign, size = _SIGNS.get(said.lower()) or str(said), bytes_of(f"{number} {unit}")
        if sign[0] == ">":
            more["min_download"] = size + (sign == ">")
        else:
            more["max_download"] = size - (sign == "<")
    words = _BETWEEN.sub(r" >=\1 <=\2 ", _DOWNLOAD.sub(" ", words))
    for said, digits, times in _SIZE.findall(words):
        sign = _SIGNS.get(said.lower()) or str(said)
        number = round(float(digits.replace(",", "")) * _TIMES[times.lower()])
        if sign[0] == ">":
            more["min_items"] = number + (sign == ">")
        else:
            more["max_items"] = number - (sign == "<")
    return dataclasses.replace(filters, **more), _SIZE.sub(" ", words).strip()


def _terms(words: str) -> list[str]:
    """Return the words that ask for something, without the marks between them."""
    parts = re.split(r"[\s，。、；：？！&/]+", _ASKED_IN_CHINESE.sub(" ", words.lower()))
    # `肺部CT` is two words.
    terms = itertools.chain.from_iterable(
        re.findall(r"[\u3400-\u9fff]+|[^\u3400-\u9fff]+", part) if _HAS_LATIN.search(part) else [part] for part in parts
    )
    return [term for each in terms if (term := each.strip(",;:?!")) and term not in _FILLERS]


def _answers(text: str, terms: Sequence[str]) -> bool:
    """Return whether a text says every term, or one of the ways to say it."""
    return all(
        any(all(_says(text, word) for word in way) for way in _ALTERNATIVES.get(_key(term), ((term,),)))
        or _says(text, term)
        or _says_in_english(text, term)
        for term in terms
    )


@functools.lru_cache(maxsize=1024)
def _key(term: str) -> str:
    """Return a word as `_ALTERNATIVES` spells it."""
    return _singular(_in_american(term.lower()))


def _says_in_english(text: str, term: str) -> bool:
    """Return whether a text says in English each of the words that a Chinese term consists of."""
    parts = _parts_of(term)
    return bool(parts) and all(
        part in text or (part in _ENGLISH and _answers(text, _ENGLISH[part].split())) for part in parts
    )


@functools.lru_cache(maxsize=256)
def _parts_of(term: str) -> tuple[str, ...]:
    """Return the known words that a Chinese term consists of, the longest first, or nothing."""
    parts: list[str] = []
    while term and not term.isascii():
        word = next((term[:end] for end in range(len(term), 0, -1) if term[:end] in _chinese_words()), None)
        if word is None:
            return ()
        parts.append(word)
        term = term[len(word) :]
    return tuple(parts)


@functools.cache
def _chinese_words() -> frozenset[str]:
    """Return the words that a longer Chinese one may consist of: those with an English one, and the vocabularies'."""
    named = {word for entry, name in _CHINESE.items() for word in (name, *_SAID_FOR.get(entry, ()))}
    return frozenset({*_ENGLISH, *(word.lower() for word in named if not word.isascii())})


def _says(text: str, term: str) -> bool:
    """Return whether a text has a term: its words one behind the other and whole, Chinese anywhere."""
    if not term.isascii() and re.search(r"[\u3400-\u9fff]", term):
        return term.lower() in text
    words = _words(term)
    return bool(words.strip()) and words in text


def _text(*parts: str) -> str:
    """Return what is searched: the words of all parts, with a bar between parts that no term reaches across."""
    text = " | ".join(parts)
    words = _words(text)
    return words if text.isascii() else f"{text.lower()} |{words}"


@functools.lru_cache(maxsize=20_000)
def _words(text: str) -> str:
    """Return the words of a text in lower case and the singular, with a blank around each."""
    return f" {' '.join(map(_singular, _WORD.findall(_in_american(text.lower()))))} "


def _in_american(text: str) -> str:
    for british, american in _SPELLINGS:
        text = text.replace(british, american)
    return text


@functools.lru_cache(maxsize=20_000)
def _singular(word: str) -> str:
    if word in _SINGULARS:
        return _SINGULARS[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return word.removesuffix("ies") + "y" if word.endswith("ies") else word[:-1]


def _text_of_card(card: Summary) -> str:
    facts = (
        card.name,
        re.sub(r"(?<=[a-z])(?=\d)", " ", card.name),
        card.title,
        card.license,
        card.access,
        card.layout,
        card.anatomy,
        card.spoken,
    )
    return _text(*facts) + _said_of(card.modality, card.department, card.clinical_task, card.task)


def _text_of_known(known: Known) -> str:
    tasks = [word for short, word in _SHORT_TASKS.items() if short in known.task]
    about = [known.about.get(name, "") for name in ("diseases", "labels", "dimension")]
    facts = (known.name, known.title, known.structure, known.license, known.access)
    return _text(*facts, *tasks, *about) + _said_of(*known.modality, known.department, known.clinical_task, known.task)


@functools.lru_cache(maxsize=4096)
def _said_of(*entries: str) -> str:
    """Return what is searched of entries of the vocabularies: what they are called in both languages."""
    return "|" + _text(
        *(word for entry in entries for word in (entry, _CHINESE.get(entry, ""), *_SAID_FOR.get(entry, ())))
    )


_WORD = re.compile(r"[a-z0-9]+|\|")
_SHORT_TASKS = {"Cls": "classification", "Seg": "segmentation", "Det": "detection", "Reg": "registration"}
