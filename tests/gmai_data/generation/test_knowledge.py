"""What is known of structures and findings: found by label, sourced line by line, extended by a file of one's own."""

import re

import pytest
from gmai_data.annotation import Annotation
from gmai_data.checks.facts import Facts, Known, LabelNames
from gmai_data.checks.written import first_complaint
from gmai_data.generation.knowledge import load_knowledge
from gmai_data.vocabulary import Kind, Language, Modality, Split
from gmai_formats.errors import UserError

EN, ZH = Language.EN, Language.ZH


def test_every_line_has_a_source_and_what_a_thing_is_has_chinese():
    known = load_knowledge()
    structures = [entry for entry in known.entries.values() if entry.function]
    findings = [entry for entry in known.entries.values() if entry.meaning]
    assert len(structures) >= 160
    assert len(findings) >= 160
    for name, entry in known.entries.items():
        for line in entry.lines:
            assert known.sources[line.source].startswith("http"), name
        said = entry.function or entry.meaning
        assert said is not None, name
        assert said.zh, name
        assert all(line.zh for line in entry.appearance.values()), name
        assert said.en.count(";") == said.zh.count("；"), f"{name}: as many clauses in both languages"
        assert said.en[-1] not in ".;", name


def test_an_entry_is_found_in_both_languages_by_each_of_its_names():
    known = load_knowledge()
    names = [(name.lower(), entry) for key, entry in known.entries.items() for name in (key, *entry.also)]
    assert len({name for name, _ in names}) == len(names), "a name of two entries"
    for name, entry in names:
        assert known.of(name) is entry
        assert all(known.known([name], None, language) for language in Language), name


@pytest.mark.parametrize("language", [EN, ZH])
def test_what_a_line_says_may_be_said_of_its_label(toy, language):
    """A line with a side, a count or a cause that a text could not repeat would be a line for nothing."""
    recipe = toy(modality="CT", labels={"1": {"en": "thing", "zh": "某物"}, "2": {"en": "other", "zh": "别物"}})
    annotation = Annotation(
        id="a", image=b"", width_px=100, height_px=100, modality=recipe.modality, department=recipe.department,
        clinical_task=recipe.clinical_task, anatomy=recipe.anatomy.en, task=recipe.task, labels=("thing",), absent=(),
        incomplete=(), boxes=(), split=Split.TRAIN, group="g", source="toy", license="", provenance={},
    )  # fmt: skip
    names = LabelNames(recipe, language)
    told: list[str] = []
    refused: list[str] = []
    for entry in load_knowledge().entries.values():
        line = entry.function or entry.meaning
        assert line is not None
        said = line.en if language == EN else line.zh
        facts = Facts(
            annotation, Kind.FREE_INSTRUCTION, language, names, (), (), (), "", (1, 300), (1, 4),
            knowledge=(Known("thing", "function", said),),
        )  # fmt: skip
        for clause in re.split("; |；", said):
            text = f"The thing {clause}." if language == EN else f"某物{clause}。"
            told.append(text)
            if first_complaint(facts, (("What is the thing?" if language == EN else "某物是什么？", text),)):
                refused.append(text)
    assert len(refused) <= 0.05 * len(told), refused


def test_a_neighbour_is_named_as_labels_are():
    known = load_knowledge()
    beside = [entry.neighbours for entry in known.entries.values() if entry.neighbours]
    named = {label for each in beside for label in (*each.labels, *each.left, *each.right)}
    strange = {each for each in named if known.of(each) is None}
    assert not strange


@pytest.mark.parametrize(
    ("label", "begins"),
    [
        ("left kidney", "filters the blood"), ("Right Kidney", "filters"), ("vertebra T12", "supports"),
        ("left rib 8", "protects the heart"), ("right lung middle lobe", "moves oxygen"),
        ("colon polyp", "is a growth"),
        ("proliferative diabetic retinopathy", "damages"), ("red blood cell", "transports oxygen"),
        ("left lateral ventricle", "is a fluid-filled cavity within the brain"), ("left ventricle", "pumps"),
        ("ulcerative colitis, Mayo score 2", "is a chronic inflammation"), ("lung cavity", "is a gas-filled space"),
        ("squamous cell carcinoma of the lung", "is a malignant tumor"), ("malignant lung tumor", "is a collection"),
    ],
)  # fmt: skip
def test_a_label_is_found_without_its_side_and_number(label, begins):
    (first, *_) = load_knowledge().known([label], None, EN)
    assert (first.label, first.text.startswith(begins)) == (label, True)


def test_nothing_is_known_of_a_label_that_no_entry_has():
    assert load_knowledge().known(["no tumor", "normal chest", "thing"], Modality.CT, EN) == ()


def test_the_appearance_is_that_of_the_modality():
    known = load_knowledge()
    assert [each.about for each in known.known(["spleen"], Modality.CT, EN)] == ["function", "appearance"]
    assert [each.about for each in known.known(["spleen"], Modality.ULTRASOUND, EN)] == ["function"]
    assert [each.about for each in known.known(["spleen"], Modality.CT, ZH)] == ["function", "appearance"]


def test_neighbours_are_those_that_the_image_shows_on_the_same_side():
    shown = ("left kidney", "right kidney", "left adrenal gland", "right adrenal gland", "spleen", "liver")
    known = load_knowledge()
    assert set(known.neighbours("left kidney", shown)) == {"left adrenal gland", "spleen"}
    assert set(known.neighbours("right kidney", shown)) == {"right adrenal gland", "liver"}
    assert known.neighbours("thing", shown) == ()


def test_a_file_of_one_s_own_adds_and_replaces(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        "version: 1\nentries:\n"
        "  stent graft: {function: {en: keeps a vessel open, from: 'https://example.org/a'}}\n"
        "  my spleen: {also: [spleen], function: {en: stores blood, from: 'Gray, Anatomy, 2020'}}\n"
    )
    made, bundled = load_knowledge(own), load_knowledge()
    assert made.known(["stent graft"], None, EN)[0].text == "keeps a vessel open"
    assert made.known(["spleen"], None, EN)[0].text == "stores blood"
    assert made.known(["liver"], None, EN) == bundled.known(["liver"], None, EN)
    assert made.digest != bundled.digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entries: [", "not readable as YAML"),
        ("version: 1\nentries: {a: {function: {en: does b}}}", "from"),
        (
            "version: 1\nentries: {a: {function: {en: does b, from: nowhere}}}",
            "the source `nowhere` is none of `sources`",
        ),
        ("version: 1\nentries: {a: {role: x}}", "role"),
        ("version: 1\nentries: {a: {function: {en: b, from: x y}, meaning: {en: c, from: x y}}}", "not both"),
        ("version: 1\nentries: {a: {appearance: {Kodak: {en: b, from: x y}}}}", "Kodak"),
        ("", "dictionary"),
    ],
)
def test_what_a_file_of_one_s_own_must_not_say(tmp_path, text, message):
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(UserError, match=message) as refused:
        load_knowledge(own)
    assert str(own) in str(refused.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: not readable"):
        load_knowledge(tmp_path / "none.yaml")
