"""Croissant metadata: files with digests, tables with columns, types as they are stored."""

from collections import Counter

from gmai_data.publishing.croissant import croissant
from gmai_data.publishing.facts import ReleaseFacts
from gmai_data.tables import ANNOTATIONS, QUESTIONS, SAMPLES
from gmai_data.vocabulary import SubDataset


def release(annotations=2, questions=1):
    recipes = {
        "a": {"license": "MIT", "citation": "B 2"}, "b": {"license": "CC0-1.0", "citation": "A 1"},
        "c": {"license": "MIT", "citation": "B 2"},
    }  # fmt: skip
    counted = {"kind": Counter(), "language": Counter(zh=1, en=2), "source": Counter()}
    files = {"samples/caption/train-00000.parquet": (10, "ab"), "mix.yaml": (3, "cd")}
    samples = {SubDataset.CAPTION: {"train": 3}}
    return ReleaseFacts(
        recipes, samples, counted, Counter(), annotations, questions, {}, {}, {}, Counter(), files, {}
    )  # fmt: skip


def test_the_head():
    found = croissant(release())
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert found["description"] == "3 instruction samples on 2 annotated medical images."
    assert found["license"] == ["CC0-1.0", "MIT"]
    assert found["citeAs"] == "A 1 B 2"
    assert found["inLanguage"] == ["en", "zh"]


def test_every_file_has_its_digest_and_every_table_its_files():
    parts = {part["@id"]: part for part in croissant(release())["distribution"]}
    assert list(parts) == [
        "samples/caption/train-00000.parquet", "mix.yaml", "GMAI-MM-Caption-files", "annotations-files",
        "held_out-files",
    ]  # fmt: skip
    first = parts["samples/caption/train-00000.parquet"]
    assert (first["contentSize"], first["sha256"], first["encodingFormat"]) == ("10 B", "ab", "application/x-parquet")
    assert parts["mix.yaml"]["encodingFormat"] == "application/yaml"
    assert parts["GMAI-MM-Caption-files"]["includes"] == "samples/caption/*.parquet"
    assert parts["held_out-files"]["includes"] == "benchmarks/*.parquet"


def test_tables_that_are_empty_are_left_out():
    names = [record["name"] for record in croissant(release(annotations=0, questions=0))["recordSet"]]
    assert names == ["GMAI-MM-Caption"]


def test_columns_have_the_types_that_are_stored():
    records = {record["@id"]: record for record in croissant(release())["recordSet"]}
    assert list(records) == ["GMAI-MM-Caption", "annotations", "held_out"]
    for name, schema in (("GMAI-MM-Caption", SAMPLES), ("annotations", ANNOTATIONS), ("held_out", QUESTIONS)):
        assert records[name]["key"] == {"@id": f"{name}/id"}
        assert [field["name"] for field in records[name]["field"]] == [f"{name}/{column}" for column in schema.names]
    fields = {field["name"].partition("/")[2]: field for field in records["annotations"]["field"]}
    assert (fields["width"]["dataType"], fields["id"]["dataType"]) == ("sc:Integer", "sc:Text")
    assert fields["labels"]["repeated"] is True
    assert fields["image"]["dataType"] == "sc:ImageObject"
    assert fields["image"]["source"]["transform"] == {"jsonPath": "bytes"}
    boxes = fields["boxes"]
    assert boxes["repeated"] is True
    label, xyxy = boxes["subField"]
    assert (label["name"], label["source"]["transform"]) == ("annotations/boxes/label", {"jsonPath": "label"})
    assert (xyxy["dataType"], xyxy["repeated"]) == ("sc:Integer", True)
    images = next(field for field in records["GMAI-MM-Caption"]["field"] if field["name"].endswith("/images"))
    assert (images["repeated"], images["dataType"]) == (True, "sc:ImageObject")
