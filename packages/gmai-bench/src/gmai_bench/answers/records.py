"""One record of a file of answers: what it may be called, what was said, and what it shows of its question."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.json_text import parse_json

from gmai_bench.answers.predictions import Prediction
from gmai_bench.benchmarks.cells import options_of
from gmai_bench.benchmarks.prompts import LETTERS
from gmai_bench.extraction.text import strip_thoughts

ID_KEYS = (
    "custom_id", "id", "question_id", "index", "qid", "test_id", "uuid", "key", "sample_id", "item_id", "problem_id",
    "idx", "doc_id",
)  # fmt: skip
RESPONSE_KEYS = (
    "response", "prediction", "pred", "predict", "predicted_answer", "predicted", "text", "output", "model_pred",
    "pred_response", "model_output", "answer_pred", "model_answer", "model_response", "generated_text",
    "generated_answer", "pred_answer", "completion", "resps", "filtered_resps",
)  # fmt: skip
"""Looked for in this order; `answer` is not among them, for in most of these files it is the right one."""
_WHOSE = (
    "model",
    "llm",
    "vlm",
    "raw",
    "full",
    "final",
    "predicted",
    "generated",
    "assistant",
    "pred",
    "gen",
    "decoded",
    "actual",
)
_SAID = {
    "response", "prediction", "pred", "output", "completion", "generation", "reply", "responses", "predictions",
    "preds", "outputs", "completions", "generations",
}  # fmt: skip
"""Words of other keys of answers: "llm_answer", "model_prediction", "outputs", "raw_output"."""

QUESTION_KEYS = ("question", "question_text")
PROMPT_KEYS = ("prompt", "input", "query", "final_input_prompt")
"""Texts that hold the question and more."""
GOLD_KEYS = (
    "answer",
    "gt_answer",
    "target",
    "gold",
    "ground_truth",
    "reference",
    "answer_label",
    "label",
    "expected_output",
    "expected",
)
OPTION_KEYS = ("options", "choices")
IMAGE_KEYS = ("image", "image_path", "img_name", "image_name", "figure_path", "images", "image_file")
_CONTEXTS = (
    "doc", "raw_input", "vars", "test_case", "inputs", "input", "instance", "metadata", "sample_metadata",
    "reference_outputs", "sample_score", "score",
)  # fmt: skip
"""Objects of a record that hold the row that was asked, or the verdict on it: lm-evaluation-harness, evalscope,
promptfoo, LangSmith, Langfuse, HELM."""
_VERDICTS = ("sample_score", "score")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning")
_ALTERNATIVES = ("choices", "candidates", "completions")
_CUT = ("length", "max_tokens", "MAX_TOKENS")
_FAILED = "Failed to obtain answer"
"""VLMEvalKit writes it, and the error, in place of an answer (https://github.com/open-compass/VLMEvalKit,
vlmeval/api/base.py, vlmeval/inference.py): "… CUDA error on device A" is no answer A."""
SET_KEYS = ("dataset", "dataset_name", "data_source")


@dataclass(frozen=True, slots=True)
class Answered:
    """One record."""

    place: str
    """File and record, for messages."""
    prediction: Prediction
    """What was said; its id is empty until the question is known."""
    ids: Mapping[str, str]
    """Key ▶ what stands under it, of all keys that may hold the question's id."""
    within: tuple[str, ...] = ()
    """What may stand in front of an id: the data set that the record names, its file, its folder."""
    question: str = ""
    prompt: str = ""
    gold: str = ""
    options: tuple[str, ...] = ()
    image: str = ""
    data_set: str = ""


