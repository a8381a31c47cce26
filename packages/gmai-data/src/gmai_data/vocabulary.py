"""The closed vocabularies of a record and a sample: modality, department, clinical task, kind, sub-dataset.

Every entry has an English and a Chinese name. What is not in these tables is refused by the recipe's validation.
"""

from enum import StrEnum


class Modality(StrEnum):
    """The 13 imaging modalities of GMAI-VL (section 3), and clinical photographs.

    CT, MR, X-ray, histopathology, dermoscopy, microscopy and PET are named in Fig. 3, fundus photography and
    ultrasound in section 3.1. The paper does not spell out the other four; they are those of OmniMedVQA, on which it
    reports (Table 3). Photographs of the skin taken without a dermatoscope are none of them: ours is the fourteenth.
    """

    CT = "CT"
    MR = "MR"
    X_RAY = "X-ray"
    HISTOPATHOLOGY = "Histopathology"
    DERMOSCOPY = "Dermoscopy"
    MICROSCOPY = "Microscopy"
    PET = "PET"
    FUNDUS = "Fundus photography"
    ULTRASOUND = "Ultrasound"
    ENDOSCOPY = "Endoscopy"
    OCT = "OCT"
    INFRARED = "Infrared reflectance"
    COLPOSCOPY = "Colposcopy"
    PHOTOGRAPHY = "Clinical photography"


class Department(StrEnum):
    """The 18 departments of GMAI-MMBench, on which the paper reports (Table 5)."""

    CARDIOVASCULAR_SURGERY = "Cardiovascular Surgery"
    DERMATOLOGY = "Dermatology"
    ENDOCRINOLOGY = "Endocrinology"
    GASTROENTEROLOGY = "Gastroenterology and Hepatology"
    GENERAL_SURGERY = "General Surgery"
    HEMATOLOGY = "Hematology"
    INFECTIOUS_DISEASES = "Infectious Diseases"
    LABORATORY_MEDICINE = "Laboratory Medicine and Pathology"
    NEPHROLOGY = "Nephrology and Hypertension"
    NEUROSURGERY = "Neurosurgery"
    OBSTETRICS = "Obstetrics and Gynecology"
    ONCOLOGY = "Oncology"
    OPHTHALMOLOGY = "Ophthalmology"
    ORTHOPEDIC_SURGERY = "Orthopedic Surgery"
    OTOLARYNGOLOGY = "Otolaryngology and Head and Neck Surgery"
    PULMONARY_MEDICINE = "Pulmonary Medicine"
    SPORTS_MEDICINE = "Sports Medicine"
    UROLOGY = "Urology"


class ClinicalTask(StrEnum):
    """The 18 clinical question-answering tasks of GMAI-MMBench, the classes of Fig. 3(d)."""

    ATTRIBUTE = "Attribute Recognition"
    BLOOD_VESSELS = "Blood Vessels Recognition"
    BONE = "Bone"
    CELL = "Cell Recognition"
    COUNTING = "Counting"
    DISEASE_DIAGNOSIS = "Disease Diagnosis"
    IMAGE_QUALITY = "Image Quality Grading"
    MICROORGANISM = "Microorganism Recognition"
    MUSCLE = "Muscle"
    NERVOUS_TISSUE = "Nervous Tissue"
    ORGAN_ABDOMEN = "Organ Recognition - Abdomen"
    ORGAN_HEAD_NECK = "Organ Recognition - Head and Neck"
    ORGAN_PELVIC = "Organ Recognition - Pelvic"
    ORGAN_THORAX = "Organ Recognition - Thorax"
    SEVERITY = "Severity Grading"
    SURGEON_ACTION = "Surgeon Action Recognition"
    SURGICAL_INSTRUMENT = "Surgical Instrument Recognition"
    SURGICAL_WORKFLOW = "Surgical Workflow Recognition"


class Task(StrEnum):
    """What the source dataset was annotated for (Fig. 3(a))."""

    CLASSIFICATION_2D = "2d_classification"
    DETECTION_2D = "2d_detection"
    SEGMENTATION_2D = "2d_segmentation"
    CLASSIFICATION_3D = "3d_classification"
    SEGMENTATION_3D = "3d_segmentation"
    TEXT = "text"


