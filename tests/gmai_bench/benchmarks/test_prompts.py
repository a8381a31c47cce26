from gmai_bench.benchmarks.prompts import fill, reordered


def test_fields_are_filled_in_one_pass() -> None:
    assert fill("{question}: {choices}", "What is {choices}?", ("CT", "{question}"), letters=False) == (
        "What is {choices}?: CT; {question}"
    )
    assert fill("{question}\n{choices}", "?", ("CT", "MR"), letters=True) == "?\nA. CT\nB. MR"
    assert fill("{context}|{question}", "?", (), letters=True, context="c") == "c|?"


def test_an_open_question_under_a_template_with_choices_keeps_its_context() -> None:
    assert fill("{context} {question} {choices}", "?", (), letters=True) == "?"
    assert fill("{context} {question} {choices}", "?", (), letters=True, context="One.") == "One.\n\n?"


def test_options_are_moved_wherever_the_prompt_lists_them() -> None:
    assert reordered("x\nA. CT\nB. MR\ny", ["CT", "MR"], ["MR", "CT"]) == "x\nA. MR\nB. CT\ny"
    assert reordered("CT; MR? One of: CT; MR.", ["CT", "MR"], ["MR", "CT"]) == "MR; CT? One of: MR; CT."
    assert reordered("CT or MR?", ["CT", "MR"], ["MR", "CT"]) is None