class OwnId(Mapping[str, str]):
    """`{"id": …}` of our own files, in less memory than a dict takes."""

    __slots__ = ("_id",)

    def __init__(self, identity: str) -> None:
        """Hold the id."""
        self._id = identity

    def __getitem__(self, key: str) -> str:
        if key != "id":
            raise KeyError(key)
        return self._id

    def __iter__(self) -> Iterator[str]:
        return iter(("id",))

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that the user names; empty ones are looked for."""

    id: str = ""
    response: str = ""


@dataclass
class Seen:
    """What is counted while a file is read."""

    others: dict[str, str] = field(default_factory=dict[str, str])
    """Key that was read ▶ another one that may hold answers too."""


def answered(fields: Mapping[str, Any], place: str, keys: Keys, within: Sequence[str], seen: Seen) -> Answered:
    """Return a record of another program.

    Raises:
        UserError: It has no answer, or not under the key that the user names.
    """
    own = _named(fields)
    contexts = dict(_contexts(own))
    response = _response(own, fields, place, keys, seen)
    known: dict[str, Any] = {}
    for context in reversed(contexts.values()):
        known |= context
    known |= own
    ids = _ids(own, fields, place, keys)
    if not keys.id:
        ids |= {
            f"{name}'s {key}": value
            for name, context in contexts.items()
            for key in ID_KEYS
            if key in context and (value := identity(context[key]))
        }
    data_set = _text(known, SET_KEYS)
    return Answered(
        place,
        response,
        ids,
        tuple(dict.fromkeys(name for name in (data_set, *within) if name)),
        question=_text(known, QUESTION_KEYS),
        prompt=_text(known, PROMPT_KEYS) or _asked(known),
        gold=_text(known, GOLD_KEYS),
        options=_options(known, place),
        image=_text(known, IMAGE_KEYS),
        data_set=data_set,
    )


def has_answer(fields: Mapping[str, Any], keys: Keys) -> bool:
    """Return whether a record has a key of answers."""
    own = _named(fields)
    if keys.response:
        return _name(keys.response) in own
    return bool(own.keys() & {*RESPONSE_KEYS, "result"}) or len(_built(own)) == 1 or _elsewhere(own) is not None


def names_question(fields: Mapping[str, Any]) -> bool:
    """Return whether a record says by an id and by a text which question it answers."""
    own = _named(fields)
    return any(key in own for key in ID_KEYS) and any(key in own for key in QUESTION_KEYS)


def _built(known: Iterable[str]) -> list[str]:
    """Return the keys that are built of words for what a model said, and of no other word."""
    found: list[str] = []
    for key in known:
        *whose, said = key.split("_")
        if set(whose) <= {*_WHOSE, *_SAID} and (said in _SAID or (said in ("answer", "text") and whose)):
            found.append(key)
    return found


def _name(key: Any) -> str:
    """Return a key as it is compared: "Model Answer" and "modelAnswer" are model_answer."""
    return "_".join(_CAMEL.sub(" ", str(key)).lower().replace("-", " ").split())


def _named(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the fields by their names as they are compared; "inputs.question" of a table is a part of `inputs`."""
    own: dict[str, Any] = {}
    for key, value in fields.items():
        whole, _, part = str(key).partition(".")
        if (
            part
            and _name(whole) in (*_CONTEXTS, "outputs")
            and isinstance(inner := own.setdefault(_name(whole), {}), dict)
        ):
            inner[part] = value
        else:
            own[_name(key)] = value
    if isinstance(own.get("inputs"), str) and isinstance(own.get("outputs"), str):  # LangSmith's CSV
        inputs, outputs = _object(own["inputs"]), _object(own["outputs"])
        own |= {"inputs": inputs, "outputs": outputs} if inputs and outputs else {}
    return own


def _object(value: Any) -> dict[str, Any]:
    """Return an object, or the object that a text is; else an empty one."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = parse_json(value)
        except ValueError:
            return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _contexts(own: Mapping[str, Any], depth: int = 2) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and fields of the objects in a record that say what was asked, and of those within them."""
    for name in _CONTEXTS:
        inner = {_name(key): value for key, value in _object(own.get(name)).items()}
        if inner:
            yield name, inner
            if depth > 1:
                yield from _contexts(inner, depth - 1)


