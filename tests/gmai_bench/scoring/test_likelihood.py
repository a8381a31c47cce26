from types import SimpleNamespace


def test_the_likeliest_option_is_the_response(inputs: SimpleNamespace) -> None:
    assert inputs.verdict("CT", ("CT", "MR"), "CT", "likelihood").score == 1.0
    assert inputs.verdict("MR", ("CT", "MR"), "CT", "likelihood").score == 0.0
