import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.weights import sealed_files
from gmai_model.assembly.assemble import assemble
from gmai_model.assembly.portable import settings_digests
from gmai_model.checking.consumers import check_settings, consumers
from gmai_model.checking.files import Files

from ..assembly.stand_ins import LANGUAGES, VISIONS, by_name, edit


def folder_of(folder: Path, **files: Any) -> Path:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_one_setting_in_two_files_is_one_line(tmp_path: Path) -> None:
    recorded(tmp_path)
    folder_of(tmp_path, tokenizer_config={"chat_template": "x"}, gmai={"settings": {}})
    folder_of(tmp_path, gmai={"settings": settings_digests(tmp_path)})
    (tmp_path / "chat_template.jinja").write_text("y")
    folder_of(tmp_path, tokenizer_config={"chat_template": "y"})
    (line,) = check_settings(Files(tmp_path), [])
    assert line.startswith("tokenizer_config.json, chat_template.jinja: chat_template is not as gmai wrote it.")


def test_file_that_was_laid_beside_is_named(tmp_path: Path) -> None:
    recorded(tmp_path)
    folder_of(tmp_path, gmai={"settings": settings_digests(tmp_path), "files": sealed_files(tmp_path)["files"]})
    assert not list(check_settings(Files(tmp_path), []))
    folder_of(tmp_path, special_tokens_map={"eos_token": "x"})
    (line,) = check_settings(Files(tmp_path), [])
    assert line.startswith("special_tokens_map.json: not written by gmai, and readers that look for it")


def recorded(folder: Path) -> Path:
    folder_of(folder, config={"text_config": {"hidden_act": "silu"}, "a": 1}, generation_config={"top_k": 1})
    (folder / "chat_template.jinja").write_text("x")
    return folder_of(folder, gmai={"settings": settings_digests(folder)})


def test_settings_as_they_were_written_are_no_finding(tmp_path: Path) -> None:
    assert list(check_settings(Files(recorded(tmp_path)), [])) == []


def test_without_a_record_nothing_is_compared(tmp_path: Path) -> None:
    assert list(check_settings(Files(folder_of(tmp_path, config={"a": 1})), [])) == []


def test_changed_added_and_lost_fields_are_named(tmp_path: Path) -> None:
    recorded(tmp_path)
    folder_of(tmp_path, config={"text_config": {"hidden_act": "gelu"}, "b": 1})
    (line,) = check_settings(Files(tmp_path), [])
    assert line.startswith("config.json: a, b, text_config.hidden_act are not as gmai wrote it. Restore the file of")
    assert line.endswith("where the change is meant, `gmai model check --accept-settings` records it")
    assert list(check_settings(Files(tmp_path), ["config.json: is broken"])) == []


def test_a_changed_template_and_a_lost_file_are_named(tmp_path: Path) -> None:
    recorded(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("y")
    (tmp_path / "generation_config.json").unlink()
    lines = sorted(check_settings(Files(tmp_path), []))
    assert lines[0].startswith("chat_template.jinja: chat_template is not as gmai wrote it.")
    assert lines[1].startswith("generation_config.json: top_k is not as gmai wrote it.")


@pytest.mark.parametrize(
    ("vision", "text", "processor", "transformers", "vllm"),
    [
        ("clip_vision_model", {}, "LlavaImageProcessor", "4.49", "takes CLIP encoders"),
        ("siglip_vision_model", {"model_type": "llama"}, "CLIPImageProcessor", "4.47", "takes SigLIP encoders"),
        ("clip_vision_model", {"model_type": "qwen3"}, "LlavaImageProcessor", "4.51", "takes CLIP encoders"),
        ("siglip_vision_model", {"model_type": "qwen3"}, "CLIPImageProcessor", "4.51", "takes SigLIP encoders"),
        ("siglip_vision_model", {"model_type": "qwen2"}, "CLIPImageProcessor", "4.47", "takes SigLIP encoders"),
        ("dinov2", {}, "", "4.45", "not known, for this vision encoder or language model"),
        ("clip_vision_model", {"model_type": "odd"}, "", "4.45", "not known, for this vision encoder"),
    ],
)
def test_each_program_is_named_with_what_it_does(
    tmp_path: Path, vision: str, text: dict[str, str], processor: str, transformers: str, vllm: str
) -> None:
    config = {"vision_config": {"model_type": vision}, "text_config": text}
    folder_of(tmp_path, config=config, preprocessor_config={"image_processor_type": processor})
    first, second, third, fourth, fifth = consumers(Files(tmp_path))
    assert first.startswith(f"transformers {transformers} and later")
    assert (second.startswith("vLLM"), vllm in second) == (True, True)
    assert third.startswith(
        "SGLang (llava.py of 0.5.23): no, by rule. Its LLaVA raises at the feature strategy default"
    )
    folder_of(tmp_path, config={**config, "vision_feature_select_strategy": "full"})
    assert "SGLang: not known, for this vision encoder" in "\n".join(consumers(Files(tmp_path)))
    assert fourth.startswith(("llama.cpp: no: ", "llama.cpp: not known without the package gguf"))
    assert fifth.startswith("Ollama (its prompt.go): no, by rule. It puts an image right before the question")


@pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="install gmai-model[gguf]")
@pytest.mark.parametrize(
    ("vision", "change", "mode", "says"),
    [
        ("SigLIP and", {}, "pad", "--square-images` writes it", ),
        ("SigLIP and", {"image_mean": [0.48145466, 0.4578275, 0.40821073]}, "pad", "--format gguf` writes it"),
        ("SigLIP without", {}, "stretch", "--square-images` writes it"),
        ("CLIP, vision part, other", {}, "pad", "--text-only` writes it"),
    ],
)  # fmt: skip
def test_llama_cpp_is_told_what_an_export_would_hold(
    tmp_path: Path, vision: str, change: dict[str, Any], mode: Any, says: str
) -> None:
    by_name(LANGUAGES, "Qwen3-8B").write(tmp_path / "language")
    by_name(VISIONS, vision).write(tmp_path / "vision")
    if change:
        edit(tmp_path / "vision", "preprocessor_config.json", **change)
    assemble(tmp_path / "vision", tmp_path / "language", tmp_path / "made", image_mode=mode, seed=0)
    (line,) = [line for line in consumers(Files(tmp_path / "made")) if line.startswith("llama.cpp")]
    assert says in line
    assert ("for square images alone: " in line) == ("--square-images" in says)
    assert ("not its sight: " in line) == ("--text-only" in says)
