import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gmai_bench.backends.asks import Answer, Ask
from gmai_bench.backends.local import LocalModel, _render, encode
from gmai_formats.errors import UserError
from PIL import Image

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}
ASKS = [
    Ask("long", "What is the imaging technique of the picture, and why do you think so? Options: CT; MR.", ("red",)),
    Ask("short", "CT?", ("green",)),
    Ask("middle", "Which modality is this?", ("blue",)),
    Ask("two", "Which of the two images is brighter?", ("red", "green")),
    Ask("none", "Is CT an imaging technique?", ()),
]


def open_image(digest: str) -> Image.Image:
    return Image.new("RGB", (40, 30), COLOURS[digest])


def test_batched_answers_equal_those_of_batch_size_one(tiny_llava: Path) -> None:
    def ask_all(batch_size: int) -> dict[str, Answer]:
        model = LocalModel(str(tiny_llava), batch_size=batch_size, max_new_tokens=12)
        return {answer.id: answer for answer in model.answers(ASKS, open_image)}

    alone = ask_all(1)
    assert ask_all(2) == alone
    assert ask_all(5) == alone
    assert set(alone) == {ask.id for ask in ASKS}
    assert len({answer.response for answer in alone.values()}) > 1


def test_samples_differ_by_their_seeds_and_are_drawn_again_alike(tiny_llava: Path) -> None:
    model = LocalModel(str(tiny_llava), batch_size=4, max_new_tokens=12, temperature=1.5)
    asks = [Ask(f"a#{n}", ASKS[0].prompt, ASKS[0].images, seed=n) for n in range(4)]
    first, again = ({one.id: one.response for one in model.answers(asks, open_image)} for _ in range(2))
    assert first == again
    assert len(set(first.values())) > 1
    assert model.generation["do_sample"] is True
    assert model.generation["temperature"] == 1.5


def test_an_answer_cut_at_the_token_limit_says_so(tiny_llava: Path) -> None:
    model = LocalModel(str(tiny_llava), batch_size=2, max_new_tokens=2)
    processor, loaded = model._load()
    (first,) = model.answers(ASKS[:1], open_image)
    assert first.cut
    loaded.generation_config.eos_token_id = list(range(len(processor.tokenizer)))
    (ended,) = model.answers(ASKS[:1], open_image)
    assert not ended.cut


def test_prompts_have_one_first_token_and_padding_on_the_left(tiny_llava: Path) -> None:
    processor, _ = LocalModel(str(tiny_llava), batch_size=2, max_new_tokens=2)._load()
    tokenizer = processor.tokenizer
    for row in encode(processor, ASKS[:3], open_image)["input_ids"].tolist():
        begin = row.index(tokenizer.bos_token_id)
        assert row.count(tokenizer.bos_token_id) == 1
        assert set(row[:begin]) <= {tokenizer.pad_token_id}
        assert row[-1] != tokenizer.pad_token_id
        assert row.count(3) == 4  # a 28-pixel image is 2 × 2 patches


def test_the_digest_follows_the_weights_and_not_the_notes(tiny_llava: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_llava, tmp_path / "copy")
    due = LocalModel(str(tiny_llava), batch_size=1, max_new_tokens=2).digest
    (copy / "gmai.json").write_text("{}", encoding="utf-8")
    assert LocalModel(str(copy), batch_size=1, max_new_tokens=2).digest == due
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert LocalModel(str(copy), batch_size=1, max_new_tokens=2).digest != due


def opened(folder: Path | str) -> LocalModel:
    model = LocalModel(str(folder), batch_size=1, max_new_tokens=2)
    list(model.answers(ASKS[:1], open_image))
    return model


