"""Special tokens, reserved tokens, end tokens: of the source, wherever it names them."""

# ruff: noqa: S105, S106 (tokens of a vocabulary, no passwords)

import json
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly.templates import CHATML
from gmai_model.assembly.tokenizer import REGION_TOKENS, load_tokenizer, train_tokenizer

from .stand_ins import YI, edit, write_tokenizer


def test_region_tokens_survive_decoding_without_special_tokens() -> None:
    made = train_tokenizer(["hello"] * 9, vocab_size=300)
    text = "<ref>liver</ref><box>[[1, 2, 3, 4]]</box><|im_end|>"
    ids = made(text)["input_ids"]
    assert all(made.convert_tokens_to_ids(token) in ids for token in REGION_TOKENS)
    assert made.decode(ids, skip_special_tokens=True) == text.removesuffix("<|im_end|>")
    assert [made.convert_tokens_to_ids(t) for t in ("<unk>", "<s>", "</s>", "<image>", *REGION_TOKENS)] == [
        0,
        1,
        2,
        5,
        6,
        7,
        8,
        9,
    ]


@pytest.mark.parametrize(
    "reserved",
    [
        "<|reserved_special_token_{}|>",
        "[UNUSED_TOKEN_{}]",
        "<unused{}>",
        "<|extra_{}|>",
        "<extra_id_{}>",
        "<|unused_{}|>",
    ],
)
def test_reserved_tokens_are_taken_the_last_ones_first(tmp_path: Path, reserved: str) -> None:
    names = [reserved.format(number) for number in range(8)]
    size = write_tokenizer(tmp_path, ["<s>", "</s>", *names], bos_token="<s>", eos_token="</s>", pad_token=names[7])
    loaded = load_tokenizer(tmp_path, config={}, rows=size)
    made = loaded.tokenizer
    assert made.pad_token == names[7]  # in use, and left alone
    assert made.convert_tokens_to_ids("<|im_start|>") == size - 2
    assert len(made) == size
    assert "take reserved tokens" in " ".join(loaded.notes)


def test_ends_of_every_file(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, ["<s>", "</s>", "<end>", "<stop>"], bos_token="<s>")
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": "</s>"}}))
    ids = {
        name: load_tokenizer(tmp_path, config={}, rows=999).tokenizer.convert_tokens_to_ids(name)
        for name in ("</s>", "<end>", "<stop>", "<|im_end|>")
    }
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [ids["<stop>"], ids["</s>"]]}))
    loaded = load_tokenizer(tmp_path, config={"eos_token_id": ids["<end>"]}, rows=999)
    assert loaded.ends == [ids["</s>"], ids["<|im_end|>"], ids["<end>"], ids["<stop>"]]


@pytest.mark.parametrize(
    ("config", "generation", "said"),
    [(-1, None, ""), (-1, [-1], ""), (2, 99_999, "99999"), ([1, 70_000], [99_999], "70000, 99999")],
)
def test_an_end_that_is_no_token_ends_nothing(tmp_path: Path, config: Any, generation: Any, said: str) -> None:
    write_tokenizer(tmp_path, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>")
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": generation}))
    loaded = load_tokenizer(tmp_path, config={"eos_token_id": config}, rows=999)
    assert set(loaded.ends) <= set(loaded.tokenizer.get_vocab().values())
    assert (f"{said} is said to end an answer and is no token: left out" in loaded.notes) == bool(said)


def test_template_without_a_prompt_gets_one_and_says_so(tmp_path: Path) -> None:
    own = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    write_tokenizer(tmp_path, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>", chat_template=own)
    loaded = load_tokenizer(tmp_path, config={}, rows=999)
    asked: Any = loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What?"}], tokenize=False, add_generation_prompt=True
    )
    assert asked == "user: What?</s>assistant: "
    assert (
        "the chat template asks for no answer: 'assistant: ', with which its answers begin, was added" in loaded.notes
    )


def test_special_tokens_that_config_names_by_number(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, ["<a>", "<b>"])
    number = load_tokenizer(tmp_path, config={"eos_token_id": 0}, rows=999).tokenizer.convert_tokens_to_ids("<b>")
    assert load_tokenizer(tmp_path, config={"eos_token_id": number}, rows=999).tokenizer.eos_token == "<b>"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "names an end token"),
        ({"eos_token": "<nowhere>"}, "eos_token is '<nowhere>', which the tokenizer does not have"),
        (
            {"eos_token": "<a>", "added_tokens_decoder": {"9000": {"content": "<far>", "special": True}}},
            "said to have the id 9000",
        ),
        ({"eos_token": "<a>", "chat_template": "{{ messages[0].content }}"}, "the chat template|special token"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, settings: dict[str, object], why: str) -> None:
    write_tokenizer(tmp_path, ["<a>"])
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=why):
        load_tokenizer(tmp_path, config={}, rows=999)


