import importlib.util
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly.assemble import assemble
from gmai_model.model_cli import model_app
from typer.testing import CliRunner

from .assembly.stand_ins import LANGUAGES, VISIONS, by_name


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
    due = "--preset demo, tiny and small need --data for their tokenizer; small-real has its own."
    assert refused("--preset", "small") == due
    assert refused("--preset", "small-real", "--data", "d") == due


@pytest.mark.parametrize("words", [(), ("--vision", "v"), ("--language", "l")])
def test_real_parts_are_two(words: tuple[str, ...]) -> None:
    assert refused(*words) == "give --vision and --language, or --preset tiny."


@pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="install gmai-model[gguf]")
@pytest.mark.parametrize(
    ("words", "files", "program"),
    [
        (("--square-images",), ["export.json", "mmproj.gguf", "model.gguf"], "llama-mtmd-cli -m"),
        (("--text-only", "--dtype", "q8_0"), ["export.json", "model.gguf"], "llama-cli -m"),
    ],
)
def test_export_writes_what_llama_cpp_opens_and_says_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], files: list[str], program: str
) -> None:
    by_name(LANGUAGES, "Qwen3-8B").write(tmp_path / "language")
    by_name(VISIONS, "SigLIP and").write(tmp_path / "vision")
    assemble(tmp_path / "vision", tmp_path / "language", tmp_path / "made", image_mode="pad", seed=0)
    out = tmp_path / "out put"
    result = CliRunner().invoke(
        model_app, ["export", str(tmp_path / "made"), "--format", "gguf", "--out", str(out), *words]
    )
    assert result.exit_code == 0, result.exception
    assert f"wrote {out}" in result.stdout
    assert sorted(each.name for each in out.iterdir()) == files
    said = result.stdout + result.stderr + capsys.readouterr().err
    assert f"next: {program} '{out / 'model.gguf'}'" in said
    assert all(f"'{out / name}'" in said for name in files if name.endswith(".gguf"))
    assert ("--image IMAGE" in said) == ("mmproj.gguf" in files)


@pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="install gmai-model[gguf]")
@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (("--format", "gguf"), UserError, "a CLIP encoder cannot be exported to llama.cpp"),
        (("--format", "onnx"), SystemExit, "'onnx' is not"),
        (("--format", "gguf", "--dtype", "q4"), SystemExit, "'q4' is not"),
    ],
)
def test_export_refuses_what_llama_cpp_would_compute_otherwise(
    checkpoint: Path, tmp_path: Path, words: tuple[str, ...], error: type[BaseException], says: str
) -> None:
    result = CliRunner().invoke(model_app, ["export", str(checkpoint), "--out", str(tmp_path / "out"), *words])
    assert isinstance(result.exception, error)
    assert says in str(result.exception) + result.output
    assert not (tmp_path / "out").exists()


def test_export_names_the_package_that_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = CliRunner().invoke(model_app, ["export", "made", "--format", "gguf", "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, UserError)
    assert "--format gguf: the package gguf writes it. Install it: `" in str(result.exception)


@pytest.mark.parametrize(
    ("words", "range_"),
    [
        (["chat", "made", "--web", "--port", "99999"], "port"),
        (["chat", "made", "--web", "--port", "-1"], "port"),
        (["init", "--preset", "tiny", "--data", "x", "--out", "y", "--seed", str(2**64)], "seed"),
        (["warmup", "--model", "made", "--data", "x", "--out", "y", "--seed", str(2**32)], "seed"),
    ],
)
def test_a_number_that_the_system_or_torch_cannot_take_is_refused(words: list[str], range_: str) -> None:
    result = CliRunner().invoke(model_app, words)
    assert result.exit_code == 2
    assert f"Invalid value for '--{range_}'" in result.stderr
