"""Finding cards by the words of the field, whole words only, and listing them so that they fit."""

import json
import re

import pytest
from gmai_data.cli import app
from gmai_data.publishing.searching import Filters, download_limit, print_recipes
from gmai_data.sources.cards.summaries import summaries
from gmai_formats.errors import UserError
from typer.testing import CliRunner

CARDS = {card.name: card for card in summaries()}


def found(capsys, words="", **filters):
    print_recipes(words, Filters(**filters), as_json=True)
    said = json.loads(capsys.readouterr().out)
    return {card["name"] for card in (said["recipes"] if words else said)}


def with_modality(*names):
    return {name for name, card in CARDS.items() if card.modality in names}


@pytest.mark.parametrize(
    ("words", "modality"),
    [
        ("MRI", "MR"), ("mr", "MR"), ("magnetic resonance imaging", "MR"), ("磁共振", "MR"), ("核磁共振", "MR"),
        ("x-ray", "X-ray"), ("radiographs", "X-ray"), ("X光", "X-ray"), ("超声", "Ultrasound"),
        ("sonography", "Ultrasound"), ("内镜", "Endoscopy"), ("dermatoscopy", "Dermoscopy"), ("皮肤镜", "Dermoscopy"),
        ("CFP", "Fundus photography"), ("眼底", "Fundus photography"), ("阴道镜", "Colposcopy"),
    ],
)  # fmt: skip
def test_a_modality_is_found_by_every_name_it_has(words, modality, capsys):
    assert with_modality(modality) <= found(capsys, words)


def test_words_are_whole(capsys):
    assert found(capsys, "PET") == with_modality("PET"), "not the PET in competition"
    assert "kits19" not in found(capsys, "us"), "not the us in -us-"
    assert not any("ear" in name for name in found(capsys, "heart") if "heart" not in CARDS[name].spoken + name)
    with pytest.raises(UserError, match=r'no recipe says "etitio"'):
        print_recipes("etitio")


def test_a_chest_x_ray_is_a_cxr(capsys):
    came = found(capsys, "CXR")
    assert {"chestxray14", "chest-xray-pneumonia", "tb-chest-xray"} <= came <= with_modality("X-ray")
    assert "knee-oa" not in came
    assert found(capsys, "胸片") == came


@pytest.mark.parametrize(
    ("words", "department"),
    [
        ("眼科", "Ophthalmology"),
        ("ophthalmology", "Ophthalmology"),
        ("皮肤科", "Dermatology"),
        ("骨科", "Orthopedic Surgery"),
    ],
)
def test_a_department_is_found_in_both_languages(words, department, capsys):
    assert {name for name, card in CARDS.items() if card.department == department} <= found(capsys, words)


def test_organs_tasks_and_licences_are_words_like_others(capsys):
    assert "kits19" in found(capsys, "kidney CT segmentation")
    assert "kits19" in found(capsys, "renal") & found(capsys, "肾") & found(capsys, "kidney tumours")
    assert found(capsys, "CC0") == {name for name, card in CARDS.items() if "CC0" in card.license}


@pytest.mark.parametrize(
    ("words", "some"),
    [
        ("脑肿瘤", {"brats2020", "brain-tumor-mri"}),
        ("脑出血", {"instance22", "rsna-intracranial-hemorrhage"}),
        ("肺结节", {"lidc-idri", "vindr-cxr"}),
        ("手术器械", {"endovis2018", "kvasir-instrument"}),
        ("kits", {"kits19", "kits21", "kits23"}),
        ("colonoscopy", {"kvasir-seg", "cvc-clinicdb"}),
        ("DR", {"aptos2019", "messidor2"}),
        ("乳腺超声", {"busi", "tdsc-abus2023"}),
        ("心脏磁共振", {"acdc", "mnms"}),
        ("胸部X光 肺炎", {"rsna-pneumonia"}),
        ("糖网", {"aptos2019", "eyepacs-dr"}),
        ("冠脉", {"imagecas"}),
        ("食管癌", {"padchest"}),
        ("echo", {"camus"}),
        ("brain mets", {"brats2023-met"}),
        ("abdominal organs CT", {"word", "flare2022"}),
        ("bounding boxes X-ray", {"grazpedwri-dx"}),
        ("datasets of the skin with a public licence", {"ham10000"}),
    ],
)
def test_words_that_no_card_says_as_they_stand_are_understood(words, some, capsys):
    assert some <= found(capsys, words)


