"""Tokens: answers marked, images expanded, unusable samples named."""

from pathlib import Path

import numpy as np
import pytest
from gmai_model.assembly.templates import CHATML, VICUNA, with_marks
from gmai_model.batching.samples import Sample
from gmai_model.batching.tokens import REASONS, Encoder, LongSamples, Measured, Rejected, turn_marks
from PIL import Image
from tokenizers import processors
from transformers import AutoProcessor, AutoTokenizer

from tests.gmai_model.assembly.stand_ins import DEEPSEEK, LLAMA2

QUESTION = {"role": "user", "content": "<image>\nWhich shape is shown?"}
ANSWER = {"role": "assistant", "content": "A red circle."}
LONG_WITH_IMAGE = {"role": "user", "content": "<image>" + "x " * 99}


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path):
    return AutoTokenizer.from_pretrained(checkpoint)


def test_supervised_tokens_are_the_answer_and_its_end(tokenizer) -> None:
    encoded = Encoder(tokenizer, tokens_per_image=4, max_tokens=100)(Sample("a", [QUESTION, ANSWER], [b""]))
    assert tokenizer.decode(encoded.input_ids[encoded.supervised]) == "A red circle.<|im_end|>"
    assert (encoded.input_ids == tokenizer.convert_tokens_to_ids("<image>")).sum() == 4
    assert encoded.n_images == 1
    assert encoded.cut_turns == 0


def test_long_sample_loses_whole_turns_at_its_end(tokenizer) -> None:
    messages = [
        QUESTION,
        ANSWER,
        {"role": "user", "content": "And? " * 30},
        {"role": "assistant", "content": "Red. " * 30},
    ]
    encoded = Encoder(tokenizer, tokens_per_image=4, max_tokens=60)(Sample("a", messages, [b""]))
    assert encoded.cut_turns == 2
    assert tokenizer.decode(encoded.input_ids[encoded.supervised]) == "A red circle.<|im_end|>"


def test_cut_turns_take_their_images_with_them_and_nothing_else(tokenizer) -> None:
    messages = [QUESTION, ANSWER, LONG_WITH_IMAGE, ANSWER]
    encoded = Encoder(tokenizer, tokens_per_image=4, max_tokens=60)(Sample("a", messages, [b"", b""]))
    assert encoded.n_images == 1
    assert (encoded.input_ids == tokenizer.convert_tokens_to_ids("<image>")).sum() == 4


def test_long_sample_is_left_out_where_that_is_asked_for(tokenizer) -> None:
    encoder = Encoder(tokenizer, tokens_per_image=4, max_tokens=60, long_samples="skip")
    with pytest.raises(Rejected, match="longer than a pack"):
        encoder(Sample("a", [QUESTION, ANSWER, LONG_WITH_IMAGE, ANSWER], [b"", b""]))


def test_tokens_are_those_of_the_checkpoints_own_processor(checkpoint: Path) -> None:
    """The processor repeats `<image>` in the text; ours repeats the token."""
    processor = AutoProcessor.from_pretrained(checkpoint)
    messages = [{"role": "user", "content": "<image> and <image>\nSame shape?"}, ANSWER]
    ours = Encoder(processor.tokenizer, tokens_per_image=64, max_tokens=500)(Sample("a", messages, [b"", b""]))
    text = processor.tokenizer.apply_chat_template(messages, tokenize=False)
    pictures = [Image.new("RGB", (30, 20))] * 2
    theirs = processor(text=text, images=pictures, add_special_tokens=False)["input_ids"][0]
    assert ours.input_ids.tolist() == list(theirs)


def test_region_tags_are_single_tokens(tokenizer) -> None:
    answer = {"role": "assistant", "content": "<ref>liver</ref><box>[[10, 20, 30, 40]]</box>"}
    encoded = Encoder(tokenizer, tokens_per_image=4, max_tokens=100)(Sample("a", [QUESTION, answer], [b""]))
    for tag in ("<ref>", "</ref>", "<box>", "</box>"):
        assert (encoded.input_ids == tokenizer.convert_tokens_to_ids(tag)).sum() == 1
    assert tokenizer.decode(encoded.input_ids[encoded.supervised]) == answer["content"] + "<|im_end|>"


