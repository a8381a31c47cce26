"""Reasons that name the file, and every test file of pydicom: exported or refused with a reason."""

from pathlib import Path

import pydicom.data
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.imaging.dicom_pixels import decode_pixels, explained, read_dicom
from gmai_data.ledger import SetAside, SourceError
from gmai_data.sources.cards.catalogue import Source, resolve

FILES = Path(pydicom.data.__file__).parent / "test_files"


def test_truncated_pixels_are_refused():
    dataset = read_dicom(FILES, "MR_truncated.dcm")
    with pytest.raises(SourceError, match="DICOM pixels unreadable") as caught:
        decode_pixels(dataset, "MR_truncated.dcm")
    assert caught.value.file == "MR_truncated.dcm"


def test_a_broken_header_names_its_file():
    with pytest.raises(SourceError, match="DICOM header unusable: ValueError: no number") as caught, explained("a.dcm"):
        raise ValueError("no number")
    assert caught.value.file == "a.dcm"
    for verdict in (SetAside("localizer", "b.dcm"), SourceError("rule", "detail", "b.dcm")):
        with pytest.raises(type(verdict)) as caught, explained("a.dcm"):
            raise verdict
        assert caught.value is verdict


def test_pydicom_recipe_goes_through(tmp_path):
    out = tmp_path / "out"
    assert build(resolve(["pydicom-ct-small"], FILES), out, BuildSettings()) == 0
    assert (out / "quarantine.jsonl").read_text() == ""


def test_every_file_is_exported_or_quarantined(tmp_path, toy):
    recipe = toy(
        layout={"kind": "dicom", "files": "*"},
        labels={},
        exhaustive=False,
        deidentification={"secondary_captures": "export"},
    )
    out = tmp_path / "out"
    assert build([Source(recipe, FILES)], out, BuildSettings()) == 3
    import json

    items = json.loads((out / "manifest.json").read_text())["recipes"]["toy"]["items"]
    assert items["read"] == sum(path.is_file() for path in FILES.iterdir())
    assert items["read"] == items["kept"] + sum(items["dropped"].values()) + items["quarantined"]
    assert items["kept"] + sum(count for why, count in items["dropped"].items() if "modality" in why) >= 46
    reasons = {entry["file"]: entry["reason"] for entry in map(json.loads, (out / "quarantine.jsonl").open())}
    assert "rtplan.dcm" not in reasons
    assert items["dropped"]["no image: RTPLAN"] >= 1
    assert reasons["README.txt"].startswith("not a DICOM file")
