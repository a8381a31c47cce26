import pytest
from gmai_bench.answers.records import Keys, Seen, answered, has_answer, identity
from gmai_formats.errors import UserError


def test_what_a_record_shows_of_its_question() -> None:
    """A record of HuatuoGPT-Vision, one of OmniMedVQA, one of MedEvalKit."""
    huatuo = {"dataset": "VQA-RAD_test", "question": "Which?", "options": ["CT", "MR"], "answer": "MR",
              "image": ["images/a.jpg"], "model_output": ["B"]}  # fmt: skip
    found = answered(huatuo, "p", Keys(), (), Seen())
    assert (found.data_set, found.options, found.gold, found.image) == (
        "VQA-RAD_test",
        ("CT", "MR"),
        "MR",
        "images/a.jpg",
    )
    assert (found.prediction.response, found.within, found.ids) == ("B", ("VQA-RAD_test",), {})
    omni = {"dataset": "ACRIMA", "question_id": "ACRIMA_0000", "option_A": "CT", "option_B": "MR", "gt_answer": "CT",
            "model_pred": "It is CT"}  # fmt: skip
    found = answered(omni, "p", Keys(), ("file",), Seen())
    assert (found.ids, found.within) == ({"question_id": "ACRIMA_0000"}, ("ACRIMA", "file"))
    assert (found.options, found.gold) == (("CT", "MR"), "CT")
    medevalkit = {"prompt": "Which?\nA. CT\nB. MR", "choices": ["A. CT", "B. MR"], "answer": "A", "response": "A"}
    found = answered(medevalkit, "p", Keys(), (), Seen())
    assert (found.options, found.gold, found.question) == (("CT", "MR"), "A", "")


def test_keys_that_the_user_names_are_taken_and_no_others() -> None:
    fields = {"my_id": 3, "id": 4, "said": "yes", "response": "no"}
    found = answered(fields, "p", Keys("my_id", "said"), (), Seen())
    assert (found.ids, found.prediction.response) == ({"my_id": "3"}, "yes")
    with pytest.raises(UserError, match=r"and no other \(--id-key\)"):
        answered(fields, "p", Keys("other", ""), (), Seen())
    with pytest.raises(UserError, match=r"and no other \(--response-key\)"):
        answered(fields, "p", Keys("", "other"), (), Seen())
    assert not has_answer(fields, Keys("", "other"))
    assert has_answer(fields, Keys())


def test_a_second_key_of_answers_is_named_where_it_holds_others() -> None:
    seen = Seen()
    answered({"id": 1, "prediction": "B", "output": "So B."}, "p", Keys(), (), seen)
    assert seen.others == {"prediction": "output"}
    seen = Seen()
    answered({"id": 1, "prediction": "B", "output": "B"}, "p", Keys(), (), seen)
    assert seen.others == {}


@pytest.mark.parametrize(("value", "text"), [(float("nan"), ""), (None, ""), ([], ""), ([["B"]], "B"), (2, "2")])
def test_nothing_said_is_empty(value: object, text: str) -> None:
    assert answered({"id": 1, "response": value}, "p", Keys(), (), Seen()).prediction.response == text


def test_an_answer_is_a_text() -> None:
    with pytest.raises(UserError, match=r"the answer is an object"):
        answered({"id": 1, "response": {"letter": "B"}}, "p", Keys(), (), Seen())
    assert answered({"id": 1, "response": ["B", "B"]}, "p", Keys(), (), Seen()).prediction.response == "B"


def test_ids_as_a_spreadsheet_makes_them() -> None:
    assert [identity(v) for v in (7, "7", 7.0, " a ", 7.5, float("nan"), True, None)] == [
        "7",
        "7",
        "7",
        "a",
        "7.5",
        "",
        "",
        "",
    ]


def test_what_vlmevalkit_writes_in_place_of_an_answer_is_none() -> None:
    said = "Failed to obtain answer: <class 'RuntimeError'> CUDA error, device A"
    failed = answered({"id": 1, "prediction": said}, "p", Keys(), (), Seen()).prediction
    assert (failed.response, failed.refused) == ("", said)