def test_folders_that_are_no_checkpoint_are_explained(tiny_llava: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none: no such folder"):
        opened(tmp_path / "none")
    (tmp_path / "runs").mkdir()
    shutil.copytree(tiny_llava, tmp_path / "runs" / "stage3")
    with pytest.raises(UserError, match=r"runs: no config\.json here, but in .*stage3"):
        opened(tmp_path / "runs")
    pickled = shutil.copytree(tiny_llava, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"found only pytorch_model\.bin.*a pickle can run code"):
        opened(pickled)
    other = shutil.copytree(tiny_llava, tmp_path / "other")
    (other / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(UserError, match=r"other: does not open as an image-text-to-text checkpoint"):
        opened(other)
    silent = shutil.copytree(tiny_llava, tmp_path / "silent")
    (silent / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match=r"silent: has no chat template"):
        opened(silent)
    deeper = shutil.copytree(tiny_llava, tmp_path / "deeper")
    config = json.loads((deeper / "config.json").read_text(encoding="utf-8"))
    config["text_config"]["num_hidden_layers"] = 3
    (deeper / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UserError, match=r"deeper: lacks 9 weights .*such as model\.language_model\.layers\.2\."):
        opened(deeper)
    torn = shutil.copytree(tiny_llava, tmp_path / "torn")
    weights = torn / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"torn: does not open"):
        opened(torn)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% include 'a' %}", "the chat template fails (no loader for this environment specified)"),
        ("{{ ''.__class__.__mro__[1] }}", "the chat template fails (access to attribute '__class__'"),
        ("{% for m in messages %}{{ m['role'] }}{% endfor %}", "opens, and does not answer (ValueError: The total"),
    ],
)
def test_a_template_that_fails_or_loses_images_is_named(
    tiny_llava: Path, tmp_path: Path, template: str, said: str
) -> None:
    copy = shutil.copytree(tiny_llava, tmp_path / "copy")
    (copy / "chat_template.jinja").write_text(template)
    with pytest.raises(UserError) as raised:
        list(LocalModel(str(copy), batch_size=2, max_new_tokens=2).answers(ASKS[:2], open_image))
    assert said in str(raised.value)


def test_without_torch_the_message_names_the_extra(held_out: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in ('torch', 'transformers') else find(name, *a)\n",
        encoding="utf-8",
    )
    gmai = Path(sys.executable).with_name("gmai")
    result = subprocess.run(
        [gmai, "bench", "--model", "x", "--benchmarks", held_out, "--out", tmp_path / "out"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.startswith("gmai: torch and transformers not installed.")
    assert "gmai-bench[local]'`, or score" in result.stderr


@pytest.mark.e2e
def test_the_likeliest_continuation_is_the_one_of_lowest_cross_entropy(tiny_llava: Path) -> None:
    import torch

    choices = ("CT", "Magnetic resonance imaging", "X-ray")
    asks = [Ask(str(i), prompt, ("red",), choices) for i, prompt in enumerate(("Which modality?", "And what is it?"))]
    model = LocalModel(str(tiny_llava), batch_size=4, max_new_tokens=4)
    weighed = {answer.id: answer.response for answer in model.answers(asks, open_image)}
    processor, loaded = model._loaded
    for ask in asks:
        losses = []
        for choice in choices:  # one at a time, without padding
            start = encode(processor, [ask], open_image)["input_ids"].shape[1]
            text = _render(processor, ask) + choice
            inputs = processor(images=[[open_image("red")]], text=[text], return_tensors="pt", add_special_tokens=False)
            with torch.inference_mode():
                logits = loaded(**inputs).logits[0, start - 1 : -1]
            losses.append(float(torch.nn.functional.cross_entropy(logits, inputs["input_ids"][0, start:])))
        assert weighed[ask.id] == choices[losses.index(min(losses))]


@pytest.mark.gpu
def test_on_a_gpu_the_model_is_bfloat16_and_answers_alike_twice(tiny_llava: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    model = LocalModel(str(tiny_llava), batch_size=5, max_new_tokens=12)
    first, second = ({a.id: a.response for a in model.answers(ASKS, open_image)} for _ in range(2))
    _, loaded = model._loaded
    assert (loaded.device.type, loaded.dtype) == ("cuda", torch.bfloat16)
    assert set(first) == {ask.id for ask in ASKS}
    assert first == second
