"""Title, licence and modality that files of a folder state."""

import json

import pytest
from gmai_data.sources.drafting.stated_facts import stated_facts


@pytest.mark.parametrize(
    ("name", "content", "facts"),
    [
        ("dataset_description.json", {"Name": "Memory  clinic", "License": "CC0"},
         {"title": "Memory clinic", "license": "CC0-1.0"}),
        ("sub/dataset.json", {"name": "Liver", "labels": {"liver": 1}, "channel_names": {"0": "CT"},
                              "licence": "CC-BY-SA 4.0", "reference": "Some hospital"},
         {"title": "Liver", "license": "CC-BY-SA-4.0", "modality": "CT"}),
        ("dataset.json", {"labels": {"1": "a"}, "modality": {"0": "T1", "1": "FLAIR"}}, {"modality": "MR"}),
        ("dataset.json", {"labels": {"1": "a"}, "modality": {"0": "CT", "1": "PET"}}, {}),
        ("train/_annotations.coco.json", {"annotations": [], "licenses": [{"name": "CC BY 4.0"}]},
         {"license": "CC-BY-4.0"}),
        ("a.json", {"annotations": [], "licenses": [{"name": "CC BY 4.0"}, {"name": "MIT"}]}, {}),
        ("data.yaml", {"roboflow": {"license": "MIT", "url": "https://universe.example/x"}},
         {"license": "MIT", "homepage": "https://universe.example/x"}),
        ("a.json", {"annotations": [], "licenses": [{"name": "Ask us"}]}, {"license": "Ask us"}),
    ],
)  # fmt: skip
def test_what_a_file_states(tmp_path, name, content, facts):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(json.dumps(content))
    found, homes = stated_facts(tmp_path)
    assert found == facts
    assert set(homes.values()) <= {name}


def test_anatomical_images_of_bids_are_of_mr(tmp_path):
    (tmp_path / "sub-1/anat").mkdir(parents=True)
    (tmp_path / "sub-1/anat/sub-1_T1w.nii.gz").touch()
    assert stated_facts(tmp_path)[0] == {"modality": "MR"}


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_a_file_that_cannot_be_read_states_nothing(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text, "latin-1")
    assert stated_facts(tmp_path) == ({}, {})
