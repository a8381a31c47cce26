"""Tokens and money: providers' formulas, the cap, and answers whose usage nobody reports."""

import pytest
from gmai_formats.chat.completion import Completion
from gmai_formats.chat.prices import Budget, budget_for, load_table, text_tokens, used_tokens
from gmai_formats.errors import UserError


def test_prices_by_the_provider_s_formulas():
    table = load_table()
    assert table.as_of
    assert table.source
    four_o, mini = table.price("gpt-4o-2024-08-06"), table.price("gpt-4.1-mini")
    assert four_o.image.tokens(336, 336, "high") == 85 + 170
    assert four_o.image.tokens(1024, 1024, "high") == 85 + 4 * 170
    assert four_o.image.tokens(2048, 4096, "high") == 85 + 6 * 170
    assert four_o.image.tokens(4000, 4000, "low") == 85
    assert mini.image.tokens(336, 336, "auto") == 197  # 11 × 11 patches × 1.62, rounded up
    assert four_o.usd(1_000_000, 100_000, batch=False) == pytest.approx(3.5)
    assert four_o.usd(1_000_000, 100_000, batch=True) == pytest.approx(1.75)
    assert text_tokens("four characters a token.") == 6
    assert text_tokens("肝脏左肾") == 4


def test_a_budget_never_passes_its_cap(tmp_path):
    budget = Budget({"m": load_table().price("gpt-4o")}, batch=False, cap_usd=0.01)
    first = budget.reserve("m", 1000, 500)
    assert first == pytest.approx(0.0075)
    assert budget.reserve("m", 1000, 500) is None
    budget.settle(first, "m", 1000, 100)
    assert budget.spent_usd == pytest.approx(0.0035)
    assert budget.reserve("m", 1000, 300) is not None
    with pytest.raises(UserError, match=r'has no model "gpt-4p".* Did you mean "gpt-4o"'):
        budget_for(["gpt-4p"], load_table(), cap_usd=1.0, batch=False)
    (tmp_path / "own.yaml").write_text(
        "as_of: today\nsource: us\nmodels: {ours: {input_usd: 1, output_usd: 2, image: {by: fixed, per_image: 64}}}\n"
    )
    assert load_table(tmp_path / "own.yaml").price("ours").image.tokens(1, 1, "auto") == 64


@pytest.mark.parametrize(
    ("completion", "used"),
    [
        (Completion("x" * 40, input_tokens=90, output_tokens=7), (90, 7, False)),
        (Completion("x" * 40), (500, 10, True)),
        (Completion("x" * 40, input_tokens=0, output_tokens=0), (500, 10, True)),
        (Completion("x" * 40, reasoning="y" * 80, input_tokens=90), (90, 30, True)),
        (Completion("", input_tokens=90, output_tokens=0), (90, 0, False)),
    ],
)
def test_usage_that_is_not_reported_is_estimated_and_said_so(completion, used):
    assert used_tokens(completion, 500) == used
