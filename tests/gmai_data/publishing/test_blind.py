"""The bag-of-words score: high where the words tell the answer, at chance where they do not."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_data.publishing.blind import Question, is_answered_by_words, score, text_only
from gmai_data.seeded import hash_fraction
from gmai_data.tables import QUESTIONS, SAMPLES, TableFiles


def asked(number, *, told):
    yes = hash_fraction("drawn", number) < 0.5
    organ = ("liver" if yes else "spleen") if told else ("liver", "spleen")[number % 2]
    return Question("presence", f"i{number}", f"Is the {organ} visible in this image?", "yes" if yes else "no")


def test_words_that_tell_the_answer_are_found():
    found = score([asked(number, told=True) for number in range(200)])
    assert found.right > 0.95
    assert found.chance == 0.5
    assert found.told
    assert found.low < found.right <= found.high


def test_words_that_do_not_are_at_chance():
    found = score([asked(number, told=False) for number in range(400)])
    assert abs(found.right - 0.5) < 0.1
    assert not found.told


def test_an_option_that_is_always_right_when_offered_is_found():
    def choice(number):
        pair = ("liver", "x") if number % 2 else ("spleen", "y")
        return Question("label", f"i{number}", f"Which? {pair[0]}; {pair[1]}", pair[0], pair)

    found = score([choice(number) for number in range(100)])
    assert (found.chance, found.right) == (0.5, 1.0)


def test_what_the_question_names_narrows_the_answers_for_a_guess_too():
    def named(number):
        noun, answers = (("cell type", ("yeast", "platelet")), ("lesion", ("nevus", "melanoma")))[number % 2]
        answer = answers[hash_fraction("drawn", number) < 0.5]
        return Question("label open", f"i{number}", f"Which {noun} is shown?", answer, about=f"label open {noun}")

    found = score([named(number) for number in range(400)])
    assert found.chance == 0.5
    assert not found.told


def test_of_few_questions_nothing_is_said():
    assert score([asked(number, told=True) for number in range(10)]) is None


@pytest.mark.parametrize("split", ["train", "validation"])
def test_training_rows_of_a_build_are_read(tmp_path, sample, split):
    def row(number):
        question = asked(number, told=True)
        balance = {"of": ["presence", "liver"], "answer": question.answer}
        messages = [
            {"role": "user", "content": f"<image>\n{question.words}"},
            {"role": "assistant", "content": question.answer},
        ]
        provenance = json.dumps({"asked": "presence", "balance": balance, "annotation": question.image})
        return sample(number, kind="visual_perception", messages=messages, provenance=provenance, split=split)

    with TableFiles(tmp_path / "samples" / "percept", split, SAMPLES) as files:
        files.add_rows([row(number) for number in range(60)])
    found = text_only(tmp_path)
    if split == "train":
        assert found["presence"]["questions"] == 60
        assert found["presence"]["text_only"] > 0.9
    else:
        assert not found


@pytest.mark.parametrize("told", [True, False])
def test_held_out_questions_are_scored_beside_them(tmp_path, told):
    def row(number):
        question = asked(number, told=told)
        facts = dict.fromkeys(("modality", "department", "source", "license"), "")
        return facts | {
            "id": str(number), "images": [], "question": question.words, "choices": ["yes", "no"],
            "reference": question.answer, "image_id": question.image, "asks": "label",
        }  # fmt: skip

    (tmp_path / "benchmarks").mkdir()
    rows = pa.Table.from_pylist([row(number) for number in range(300)], QUESTIONS)
    pq.write_table(rows, tmp_path / "benchmarks" / "q.parquet")
    assert set(found := text_only(tmp_path)) == {"held out, label"}
    assert found["held out, label"]["chance"] == 0.5
    assert (found["held out, label"]["text_only"] > 0.95) == told


@pytest.mark.parametrize(
    ("right", "questions", "warned"),
    [
        (0.56, 2000, True), (0.549, 2000, False), (0.6, 400, True), (0.6, 100, False), (0.69, 42, False),
        (0.75, 42, True), (0.4, 1000, False),
    ],
)  # fmt: skip
def test_more_than_five_points_and_not_by_luck(right, questions, warned):
    assert is_answered_by_words({"text_only": right, "chance": 0.5, "questions": questions}) == warned
