"""The tokenizer's and generation's settings: one id a token in every file, ends that end, room for an image."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gmai_model.checking.check import check_folder
from gmai_model.checking.files import Files
from gmai_model.checking.tokens import check_generation, check_tokens


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def edit(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
    change(content)
    (folder / name).write_text(json.dumps(content))


def token(content: str) -> dict[str, Any]:
    return {"content": content, "special": True, "lstrip": False, "rstrip": False, "single_word": False,
            "normalized": False}  # fmt: skip


def move(content: dict[str, Any], text: str, number: int) -> None:
    next(each for each in content["added_tokens"] if each["content"] == text)["id"] = number


FAULTS: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("tokenizer.json", lambda c: c.update(normalizer={"type": "Lowercase"}), "becomes 'what does the image show?'"),
    ("tokenizer.json", lambda c: c.update(pre_tokenizer={"type": "Whitespace"}), "when taken apart and put together"),
    ("tokenizer.json", lambda c: c.update(decoder=None), "when taken apart and put together"),
    ("tokenizer.json", lambda c: move(c, "<|im_end|>", 700), "<|im_end|> is 700 in added_tokens and"),
    ("tokenizer_config.json", lambda c: c.update(tokenizer_class="InternLM2Tokenizer"), "is none of transformers"),
    ("tokenizer_config.json", lambda c: c.update({"eos_token": "<END>"}), "eos_token <END> is no token"),
    ("tokenizer_config.json", lambda c: c.update(bos_token=token("<B>")), "bos_token <B> is no token"),
    ("tokenizer_config.json", lambda c: c.update({"pad_token": "<image>"}), "pad_token is <image>"),
    ("tokenizer_config.json", lambda c: c.update(model_max_length=16), "model_max_length is 16, an image alone takes"),
    (
        "tokenizer_config.json",
        lambda c: c.update(added_tokens_decoder={"9": token("<image>")}),
        "<image> is 9, in tokenizer.json it is 5",
    ),
    (
        "tokenizer_config.json",
        lambda c: c.update(added_tokens_decoder={"2050": token("<pad>")}),
        "<pad> is 2050, in tokenizer.json that is no token",
    ),
    ("added_tokens.json", lambda c: c.update({"<x>": 2060}), "added_tokens.json: <x> is 2060"),
    ("added_tokens.json", lambda c: c.update({"<x>": 300}), "added_tokens.json: <x> is 300, in tokenizer.json that is"),
    (
        "special_tokens_map.json",
        lambda c: c.update({"eos_token": "<|im_start|>"}),
        "eos_token is <|im_start|>, in token",
    ),
    ("config.json", lambda c: c.update(image_token_index=6), "is 5, config.json's image_token_index is 6"),
    ("config.json", lambda c: c.update(image_token_id=6), "is 5, config.json's image_token_id is 6"),
    (
        "processor_config.json",
        lambda c: c.update({"image_token": "<img>"}),
        "<img> of processor_config.json is None, config.json",
    ),
    (
        "generation_config.json",
        lambda c: c.update(eos_token_id=[32000, 7]),
        "eos_token_id 32000 is no token. Write",
    ),
    ("generation_config.json", lambda c: c.update(eos_token_id=[-1, 9999]), "eos_token_id -1, 9999 is no token"),
    ("generation_config.json", lambda c: c.update(bos_token_id=128000), "bos_token_id 128000 is no token"),
    ("generation_config.json", lambda c: c.update(pad_token_id=5), "pad_token_id is the image's token"),
    ("generation_config.json", lambda c: c.update(max_length=20), "max_length is 20, an image alone takes 64"),
    ("generation_config.json", lambda c: c.update(max_new_tokens=1), "max_new_tokens 1 cuts every answer"),
    ("generation_config.json", lambda c: c.update(min_new_tokens=400), "before which no answer ends. Take it out"),
    ("generation_config.json", lambda c: c.update(suppress_tokens=[7]), "tokens that no answer may have"),
    ("generation_config.json", lambda c: c.update(forced_eos_token_id=7), "with which every answer ends"),
    ("generation_config.json", lambda c: c.update(repetition_penalty=5.0), "repetition_penalty is 5.0"),
    ("generation_config.json", lambda c: c.update(num_beams=0), "num_beams is 0"),
    ("generation_config.json", lambda c: c.update(do_sample=True, temperature=0.0), "which generate() refuses"),
    ("generation_config.json", lambda c: c.update(stop_strings=["e"]), "stop_strings is ['e'], texts at which"),
    ("generation_config.json", lambda c: c.update(max_time=0.1), "max_time is 0.1, seconds after which"),
    ("generation_config.json", lambda c: c.update(do_sample=True, temperature=5.0), "temperature is 5.0, where 0 to 2"),
    ("generation_config.json", lambda c: c.update(min_p=2.0), "min_p is 2.0, where 0 to 1"),
    ("generation_config.json", lambda c: c.update(guidance_scale=3.0), "guidance_scale is 3.0, where 1 to 1"),
    ("generation_config.json", lambda c: c.update(no_repeat_ngram_size=1), "no_repeat_ngram_size is 1, so that"),
    ("generation_config.json", lambda c: c.update(do_sample=True, top_k=-1), "top_k is -1, which generate() refuses"),
    (
        "generation_config.json",
        lambda c: c.update(eos_token_id=[2, 1]),
        "eos_token_id 1 is <s>, with which a text begins",
    ),
    ("config.json", lambda c: c.update(eos_token_id=1), "config.json: eos_token_id 1 is <s>, with which a text begins"),
    ("config.json", lambda c: c["text_config"].update(eos_token_id=[1]), "text_config: eos_token_id 1 is <s>, with"),
    ("tokenizer.json", lambda c: c["model"]["merges"].reverse(), "of the vocabulary, so that texts fall apart"),
    ("tokenizer.json", lambda c: c["model"].update(merges=c["model"]["merges"][:50]), "so that texts fall apart"),
    ("tokenizer.json", lambda c: c["model"].update(merges=[]), "its merges make 0% of the vocabulary"),
    ("tokenizer.json", lambda c: c["model"].update(dropout=0.1), "dropout is 0.1, which draws"),
    (
        "tokenizer.json",
        lambda c: c.update(
            truncation={"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}
        ),
        "truncation to 16 tokens, an image alone takes 64",
    ),
]


@pytest.mark.parametrize(("name", "change", "line"), FAULTS, ids=[line for _, _, line in FAULTS])
def test_each_fault_is_one_line(copied: Path, name: str, change: Callable[[dict[str, Any]], Any], line: str) -> None:
    edit(copied, name, change)
    (found,) = check_folder(Files(copied))[0]
    assert line in found
    assert ". " in found, "every line has its remedy"


SOUND: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("generation_config.json", lambda c: c.update(do_sample=True, temperature=0.6, top_p=0.9, max_length=4096)),
    ("generation_config.json", lambda c: c.update(do_sample=True, top_k=0)),
    ("tokenizer_config.json", lambda c: c.update({"bos_token": "</s>"})),  # begins and ends with one
    ("tokenizer.json", lambda c: c["model"].update(merges=c["model"]["merges"][:-5])),
    ("generation_config.json", lambda c: c.update(num_beams=1, repetition_penalty=1.05, max_new_tokens=1024)),
    ("tokenizer_config.json", lambda c: c.update(added_tokens_decoder={"5": token("<image>")})),
    ("tokenizer_config.json", lambda c: c.update(tokenizer_class="LlamaTokenizer", bos_token=token("<s>"))),
    ("tokenizer_config.json", lambda c: c.update(model_max_length=1000000000000000019884624838656)),
    ("added_tokens.json", lambda c: c.update({"<image>": 5})),
    ("special_tokens_map.json", lambda c: c.update(eos_token=token("</s>"))),
]


@pytest.mark.parametrize(("name", "change"), SOUND)
def test_what_published_models_have_is_no_fault(
    copied: Path, name: str, change: Callable[[dict[str, Any]], Any]
) -> None:
    edit(copied, name, change)
    files = Files(copied)
    assert not [*check_tokens(files), *check_generation(files)]


def test_tokens_that_only_the_settings_name(copied: Path) -> None:
    """As of Yi: tokenizer.json ends before them, and the embedding has their rows."""

    def without(content: dict[str, Any]) -> None:
        content["added_tokens"] = [each for each in content["added_tokens"] if each["content"] != "</box>"]
        content["model"]["vocab"].pop("</box>", None)

    number = next(
        each["id"] for each in json.loads((copied / "tokenizer.json").read_text())["added_tokens"]
        if each["content"] == "</box>"
    )  # fmt: skip
    edit(copied, "tokenizer.json", without)
    edit(copied, "tokenizer_config.json", lambda c: c.update(added_tokens_decoder={str(number): token("</box>")}))
    assert not list(check_tokens(Files(copied)))


def test_unreadable_tokenizer_is_named_once(copied: Path) -> None:
    (copied / "tokenizer.json").write_text('{"a": 1}')
    (line,) = check_folder(Files(copied))[0]
    assert line.startswith("tokenizer.json: not readable (")
