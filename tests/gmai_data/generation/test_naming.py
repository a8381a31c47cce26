"""Articles, plurals and numbers of English names."""

import pytest
from gmai_data.generation.naming import (
    named,
    numbered,
    plural,
    region_with_article,
    specimens,
    spelled,
    with_article,
)


@pytest.mark.parametrize(
    ("label", "whether", "these", "this", "one"),
    [
        ("liver", "the liver", "the liver", "the liver", "the liver"),
        ("left kidney", "the left kidney", "the left kidney", "the left kidney", "the left kidney"),
        ("kidney", "kidneys", "the kidneys", "the kidney", "a kidney"),
        ("platelet", "platelets", "the platelets", "the platelet", "a platelet"),
        ("eosinophil", "eosinophils", "the eosinophils", "the eosinophil", "an eosinophil"),
        ("inferior vena cava", *["the inferior vena cava"] * 4),
        (
            "left kidney cyst",
            "left kidney cysts",
            "the left kidney cysts",
            "the left kidney cyst",
            "a left kidney cyst",
        ),
        ("left caudate nucleus", *["the left caudate nucleus"] * 4),
        ("myocardium of the left ventricle", *["the myocardium of the left ventricle"] * 4),
        ("pneumonia", *["pneumonia"] * 4),
        ("vertebra L1", *["vertebra L1"] * 4),
        ("normal colon mucosa", *["normal colon mucosa"] * 4),
        ("red or white blood cell", *["red or white blood cell"] * 4),
        ("cutting the urethra", *["cutting the urethra"] * 4),
        ("no tumor", *["no tumor"] * 4),
        ("glioma", "gliomas", "the gliomas", "the glioma", "a glioma"),
        ("glaucoma", *["glaucoma"] * 4),
        ("lung squamous cell carcinoma", *["lung squamous cell carcinoma"] * 4),
        ("healthy retina", "a healthy retina", "the healthy retina", "the healthy retina", "a healthy retina"),
        ("粉", *["粉"] * 4),
    ],
)
def test_a_label_in_sentences(label, whether, these, this, one):
    found = named(label)
    assert (found.any, found.these, found.this, found.one) == (whether, these, this, one)
    assert not found.several


@pytest.mark.parametrize("label", ["lungs", "intervertebral discs", "basal ganglia", "portal vein and splenic vein"])
def test_names_that_are_plural_already(label):
    found = named(label)
    assert (found.any, found.this, found.several, found.counted) == (f"the {label}", f"the {label}", True, False)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("white blood cell", "white blood cells"), ("lesion of a cerebral artery", "lesions of a cerebral artery"),
        ("nucleus", "nuclei"), ("coronary artery", "coronary arteries"), ("mass", "masses"), ("foot", "feet"),
        ("tubular adenoma with high-grade dysplasia", "tubular adenomas with high-grade dysplasia"),
        ("structure or lesion", "structures or lesions"), ("lungs", "lungs"),
        ("skin lesion other than melanoma", "skin lesions other than melanoma"), ("", "s"),
    ],
)  # fmt: skip
def test_plurals(one, many):
    assert plural(one) == many


@pytest.mark.parametrize(
    ("count", "said"), [(1, "one platelet"), (2, "two platelets"), (12, "twelve platelets"), (13, "13 platelets")]
)
def test_numbers(count, said):
    assert numbered("platelet", count) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CT image", "a CT image"), ("MR image", "an MR image"), ("X-ray image", "an X-ray image"),
        ("ultrasound image", "an ultrasound image"), ("OCT image", "an OCT image"), ("PET image", "a PET image"),
        ("ureter", "a ureter"), ("ulcer", "an ulcer"), ("FLAIR lesion", "a FLAIR lesion"),
        ("erythrocyte", "an erythrocyte"),
    ],
)  # fmt: skip
def test_the_article(name, said):
    assert with_article(name) == said


def test_clear_lungs_have_no_article():
    assert (named("clear lungs").any, named("clear lungs").several) == ("clear lungs", True)


@pytest.mark.parametrize(("count", "said"), [(0, "0"), (1, "one"), (12, "twelve"), (13, "13")])
def test_numbers_up_to_twelve_are_words(count, said):
    assert spelled(count) == said


@pytest.mark.parametrize(
    ("anatomy", "said"),
    [("chest", "the chest"), ("blood smear", "a blood smear"), ("tissue of ten organs", "tissue of ten organs")],
)
def test_regions(anatomy, said):
    assert region_with_article(anatomy) == said
    assert ("smear" in specimens(), "chest" in specimens()) == (True, False)
