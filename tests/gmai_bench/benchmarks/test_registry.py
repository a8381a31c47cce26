from pathlib import Path

import pytest
from gmai_bench.benchmarks.registry import (
    PAPER,
    REGISTRY,
    bundled,
    is_other_id,
    left_out,
    named,
    open_benchmark,
    protocols_of,
    siblings,
)
from gmai_formats.errors import UserError


def test_names_are_expanded_and_unique() -> None:
    assert named(["path-vqa", "paper"]) == named(["path-vqa, paper,"]) == ["path-vqa", *PAPER]
    with pytest.raises(UserError, match="No benchmark is named"):
        named(["", " ,"])
    assert not REGISTRY.keys() & bundled().keys()
    assert protocols_of("medxpertqa") == ("mm-2000", "text-2450")
    assert protocols_of("none") == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vqa-rd", r'unknown benchmark "vqa-rd"\. Did you mean "vqa-rad"\?'),
        ("medxpertqua", r'Did you mean "medxpertqa"\?'),
        ("vqa-rad/yes-no", r'vqa-rad has no protocol "yes-no"\. Did you mean "yes-no-251"'),
        ("medqa/x", r'medqa has no protocol "x"'),
    ],
)
def test_an_unknown_name_is_named_with_the_nearest(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        open_benchmark(name, tmp_path)


def test_a_folder_is_no_benchmark(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r": a folder, where a benchmark is due\. .* --data-root is for its files\.$"):
        open_benchmark(str(tmp_path), tmp_path)


@pytest.mark.parametrize("given", ["build", "build/benchmarks", "build/benchmarks/held_out.parquet"])
def test_what_lies_beside_a_benchmark_leads_to_it(given: str, tmp_path: Path) -> None:
    card = tmp_path / "build" / "benchmarks" / "held_out.yaml"
    card.parent.mkdir(parents=True)
    card.touch()
    card.with_suffix(".parquet").touch()
    with pytest.raises(UserError, match=rf"where a benchmark is due\. Give {card}\.$"):
        open_benchmark(str(tmp_path / given), None)


def test_nothing_is_left_out_where_no_copy_or_no_declaration_is(tmp_path: Path) -> None:
    assert left_out("mmmu-pro-hm/standard-286", tmp_path) == frozenset()
    assert left_out("vqa-rad/exact-451", tmp_path) == frozenset()


def test_siblings_are_protocols_whose_copies_are_there(tmp_path: Path) -> None:
    assert list(siblings("vqa-rad/yes-no-251", tmp_path)) == []
    assert list(siblings("own/p", tmp_path)) == []
    assert is_other_id("mmmu-hm", "validation_Math_1")
    assert not is_other_id("mmmu-hm", "validation_Math_99")
    assert not is_other_id("vqa-rad", "validation_Math_1")


def test_the_papers_benchmarks_have_a_default_protocol() -> None:
    assert {name: REGISTRY[name].protocols[0] for name in PAPER} == {
        "vqa-rad": "exact-451",
        "slake": "exact-1061",
        "pmc-vqa": "clean-2000",
        "omnimedvqa": "open-88996",
        "mmmu-hm": "official-150",
        "gmai-mmbench": "val",
    }