@pytest.mark.parametrize(
    ("messages", "images", "reason"),
    [
        ([QUESTION, ANSWER], 2, "number of <image> placeholders differs"),
        ([QUESTION], 1, "no assistant text"),
        ([{"role": "user", "content": "a<|im_end|>b"}, ANSWER], 0, "turn mark"),
        ([{"role": "user", "content": "word " * 300}, ANSWER], 0, "longer than a pack"),
        ([], 0, "no messages"),
        ([QUESTION, {"role": "tool", "content": "A circle."}], 1, "a role other than"),
        ([QUESTION, {"role": "assistant", "content": None}], 1, "has no text"),
    ],
)  # fmt: skip
def test_unusable_sample_is_rejected_with_its_reason(tokenizer, messages, images, reason) -> None:
    with pytest.raises(Rejected, match=reason):
        Encoder(tokenizer, tokens_per_image=4, max_tokens=60)(Sample("a", messages, [b""] * images))


@pytest.mark.parametrize(
    ("template", "mark", "harmless"),
    [
        (CHATML, "<|im_start|>", "USER: assistant"),
        (CHATML, "</s>", "<s"),
        (VICUNA, "ASSISTANT:", "the assistant: yes"),
        (VICUNA, "</s>", "user:"),
        (LLAMA2, "[/INST]", "[INSTRUCTION]"),
        (DEEPSEEK, "Assistant:", "User, Assistant"),
    ],
)
def test_no_text_may_speak_for_the_other_side(checkpoint: Path, template, mark, harmless) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.chat_template = template
    encoder = Encoder(tokenizer, tokens_per_image=4, max_tokens=100)
    assert mark in turn_marks(tokenizer)
    for messages in ([{**QUESTION, "content": f"a{mark}b"}, ANSWER], [QUESTION, {**ANSWER, "content": f"a {mark} b"}]):
        with pytest.raises(Rejected, match="turn mark") as caught:
            encoder(Sample("a", messages, [b""] if "<image>" in messages[0]["content"] else []))
        assert mark in str(caught.value)
    if "{% generation" in template:
        encoder(Sample("a", [{"role": "user", "content": harmless}, ANSWER], []))
    assert not {"<image>", "<box>", "</ref>", ""} & set(turn_marks(tokenizer))


def test_an_answer_that_is_not_to_be_learned_is_read_only(tokenizer) -> None:
    again = {"role": "user", "content": "And now?"}
    other = {"role": "assistant", "content": "A blue square."}
    messages = [QUESTION, ANSWER, again, other]
    encoder = Encoder(tokenizer, tokens_per_image=4, max_tokens=100)
    whole = encoder(Sample("a", messages, [b""]))
    for unlearned, learned in (((1,), "A blue square.<|im_end|>"), ((3,), "A red circle.<|im_end|>")):
        encoded = encoder(Sample("a", messages, [b""], unlearned=unlearned))
        assert encoded.input_ids.tolist() == whole.input_ids.tolist()
        assert tokenizer.decode(encoded.input_ids[encoded.supervised]) == learned
    with pytest.raises(Rejected, match="no assistant text to learn from"):
        encoder(Sample("a", messages, [b""], unlearned=(1, 3)))


def test_a_row_with_a_problem_is_counted_under_its_rule(tokenizer) -> None:
    encoder = Encoder(tokenizer, tokens_per_image=4, max_tokens=100)
    with pytest.raises(Rejected, match="fields: `tools` is not read") as caught:
        encoder(Sample("a", [], [], "fields: `tools` is not read"))
    assert REASONS[caught.value.code].startswith("fields: A field that changes what a row means")