def test_known_datasets_have_english_names_only_and_are_found_in_chinese(capsys):
    print_recipes("牙", as_json=True)
    assert any("dental" in str(known).lower() for known in json.loads(capsys.readouterr().out)["known"])


def test_what_may_be_published_is_what_publishing_lets_pass(capsys):
    came = found(capsys, "may be published")
    assert came == found(capsys, publishable=True) == found(capsys, "可发布")
    assert {"kits19", "spider"} <= came
    assert not came & {"ph2", "bach", "chestxray14", "glas"}


def test_commercial_use_and_open_access_are_asked_for_in_words(capsys):
    commercial = found(capsys, "commercial use")
    assert commercial == found(capsys, "可商用")
    assert {"abdomenct-1k", "breakhis"} & commercial
    assert commercial == {
        name
        for name in found(capsys, "may be published")
        if "-NC" not in CARDS[name].license and "permission" not in CARDS[name].license
    }
    for denied in ("non-commercial use", "no commercial use"):  # words of licences, and not the contrary
        assert found(capsys, denied)
        assert not found(capsys, denied) & commercial
    assert found(capsys, "open access CT") == {name for name in found(capsys, "CT") if CARDS[name].access == "open"}
    assert found(capsys, "licence that may be published") == found(capsys, "may be published")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("pnuemonia", "pneumonia"),
        ("retinopaty", "retinopathy"),
        ("mammografy", "mammography"),
        ("liver segmetation", "liver segmentation"),
        ("ultrasoud breast", "ultrasound breast"),
        ("thyriod nodule", "thyroid nodule"),
        ("colonscopy", "colonoscopy"),
        ("braats", "brats"),
        ("kidny tumor", "kidney tumor"),
    ],
)
def test_a_misspelt_word_is_read_as_the_cards_spell_it(words, meant, capsys):
    print_recipes(words, as_json=True)
    printed = capsys.readouterr()
    assert {card["name"] for card in json.loads(printed.out)["recipes"]} == found(capsys, meant)
    assert 'searched for "' in printed.err


@pytest.mark.parametrize(
    ("words", "left", "some"),
    [
        ("gastric cancer pathology", '"cancer"', {"gashissdb"}),
        ("blood cells counting", '"blood"', {"dsb2018"}),
        ("liver CT zzzz", '"zzzz"', {"lits"}),
    ],
)
def test_where_nothing_says_all_of_it_most_of_it_is_searched_for_and_said(words, left, some, capsys):
    print_recipes(words, as_json=True)
    printed = capsys.readouterr()
    assert some <= {card["name"] for card in json.loads(printed.out)["recipes"]}
    assert f"no recipe says all of it: searched without {left}" in printed.err


@pytest.mark.parametrize("words", ["zzzz", "wound", "zzzz yyyy", "rheumatoid arthritis hand"])
def test_what_nothing_says_is_refused(words):
    with pytest.raises(UserError, match=f'no recipe says "{words}"'):
        print_recipes(words)


def test_sizes_are_asked_for_in_words_and_by_filter(capsys):
    large = {name for name, card in CARDS.items() if (card.items or 0) > 10_000}
    assert found(capsys, ">10000") == found(capsys, ">10k") == found(capsys, min_items=10_001) == large
    assert found(capsys, "more than 10,000") == found(capsys, "over 10.0k") == found(capsys, "超过 1.0万") == large
    assert found(capsys, "at least 1.5k") == found(capsys, "at least 1,500") == found(capsys, min_items=1500)
    assert found(capsys, "more than 10000") == found(capsys, "超过1万") == found(capsys, "大于 10千 例") == large
    assert found(capsys, "at least 10001 images") == large
    assert "kits19" in found(capsys, "CT <= 210")
    assert "kits19" not in found(capsys, "CT < 210")


