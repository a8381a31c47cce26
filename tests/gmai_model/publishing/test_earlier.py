"""A card taken apart: what gmai wrote, what others did, and which of the two is kept."""

from gmai_model.publishing.card import MARK
from gmai_model.publishing.earlier import EVALUATION, SOURCES, Card, read_card

OURS = (
    f"---\nlicense: mit\n---\n\n{MARK}\n\n# Model\n\n## Use\n\nx\n\n"
    f"## {SOURCES}\n\na | b\n\n## {EVALUATION}\n\n50 %\n\n## Citation\n\nus\n"
)


def test_sections_of_gmai_and_of_others() -> None:
    card = read_card(OURS)
    assert card.by_gmai
    assert card.metadata == {"license": "mit"}
    assert card.preamble == ""
    assert list(card.own_sections()) == ["## Citation\n\nus"]
    assert card.section(EVALUATION) == f"## {EVALUATION}\n\n50 %"
    assert card.section(SOURCES) == f"## {SOURCES}\n\na | b"


def test_nothing_said_is_nothing_to_keep() -> None:
    card = read_card(OURS.replace("50 %", "No results are given with this card."))
    assert card.section(EVALUATION) is None


def test_card_of_others_is_theirs_whole() -> None:
    card = read_card("# Mine\r\n\r\ntext\r\n\r\n## Use\r\n\r\nmine\r\n\r\n## Use\r\n\r\nagain\r\n")
    assert card.preamble == "# Mine\n\ntext"
    assert [text.split("\n")[-1] for text in card.own_sections()] == ["mine", "again"]
    assert card.section(EVALUATION) is None


def test_headings_in_code_are_no_sections() -> None:
    assert set(read_card("## A\n\n```md\n## B\n```\n\n~~~\n## C\n~~~\n").sections) == {"A"}


def test_metadata_that_is_no_mapping_is_kept_as_text() -> None:
    foreign = ("- a", ": [", "date: 2024-13-45", "a: " + "[" * 3000)
    for text in (f"---\n{lines}\n---\n# x\n" for lines in foreign):
        card = read_card(text)
        assert card.metadata == {}
        assert "# x" in card.preamble


def test_a_second_card_adds_what_is_not_there() -> None:
    both = read_card(OURS).with_sections_of(read_card("---\nauthor: Li\nlicense: x\n---\n# Hand\n\n## Contact\n\nli\n"))
    assert both.metadata == {"author": "Li", "license": "mit"}
    assert set(both.sections) >= {"Contact", EVALUATION, "Citation"}
    assert read_card(None) == Card()


def test_a_byte_order_mark_hides_no_metadata() -> None:
    card = read_card("\ufeff---\r\nlicense: mit\r\n---\r\n# Ours\r\n")
    assert (card.metadata, card.preamble) == ({"license": "mit"}, "# Ours")