def _elsewhere(own: Mapping[str, Any]) -> Any:
    """Return the answer where it stands under none of the keys: in a chat completion, a message, or beside a verdict.

    `message` is Ollama's, the verdict evalscope's; promptfoo's CSV has one column for each model and prompt.
    """
    choices = own.get("choices")
    if isinstance(choices, list) and any(_is_map(one) and "message" in one for one in cast("list[Any]", choices)):
        return own
    if _is_map(own.get("message")):
        return own["message"]
    columns = [key for key in own if key.startswith("[")] if {"status", "grader_reason"} <= own.keys() else []
    if len(columns) == 1:
        return own[columns[0]]
    said = (context.get("prediction") for name, context in _contexts(own) if name in _VERDICTS)
    return next((one for one in said if one is not None), None)


def _asked(known: Mapping[str, Any]) -> str:
    """Return the user's last text in the dialogue of a record, nothing where there is none.

    `messages` of ms-swift (https://github.com/modelscope/ms-swift) and evalscope, `conversations` of LLaVA's rows, the
    `contents` of a request to Gemini. What is answered in it may be the right answer, and is never read.
    """
    asked: Any = known.get("request")
    turns: Any = next((known[key] for key in ("messages", "conversations") if isinstance(known.get(key), list)), None)
    turns = turns or (asked.get("contents") if _is_map(asked) else None)
    for turn in reversed(turns if isinstance(turns, list) else []):
        if _is_map(turn) and (turn.get("role") or turn.get("from")) in ("user", "human"):
            text: Any = next((turn[key] for key in ("content", "value", "parts") if turn.get(key)), "")
            parts = [part.get("text") for part in text if _is_map(part)] if isinstance(text, list) else [text]
            return " ".join(part for part in parts if isinstance(part, str))
    return ""


def _ids(known: Mapping[str, Any], fields: Mapping[str, Any], place: str, keys: Keys) -> dict[str, str]:
    if keys.id:
        if _name(keys.id) not in known:
            raise UserError(f"{place}: found the keys {_listed(fields)}, and no {keys.id} (--id-key). Correct the key.")
        return {keys.id: identity(known[_name(keys.id)])}
    found = {key: identity(known[key]) for key in ID_KEYS if known.get(key) not in (None, "")}
    if "doc_id" in known:
        found |= _inner_ids(known)
    return {key: value for key, value in found.items() if value}


def _inner_ids(known: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids that lmms-eval writes into a record's metrics: https://github.com/EvolvingLMMs-Lab/lmms-eval,
    `process_results` of its tasks; `doc_id` is only the place in the split.
    """
    for value in known.values():
        if isinstance(value, Mapping):
            inner = cast("Mapping[str, Any]", value)
            for key in ("id", "question_id", "qid"):
                if isinstance(inner.get(key), str | int) and inner[key] != "":
                    return {f"its metrics' {key}": identity(inner[key])}
    return {}


def identity(value: Any) -> str:
    """Return an id as text; a spreadsheet makes 7 of "7" and pandas 7.0."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else "" if value != value else str(value)
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)


def _response(known: Mapping[str, Any], fields: Mapping[str, Any], place: str, keys: Keys, seen: Seen) -> Prediction:
    """Return what was said; the id is filled in when the question is known."""
    if keys.response:
        if _name(keys.response) not in known:
            raise UserError(
                f"{place}: found the keys {_listed(fields)}, and no {keys.response} (--response-key). Correct the key."
            )
        return _answer_of(known[_name(keys.response)], place)
    if known.get("error") and not any(known.get(key) for key in RESPONSE_KEYS):
        return Prediction("", "", "", refused=_reason(known["error"]))
    there = [key for key in RESPONSE_KEYS if key in known]
    if there[1:] and not there[1].endswith("resps") and known[there[0]] != known[there[1]]:
        seen.others.setdefault(there[0], there[1])
    if there == ["resps", "filtered_resps"] and (scored := _scored_by_lmms_eval(known)) is not None:
        return _answer_of(scored, place)
    if there and (likeliest := _likeliest(known[there[0]], known, place)) is not None:
        return Prediction("", likeliest, "")
    if there:
        return _answer_of(known[there[0]], place)
    if _is_map(known.get("result")):  # a line of Anthropic's message batches
        return _answer_of(known["result"], place)
    if (elsewhere := _elsewhere(known)) is not None:
        return _answer_of(elsewhere, place)
    built = _built(known)
    if len(built) == 1:
        return _answer_of(known[built[0]], place)
    near = next((hint for key in known if "Did you mean" in (hint := did_you_mean(key, RESPONSE_KEYS))), "")
    raise UserError(
        f"{place}: found the keys {_listed(fields)}, none of which is what the model said. It is looked for under "
        f"{', '.join(RESPONSE_KEYS)}.{near} Name it with --response-key, or rename the key."
    )