def sized(least=0, most=10**18):
    return {name for name, card in CARDS.items() if least <= (card.download_bytes or -1) <= most}


@pytest.mark.parametrize(
    "words", ["<5GB", "< 5 GB", "under 5 gb", "less than 5,000 MB", "小于 5GB", "< 5 GB to download"]
)
def test_the_size_to_download_is_asked_for_in_words(words, capsys):
    small = found(capsys, words)
    assert small == found(capsys, max_download=5 * 10**9 - 1) == sized(most=5 * 10**9 - 1)
    assert "pcam" not in small, "8 GB"
    assert "mhist" in small


def test_sizes_to_download_and_counts_are_asked_for_together(capsys):
    both = found(capsys, "MRI over 10 GB <= 2000 images")
    assert both == found(capsys, modality="MR", min_download=10**10 + 1, max_items=2000) != set()
    assert found(capsys, "between 1 and 10 GB") == found(capsys, ">=1GB <=10GB") == sized(10**9, 10**10)
    assert found(capsys, "between 500 MB and 1 GiB") == sized(5 * 10**8, 2**30)


def test_what_states_no_size_is_left_out_and_counted(capsys):
    unknown = [name for name in with_modality("PET") if CARDS[name].download_bytes is None]
    assert unknown
    print_recipes("PET < 2 TB", as_json=True)
    printed = capsys.readouterr()
    assert {card["name"] for card in json.loads(printed.out)["recipes"]} == with_modality("PET") - set(unknown)
    assert f"left out: {len(unknown)} more, whose size to download is not stated" in printed.err


def test_the_size_to_download_is_listed_marked_and_in_json(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    print_recipes("mhist")
    assert "*354 MB" in capsys.readouterr().out
    print_recipes("acdc", as_json=True)
    (card,) = [card for card in json.loads(capsys.readouterr().out)["recipes"] if card["name"] == "acdc"]
    assert (card["download"], card["download_bytes"]) == ("not stated", None)
    print_recipes("mhist", as_json=True)
    card = json.loads(capsys.readouterr().out)["recipes"][0]
    assert (card["download"], card["download_bytes"], card["download_second_hand"]) == ("354 MB", 354_000_000, True)


def test_filters_take_words_of_the_vocabulary_and_name_it(capsys):
    assert found(capsys, modality="mri") == with_modality("MR")
    assert found(capsys, department="眼科", modality="OCT") >= {"octdl", "oct2017"}
    assert found(capsys, task="detection") == {name for name, card in CARDS.items() if card.task == "2d_detection"}
    with pytest.raises(UserError, match=r'"xrya" names none of: CT, MR, X-ray'):
        print_recipes(filters=Filters(modality="xrya"))
    with pytest.raises(UserError, match="no recipe has all of that"):
        print_recipes(filters=Filters(modality="PET", department="眼科"))


def test_known_datasets_stand_below_the_cards_and_those_with_a_card_do_not(capsys):
    print_recipes("prostate MR")
    said = capsys.readouterr().out
    cards, known = said.split("known, without a card")
    assert "promise12" in cards
    assert "PROMISE12" not in known
    assert "gmai data recipes new FOLDER --like NAME" in known
    print_recipes("prostate", every=True)
    assert len(capsys.readouterr().out.splitlines()) > len(said.splitlines())


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_list_fits_the_terminal(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    print_recipes()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CARDS) + 3
    assert max(map(len, lines)) <= max(width, 90)
    assert ("~700 GB" in "".join(lines)) == (width >= 100)


def order(capsys, words):
    print_recipes(words, as_json=True)
    return [card["name"] for card in json.loads(capsys.readouterr().out)["recipes"]]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("lung nodule", "lidc-idri"), ("brain tumor MRI", "brain-tumor-mri"),
        ("cervical spine", "rsna-cervical-fracture"),
        ("polyp segmentation", "kvasir-seg"), ("CXR pneumothorax", "siim-acr-pneumothorax"), ("甲状腺结节", "tn3k"),
        ("ICH", "rsna-intracranial-hemorrhage"), ("fetal ultrasound", "fetal-planes"), ("前列腺 MRI", "pi-cai"),
        ("乳腺钼靶", "rsna-breast-cancer"), ("tb x-ray", "tb-chest-xray"), ("KiTS", "kits19"),
    ],
)  # fmt: skip
def test_cards_whose_name_says_it_come_first(words, first, capsys):
    assert order(capsys, words)[0] == first


