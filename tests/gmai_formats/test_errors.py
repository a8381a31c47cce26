import pytest
from gmai_formats.errors import UserError, did_you_mean, explain_validation, told
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator


class Window(BaseModel):
    model_config = ConfigDict(extra="forbid")
    level: int


class Card(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    slices: int = Field(3, gt=0)
    window: Window | None = None

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if " " in name:
            raise ValueError("a name has no blanks")
        return name


def explain(**values: object) -> str:
    with pytest.raises(ValidationError) as raised:
        Card.model_validate(values)
    error = explain_validation(raised.value, where="card.yaml", known_fields=Card.model_fields)
    assert isinstance(error, UserError)
    return str(error)


def test_a_close_name_is_offered() -> None:
    assert did_you_mean("percpet", ["caption", "percept"]) == ' Did you mean "percept"?'


@pytest.mark.parametrize("name", ["lr", "LR", "mbs"])
def test_initials_lead_to_a_name(name: str) -> None:
    many = [f"name{number}" for number in range(50)]
    meant = {"lr": "learning_rate", "mbs": "micro_batch_size"}[name.lower()]
    assert did_you_mean(name, [*many, "learning_rate", "micro_batch_size"]) == f' Did you mean "{meant}"?'


def test_without_a_close_name_the_known_ones_are_listed() -> None:
    assert did_you_mean("zzz", ["b", "a"]) == " Known: a, b."


def test_a_far_name_is_offered_with_the_whole_vocabulary() -> None:
    known = ["Dermatology", "Endocrinology"]
    assert did_you_mean("Radiology", known) == ' Did you mean "Endocrinology"? Known: Dermatology, Endocrinology.'


def test_many_names_are_not_listed() -> None:
    known = [f"set-{number:03d}" for number in range(200)]
    assert did_you_mean("zzz", known) == ""
    assert did_you_mean("net-001", known) == ' Did you mean "set-001"?'


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert did_you_mean("zzz", []) == ""


def test_an_unknown_key_is_named_with_the_one_that_was_meant() -> None:
    assert explain(name="x", slcies=3) == 'card.yaml: slcies: unknown key. Did you mean "slices"?'


def test_a_key_of_another_place_is_not_offered_instead_of_itself() -> None:
    with pytest.raises(ValidationError) as raised:
        Card.model_validate({"name": "x", "level": 3})
    said = str(explain_validation(raised.value, where="card.yaml", known_fields=[*Card.model_fields, "level"]))
    assert said == "card.yaml: level: not a key of this place."


def test_a_file_of_another_kind_is_one_line() -> None:
    known = " Known: name, slices, window. Give the file that is meant here, or correct the keys."
    for count in (6, 30):
        said = explain(name="x", **{f"k{number}": number for number in range(count)})
        expected = f"card.yaml: {count} unknown keys (k0, k1, k2, k3, k4, …), as in a file of another kind.{known}"
        assert said == expected
    assert len(explain(name="x", **{f"k{number}": number for number in range(5)}).splitlines()) == 5


def test_a_missing_key_is_named() -> None:
    assert explain() == "card.yaml: name: Field required"


def test_a_bad_value_is_shown_with_its_rule() -> None:
    assert explain(name="x", slices=0) == "card.yaml: slices: Input should be greater than 0 (found 0)"


def test_a_rule_of_ours_is_told_in_its_own_words() -> None:
    assert explain(name="a b") == "card.yaml: name: a name has no blanks (found 'a b')"


def test_a_nested_key_has_its_path() -> None:
    assert explain(name="x", window={"level": "high"}).startswith("card.yaml: window.level: Input should be a valid")


def test_every_finding_has_a_line() -> None:
    assert len(explain(slices=-1, nmae="x").splitlines()) == 3


def test_a_long_value_is_shortened() -> None:
    assert len(explain(name="x", slices="9" * 500 + "x")) < 250


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("mr", ["CT", "MR"], "MR"),
        ("VQA-RAD", ["slake", "vqa-rad"], "vqa-rad"),
        ("vqa_rad", ["slake", "vqa-rad"], "vqa-rad"),
        ("LLaVA", ["llava", "ms-swift"], "llava"),
        ("X RAY", ["PET", "X-ray"], "X-ray"),
        ("OCTT", ["oct", "pet"], "oct"),
    ],
)
def test_capitals_and_hyphens_make_no_difference(given: str, known: list[str], meant: str) -> None:
    assert did_you_mean(given, known).startswith(f' Did you mean "{meant}"?')


def test_a_text_of_another_encoding_is_said_to_be_one() -> None:
    with pytest.raises(UnicodeDecodeError) as raised:
        b"id,\xe4".decode("utf-8")
    assert told(raised.value) == "byte 0xe4 at place 3 is not UTF-8, so save the file as UTF-8"
    assert told(ValueError("line 3")) == "line 3"