def _scored_by_lmms_eval(known: Mapping[str, Any]) -> str | None:
    """Return the filtered answer where it is the whole one without its thoughts, or the one of several that was scored.

    lmms-eval scores it; other filters leave a letter of the answer, and the answer itself is read then
    (https://github.com/EvolvingLMMs-Lab/lmms-eval, lmms_eval/evaluator.py, `strip_reasoning_tags`).
    """
    said, scored = known["resps"], known["filtered_resps"]
    while isinstance(said, list) and len(cast("list[Any]", said)) == 1:
        said = cast("list[Any]", said)[0]
    if isinstance(scored, list) and len(cast("list[Any]", scored)) == 1:
        scored = cast("list[Any]", scored)[0]
    if not isinstance(scored, str):
        return None
    if isinstance(said, list):
        answers = [one for one in cast("list[Any]", said) if isinstance(one, str)]
        return scored if scored in answers or scored in map(_without_thoughts, answers) else None
    return scored if isinstance(said, str) and said != scored and _without_thoughts(said) == scored.strip() else None


def _without_thoughts(said: str) -> str:
    return strip_thoughts(said).strip()


def _likeliest(value: Any, known: Mapping[str, Any], place: str) -> str | None:
    """Return the continuation that lm-evaluation-harness found likeliest, `None` where the model wrote an answer.

    Its samples of `multiple_choice` tasks hold [log-likelihood, is greedy] for each option, and the continuations in
    `arguments`; its `acc` takes the first of the highest (https://github.com/EleutherAI/lm-evaluation-harness,
    lm_eval/api/task.py, `process_results`).
    """
    if "arguments" not in known or not isinstance(value, list):
        return None
    weighed: list[float] = []
    for entry in cast("list[Any]", value):
        while isinstance(entry, list) and len(cast("list[Any]", entry)) == 1:
            entry = cast("list[Any]", entry)[0]
        pair = cast("list[Any]", entry) if isinstance(entry, list) else []
        if len(pair) != 2 or str(pair[1]) not in ("True", "False"):
            return None
        weighed.append(float(pair[0]))
    asked: Any = known["arguments"]
    requests: list[Any] = list(cast("dict[str, Any]", asked).values()) if _is_map(asked) else asked
    if not weighed or len(requests) != len(weighed):
        raise UserError(
            f"{place}: weighs {len(weighed)} continuations and names {len(requests)} in `arguments`. Each must have "
            f"its text. Write the samples again with --log_samples."
        )
    chosen = requests[weighed.index(max(weighed))]
    parts: list[Any] = list(cast("dict[str, Any]", chosen).values()) if _is_map(chosen) else chosen
    return str(parts[-1]).strip()


def _completion(value: Mapping[str, Any]) -> Any:
    """Return what an object of an API says: a line of the Batch API, a chat completion, a response, a message.

    https://platform.openai.com/docs/guides/batch, https://platform.openai.com/docs/api-reference/responses/object,
    https://platform.claude.com/docs/en/api/retrieving-message-batch-results, https://ai.google.dev/api/batch-mode
    """
    for key in ("body", "completion", *_ALTERNATIVES, "message", "content", "parts", "text"):
        if value.get(key) not in (None, "", []):
            inner = value[key]
            return cast("list[Any]", inner)[0] if key in _ALTERNATIVES and isinstance(inner, list) else inner
    if isinstance(value.get("output"), str):  # promptfoo, LangSmith
        return value["output"]
    messages = [part for part in cast("list[Any]", value.get("output") or []) if _is_map(part)]
    texts = [part["content"] for part in messages if part.get("type") == "message"]
    return texts[0] if texts else None


