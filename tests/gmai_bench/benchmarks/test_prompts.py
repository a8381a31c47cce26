from gmai_bench.benchmarks.prompts import fill


def test_fields_are_filled_in_one_pass() -> None:
    assert fill("{question}: {choices}", "What is {choices}?", ("CT", "{question}"), letters=False) == (
        "What is {choices}?: CT; {question}"
    )
    assert fill("{question}\n{choices}", "?", ("CT", "MR"), letters=True) == "?\nA. CT\nB. MR"
    assert fill("{context}|{question}", "?", (), letters=True, context="c") == "c|?"


def test_an_open_question_under_a_template_with_choices_keeps_its_context() -> None:
    assert fill("{context} {question} {choices}", "?", (), letters=True) == "?"
    assert fill("{context} {question} {choices}", "?", (), letters=True, context="One.") == "One.\n\n?"