@pytest.mark.parametrize(
    "part",
    [
        {"normalizer": {"type": "Lowercase"}},
        {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": ""}},
        {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]}},
        {"decoder": None},
    ],
)
def test_tokenizer_that_alters_a_text_is_refused_as_check_does(tmp_path: Path, part: dict[str, object]) -> None:
    write_tokenizer(tmp_path, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>")
    edit(tmp_path, "tokenizer.json", **part)
    with pytest.raises(UserError, match=r"tokenizer makes '.*' of 'What does the image show\?', so that no answer"):
        load_tokenizer(tmp_path, config={}, rows=999)


def test_no_start_token_is_added_twice(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>", begins="<s>")
    made = load_tokenizer(tmp_path, config={}, rows=999).tokenizer
    assert made.bos_token_id not in made("hello")["input_ids"]
    chat = made.apply_chat_template([{"role": "user", "content": "hello"}], tokenize=False)
    assert made(chat)["input_ids"].count(made.bos_token_id) == 1


def test_template_of_the_command_line(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>", chat_template=YI + "</s>")
    assert "USER: " in str(
        load_tokenizer(tmp_path, config={}, rows=999, chat_template="vicuna").tokenizer.chat_template
    )
    assert load_tokenizer(tmp_path, config={}, rows=999, chat_template="chatml").tokenizer.chat_template == CHATML
    with pytest.raises(UserError, match="neither a file nor one of chatml, vicuna"):
        load_tokenizer(tmp_path, config={}, rows=999, chat_template="vicunja")


def test_tokens_that_only_an_older_file_names(tmp_path: Path) -> None:
    size = write_tokenizer(tmp_path, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>", pad_token="[PAD]")
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[PAD]": size, "[MORE]": size + 1}))
    made = load_tokenizer(tmp_path, config={"pad_token_id": -1}, rows=size).tokenizer
    assert [made.convert_tokens_to_ids(token) for token in ("[PAD]", "[MORE]")] == [size, size + 1]
    assert made.pad_token == "[PAD]"
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[PAD]": size + 7}))
    with pytest.raises(UserError, match=r"\[PAD\] is said to have the id"):
        load_tokenizer(tmp_path, config={}, rows=size)


def test_number_that_is_no_token_names_none(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>")
    assert load_tokenizer(tmp_path, config={"pad_token_id": -1}, rows=999).tokenizer.pad_token == "</s>"
    assert load_tokenizer(tmp_path, config={"pad_token_id": 10**6}, rows=999).tokenizer.pad_token == "</s>"


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                                  "generation_config.json"])  # fmt: skip
def test_settings_that_are_no_object_are_refused(tmp_path: Path, name: str) -> None:
    write_tokenizer(tmp_path, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>")
    (tmp_path / name).write_text("[]")
    with pytest.raises(UserError, match=f"{name}: holds"):
        load_tokenizer(tmp_path, config={"eos_token_id": 1}, rows=999)
