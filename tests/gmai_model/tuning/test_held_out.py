"""Held-out answers: the prompt is the one that the stages trained, and the interval holds the truth."""

import numpy as np
import pytest
from gmai_model.batching.samples import Sample
from gmai_model.batching.tokens import Encoder
from gmai_model.tuning.held_out import ask, encode, gains, scores
from gmai_model.tuning.tasks import Tasks, read_tasks, task_files


@pytest.fixture(scope="module")
def processor(checkpoint):
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(checkpoint, local_files_only=True)


@pytest.fixture(scope="module")
def asked(tasks):
    return read_tasks(task_files(tasks)["validation"], "grpo")


def test_the_prompt_has_the_tokens_of_the_stages(processor, asked, checkpoint):
    from transformers import AutoConfig

    of_image = AutoConfig.from_pretrained(checkpoint).image_seq_length
    encoder = Encoder(processor.tokenizer, tokens_per_image=of_image, max_tokens=4096)
    messages = [{"role": "user", "content": "<image>\nWhich colour?"}, {"role": "assistant", "content": "red"}]
    trained = encoder(Sample("x", messages, [None]))
    prompt = trained.input_ids[: int(trained.supervised.argmax())]
    assert encode(processor, [asked.readable(0)])["input_ids"][0].tolist() == prompt.tolist()


def test_answers_do_not_depend_on_their_batch(processor, asked, checkpoint):
    from transformers import LlavaForConditionalGeneration

    model = LlavaForConditionalGeneration.from_pretrained(checkpoint, local_files_only=True).train()
    together = ask(model, processor, asked, answer_tokens=4, title="t")
    alone = [ask(model, processor, Tasks([row], {}), answer_tokens=4, title="t")[0] for row in asked.rows]
    assert together == alone
    assert model.training
    assert len(scores(asked, together)) == len(asked.rows)


def test_gains_are_paired_and_of_each_reward():
    rows = [{"reward": "count" if n % 2 else "presence"} for n in range(200)]
    rng = np.random.default_rng(0)
    before = rng.integers(0, 2, 200).astype(float)
    after = np.where(np.arange(200) % 2, 1.0, before)
    found = {gain.reward: gain for gain in gains(Tasks(rows, {}), before, after, seed=0)}
    assert list(found) == ["all", "count", "presence"]
    assert (found["presence"].low, found["presence"].high) == (0, 0)
    assert found["count"].low > 0
    assert found["count"].after == 1
    difference = (after - before)[1::2]
    error = difference.std() / np.sqrt(100)
    assert found["count"].low == pytest.approx(difference.mean() - 1.96 * error, abs=0.02)
