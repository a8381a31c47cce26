"""What peers get wrong: SUV, tilt, set-aside pages, header windows, 3-D regions, slice rules, large files."""

import subprocess
import sys

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.deidentify import header_facts
from gmai_data.imaging.grids import Volume
from gmai_data.imaging.rules import SliceRule
from gmai_data.imaging.slices import choose_slices, spread
from gmai_data.sources.items import SMALL_PART
from gmai_data.sources.label_volumes import Layer, with_parts


def test_only_allowed_header_fields_leave():
    header = pydicom.Dataset()
    header.PatientName, header.InstitutionName, header.Modality = "Doe^Jane", "General Hospital", "CT"
    header.BodyPartExamined = "CHEST of Jane Doe, born 1950-01-01, seen here"
    assert header_facts(header) == {"Modality": "CT"}


def test_regions_connected_in_the_volume_are_one():
    array = np.zeros((3, 10, 20), np.uint16)
    array[0, 2:8, 2:6] = array[0, 2:8, 12:16] = array[1, 2:8, 2:16] = 300
    array[2, 9, 19] = 300
    layer = with_parts(Layer(Volume(array, np.eye(4), (1.0, 1.0, 1.0))), min_mm3=5)
    found = layer.regions_of_slice("axial", 0, (1.0, 1.0), whole_labels=False)
    assert found == [(300, (2, 2, 16, 8), 48)]
    small = layer.regions_of_slice("axial", 2, (1.0, 1.0), whole_labels=False)
    assert small == [(300, (19, 9, 20, 10), SMALL_PART)], "there, but too small for a box"


def test_gap_step_in_mm_and_negatives():
    array = np.zeros((20, 4, 4), np.uint8)
    array[4:14, 1, 1] = 1
    array[8, 1:3, 1:3] = 1
    mask = Volume(array, np.eye(4), (2.5, 1.0, 1.0))
    assert choose_slices([mask], SliceRule(min_gap_mm=10), "axial") == [4, 8, 12]
    assert choose_slices([mask], SliceRule(rule="every_n", every_mm=5), "axial") == [4, 6, 8, 10, 12]
    with_negatives = choose_slices([mask], SliceRule(negatives=0.2), "axial")
    assert len(with_negatives) == 12
    assert spread(range(10), 2) == [2, 7]


@pytest.mark.e2e
def test_a_volume_of_two_gigabytes_stays_below_two(tmp_path):
    code = f"""
import resource, sys, numpy as np, nibabel as nib
from pathlib import Path
root = Path({str(tmp_path)!r})
shape = (1024, 1024, 1000)
for name, kind in (("x.nii", np.int16), ("m.nii", np.uint8)):
    header = nib.Nifti1Header(); header.set_data_shape(shape); header.set_data_dtype(kind)
    header.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]), 1); header["vox_offset"] = 352; header["magic"] = b"n+1"
    with (root / name).open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        file.truncate(352 + int(np.prod(shape)) * np.dtype(kind).itemsize)
        for k in range(0, 1000, 100):
            plane = np.random.default_rng(k).integers(0, 200, shape[:2]).astype(kind)
            if kind is np.uint8: plane = (plane > 0).astype(kind)
            file.seek(352 + k * plane.nbytes); file.write(plane.tobytes())
from gmai_data.sources.recipe import Recipe
from gmai_data.ledger import Ledger
recipe = Recipe.model_validate(dict(name="big", title="b", homepage="h", citation="c", license="MIT", modality="MR",
    department="Oncology", clinical_task="Bone", anatomy="a", task="3d_segmentation", labels={{1: "one"}},
    layout=dict(kind="volume", image="x.nii", mask="m.nii")))
(item,) = recipe.layout.list_items(recipe, root)
count = sum(1 for _ in recipe.layout.read(item, recipe, root, Ledger()))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, peak_mib = map(int, done.stdout.split())
    assert count == 10
    assert peak_mib < 2000
