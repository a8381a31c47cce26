"""A build is published whole or not at all, and only what its licences allow."""

import json

import pyarrow.parquet as pq
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.publishing.publication import publish_build
from gmai_data.sources.cards.catalogue import Source, resolve
from gmai_formats.errors import UserError


@pytest.fixture
def mixed(phantoms, tmp_path):
    (drawn,) = resolve(["phantom-fundus"], phantoms / "phantom-fundus")
    second_hand = {"license_source": "https://list.org/a", "license_second_hand": True}
    good = Source(drawn.recipe.model_copy(update=second_hand), drawn.root)
    (other,) = resolve(["phantom-xray"], phantoms / "phantom-xray")
    bad = Source(
        other.recipe.model_copy(update={"license": "not stated", "title": "<script>alert(1)</script>"}), other.root
    )
    build([good, bad], tmp_path / "out", BuildSettings())
    return tmp_path / "out"


def test_publish_refuses_by_name_and_can_leave_out(mixed, tmp_path, capsys):
    with pytest.raises(UserError, match="phantom-xray: its licence is not stated"):
        publish_build(mixed, tmp_path / "pub", leave_out_unlicensed=False)
    assert not (tmp_path / "pub").exists()
    publish_build(mixed, tmp_path / "pub", leave_out_unlicensed=True)
    sources = {
        name
        for path in (tmp_path / "pub").rglob("*.parquet")
        for name in pq.read_table(path, columns=["source"])["source"].to_pylist()
    }
    assert sources == {"phantom-fundus"}
    assert "phantom-xray" not in (tmp_path / "pub" / "README.md").read_text()
    assert (tmp_path / "pub" / "mix.yaml").is_file()
    assert "is what https://list.org/a says: ask its publisher." in capsys.readouterr().err
    assert json.loads((tmp_path / "pub" / "release.json").read_text())["sources"]["phantom-fundus"][
        "license_second_hand"
    ]
