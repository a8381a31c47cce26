"""Classes in names: pictures and volumes, with patient and split beside them."""

import numpy as np
import pytest
from pydantic import ValidationError


def test_the_class_stands_in_the_name(put, read, toy):
    put("CXR/CHN_0001_0.png")
    put("CXR/CHN_0002_1.png")
    layout = {"kind": "named_files", "files": "CXR/*_{id}_{class:[01]}.png"}
    card = toy(layout=layout, task="2d_classification", labels={"0": "normal", "1": "tuberculosis"})
    pictures, reasons = read(card)
    assert {key: found[0].labels for key, found in pictures.items()} == {
        "CXR/CHN_0001_0.png": ("normal",),
        "CXR/CHN_0002_1.png": ("tuberculosis",),
    }
    assert reasons == {}


def test_a_volume_has_the_class_of_its_folder(nifti, read, toy):
    nifti("HGG/p1/t1.nii.gz", np.random.default_rng(0).integers(0, 99, (16, 16, 3), dtype=np.int16))
    layout = {"kind": "named_files", "files": "{class}/{patient}/t1.nii.gz"}
    card = toy(layout=layout, task="3d_classification", modality="MR", labels={"HGG": "high-grade glioma"})
    pictures, _ = read(card)
    assert {picture.labels for picture in pictures["HGG/p1/t1.nii.gz"]} == {("high-grade glioma",)}


def test_a_pattern_without_a_class_is_refused(toy):
    with pytest.raises(ValidationError, match="captures no"):
        toy(layout={"kind": "named_files", "files": "*.png"})
