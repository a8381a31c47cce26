"""The one form of words for what is not exported."""

from gmai_model.llama_cpp.refusals import refusal


def test_the_place_stands_first_where_there_is_one() -> None:
    said = "a cannot be exported to llama.cpp: b. Serve the checkpoint with vLLM or `transformers serve`."
    assert str(refusal("a", "b")) == said
    assert str(refusal("a", "b", where="c.json")) == f"c.json: {said}"
    assert "b. Else serve the checkpoint" in str(refusal("a", "b", "Else serve"))
