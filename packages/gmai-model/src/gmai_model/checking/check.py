"""READ THIS FIRST: the files by rule ▶ the model in a clean process ▶ in other environments ▶ what is off."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmai_cli.processes import ending_with_this
from gmai_formats.checkpoints import require_bounded
from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from gmai_formats.weights import RECORD, damaged, read_record, require_checkpoint, sealed_files, seals_of

from gmai_model.assembly.families import VISION
from gmai_model.assembly.portable import settings_digests
from gmai_model.checking import rules
from gmai_model.checking.consumers import check_settings, consumers
from gmai_model.checking.files import Files
from gmai_model.checking.tensors import SIZES_DIFFER, check_weights
from gmai_model.checking.vllm_probe import IMPORTING

VISION_TYPES = sorted({family.vision_type for family in VISION.values()})
PROBE, VLLM_PROBE = (Path(__file__).with_name(name) for name in ("probe.py", "vllm_probe.py"))
LOGIT_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.25, "float16": 0.05}
"""Largest difference of a logit between two environments that is rounding and not another model."""

MOST_SURPRISE = 0.6
"""Mean loss on plain text beside that of chance: SmolLM2-135M has 0.31, with the tokens of another model 1.03 and 1.29,
with another number of heads 0.83, with ReLU in place of SiLU 0.64."""
_FEW_TOKENS = 10_000
"""A vocabulary of fewer is that of a demonstration, which knows the words of its data only."""

LIMIT_S = 1800
"""Seconds of the clock for each environment that opens a checkpoint: a large model on a slow disk takes minutes."""


@dataclass
class Outcome:
    """What a check saw."""

    facts: list[str] = field(default_factory=list[str])
    off: list[str] = field(default_factory=list[str])
    """What is off, one line each; empty where the checkpoint opens everywhere."""


def check(folder: Path, pythons: Sequence[Path] = (), limit_s: float = LIMIT_S) -> Outcome:
    """Prove that a checkpoint opens in plain transformers, here and in other environments, and by rule in servers.

    Where an environment has vLLM, its own class must take the checkpoint as well.

    Args:
        folder: A checkpoint, ours or another LLaVA.
        pythons: Interpreters of further environments with torch, transformers and Pillow.
        limit_s: Seconds of the clock for each of them.

    Raises:
        UserError: The folder holds no checkpoint of the LLaVA layout, or opening it takes longer than the limit.
    """
    require_checkpoint(folder, takes="`gmai model check` takes a checkpoint folder")
    files = Files(folder)
    if files.config.get("model_type") != "llava":
        found = f"model_type is {files.config.get('model_type')!r}"
        raise UserError(f"{folder}: {found}. `gmai model check` takes a LLaVA checkpoint folder. Check the path.")
    if (kind := files.vision.get("model_type", "clip_vision_model")) not in VISION_TYPES:
        raise UserError(
            f"{folder}: its vision encoder is {kind!r}. `gmai model check` knows what {', '.join(VISION_TYPES)} need. "
            "Try it in the program that is to serve it."
        )
    require_bounded(folder)
    outcome = Outcome()
    off, fact = check_folder(files)
    outcome.off += off
    outcome.off += check_settings(files, list(outcome.off))
    outcome.facts.append(fact)
    if outcome.off:
        outcome.facts.append("not opened by any program: the lines below change what it would find")
        return outcome
    by_vllm = [
        fact for python in (Path(sys.executable), *pythons) for fact in _ask_vllm(folder, python, outcome, limit_s)
    ]
    outcome.facts += consumers(files, by_vllm)
    here = probe(folder, Path(sys.executable), limit_s)
    _judge(files, here, outcome)
    for python in pythons:
        there = probe(folder, python, limit_s)
        _judge(files, there, outcome)
        outcome.off += _compare(here, there)
    if not outcome.off and (found := damaged(folder)):
        outcome.off.append(
            f"{found}: it is not as gmai wrote it. Copy the checkpoint again; where the change is meant, `gmai model "
            f"check --accept-weights` records it"
        )
    return outcome


def check_folder(files: Files) -> tuple[list[str], str]:
    """Return what is off in the files of a checkpoint, one line a fault, and a line about its tensors."""
    named = list(rules.check_files(files))
    off, fact = check_weights(files, named)
    if any(SIZES_DIFFER in line for line in off):  # what other files say is not measured by it
        files.sized = False
        named = list(rules.check_files(files))
    return [*named, *off], fact


def accept(folder: Path, *, settings: bool = False, weights: bool = False) -> None:
    """Record a checkpoint as it is now in its `gmai.json`, where it has one.

    Args:
        folder: The checkpoint.
        settings: Whether its settings were changed on purpose.
        weights: Whether its weights were: one without the other lets no damage pass.
    """
    if not (record := read_record(folder)):
        return
    was = seals_of(folder, weights_only=False)
    if was:
        now = sealed_files(folder)["files"]

        def taken(name: str) -> bool:
            return weights if ".safetensors" in name else settings

        record["files"] = {name: each for name, each in was.items() if not taken(name)} | {
            name: each for name, each in now.items() if taken(name)
        }
    if settings:
        record["settings"] = settings_digests(folder)
    write_json(folder / RECORD, record)


def probe(folder: Path, python: Path, limit_s: float = LIMIT_S) -> dict[str, Any]:
    """Run `probe.py` in a clean process of an interpreter, offline and without its user's path settings.

    Raises:
        UserError: The interpreter cannot be run, ends without a word, or takes longer than the limit.
    """
    try:
        seen = _run(PROBE, folder, python, limit_s)
    except TimeoutError as error:
        raise UserError(
            f"{folder}: {python} {error} while it opened it. Where the machine is slow or the model large, give more "
            f"with --time-limit; else look at what the checkpoint's files make a program do."
        ) from error
    if isinstance(seen, str):
        raise UserError(
            f"{python}: {seen} while it opened {folder}. It must have torch, transformers and Pillow, and memory for "
            f"the model."
        )
    return seen


def _run(script: Path, folder: Path, python: Path, limit_s: float) -> dict[str, Any] | str:
    """Return what a script wrote down of a checkpoint, or how it ended without.

    Raises:
        TimeoutError: It took longer than the limit, and was ended with all that it had started.
    """
    with tempfile.TemporaryDirectory() as scratch:
        out, said = Path(scratch) / "probe.json", Path(scratch) / "stderr"
        try:
            with said.open("wb") as errors:
                process = subprocess.Popen(
                    [str(python), "-I", str(script), str(folder.resolve()), str(out)],
                    env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                    preexec_fn=ending_with_this(), start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise UserError(f"{python}: cannot be run ({error.strerror}). --python takes an interpreter.") from error
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"was ended after {limit_s:,g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not out.is_file():
            last = (said.read_text("utf-8", errors="replace").strip().splitlines() or ["no output"])[-1]
            return f"ended with {code} ({last})"
        return json.loads(out.read_text("utf-8"))


def _ask_vllm(folder: Path, python: Path, outcome: Outcome, limit_s: float) -> Iterator[str]:
    """Yield what vLLM's own code of an environment says of a checkpoint, nothing where it has none."""
    try:
        seen = _run(VLLM_PROBE, folder, python, limit_s)
    except TimeoutError as error:
        outcome.facts.append(f"vLLM of {python}: not known, since it {error}; --time-limit gives it more")
        return
    if isinstance(seen, str):
        seen = {"error": seen, "step": IMPORTING}
    if "absent" in seen:
        return
    name = f"vLLM {seen.get('vllm', '')}".strip()
    if seen.get("step") == IMPORTING:  # says nothing of the checkpoint
        outcome.facts.append(f"{name} of {python}: not run, since it does not import there ({seen['error']})")
        return
    problem = f"{seen['step']} failed: {seen['error']}" if "error" in seen else ""
    if unfilled := seen.get("unfilled"):
        problem = f"{len(unfilled)} of its parameters get no tensor, {unfilled[0]} first"
    if problem:
        outcome.off.append(
            f"{name}: {problem}. Its class must take every tensor; correct what it names, or serve the checkpoint with "
            "another program"
        )
    else:
        yield (
            f"{name}, run: its own {seen['class']}, built on the meta device, takes every tensor, and all its "
            f"{seen['parameters']} parameters get one; no answer was computed"
        )