def test_samples_encoded_together_are_as_transformers_reads_each(tokenizer) -> None:
    encoder = Encoder(tokenizer, tokens_per_image=1, max_tokens=300)
    system = {"role": "system", "content": "Be brief. 请用中文"}
    conversations = [
        [QUESTION, ANSWER], [system, QUESTION, ANSWER, {"role": "user", "content": "\n\nAnd\u00e9? 🫁"},
                             {"role": "assistant", "content": "\n Red,  so  it is.\n"}],
        [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "甲状腺结节"}],
        [ANSWER, QUESTION, ANSWER], [{"role": "user", "content": ""}, {"role": "assistant", "content": " "}],
    ]  # fmt: skip
    samples = [Sample(str(number), messages, [b""] * sum("<image>" in m["content"] for m in messages))
               for number, messages in enumerate(conversations)]  # fmt: skip
    bad = Sample("bad", [QUESTION, ANSWER], [])
    long = Sample("long", [QUESTION, ANSWER, {"role": "user", "content": "And? " * 400}, ANSWER], [b""])
    found = encoder.batch([bad, *samples, long])
    assert isinstance(found[0], Rejected)
    assert found[-1].cut_turns == 2
    for messages, encoded in zip(conversations, found[1:-1], strict=True):
        expected = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        assert encoded.input_ids.tolist() == expected["input_ids"]
        assert encoded.supervised.astype(int).tolist() == expected["assistant_masks"]


def test_a_tokenizer_that_asks_for_truncation_and_padding_cuts_nothing(checkpoint: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    plain = Encoder(tokenizer, tokens_per_image=1, max_tokens=100)(Sample("a", [QUESTION, ANSWER], [b""]))
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=90)
    encoded = Encoder(tokenizer, tokens_per_image=1, max_tokens=100)(Sample("a", [QUESTION, ANSWER], [b""]))
    assert encoded.input_ids.tolist() == plain.input_ids.tolist()


@pytest.mark.parametrize("answer", [" A red circle.", "  A red circle.", " ", "\n A red circle.", "A red circle. "])
def test_an_answer_that_begins_with_a_blank_is_learned_whole(checkpoint: Path, answer: str) -> None:
    """The tokenizers of Llama 3 and SmolLM2 trim blanks off the places of their tokens."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    encoder = Encoder(tokenizer, tokens_per_image=4, max_tokens=100)
    sample = Sample(
        "a", [QUESTION, {"role": "assistant", "content": answer}, {**QUESTION, "content": "Sure?"}, ANSWER], [b""]
    )
    encoded = encoder(sample)
    learned = tokenizer.decode(encoded.input_ids[encoded.supervised])
    assert learned == f"{answer}<|im_end|>A red circle.<|im_end|>"
    assert encoder.measure([sample]) == [(len(encoded.input_ids), int(encoded.supervised.sum()), 1, False)]


@pytest.mark.parametrize("template", [CHATML, with_marks(VICUNA, {"eos_token": "</s>"}, ["</s>"])[0]])
@pytest.mark.parametrize("long_samples", ["cut", "skip"])
def test_samples_are_measured_as_they_are_encoded(checkpoint: Path, template: str, long_samples: LongSamples) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.chat_template = template
    encoder = Encoder(tokenizer, tokens_per_image=4, max_tokens=200, long_samples=long_samples)
    texts = ["Which  side?", "\n\nIt isn't\t12.5 mm.", " <ref>lung</ref><box>[[1, 2, 30, 40]]</box>", "甲状腺",
             "x" * 70, "", " ", "a\u00a0b é 🫁", "<|im_end|>", "So. " * 60, "__init__(...)\r\n", "USER: a"]  # fmt: skip
    generator = np.random.default_rng(0)
    samples: list[Sample] = []
    for number in range(200):
        turns = 2 * int(generator.integers(1, 4))
        messages = [{"role": ("user", "assistant")[turn % 2], "content": str(generator.choice(texts))}
                    for turn in range(turns)]  # fmt: skip
        images = int(generator.integers(0, 3))
        messages[0]["content"] = "<image>\n" * images + messages[0]["content"]
        unlearned = (turns - 1,) if number % 7 == 0 else ()
        samples.append(Sample(str(number), messages, [b""] * (images + (number % 11 == 0)), unlearned=unlearned))
    kinds: set[type] = set()
    for encoded, measured in zip(encoder.batch(samples), encoder.measure(samples), strict=True):
        kinds.add(type(measured))
        if isinstance(encoded, Rejected):
            assert isinstance(measured, Rejected)
            assert str(measured) == str(encoded)
        else:
            learned = int(np.count_nonzero(encoded.supervised[1:]))
            assert measured == (len(encoded.input_ids), learned, encoded.n_images, encoded.cut_turns > 0)
    assert kinds == {Measured, Rejected}
