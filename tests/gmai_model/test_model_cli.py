import pytest
from gmai_formats.errors import UserError
from gmai_model.model_cli import model_app
from typer.testing import CliRunner


def refused(*words: str) -> str:
    result = CliRunner().invoke(model_app, ["init", "--out", "out", *words])
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


@pytest.mark.parametrize(
    "words",
    [("--vision", "v"), ("--language", "l"), ("--keep-rope-scaling",), ("--chat-template", "chatml")],
)
def test_a_preset_takes_nothing_about_real_parts(words: tuple[str, ...]) -> None:
    assert refused("--preset", "tiny", "--data", "d", *words) == "--preset takes no option about real parts."


def test_only_a_preset_without_a_tokenizer_needs_data() -> None:
    due = "--preset tiny and small need --data for their tokenizer; small-real has its own."
    assert refused("--preset", "small") == due
    assert refused("--preset", "small-real", "--data", "d") == due


@pytest.mark.parametrize("words", [(), ("--vision", "v"), ("--language", "l")])
def test_real_parts_are_two(words: tuple[str, ...]) -> None:
    assert refused(*words) == "give --vision and --language, or --preset tiny."