def _judge(files: Files, seen: dict[str, Any], outcome: Outcome) -> None:
    name = _name(seen)
    if "error" in seen:
        outcome.off.append(
            f"{name}: {seen.get('step', 'starting')} failed: {seen['error']}. It must open and answer there; correct "
            "what "
            f"it names, or assemble the checkpoint again"
        )
        return
    outcome.off += [f"{name}: {line}" for line in _findings(files, seen)]
    outcome.facts.append(
        f"{name} on {seen['device']}, run: {seen['image_tokens']} image tokens, {seen['dtype']}, "
        f"answers {len(seen['answer_ids'])} tokens, {seen['answer']!r}"
    )


def _findings(files: Files, seen: dict[str, Any]) -> Iterator[str]:
    vision = files.vision
    for key, what in (
        ("missing_keys", "not found"),
        ("unexpected_keys", "not used"),
        ("mismatched_keys", "of another shape"),
    ):
        if seen[key]:
            yield f"{len(seen[key])} tensors {what}, {seen[key][0]} first. Restore config.json or the weights"
    if not seen["finite"]:
        yield "the logits are not finite. Take an earlier checkpoint"
    elif seen["influence"] <= 1e-6 * max(abs(value) for value in seen["logits"]):
        yield (
            "the logits of two different images are equal, so that no image has an influence. Its projector is dead, "
            "or its "
            "features are not used; take an earlier checkpoint"
        )
    elif seen["text_influence"] <= 1e-6 * max(abs(value) for value in seen["logits"]):
        yield (
            "the logits of two different questions are equal, so that what is asked has no influence. Take an earlier "
            "checkpoint, or download it again"
        )
    if seen["tokens_differ"]:
        yield (
            f"makes other tokens of {seen['tokens_differ']!r} than tokenizer.json says. Write the tokenizer_class in "
            "tokenizer_config.json that it was trained with; PreTrainedTokenizerFast takes tokenizer.json as it is"
        )
    elif seen["surprise"] > MOST_SURPRISE and seen["trained"] and files.foreign and seen["tokens"] > _FEW_TOKENS:
        yield (
            f"its language model finds plain English and Chinese unlikely ({seen['surprise']:.2f} of the loss of chance"
            "), so that its tokenizer or its settings are another model's. Restore tokenizer.json and text_config"
        )
    if seen["shown_ends"] and seen["turn_end"] in seen["ends"]:
        yield (
            f"{seen['shown_ends']!r} ends an answer and is no special token, so that every answer shows it. Write "
            '"special": true at it in tokenizer.json and tokenizer_config.json'
        )
    if seen["prompt_off"]:
        yield f"the chat template {seen['prompt_off']}. Restore the one that it was trained with"
    if seen["ends_with"] is not None:
        yield (
            f"a prompt ends with the end token {seen['ends_with']}, which the tokenizer adds. Take it out of "
            "post_processor in tokenizer.json"
        )
    wanted = files.features
    if wanted is not None:
        for key, what in (("image_tokens", "makes"), ("planned_tokens", "plans")):
            if seen.get(key, wanted) != wanted:
                yield (
                    f"the processor {what} {seen[key]} tokens for an image, the vision encoder gives {wanted}. Correct "
                    "processor_config.json"
                )
        if seen["pixels"] != [vision["image_size"]] * 2:
            yield (
                f"the processor makes images of {seen['pixels']} px, the vision encoder takes "
                f"{vision['image_size']}. Correct preprocessor_config.json"
            )
    if seen["start_tokens"] > 1:
        yield (
            f"a prompt begins with {seen['start_tokens']} start tokens, since template and tokenizer both add one. "
            "Take it out of the template"
        )
    if seen["tokens"] > seen["embedding_rows"]:
        yield (
            f"the tokenizer has {seen['tokens']} tokens, the embedding {seen['embedding_rows']} rows. Restore the "
            "tokenizer"
        )
    marks = re.findall(r"<[^<>\s]+>", seen["after_answer"])
    if seen["turn_end"] is None and marks:
        yield (
            f"an answer ends with {marks[0]} in the chat template, which is no token, so that generation never stops "
            "there. Restore the tokenizer, or the template"
        )
    if seen["turn_end"] is not None and seen["turn_end"] not in seen["ends"]:
        yield (
            f"an answer ends with token {seen['turn_end']} in the chat template, generation stops at {seen['ends']}. "
            "Add it "
            f"to eos_token_id in generation_config.json"
        )
    rope: dict[str, Any] = files.text.get("rope_parameters") or {}
    theta = files.text.get("rope_theta", rope.get("rope_theta"))
    plain = rope.get("rope_type", "default") == "default" and not files.text.get("rope_scaling")
    if plain and theta and seen["rope_theta"] and abs(seen["rope_theta"] / theta - 1) > 1e-2:
        yield (
            f"computes with a rotary base of {seen['rope_theta']:.0f}, config.json says {theta:.0f}. Write "
            "rope_theta and rope_parameters"
        )


def _compare(here: dict[str, Any], there: dict[str, Any]) -> Iterator[str]:
    if "error" in here or "error" in there:
        return
    distance = max(abs(a - b) for a, b in zip(here["logits"], there["logits"], strict=True))
    if distance > LOGIT_TOLERANCE.get(here["dtype"], 1e-3):
        yield (
            f"{_name(there)}: logits differ from those of {_name(here)} by {distance:.2g}; it computes another model. "
            "Write what it reads, or name the version that is right"
        )
    elif here["dtype"] == "float32" and there["answer_ids"] != here["answer_ids"]:
        yield f"{_name(there)}: answers {there['answer']!r}, {_name(here)} answers {here['answer']!r}"


def _name(seen: dict[str, Any]) -> str:
    return f"transformers {seen.get('transformers', '(not importable)')}"
