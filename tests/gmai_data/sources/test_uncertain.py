"""A label that the source leaves open is neither present nor absent, as in CheXpert's table of 1, 0, -1 and nothing."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.publishing.statistics import print_build, print_statistics
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.listing import Listing
from gmai_data.sources.reading import read_pictures

NAMES = {"Edema": "edema", "Effusion": "effusion", "Fracture": "fracture", "Opacity": "opacity"}
LAYOUT = {"kind": "csv_labels", "table": "train.csv", "image_column": "Path", "label_columns": list(NAMES)}
CHEXPERT = """Path,Sex,Edema,Effusion,Fracture,Opacity
patient1/view1.png,Female,1.0,0.0,-1.0,0.0
patient2/view1.png,Male,,1.0,0.0,0.0
patient3/view1.png,Male,0.0,-1.0,NaN,1.0
patient4/view1.png,Male,0.0,0.0,0.0,0.0
"""


@pytest.fixture
def source(toy, tmp_path):
    """Return a function that writes a table and its images and returns the source."""

    def make(text, **changes):
        root = tmp_path / "chexpert"
        for number, line in enumerate(text.splitlines()[1:]):
            path = root / line.split(",")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)))
        (root / "train.csv").write_text(text)
        card = toy(name="chexpert", modality="X-ray", labels=NAMES, layout={**LAYOUT, **changes}, exhaustive=True)
        return Source(card, root)

    return make


def test_what_is_left_open_is_never_a_negative(source, tmp_path, capsys):
    out = tmp_path / "out"
    assert build([source(CHEXPERT)], out, BuildSettings(chinese_share=0.0, text_share=1.0)) == 0
    rows = {json.loads(row["provenance"])["item"]: row for row in pq.read_table(out / "annotations").to_pylist()}
    known = {
        item.split("/")[0]: (row["labels"], row["absent"], json.loads(row["provenance"]).get("uncertain"))
        for item, row in rows.items()
    }
    assert known == {
        "patient1": (["edema"], ["effusion", "opacity"], ["fracture"]),
        "patient2": (["effusion"], ["fracture", "opacity"], ["edema"]),
        "patient3": (["opacity"], ["edema"], ["effusion", "fracture"]),
        "patient4": ([], list(NAMES.values()), None),
    }
    for path in out.glob("samples/*/*.parquet"):
        for row in pq.read_table(path, columns=["messages", "provenance"]).to_pylist():
            for name in json.loads(row["provenance"]).get("uncertain", ()):
                assert name not in json.dumps(row["messages"]), "neither stated, denied nor offered as an option"
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["recipes"]["chexpert"]["uncertain"] == {"edema": 1, "effusion": 1, "fracture": 2}
    print_build(out)
    print_statistics(out)
    assert (
        capsys.readouterr().out.count("neither present nor absent, in so many images: edema 1, effusion 1, fracture 2")
        == 2
    )


def labels_of(source):
    """Return (labels, left open) by image, and the reasons of those that cannot be read."""
    found, reasons = {}, {}
    for item in source.recipe.layout.list_items(source.recipe, source.root):
        try:
            (picture,) = read_pictures(item, source.recipe, source.root, Ledger())
            found[item.key] = (picture.labels, picture.uncertain)
        except SourceError as problem:
            reasons[item.key] = str(problem)
    return found, reasons


def test_a_card_says_what_cells_mean(source):
    text = "Path,Edema,Effusion,Fracture,Opacity\n1.png,x,,0.00,no\n2.png,0,u,1.0,0\n3.png,0.4,0,0,0\n"
    found, reasons = labels_of(source(text, positive=["x"], negative=["0", "no", ""], uncertain=["u", "1"]))
    assert found == {"1.png": (("edema",), ()), "2.png": ((), ("effusion", "fracture"))}
    assert reasons["3.png"].endswith(
        '"Edema: 0.4" is neither yes, no nor open; name it in `positive`, `negative` or `uncertain`'
    )


def test_of_two_rows_the_one_that_is_sure_counts(source):
    text = "Path,Edema,Effusion,Fracture,Opacity\n1.png,1,-1,0,0\n1.png,-1,0,0,0\n"
    assert labels_of(source(text))[0] == {"1.png": (("edema",), ("effusion",))}


def test_another_uncertain_cell_is_another_input(source):
    digests = set()
    for cell in ("0.0", "-1.0", "1.0"):
        made = source(f"Path,Edema,Effusion,Fracture,Opacity\n1.png,1.0,0.0,0.0,{cell}\n")
        digests.add(Listing(made, tuple(made.recipe.layout.list_items(made.recipe, made.root))).digest)
    assert len(digests) == 3


def test_one_hot_arrays_have_open_labels_too(toy, tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (4, 16, 16), dtype=np.uint8)
    labels = np.array([[1, 0, -1], [0, np.nan, 1], [0, 0, 0], [0, 0.5, 0]])
    np.savez(tmp_path / "x.npz", train_images=images, train_labels=labels)
    card = toy(layout={"kind": "arrays", "files": "x.npz"}, labels={"0": "alpha", "1": "beta", "2": "gamma"})
    items = list(card.layout.list_items(card, tmp_path))
    pictures = [next(iter(read_pictures(item, card, tmp_path, Ledger()))) for item in items[:3]]
    assert [(each.labels, each.uncertain) for each in pictures] == [
        (("alpha",), ("gamma",)), (("gamma",), ("beta",)), ((), ()),
    ]  # fmt: skip
    with pytest.raises(SourceError, match="label unreadable: a one-hot row holds 0, 1"):
        list(read_pictures(items[3], card, tmp_path, Ledger()))
