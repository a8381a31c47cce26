"""General knowledge of a label may be stated as such; a finding of the image is not made of its words."""

import pytest
from gmai_data.checks.general import appearance_words, general
from gmai_data.checks.written import first_complaint, without_unresolved
from gmai_data.vocabulary import Language

EN, ZH = Language.EN, Language.ZH


def complaint(facts, text):
    asked = "What is in the marked region, and what does it do?" if facts.language == EN else "图中可见什么，有何功能？"
    named = " The gallbladder and the liver are seen." if facts.language == EN else "图中可见肝脏。"
    return first_complaint(facts, ((asked, text + named),))


@pytest.mark.parametrize(
    "text",
    [
        "The left kidney filters the blood and makes urine.",
        "The kidney removes waste from the blood and so makes urine.",
        "The main role of the left kidney is filtering blood and removing waste.",
        "The left kidney lies in the lower right part of the image. It filters the blood and produces urine by "
        "removing waste.",
        "The liver makes bile and breaks down nutrients.",
        "The liver is responsible for making bile and removing waste from the blood.",
        "The liver stores vitamins and minerals.",
        "The liver is responsible for the breakdown of nutrients and for making bile.",
        "The function of the gallbladder is to store and concentrate bile.",
        "The gallbladder stores bile, concentrates it and releases it into the duodenum.",
        "On CT the gallbladder is usually a sac of fluid, darker than the liver beside it.",
        "The left kidney, seen at the lower right, is bean-shaped and filters the blood.",
        "The liver normally is even grey, lighter than fluid and fat.",
    ],
)
def test_what_a_line_states_of_its_label_passes(told, text):
    assert complaint(told(), text) is None


@pytest.mark.parametrize(
    "text",
    [
        "There is blood in the left kidney.",
        "Urine and blood fill the left kidney.",
        "Fluid lies beside the liver.",
        "A sac of fluid is usually seen in the left kidney.",
        "The left kidney fails to filter blood and make urine.",
        "The left kidney no longer filters the blood.",
        "The left kidney filters the blood well.",
        "The left kidney makes urine slowly.",
        "The left kidney filters the blood of this elderly woman.",
        "The left kidney makes urine, which points to stones.",
        "The liver makes too little bile.",
        "The liver makes little bile.",
        "The left kidney makes urine that contains blood.",
        "The liver appears normal and grey.",
        "The liver stores fat.",
        "The liver stores iron and makes clotting factors.",
        "The liver makes bile and its bile ducts are dilated.",
        "The function of the liver is impaired.",
        "The liver functions normally.",
        "The function of the left kidney is reduced.",
        "The left kidney has a poor function.",
        "The liver makes bile, and fatty change is seen in it.",
        "The gallbladder stores bile and is inflamed.",
        "The gallbladder holds bile and stones.",
        # what is true of another label
        "The liver filters blood and makes urine.",
        "The gallbladder makes bile and breaks down nutrients.",
        "The left kidney produces bile.",
        # of labels that the image does not show
        "The pancreas makes insulin.",
        "The stomach mixes food.",
        "The duodenum receives bile.",
    ],
)
def test_a_finding_made_of_the_words_of_a_line_is_refused(told, text):
    assert complaint(told(), text) is not None


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("左肾的功能是过滤血液并生成尿液。", True),
        ("胆囊储存和浓缩胆汁，并将胆汁排入十二指肠。", True),
        ("肝脏分泌胆汁，分解营养物质。", True),
        ("左肾功能减退。", False),
        ("左肾内有血液和尿液潴留，伴积水。", False),
        ("左肾不能过滤血液，尿液减少。", False),
        ("肝脏功能正常。", False),
        ("胆囊内见结石。", False),
    ],
)
def test_chinese_is_held_to_the_chinese_lines(told, text, passes):
    assert (complaint(told(ZH), text) is None) is passes


def test_it_takes_its_label_from_the_sentence_before(told):
    turns = (("What is this?", "This is the gallbladder, at the upper left. It stores bile and concentrates it."),)
    assert first_complaint(told(labels=("gallbladder",)), turns) is None
    wrong = (("What is this?", "This is the gallbladder. It filters the blood and makes urine."),)
    assert first_complaint(told(labels=("gallbladder",)), wrong) is not None


def test_a_sentence_of_general_knowledge_stays_where_another_is_left_out(told):
    text = "The left kidney lies at the lower right. It filters the blood and makes urine. It shows a large stone."
    kept, left_out = without_unresolved(told(labels=("left kidney",)), (("What is this?", text),))
    assert kept[0][1].endswith("It filters the blood and makes urine.")
    assert left_out == ("It shows a large stone.",)


def test_without_knowledge_nothing_is_general(told, facts):
    assert general(facts(), "the left kidney makes urine.", "\ue000 makes urine.") is None
    known = general(told(), "the left kidney makes urine.", told().names.masked("the left kidney makes urine."))
    assert (known.label, known.about) == ("left kidney", "function")


def test_how_a_label_usually_looks_gives_words_for_how_it_looks_here(told):
    facts = told()
    assert complaint(facts, "The gallbladder is a dark oval sac beside the liver.") is None
    assert complaint(facts, "The gallbladder holds fluid and sludge.") is not None
    assert "sac" in appearance_words(facts, facts.names.masked("the gallbladder is dark"), ())
    assert "sac" in appearance_words(facts, "it is dark", ("gallbladder",))
    assert "sac" not in appearance_words(facts, facts.names.masked("the left kidney is dark"), ())


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("The gallbladder is a reservoir that holds bile as well as concentrating it.", True),
        ("The left kidney filters the blood, and the liver makes bile.", True),
        ("The left kidney makes bile, and the liver filters the blood.", False),
        ("The left kidney lies at the lower right. It breaks down nutrients and makes bile.", False),
        ("The role of the gallbladder is to store air.", False),
        ("The left kidney, which can no longer filter the blood, lies at the lower right.", False),
    ],
)
def test_the_line_of_another_label_or_another_matter_is_no_line_of_this_one(told, text, passes):
    assert (complaint(told(), text) is None) is passes


@pytest.mark.parametrize(
    ("language", "text", "passes"),
    [
        (EN, "The gallbladder is dark, since it contains bile, a fluid.", True),
        (EN, "The gallbladder is filled with bile.", True),
        (EN, "The gallbladder contains blood.", False),
        (EN, "The left kidney contains fluid.", False),
        (EN, "There is fluid around the gallbladder.", False),
        (ZH, "胆囊内含液体，因而较暗。", True),
        (ZH, "左肾内含液体，因而较暗。", False),
        (ZH, "胆囊周围可见液体。", False),
    ],
)
def test_a_structure_may_hold_what_its_line_says_that_it_stores(told, language, text, passes):
    assert (complaint(told(language), text) is None) == passes
