"""A checkpoint of others takes no more time and memory than a model can, whatever its small files say."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from gmai_formats import opening
from gmai_formats.checkpoints import (
    is_of_its_files,
    naming_files,
    naming_opened,
    naming_template,
    require_bounded,
    require_processor,
)
from gmai_formats.errors import UserError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer, models

TENSORS = 40
LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}" + "{% endfor %}" * 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    header = {f"t{n}": {"dtype": "F32", "shape": [1], "data_offsets": [4 * n, 4 * n + 4]} for n in range(TENSORS)}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4 * TENSORS))
    (tmp_path / "config.json").write_text(json.dumps({
        "vocab_size": 128_256, "text_config": {"num_hidden_layers": 4, "hidden_size": 4096, "rope_theta": 1e9},
        "vision_config": {"image_size": 336, "num_hidden_layers": 24}, "vision_feature_layer": -2,
    }))  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 1000000000000000019884624838656}')
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"shortest_edge": 3136, "longest_edge": 12845056}}')
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", {"text_config": {"num_hidden_layers": 10**9}}, r"num_hidden_layers is 1,000,000,000.* 41 tens"),
        ("config.json", {"vision_config": {"depth": 42}}, r"vision_config\.depth is 42"),
        ("config.json", {"text_config": {"hidden_size": 1e300}}, r"text_config\.hidden_size"),
        ("config.json", {"vocab_size": 2**40}, "vocab_size is 1,099,511,627,776"),
        ("config.json", {"vision_config": {"image_size": 10**9}}, r"image_size is 1,000,000,000"),
        ("processor_config.json", {"num_additional_image_tokens": 10**10}, "num_additional_image_tokens"),
        ("preprocessor_config.json", {"crop_size": {"height": 10**8, "width": 8}}, r"crop_size\.height"),
        ("preprocessor_config.json", {"size": {"height": 60_000, "width": 6}}, r"size\.height is 60,000; more than 8"),
        ("preprocessor_config.json", {"size": {"shortest_edge": 100_000}}, r"shortest_edge is 100,000; more than 8"),
        ("config.json", {"vision_config": {"image_size": [336, 10**6]}}, r"vision_config\.image_size is 1,000,000"),
        ("generation_config.json", "[" * 10**5, "nested too deeply"),
        ("config.json", '{"a": 1', "not JSON"),
        ("tokenizer_config.json", "\x00" * 60, "not JSON"),
        ("chat_template.jinja", "{{ 'a' * 4000000000 }}", "chat_template.jinja takes more than 2 GiB"),
        ("chat_template.jinja", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "chat_template.jinja takes more"),
        ("additional_chat_templates/x.jinja", "{{ '%9999999999d' | format(1) }}", "x.jinja takes more than 2 GiB"),
        ("chat_template.jinja", "{% for i in range(9999) %}{{ 'a system prompt' * 9 }}{% endfor %}", "200,000 char"),
        ("chat_template.jinja", "{#" + "x" * 2_000_000 + "#}", "no such file has more than 1,000,000"),
        ("generation_config.json", {"eos_token_id": "2"}, "eos_token_id is '2', where a whole number"),
        ("special_tokens_map.json", {"eos_token": ["</s>"]}, r"special_tokens_map\.json: eos_token is"),
        ("added_tokens.json", {"<z>": "a"}, r"added_tokens\.json: <z> is 'a', where a whole number is due"),
    ],
)  # fmt: skip
def test_what_takes_all_time_or_memory_is_refused(folder: Path, name: str, content: Any, said: str) -> None:
    require_bounded(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError, match=said):
        require_bounded(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "unknown.bin"])
def test_a_pipe_is_not_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match=rf"{name}: a pipe or device, where a checkpoint has files\."):
        require_bounded(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(UserError, match="a pipe or device"):
        require_bounded(folder)


@pytest.mark.parametrize("name", ["chat_template.jinja", "additional_chat_templates/default.jinja"])
def test_a_template_in_another_encoding_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes("{{ messages }} Größe".encode("latin-1"))
    with pytest.raises(UserError, match=rf"{name}: no text in UTF-8 \(.* at byte 17\)"):
        require_bounded(folder)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("normalizer", {"type": "Replace", "pattern": {"String": "h"}, "content": "h" * 30_000}),
        ("decoder", {"type": "Replace", "pattern": {"String": "h"}, "content": "h" * 30_000}),
        ("post_processor", {
            "type": "TemplateProcessing", "pair": [], "special_tokens": {"h": {"id": "h", "ids": [0], "tokens": ["h"]}},
            "single": [{"SpecialToken": {"id": "h", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}] * 30_000,
        }),
    ],
)  # fmt: skip
def test_a_tokenizer_that_makes_a_book_of_a_sentence_is_refused(folder: Path, part: str, value: Any) -> None:
    made = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate("Whic ")}, merges=[]))
    content = json.loads(made.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(content))
    require_bounded(folder)
    (folder / "tokenizer.json").write_text(json.dumps({**content, part: value}))
    with pytest.raises(UserError, match=r"tokenizer\.json makes more than 200,000 characters or 20,000 tokens"):
        require_bounded(folder)


@pytest.mark.parametrize("number", [2**24 + 1, 2**31, 2**32 - 1])
def test_a_token_with_a_number_that_no_vocabulary_has_is_refused(folder: Path, number: int) -> None:
    made = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate("Whic ")}, merges=[]))
    content = json.loads(made.to_str())
    content["model"]["vocab"]["c"] = number
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"tokenizer\.json (gives a token a number above|takes more than 2 GiB)"):
        require_bounded(folder)


def test_a_template_that_knows_what_it_is_tried_with_is_ended_when_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gmai_formats.checkpoints.TEMPLATE_CPU_S", 0.1)
    template = ImmutableSandboxedEnvironment().from_string("{% if 'cyst' in text %}" + LOOPS + "{% endif %}")
    with naming_template("checkpoint"):
        template.render(text="lung")
    said = r"^checkpoint: the chat template takes more than .* of a processor"
    with pytest.raises(UserError, match=said), naming_template("checkpoint"):
        template.render(text="a cyst")


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"])
def test_an_adapter_beside_the_weights_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("{}")
    with pytest.raises(UserError, match=rf"{name}: part of an adapter, which would change .* Merge it into its base"):
        require_bounded(folder)


def _with_header(folder: Path, **tensors: str) -> None:
    header = {name: {"dtype": kind, "shape": [1], "data_offsets": [0, 8]} for name, kind in tensors.items()}
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    (folder / "config.json").write_text("{}")


@pytest.mark.parametrize("kind", ["BOOL", "U8", "I8", "I16", "I32", "I64", "C64"])
def test_weights_that_are_whole_numbers_are_refused_unless_config_says_how(folder: Path, kind: str) -> None:
    _with_header(folder, **{"a.inner.weight": "F16", "b.bias": kind})
    with pytest.raises(UserError, match=rf"1 weights are no fractions, such as b\.bias \({kind}\)"):
        require_bounded(folder)
    (folder / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "bitsandbytes"}}))
    require_bounded(folder)


@pytest.mark.parametrize("kind", ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"])
def test_weights_of_every_precision_and_whole_numbers_that_are_no_weights_are_taken(folder: Path, kind: str) -> None:
    _with_header(folder, **{"a.weight": kind, "embeddings.position_ids": "I64", "num_batches_tracked": "I64"})
    require_bounded(folder)


def test_a_large_model_in_shards_is_no_matter(folder: Path) -> None:
    index = {"metadata": {"total_size": 15_231_233_024, "total_parameters": 7_615_616_512}, "weight_map": {"t1": "x"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    require_bounded(folder)


@pytest.mark.parametrize("where", ["tokenizer_config.json", "processor_config.json"])
def test_a_template_without_end_is_ended(folder: Path, where: str) -> None:
    (folder / where).write_text(json.dumps({"chat_template": [{"name": "default", "template": LOOPS}]}))
    with pytest.raises(UserError, match=rf"the chat template in {where} takes more than 3 s of a processor"):
        require_bounded(folder)


def test_many_slow_templates_share_one_limit(folder: Path) -> None:
    """Each alone stays below it."""
    (folder / "additional_chat_templates").mkdir()
    for number in range(40):
        slow = "{% for i in range(300) %}{% for j in range(9999) %}{% endfor %}{% endfor %}"
        (folder / "additional_chat_templates" / f"{number}.jinja").write_text(slow)
    with pytest.raises(UserError, match=r"\.jinja takes more than 3 s of a processor"):
        require_bounded(folder)


def test_an_ordinary_template_is_no_matter(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}{% endfor %}"
        "{% if tools %}{{ tools | tojson(indent=2) }}{% endif %}{{ strftime_now('%d') }}"
    )
    require_bounded(folder)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('only text') }}")
    require_bounded(folder)
    (folder / "chat_template.jinja").write_text("{% this is no template")
    require_bounded(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(("content", "kind"), [("[1]", "list"), ("null", "NoneType"), ("3", "int"), ('"a"', "str")])
def test_settings_that_are_no_object_are_refused(folder: Path, name: str, content: str, kind: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=rf"{name}: holds a {kind}, where an object is due"):
        require_bounded(folder)


@pytest.mark.parametrize("filled", [b" ", b"[", b"a"])
def test_weights_with_a_header_of_absurd_size_are_refused_before_it_is_read(folder: Path, filled: bytes) -> None:
    length = 40_000_000
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + filled * length)
    with pytest.raises(UserError, match=r"model\.safetensors: has 40,000,000 bytes of names and shapes"):
        require_bounded(folder)


@pytest.mark.parametrize("name", ["\x1b[31mred", "two\nlines", "left\u202eright"])
def test_names_of_tensors_that_steer_a_terminal_are_refused(folder: Path, name: str) -> None:
    text = json.dumps({name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    with pytest.raises(UserError, match=r"has a tensor called '.*\\.+', with characters that steer a terminal"):
        require_bounded(folder)


@pytest.mark.parametrize("header", [b"", b"\xff" * 8, struct.pack("<Q", 10**15), struct.pack("<Q", 2) + b"[]"])
def test_weights_that_lie_about_their_header_are_left_to_who_opens_them(folder: Path, header: bytes) -> None:
    (folder / "model.safetensors").write_bytes(header)
    require_bounded(folder)


@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{% include 'a' %}", "{{ no_such() }}", "{% this is none"])
def test_a_template_that_fails_is_named(template: str) -> None:
    environment = ImmutableSandboxedEnvironment()
    failed = pytest.raises(UserError, match=r"runs/a: the chat template fails \(.+\)\. It must render")
    with failed, naming_template("runs/a"):
        environment.from_string(template).render()


def test_a_bug_of_gmai_is_not_laid_to_the_template() -> None:
    with pytest.raises(NameError), naming_template("runs/a"):
        raise NameError("x")


@pytest.mark.parametrize("settings", ['{"a": }', '{"a": [}', ""])
def test_what_a_library_makes_of_files_while_it_answers_names_them(settings: str) -> None:
    opened = pytest.raises(UserError, match=r"runs/a: opens, and does not answer \(JSONDecodeError: .+\)\. Its config")
    with opened, naming_files("runs/a"):
        json.loads(settings)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA error: no kernel"),
        UserError("no such slice"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        Exception("Read-only file system (os error 30)"),
    ],
)
def test_what_is_not_of_the_files_is_left_as_it_is(error: Exception) -> None:
    namespace: dict[str, Any] = {"__name__": "torch.nn", "error": error}
    exec("def fail():\n    raise error", namespace)  # noqa: S102 - a function of another module
    with pytest.raises(type(error)) as raised, naming_files("runs/a"):
        namespace["fail"]()
    assert raised.value is error


@pytest.mark.parametrize("what", ["chat_template.jinja", "tokenizer.json"])
def test_a_process_that_is_ended_from_outside_says_nothing_of_the_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """As the system does where memory runs out, or a scheduler."""
    program = folder / "killed.py"
    program.write_text(f"import os; print({what!r}, flush=True); os.kill(os.getpid(), 9)")
    monkeypatch.setattr(opening, "__file__", str(program))
    with pytest.raises(UserError, match=rf"that tried {what} was ended from outside, most often because the machine's"):
        require_bounded(folder)


def raised(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError


def test_what_a_library_makes_of_files_is_laid_to_them_and_a_fault_of_gmai_is_not(folder: Path) -> None:
    """The place decides where the kind does not: settings of others lead libraries to every kind of error."""
    torn = folder / "torn.json"
    torn.write_text("{")
    missing: Any = {}
    for of_files in (
        lambda: json.loads(torn.read_text()), lambda: torn.read_text(encoding="utf-16"), lambda: missing["size"],
        lambda: None + missing, lambda: torn.no_such, lambda: [][1], lambda: 1 / 0,
    ):  # fmt: skip
        assert is_of_its_files(raised(of_files)), of_files

    def in_gmai(*_: object) -> Any:
        return torn.no_such  # type: ignore[attr-defined]

    ours: Any = FunctionType(in_gmai.__code__, {"__name__": "gmai_model.chat"}, closure=in_gmai.__closure__)
    for not_of_files in (ours, torn.mkdir, (folder / "absent").read_text):
        assert not is_of_its_files(raised(not_of_files)), not_of_files
    for error in (UserError("x"), MemoryError(), NameError("x"), OSError(28, "full")):
        assert not is_of_its_files(error)


class _Opened:
    def __init__(self, **parts: object) -> None:
        self.__dict__ |= parts


@pytest.mark.parametrize(
    ("parts", "lacking"),
    [
        ({}, "tokenizer"),
        ({"tokenizer": 1}, "image_processor"),
        ({"image_processor": 1, "tokenizer": None}, "tokenizer"),
    ],
)
def test_what_opens_as_something_else_than_a_processor_is_refused(parts: dict[str, object], lacking: str) -> None:
    require_processor("model", _Opened(tokenizer=1, image_processor=1))
    with pytest.raises(
        UserError, match=rf"^model: opens as a _Opened, which has no {lacking}\. The processor_class in"
    ):
        require_processor("model", _Opened(**parts))


def test_what_a_library_raises_as_it_opens_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not open \(JSONDecodeError: .*\)\. `gmai model check .*` says"):  # noqa: SIM117
        with naming_opened(tmp_path):
            json.loads("{")
    with pytest.raises(FileNotFoundError), naming_opened(tmp_path):
        (tmp_path / "absent").read_text()
