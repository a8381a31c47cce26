"""A build is published whole or not at all, and only what its licences allow."""

import json

import pyarrow.parquet as pq
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.publishing.publication import check_release, publish_build
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
        publish_build(mixed, tmp_path / "pub", leave_out_unlicensed=False, accept_second_hand=True)
    assert not (tmp_path / "pub").exists()
    publish_build(mixed, tmp_path / "pub", leave_out_unlicensed=True, accept_second_hand=True)
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


def test_a_licence_read_second_hand_is_refused_until_it_is_accepted(mixed, tmp_path):
    said = r"phantom-fundus: its licence \(.*\) is what https://list.org/a says, not its publisher"
    with pytest.raises(UserError, match=said):
        publish_build(mixed, tmp_path / "pub", leave_out_unlicensed=False)
    with pytest.raises(UserError, match="no source of this build may be published: phantom-fundus, phantom-xray"):
        publish_build(mixed, tmp_path / "pub", leave_out_unlicensed=True)
    assert not (tmp_path / "pub").exists()


@pytest.mark.parametrize("field", [{}, {"license_second_hand": False}, {"redistribution": True}])
def test_before_a_build_a_second_hand_licence_is_refused_and_one_of_the_publisher_is_not(tmp_path, field):
    first = {"license": "CC-BY-4.0", "license_source": "https://publisher.org"} | field
    check_release(tmp_path, {"a": first}, tmp_path / "pub")
    with pytest.raises(UserError, match=r"a: its licence .* not its publisher"):
        check_release(tmp_path, {"a": first | {"license_second_hand": True}}, tmp_path / "pub")


@pytest.mark.parametrize(
    ("homepage", "is_told"),
    [
        ("https://publisher.org", True),
        ("not stated", False),
        ("`gmai data phantoms DIR` (drawn, not downloaded)", False),
    ],
)
def test_a_licence_without_a_place_is_told_for_what_others_publish(phantoms, tmp_path, capsys, homepage, is_told):
    (drawn,) = resolve(["phantom-fundus"], phantoms / "phantom-fundus")
    source = Source(drawn.recipe.model_copy(update={"homepage": homepage}), drawn.root)
    build([source], tmp_path / "out", BuildSettings())
    publish_build(tmp_path / "out", tmp_path / "pub", leave_out_unlicensed=False)
    assert ("its card does not say where its licence" in capsys.readouterr().err) == is_told


def test_what_is_not_stated_stays_the_reason_of_a_source_that_is_both(tmp_path):
    both = {"license": "unknown", "license_source": "https://list.org", "license_second_hand": True}
    with pytest.raises(UserError, match="a: its licence is not stated"):
        check_release(tmp_path, {"a": both}, tmp_path / "pub")