def test_drawn_pictures_come_last_and_a_task_before_a_name(capsys):
    assert order(capsys, "melanoma")[-1] == "phantom-dermoscopy"
    assert order(capsys, "3d classification")[-1] == "isic2024-slice3d"


def test_a_size_may_say_of_what(capsys):
    assert order(capsys, "ultrasound < 200 images") == order(capsys, "ultrasound <200")


def test_words_that_nothing_says_together_are_named_as_such():
    with pytest.raises(UserError, match=r"Each of its words is found by itself: ask for fewer\."):
        print_recipes("dermoscopy spleen")


def test_list_takes_each_of_its_options():
    """Each option reaches the filter of its own name."""

    def listed(*options):
        return json.loads(
            CliRunner().invoke(app, ["recipes", "list", *options, "--json"], catch_exceptions=False).stdout
        )

    assert listed("--min-items", "100000")
    assert all(card["items"] >= 100_000 for card in listed("--min-items", "100000"))
    few = listed("--max-items", "60", "--license", "CC-BY")
    assert few
    assert all(card["items"] <= 60 for card in few)
    assert {card["name"] for card in listed("--max-download", "1 GB")} == sized(most=10**9)
    assert {card["name"] for card in listed("--min-download", "100GB")} == sized(10**11)


@pytest.mark.parametrize("size", ["3", "GB", "-3 GB", "0 GB", "3 apples"])
def test_a_size_without_a_unit_is_named(size):
    with pytest.raises(UserError, match=r'^--max-download ".*" is no size; write a number and a unit'):
        download_limit("--max-download", size)


@pytest.mark.parametrize(
    ("question", "short"),
    [
        ("I need images of the liver", "liver"),
        ("colposcopy images", "colposcopy"),
        ("find me pictures: polyp, endoscopy", "polyp endoscopy"),
        ("肺部CT，分割", "肺部 CT 分割"),
        ("需要眼底照片数据集", "眼底"),
        ("有没有肝脏CT", "肝脏 CT"),
        ("乳腺癌 病理切片", "breast cancer histopathology"),
        ("冠状动脉 造影", "coronary artery angiography"),
        ("CT between 100 and 500 volumes", "CT >=100 <=500"),
    ],
)
def test_a_question_in_a_sentence_finds_what_its_words_find(question, short, capsys):
    assert found(capsys, question) == found(capsys, short) != set()


@pytest.mark.parametrize("words", ["breakhis", "limuc", "lizard"])
def test_a_licence_that_was_read_second_hand_is_marked(words, capsys):
    print_recipes(words)
    out = capsys.readouterr().out
    assert f"*{CARDS[words].license}"[:8] in out, "a narrow terminal cuts the rest"
    assert "--accept-second-hand" in out