def _reason(error: Any) -> str:
    """Return why there is no answer, in one line."""
    while _is_map(error):
        error = next((error[key] for key in ("message", "error", "blockReason") if error.get(key)), str(error))
    return " ".join(str(error).split())[:200]


def _answer_of(value: Any, place: str) -> Prediction:
    """Return an answer: lmms-eval and HuatuoGPT-Vision put it into a list, an API into an object of its own, pandas
    makes NaN of an empty one.
    """
    cut, refused = False, ""
    while isinstance(value, list | Mapping):
        if isinstance(value, Mapping):
            body = cast("Mapping[str, Any]", value)
            if body.get("error") or int(body.get("status_code") or 200) >= 400:
                return Prediction("", "", "", refused=_reason(body.get("error") or body.get("body")))
            if body.get("type") in ("expired", "canceled") or body.get("promptFeedback", {}).get("blockReason"):
                return Prediction("", "", "", refused=_reason(body.get("promptFeedback") or body["type"]))
            cut = cut or any(body.get(key) in _CUT for key in ("finish_reason", "stop_reason", "finishReason"))
            refused = refused or str(body.get("refusal") or "")
            value = _completion(body)
            if value is None and not body.keys() & {"content", "completion", "parts", "role"} and not refused:
                raise UserError(f"{place}: the answer is an object ({body!r:.60}). An answer is a text. Name its key.")
            continue
        listed = [
            part
            for part in cast("list[Any]", value)
            if not (_is_map(part) and (part.get("type") in _THOUGHTS or part.get("thought")))
        ]
        parts = [part for part in listed if _is_map(part) and isinstance(part.get("text"), str)]
        if parts and len(parts) == len(listed):  # the parts of one message
            value = "".join(part["text"] for part in parts)
            continue
        if len(listed) > 1 and any(other != listed[0] for other in listed):
            raise UserError(
                f"{place}: holds {len(listed)} different answers to one question. A question has one answer here. "
                f"Keep one of them, or write each into a file of its own."
            )
        value = listed[0] if listed else None
    missing = value is None or (isinstance(value, float) and value != value)
    if isinstance(value, str) and value.startswith(_FAILED):
        return Prediction("", "", "", refused=_reason(value))
    return Prediction("", "" if missing else str(value), "", cut, refused if missing else "")


def _text(known: Mapping[str, Any], keys: Sequence[str]) -> str:
    for key in keys:
        value = known.get(key)
        if isinstance(value, list) and value:
            value = cast("list[Any]", value)[0]
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return ""


def _options(known: Mapping[str, Any], place: str) -> tuple[str, ...]:
    """Return the options that a record shows, none where they cannot be read: they only help to find the question."""
    for key in OPTION_KEYS:
        try:
            if known.get(key):
                return _bare(options_of(known, key, place).texts)
        except UserError:
            continue
    lettered = [known.get(f"option_{letter.lower()}", known.get(letter.lower())) for letter in LETTERS]
    texts = [str(option) for option in lettered if option not in (None, "") and option == option]
    return tuple(texts) if len(texts) > 1 else ()


def _bare(options: tuple[str, ...]) -> tuple[str, ...]:
    """Return options without the letters in front that MedEvalKit puts there, where every one has its own."""
    for mark in (". ", ":", ") "):
        if options and all(o.strip().startswith(f"{x}{mark}") for x, o in zip(LETTERS, options, strict=False)):
            return tuple(option.strip()[1 + len(mark) :].strip() for option in options)
    return options


def _listed(fields: Mapping[str, Any]) -> str:
    return str(sorted(map(str, fields))[:10])