TASK_CODES = {
    Task.CLASSIFICATION_2D: ("2d", "cls"),
    Task.DETECTION_2D: ("2d", "det"),
    Task.SEGMENTATION_2D: ("2d", "seg"),
    Task.CLASSIFICATION_3D: ("3d", "cls"),
    Task.SEGMENTATION_3D: ("3d", "seg"),
    Task.TEXT: ("text", "qa"),
}
"""Task ▶ the first two parts of an annotation's id, as in the published GMAI-VL-5.5M."""


class Kind(StrEnum):
    """The six kinds of samples (section 3.2, Fig. 2)."""

    IMAGE_CAPTION = "image_caption"
    REGION_CAPTION = "region_caption"
    FREE_INSTRUCTION = "free_instruction"
    DIALOGUE = "dialogue"
    VISUAL_PERCEPTION = "visual_perception"
    TEXT_ONLY = "text_only"


class SubDataset(StrEnum):
    """The five sub-datasets (Table 6): GMAI-MM-Caption, -Instruct, -Percept, GMAI-Text-Single and -Multi."""

    CAPTION = "caption"
    INSTRUCT = "instruct"
    PERCEPT = "percept"
    TEXT_SINGLE = "text_single"
    TEXT_MULTI = "text_multi"


STAGE_SHARES = {
    SubDataset.CAPTION: (1.0, 1.0, 1.0),
    SubDataset.INSTRUCT: (1.0, 1.0, 1.0),
    SubDataset.PERCEPT: (1.0, 1.0, 1.0),
    SubDataset.TEXT_SINGLE: (0.0, 0.0, 1.0),
    SubDataset.TEXT_MULTI: (0.0, 0.0, 1.0),
}
"""Share of each sub-dataset used in stages 1, 2 and 3 (Table 7)."""


class Language(StrEnum):
    """The languages that samples are written in."""

    EN = "en"
    ZH = "zh"


class Split(StrEnum):
    """Where an image goes: the samples of `train` and `validation`, or the questions of `held_out`."""

    TRAIN = "train"
    VALIDATION = "validation"
    HELD_OUT = "held_out"


CHINESE = {
    Modality.CT: "CT",
    Modality.MR: "磁共振成像",
    Modality.X_RAY: "X光",
    Modality.HISTOPATHOLOGY: "组织病理",
    Modality.DERMOSCOPY: "皮肤镜",
    Modality.MICROSCOPY: "显微镜检查",
    Modality.PET: "PET",
    Modality.FUNDUS: "眼底照相",
    Modality.ULTRASOUND: "超声",
    Modality.ENDOSCOPY: "内窥镜",
    Modality.OCT: "光学相干断层扫描",
    Modality.INFRARED: "红外反射成像",
    Modality.COLPOSCOPY: "阴道镜",
    Modality.PHOTOGRAPHY: "临床摄影",
    Department.CARDIOVASCULAR_SURGERY: "心血管外科",
    Department.DERMATOLOGY: "皮肤科",
    Department.ENDOCRINOLOGY: "内分泌科",
    Department.GASTROENTEROLOGY: "消化与肝病科",
    Department.GENERAL_SURGERY: "普通外科",
    Department.HEMATOLOGY: "血液科",
    Department.INFECTIOUS_DISEASES: "感染科",
    Department.LABORATORY_MEDICINE: "检验与病理科",
    Department.NEPHROLOGY: "肾脏与高血压科",
    Department.NEUROSURGERY: "神经外科",
    Department.OBSTETRICS: "妇产科",
    Department.ONCOLOGY: "肿瘤科",
    Department.OPHTHALMOLOGY: "眼科",
    Department.ORTHOPEDIC_SURGERY: "骨科",
    Department.OTOLARYNGOLOGY: "耳鼻喉头颈外科",
    Department.PULMONARY_MEDICINE: "呼吸科",
    Department.SPORTS_MEDICINE: "运动医学科",
    Department.UROLOGY: "泌尿外科",
}
"""Modality or department ▶ its Chinese name. The clinical task never appears in a sample's text."""