def test_a_licence_that_was_read_at_the_publishers_is_not_marked(capsys):
    print_recipes("ctspine1k")
    out = capsys.readouterr().out
    assert "CC-BY-NC-SA" in out
    assert "*" not in out


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("polyp segm", {"kvasir-seg", "cvc-clinicdb"}),
        ("polyp seg", {"hyper-kvasir-seg", "kvasir-seg", "cvc-clinicdb"}),
        ("histopath breast", {"bach", "breakhis"}),
        ("膝关节骨关节炎 X光", {"knee-oa", "digital-knee"}),
        ("脊椎 分割", {"verse", "spider"}),
        ("胃镜 息肉", {"kvasir-seg", "cvc-clinicdb"}),
        ("白细胞 分类", {"bloodmnist", "pbc-dataset"}),
        ("WBC classification", {"bloodmnist", "pbc-dataset"}),
        ("head ct bleed", {"rsna-intracranial-hemorrhage", "cq500", "bhsd"}),
        ("bone fracture xray children", {"grazpedwri-dx"}),
        ("multi-organ abdomen CT", {"amos22-ct", "btcv"}),
        ("image quality assessment", {"drac22", "hrf-quality"}),
        ("placenta fetoscopy", {"fetreg"}),
        ("nasopharynx carcinoma", {"structseg-naso-gtv"}),
        ("head & neck OAR CT", {"han-seg"}),
        ("leukemia cells", {"c-nmc-leukemia"}),
        ("sperm morphology", {"hushem"}),
        ("spine vertebrae CT", {"verse", "ctspine1k"}),
        ("non commercial skin lesions", {"ham10000", "waterloo-skin"}),
        ("skin cancer images with patient ids", {"ham10000"}),
        ("mammo", {"vindr-mammo", "cbis-ddsm", "inbreast"}),
        ("皮肤癌 智能手机", {"pad-ufes-20"}),
        ("nuclei segmentation H&E", {"monuseg", "pannuke"}),
        ("glioblastoma", {"brats-tcga-gbm", "tcga-glioma"}),
        ("liver segmentation CT, CC0 or CC BY", {"amos22-ct"}),
    ],
)
def test_short_forms_plurals_and_words_of_the_field_find_cards(question, first, capsys):
    assert first <= found(capsys, question)


def test_of_a_question_that_no_card_answers_the_modality_is_kept(capsys):
    print_recipes("超声 乳腺 肿块", as_json=True)
    printed = capsys.readouterr()
    assert {card["modality"] for card in json.loads(printed.out)["recipes"]} == {"Ultrasound"}
    assert "肿块" in printed.err


def test_cards_that_say_most_are_shown_beside_a_known_dataset_that_says_all(capsys):
    print_recipes("glaucoma cup disc", as_json=True)
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert "refuge-seg" in {card["name"] for card in answer["recipes"]}
    assert "papila" in {each["name"] for each in answer["known"]}
    assert 'without "glaucoma"' in printed.err


@pytest.mark.parametrize(
    ("question", "name"),
    [("HER2 tumor pathology", "HER2 tumor ROIs"), ("retinopathy of prematurity fundus", "farfum-rop")],
)
def test_what_no_card_says_is_not_left_out_where_a_known_dataset_answers(question, name, capsys):
    print_recipes(question, as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert not answer["recipes"]
    assert name in {each["name"] for each in answer["known"]}


def test_a_modality_is_not_left_out(capsys):
    print_recipes("lung ultrasound covid", as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert not answer["recipes"], "there are CTs of lungs with COVID-19"
    assert answer["known"]
    assert all("Ultrasound" in each["modality"] for each in answer["known"])


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("commercial use chest x-ray with boxes", "vindr-cxr-boxes"),
        ("CC0 histology nuclei", "monuseg"),
        ("retinal vessels > 100000", "drive"),
    ],
)
def test_what_only_the_licence_or_the_size_keeps_out_is_refused_with_the_cards_named(question, named):
    with pytest.raises(UserError, match="has all that is asked of licence") as refused:
        print_recipes(question)
    assert re.search(r"Without that \d+ say it: ", str(refused.value))
    assert all(
        name in CARDS for name in re.split(", ", str(refused.value).split("say it: ")[1].rstrip("….").rstrip(", "))
    )


@pytest.mark.parametrize(
    ("licence", "others"), [("CC BY", "CC-BY-NC"), ("CC-BY-NC", "CC-BY-NC-SA"), ("cc by-sa 4.0", "CC-BY-NC")]
)
def test_a_licence_of_creative_commons_is_the_one_that_was_asked_for(licence, others, capsys):
    names = found(capsys, f"{licence} segmentation")
    asked = licence.upper().replace(" ", "-").removesuffix("-4.0")
    assert names
    assert all(CARDS[name].license.startswith(asked) for name in names)
    assert not any(CARDS[name].license.startswith(others) for name in names)


def test_terms_that_forbid_commerce_are_not_found_for_commercial_use(capsys):
    assert not {"kvasir-capsule", "hyper-kvasir"} & found(capsys, "commercial use endoscopy")
