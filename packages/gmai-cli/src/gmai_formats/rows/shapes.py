"""The shapes in which rows are published ▶ turns: who speaks, what, and whether it is to be learned.

A table of columns, not of datasets: https://huggingface.co/docs/trl/dataset_formats (messages, prompt and completion,
typed parts), https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md (ShareGPT, alpaca, `history`, `system`),
https://swift.readthedocs.io/en/latest/Customization/Custom-dataset.html (query and response, `loss`, `objects`),
https://docs.axolotl.ai/docs/dataset-formats/conversation.html (`train`, `weight`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gmai_formats.rows.images import Image, images_of, is_base64_picture
from gmai_formats.rows.json_stream import RepeatedKeyError, load_strictly
from gmai_formats.rows.rules import CAPTIONED, Problem, shortened

PLACEHOLDER = "<image>"
ROLES = {
    **dict.fromkeys(("system", "developer", "系统"), "system"),
    **dict.fromkeys(("human", "user", "prompter", "用户"), "user"),
    **dict.fromkeys(
        ("gpt", "assistant", "bot", "chatbot", "ai", "model", "chatgpt", "bing", "bard", "助手"), "assistant"
    ),
}
"""LLaVA's and ShareGPT's `from`, or a role, in small letters ▶ the role."""
TOOLS = frozenset({
    "tool", "function", "observation", "function_call", "tool_call", "tool_calls", "tool_response", "tool_result",
    "ipython", "function_response",
})  # fmt: skip
"""Roles that the checkpoint's chat template has no turn for."""
CHATS = ("messages", "conversations", "conversatons", "conversation", "texts", "dialogue", "dialog", "data", "turns")
"""Columns that hold turns. LLaVA-Med's 60k file misspells its own; LLaVA-Med's trainer takes both spellings."""
PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("query", "response"), ("question", "answer"),
    ("question", "response"), ("instruction", "output"), ("instruction", "response"), ("input", "target"),
    ("input", "output"), ("problem", "solution"), ("problem", "answer"), ("user", "assistant"), ("human", "assistant"),
    ("Question", "Answer"), ("prompt", "text"),
)  # fmt: skip
"""Columns that hold a question and its answer."""
CAPTIONS = ("caption", "text", "s2_caption")
REPORT = ("section_findings", "section_impression")
"""Columns of a report, which is put together as CheXpert Plus has it: findings, then impression."""
LETTERS = tuple(f"Choice {letter}" for letter in "ABCDEF")
"""Columns of options, as PMC-VQA's table has them."""
SYSTEMS = ("system", "system_prompt", "system_message", "system_instruction", "systemPrompt", "sys_prompt")
IMAGES = (
    "images", "image", "image_path", "image_paths", "img_path", "img", "image_file", "image_name", "img_name",
    "Figure_path", "figure_path", "file_name", "file_names", "image_file_name", "image_file_names", "path_to_image",
    "fig_uri", "img_ref",
)  # fmt: skip
LIKED = ("label", "labels")
FLAGS = ("loss", "weight", "train", "loss_scale")
"""Keys of a turn that say whether it is to be learned."""
_CHANGES_ROW = re.compile(
    r"(?:tools|functions|tool_calls?|function_call|documents|kto_tag|(?:sample|example)_weight|chat_template_kwargs|"
    r"pixel_values|input_ids|"
    r"teacher_prompt|meta_instruction|(?:train_on|mask|loss)_\w+|\w+_turn_loss|only_last\w*|last_(?:turn_)?only|"
    r"train_turns?|roles_to_(?:train|learn|mask)|negatives?|winner|preference|sampling_weight|(?:num_)?repeats?|"
    r"(?:corrected|edited|revised|improved)_(?:answers?|responses?|outputs?|messages|conversations?|texts?)|"
    r"(?:videos?|audios?|speech|(?:\w+_)?(?:masks?|segmentations?))(?:_(?:paths?|files?|bytes|urls?|names?))?|"
    r"(?:chosen|rejected)(?:_\w+)?|(?:positive|negative)_(?:messages|images|responses?))",
    re.IGNORECASE,
)
"""Columns with what training on questions and pictures cannot take, or by which an answer is no example."""
_CHANGES_TURN = re.compile(
    "mask|loss|train|weight|ignore|learn|supervis|backprop|gradient|hidden|visible|tool|function|image|img|pict|video|audio|media|attach|file|reason|think|"
    "thought|refus|box|object|prefix|suffix|reject|chosen|system|context|option|choice|instruct|document|explan|"
    "rational|channel|recipient|error|delet|(?:^|_)cot(?:_|$)",
    re.IGNORECASE,
)
"""Words in the name of a turn's field that says whether it is learned, or what belongs to it beside its text."""
_SOUND = re.compile(
    r"(?:is_)?(?:correct|right|valid|answerable|safe|accept(?:ed)?|approved)|is_train(?:ing)?|"
    r"(?:is_)?(?:keep|kept|included?|usable|use)",
    re.IGNORECASE,
)
_UNSOUND = re.compile(
    r"(?:is_)?(?:impossible|unanswerable|incorrect|wrong|invalid|negative|hallucinat\w*|unsafe|toxic|harmful|refusal|"
    r"excluded?|deleted|removed|ignored?|skip(?:ped)?|discard(?:ed)?|filtered(?:_out)?|duplicate|drop(?:ped)?|"
    r"flagged|blacklisted|blocked|rejected|corrupt(?:ed)?|truncated)|(?:has_)?errors?|is_test",
    re.IGNORECASE,
)
"""Columns that say whether the answer, or the row, is one to learn."""
_ENDED = frozenset({"finish_reason", "stop_reason", "finishReason", "stopReason"})
_CUT_SHORT = frozenset({"length", "max_tokens", "content_filter", "safety", "error"})
"""Where a model's server says why its answer ended, and what it says of one that is no whole answer."""
_EARLIER = re.compile(
    r"(?:chat|dialog(?:ue)?|conversation|message|turn|qa)s?_?history|history_?(?:chat|dialog(?:ue)?|conversation|qa)s?|"
    r"(?:previous|prior|past|earlier)_?(?:questions?|answers?|turns?|messages?|dialog(?:ue)?s?|conversations?|qas?|"
    r"rounds?|utterances?)|previous|history",
    re.IGNORECASE,
)
"""Columns of what was said before; a pair's `history` is read."""
_ORDER = re.compile(r"(?:image|img)_?(?:order|idx|index|indexes|indices)", re.IGNORECASE)
_OWN_PLACEHOLDER = re.compile(r"(?:image|img)_?(?:token|placeholder)", re.IGNORECASE)
"""Columns by which a row takes its images in an order, or under a placeholder, of its own."""
_OF_REGION = re.compile(
    r"(?:b(?:ound(?:ing)?)?_?box(?:es)?|roi|rois|region|crop|polygon|points?|click|keypoints?)"
    r"(?:_?(?:xyxy|xywh|coords?|coordinates|2d|px|norm(?:alized)?))?",
    re.IGNORECASE,
)
"""Columns of the place in an image that a question or a caption may be about."""
_ANOTHER_IMAGE = re.compile(
    r"(?:image|img|picture|photo)[ _-]?\d+(?:_path)?|"
    r"(?:image|img)s?_(?:depth|lateral|frontal|before|after|left|right)(?:_paths?)?|"
    r"(?:prior|previous|second|other|ref|reference|target|comparison|conditioning|depth|lateral|frontal)"
    r"_(?:images?|imgs?|pictures?|photos?|scans?)(?:_paths?)?",
    re.IGNORECASE,
)
"""Columns of an image beside the one that is read."""
_POINTS_TO_IMAGE = re.compile(
    r"(?:image|img|picture|photo|dicom|study|series|slice)_?(?:u?ids?|number|key|index)|"
    r"(?:image|img|picture|photo|thumbnail|figure)s?_?(?:ur[li]s?|links?|src|href|sha\d+|hash|md5)|"
    r"(?:image|img|picture|photo|frame|dicom|study|series|slice|scan)s?_?(?:dir|directory|folder|root)|"
    r"(?:scan|slide|wsi|video|clip|ecg|xray|cxr|mri|ct)s?_?(?:u?ids?|keys?|names?|files?)",
    re.IGNORECASE,
)
"""Columns by which a dataset finds a row's image elsewhere: https://huggingface.co/datasets/VictorSanh/LrvInstruction
(`image_id`), https://physionet.org/content/medical-diff-vqa (`study_id`, `ref_id`),
https://huggingface.co/datasets/allenai/pixmo-ask-model-anything (`image_url`)."""
_OPTION = re.compile(
    r"(?:op|opt|option|choice|ending|distractor)s?[_ ]?[a-h0-9]|answers?_[a-e]|\(?[a-h][).]|\([1-8]\)", re.IGNORECASE
)
"""Columns of one option each."""
_BETWEEN_WORDS = r"(?:[\w -]*[ _-])?(?:{})(?:[ _-][\w -]*)?"
"""A word in a name of any words; each may be read in one way alone, since to try all ways takes hours."""
_OPTIONS = re.compile(
    _BETWEEN_WORDS.format("options?|choices?|candidates?|alternatives|distractors|possible[ _-]answers"),
    re.IGNORECASE,
)
"""Columns of what an answer is chosen from, whatever else their name says."""
_OPTION_ENDS = ("options", "choices", "candidates", "answers")
"""How the names end under which numbers are options, too, and not ratings of them."""
_LETTERED = re.compile(r"\bA ?[).:].*\bB ?[).:]", re.DOTALL)
_ABOUT = re.compile(
    _BETWEEN_WORDS.format(
        "passages?|articles?|paragraphs?|abstracts?|documents?|background|knowledge|evidences?|supports?|contexts?|notes?|"
        "vignettes?|summary|summaries|transcripts?|tables?|ehrs?|records?|stories|story|facts|"
        "retrieved|ctxs?|search[ _-]results|findings|reports?|cases?|scenarios?|patient|stem|lead[ _-]in|premises?"
    ),
    re.IGNORECASE,
)
"""Columns of what a question in words alone may be about."""
_DIALOGUE = re.compile(
    r"^\s*(Question:|Q:|Human:|User:|USER:|### ?\w+:).*?(?:^|\s)(Answer:|A:|Assistant:|ASSISTANT:|AI:|GPT:|Bot:)",
    re.DOTALL,
)
"""A text that is a question and its answer, as OpenFlamingo and others put them together."""
_NO_INPUT = "<noinput>"
"""What Alpaca writes for none: https://github.com/tatsu-lab/stanford_alpaca, generate_instruction.py."""
_LONG_TEXT = 80
"""Letters; shorter ones are names and remarks."""
NEUTRAL = frozenset({
    "id", "width", "height", "label", "labels", "boxes", "provenance", "kind", "language", "modality", "department",
    "parent_id", "source", "license", "split", "width_list", "height_list",
})  # fmt: skip
"""Columns that gmai-data writes beside a conversation, and that are no part of it."""
_NOTHING: tuple[Any, ...] = (None, "", [], {}, "[]", "{}")
_ASKED = re.compile(
    r"prompt|query|question|instructions?|(?:task|format|answer|response)_(?:prompt|instructions?)|persona|"
    r"(?:pre|post)_?prompt|(?:(?:question|prompt|answer|response)_)?(?:prefix|suffix)",
    re.IGNORECASE,
)
"""Columns of what is said to the model beside the question: the same answer to less is another example."""
_SPLITS = frozenset({"split", "set", "subset", "partition", "phase"})
_KEPT_APART = frozenset({"test", "testing", "held_out", "held-out", "heldout", "holdout"})
"""Columns of the part of a dataset that a row is of, and parts that nothing is trained on."""
OPTIONS = ("options", "choices", "candidates", "answer_choices", "answer_options", "distractors")
BESIDE_QUESTION = (*OPTIONS, "context", "input", "hint", "instruction")
PASSAGES = ("passage", "article", "paragraph", "abstract", "document", "background", "knowledge", "evidence", "support")
"""What a question in words alone may be about; beside an image it is what is known of it."""
SAID = ("question", "query", "prompt", "instruction", "answer", "response", "completion", "output", "target", "report")
"""Columns that are no caption: beside one, whose turn it is is not known."""
_SAID = ("value", "content", "text")
_TEXT_PARTS = ("text", "input_text", "output_text")
_IMAGE_PARTS = ("image", "image_url", "input_image", "image_path", "image_binary")
"""Types of parts, the last two as in https://oumi.ai/docs (`ContentItem`)."""
_HOW_SHOWN = frozenset({
    "type", "index", "detail", "min_pixels", "max_pixels", "resized_height", "resized_width", "cache_control",
    "metadata",
})  # fmt: skip
"""Keys of a part that do not change what it says; the size of images is that of the checkpoint. `metadata` is the size,
the mode and the origin: https://huggingface.co/datasets/nvidia/Nemotron-VLM-Dataset-v2 (data_format.md)."""
_OF_IMAGE = ("image", "image_url", "path", "url", "base64", "source", "bytes", "data", "binary", "value", "content")
_PICTURE_ENDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".dcm")
_OTHER_ENDS = (
    ".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".npy", ".npz", ".svs", ".ndpi", ".mrxs", ".mp4", ".avi", ".mov",
    ".mkv", ".webm", ".wav", ".mp3", ".flac", ".pdf",
)  # fmt: skip
"""Endings of files with what a question may be about, and no picture: volumes, slides, films, sounds, documents."""


class Turns:
    """A row's turns in order, and its images.

    Attributes:
        messages: `role` and `content`.
        unlearned: Messages, from 0, that are not to be learned.
        images: In the order of the row.
        images_are_of_column: Whether they are not of the parts of messages.
        has_column: Whether the row has a column of images, though it may be empty.
        notes: Of `NOTES`.
        unread: Columns, and fields of turns as `messages.NAME`, that are filled and say nothing here.
    """

    __slots__ = ("has_column", "images", "images_are_of_column", "indexes", "messages", "notes", "unlearned", "unread")

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.unlearned: list[int] = []
        self.images: list[Image] = []
        self.images_are_of_column = False
        self.has_column = False
        self.notes: list[str] = []
        self.unread: tuple[str, ...] = ()
        self.indexes: list[Any] = []


class Refused(Exception):  # noqa: N818 (an outcome, not an error)
    """A row that breaks a rule."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(found)
        self.problem = Problem(rule, found)


def says_liked(value: Any) -> bool:
    """Return whether a value of `LIKED` is a verdict on the answer, as TRL's KTO has it, and no class."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(own, bool) for own in value)
    return isinstance(value, bool) or (isinstance(value, str) and value.casefold() in ("true", "false"))


def _is_verdict_against(name: str, value: Any) -> bool:
    no = str(value).casefold() in ("false", "0", "no")
    return bool(_SOUND.fullmatch(name) if no else _UNSOUND.fullmatch(name))


def is_kept_apart(value: Any) -> bool:
    """Return whether a row's split says that nothing is to be trained on it."""
    return isinstance(value, str) and value.strip().casefold() in _KEPT_APART


def is_row(value: Any) -> bool:
    """Return whether a value has the columns of a sample."""
    return isinstance(value, dict) and shape_of(value.keys()) is not None


def shape_of(columns: Any) -> str | tuple[str, str] | None:
    """Return what the columns hold: the one with turns, a pair of question and answer, a caption's; None for none."""
    for name in CHATS[:5]:
        if name in columns:
            return name
    for pair in PAIRS:
        if pair[0] in columns and pair[1] in columns:
            return pair
    if any(name in columns for name in IMAGES):
        for name in CAPTIONS:
            if name in columns:
                return name
        if any(name in columns for name in REPORT):
            return REPORT
    return next((name for name in CHATS[5:] if name in columns), None)


def changes_row(name: str) -> bool:
    """Return whether a column of this name is read, or makes a row be refused."""
    known = (
        _CHANGES_ROW, _OPTION, _OPTIONS, _ABOUT, _ANOTHER_IMAGE, _POINTS_TO_IMAGE, _SOUND, _UNSOUND, _EARLIER,
        _OF_REGION, _ASKED, _ORDER, _OWN_PLACEHOLDER,
    )  # fmt: skip
    named = name in FLAGS or name.casefold() in BESIDE_QUESTION
    return named or name in _ENDED | _SPLITS - {"split"} or any(names.fullmatch(name) for names in known)


@dataclass(frozen=True)
class _Columns:
    """Which columns of a row say what; those that are empty say nothing."""

    shape: str | tuple[str, str] | None
    images: tuple[str, ...]
    systems: tuple[str, ...]
    refused: tuple[str, ...]
    flags: tuple[str, ...]
    verdicts: tuple[str, ...]
    other: str | tuple[str, str] | None
    """A second shape."""
    unread: tuple[str, ...]


@lru_cache(4096)
def _columns(filled: tuple[str, ...], names: tuple[str, ...]) -> _Columns:
    """Return what columns say: the rows of a file have few sets of them."""
    shape = shape_of(filled) or shape_of(names)
    own = {shape} if isinstance(shape, str) else set(shape or ())

    def there(known: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in known if name in filled and name not in own)

    is_pair = isinstance(shape, tuple) and shape != REPORT
    refused = [name for name in filled if name not in own and _CHANGES_ROW.fullmatch(name)]
    if is_pair:
        rows_of = ("ABCDEFGH", "abcdefgh", "12345678", "0123456")
        single = next((letters for letters in rows_of if {*letters[:2]} <= {*filled}), "")
        refused += [
            name for name in filled if name not in (*own, *LETTERS) and (name in {*single} or _OPTION.fullmatch(name))
        ]
        other = next((pair for pair in PAIRS if {*pair} <= {*filled} and not own & {*pair}), None)
    else:
        other = (
            next((name for name in CHATS[:5] if name in filled and name not in own), None) if shape in CHATS else None
        )
    images, systems, flags = there(IMAGES), there(SYSTEMS), there(FLAGS)
    read = {*own, *images, *systems, *flags, *refused, *NEUTRAL, "objects"} | (
        {other} if isinstance(other, str) else set()
    )
    if is_pair:
        read |= {*(other or ()), *LETTERS, *BESIDE_QUESTION, "history"}
    unread = tuple(name for name in filled if name not in read)
    verdicts = tuple(name for name in unread if _SOUND.fullmatch(name) or _UNSOUND.fullmatch(name))
    return _Columns(shape, images, systems, tuple(refused), flags, verdicts, other, unread)


def turns_of(row: dict[str, Any]) -> Turns:
    """Return the turns and images of a row.

    Raises:
        Refused: It has none, or a field that cannot be read.
    """
    columns = _columns(tuple(name for name, value in row.items() if value not in _NOTHING), tuple(row))
    shape = columns.shape
    if shape is None:
        names = shortened(", ".join(map(str, row)))
        raise Refused("columns", f"the row has no messages, nor a question and its answer, but {names or 'nothing'}")
    for name in columns.refused:
        raise Refused("fields", f"`{name}` is not read")
    for name in columns.flags:
        if row[name] != 1:
            raise Refused("fields", f"`{name}` is {row[name]!r:.40}, which is not read of a whole row")
    for name in columns.verdicts:
        if _is_verdict_against(name, row[name]):
            raise Refused("fields", f"`{name}` is {row[name]!r:.40}: the answer is none to learn")
    for name in _SPLITS & row.keys():
        if is_kept_apart(row[name]):
            raise Refused("fields", f"`{name}` is {row[name]!r:.40}: nothing is trained on such rows")
    for name in _ENDED & row.keys():
        if str(row[name]).casefold() in _CUT_SHORT:
            raise Refused("fields", f"`{name}` is {row[name]!r:.40}: the answer is none to learn")
    for name in LIKED:
        if says_liked(row.get(name)):
            raise Refused("fields", f"`{name}` says whether the answer is liked, which is not read")
    turns = Turns()
    turns.unread = columns.unread
    _read_images(row, columns.images, turns)
    if shape == REPORT:
        sections = [row.get(name) for name in REPORT]
        turns.notes.append(CAPTIONED)
        _add(turns, "user", PLACEHOLDER * len(turns.images))
        _add(turns, "assistant", "\n".join(text.strip() for text in sections if isinstance(text, str) and text.strip()))
    elif isinstance(shape, tuple):
        _read_pair(row, shape, turns)
    elif shape in CAPTIONS:
        if beside := next((name for name in turns.unread if name in SAID or _is_chat(name, row.get(name))), None):
            raise Refused("fields", f"`{beside}` beside `{shape}` is not read")
        if isinstance(row[shape], str) and (found := _DIALOGUE.search(row[shape])):
            raise Refused("fields", f"`{shape}` holds {found[1]} and {found[2]}, and no caption: write them as columns")
        inner = _parsed(row[shape])
        if isinstance(inner, dict) or (isinstance(inner, list) and any(isinstance(part, dict) for part in inner)):
            # As in https://huggingface.co/datasets/openbmb/RLHF-V-Dataset, whose `text` holds `chosen` and `rejected`.
            raise Refused("fields", f"`{shape}` holds JSON, and no caption: write what is in it as columns")
        turns.notes.append(CAPTIONED)
        _add(turns, "user", PLACEHOLDER * len(turns.images))
        _add(turns, "assistant", row[shape])
    else:
        _read_chat(row[shape], shape, turns)
    if columns.other is not None:
        _check_same(row, shape, columns.other, turns)
    if turns.indexes and turns.indexes != [*range(len(turns.indexes))]:
        order = ", ".join(map(str, turns.indexes[:8]))
        raise Refused("images", f"the parts take the images by `index` {order}, and not in their order")
    if columns.systems:
        _read_system(row, columns.systems, turns)
    for name in turns.unread:
        if name not in row:
            continue
        own_order = isinstance(row[name], list) and _ORDER.fullmatch(name) and row[name] != [*range(len(turns.images))]
        if turns.images and (own_order or (_OWN_PLACEHOLDER.fullmatch(name) and row[name] != PLACEHOLDER)):
            raise Refused("fields", f"`{name}` is {str(row[name])!r:.40}, which is not read")
        if _EARLIER.fullmatch(name) and (name.casefold() != "history" or _parts(row[name]) is not None):
            raise Refused("fields", f"`{name}` holds what was said before, and is not read: write it as turns")
        if shape not in CHATS and turns.images and _OF_REGION.fullmatch(name) and _are_numbers(_parts(row[name])):
            raise Refused("fields", f"`{name}` marks a place in the image, and is not read: write it into the text")
        if shape != REPORT and _ASKED.fullmatch(name) and not _is_said(row[name], turns):
            beside = shape if isinstance(shape, str) else shape[0]
            raise Refused("fields", f"`{name}` beside `{beside}` is not read: write it into the question")
        if isinstance(shape, tuple) and shape != REPORT and _belongs_to_question(name, row[name], bool(turns.images)):
            raise Refused("fields", f"`{name}` beside `{shape[0]}` is not read")
        if _looks_like_image(row[name], paths=not turns.images) or _ANOTHER_IMAGE.fullmatch(name):
            raise Refused("fields", f"`{name}` looks like an image and is not read: call the column `image`")
        if not turns.images and (ending := _other_ending(row[name])):
            raise Refused("fields", f"`{name}` names a file (*{ending}) that is no picture, and is not read")
        if not turns.images and _POINTS_TO_IMAGE.fullmatch(name):
            raise Refused("fields", f"`{name}` points to an image, and the row has none: put its path into `image`")
    return turns


def _read_images(row: dict[str, Any], names: tuple[str, ...], turns: Turns) -> None:
    """Take the first column that holds images; another may only say where they come from."""
    turns.has_column = any(name in row for name in IMAGES)
    for number, name in enumerate(names):
        images = images_of(row[name])
        if number:
            held = isinstance(images, list) and not all(isinstance(image, str) for image in images)
            if held or (name in IMAGES[:2] and images != turns.images):
                raise Refused("fields", f"`{name}` holds images beside `{names[0]}`; one column holds those of a row")
            continue
        if isinstance(images, Problem):
            raise Refused(images.rule, images.found)
        of_table = isinstance(images[0], bytes) if images else False
        if of_table and name != next(column for column in IMAGES if column in row):
            raise Refused("fields", f"`{name}` holds images beside another column of images; one column holds them all")
        turns.images, turns.images_are_of_column = images, True


def _check_same(row: dict[str, Any], shape: Any, other: str | tuple[str, str], turns: Turns) -> None:
    """Refuse a row that says two things."""
    second = Turns()
    second.images, second.images_are_of_column = list(turns.images), turns.images_are_of_column
    second.has_column = turns.has_column
    _read_chat(row[other], other, second) if isinstance(other, str) else _read_pair(row, other, second)
    if second.messages != turns.messages:
        one, two = ("`" + ("` and `".join(name) if isinstance(name, tuple) else name) + "`" for name in (shape, other))
        raise Refused("fields", f"{one} and {two} say two things, and which is meant is not known")


def _read_pair(row: dict[str, Any], shape: tuple[str, str], turns: Turns) -> None:
    question, answer = row[shape[0]], row[shape[1]]
    options = [(name[-1], row[name]) for name in LETTERS if isinstance(row.get(name), str) and row[name].strip()]
    if options and isinstance(question, str):
        lines = [text if text.strip().startswith(f"{letter}") else f"{letter}: {text}" for letter, text in options]
        question = "\n".join((question, *(line.strip() for line in lines)))
    if not turns.images and (passage := next((name for name in PASSAGES if row.get(name)), None)):
        raise Refused("fields", f"`{passage}` beside `{shape[0]}` is not read")
    for name in BESIDE_QUESTION:
        if name in shape or not row.get(name) or is_nothing(row[name]):
            continue
        if name == "context" and shape == ("question", "answer") and isinstance(row[name], str):
            question = f"{row[name]}\n{question}"
            continue
        if shape[0] == "instruction" and str(row[name]).strip().casefold() == _NO_INPUT:
            continue
        if shape[0] != "instruction" or name not in ("input", "context") or not isinstance(row[name], str):
            raise Refused("fields", f"`{name}` beside `{shape[0]}` is not read")
        question = f"{question}\n{row[name]}"
    for past in _past(row.get("history")):
        if isinstance(past, dict):
            _read_turn(past, turns)
        elif isinstance(past, list) and len(past) == 2:
            _add(turns, "user", past[0])
            _add(turns, "assistant", past[1])
        else:
            raise Refused("fields", "`history` is no list of a question and an answer each")
    for role, part in (("user", question), ("assistant", answer)):
        parsed = _parsed(part)
        part = parsed if _all_turns(parsed) else part
        if _all_turns(part):
            _read_chat(part, shape[0] if role == "user" else shape[1], turns)
        else:
            _add(turns, role, part)


def _belongs_to_question(name: str, value: Any, has_images: bool) -> bool:
    """Return whether a column holds what the answer is chosen from, or what a question without an image is about."""
    if name.casefold() in BESIDE_QUESTION and name not in BESIDE_QUESTION:
        return True
    is_list = isinstance(value, list | dict) and len(value) > 1
    if _OPTIONS.fullmatch(name):
        if isinstance(value, list) and not any(isinstance(own, str | dict) for own in value):
            return is_list and name.casefold().endswith(_OPTION_ENDS)
        is_text = isinstance(value, str) and (_LETTERED.search(value) is not None or value.lstrip()[:1] in ("[", "{"))
        return is_list or is_text
    if has_images or not _ABOUT.fullmatch(name):
        return False
    if isinstance(value, list | dict):
        value = str(value)
    return is_list or (isinstance(value, str) and len(value) >= _LONG_TEXT and " " in value)


def _parts(value: Any) -> list[Any] | None:
    """Return what a list or an object holds, which may stand there as JSON; None of another value."""
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, dict):
        return [*value.values()]
    return value if isinstance(value, list) else None


def _are_numbers(parts: list[Any] | None) -> bool:
    """Return whether there is nothing but numbers, however they are put together."""
    return bool(parts) and all(type(part) in (int, float) or _are_numbers(_parts(part)) for part in parts or ())


def _is_said(value: Any, turns: Turns) -> bool:
    return not isinstance(value, str) or any(value.strip() in message["content"] for message in turns.messages)


def _is_chat(name: str, value: Any) -> bool:
    return name in CHATS and name != "data" and (isinstance(value, list | dict) or _parsed(value) is not None)


def _past(history: Any) -> list[Any]:
    if isinstance(history, str) and history:
        history = _parsed(history)
        if history is None:
            raise Refused("fields", "`history` is no list of a question and an answer each")
    return history or []


def _parsed(text: Any) -> Any:
    """Return the list or object that a text is as JSON; None where it is a text and nothing else."""
    if not isinstance(text, str) or text[:1] not in ("[", "{") or text.rstrip()[-1:] not in ("]", "}"):
        return None
    try:
        return load_strictly(text)
    except RepeatedKeyError as error:
        raise Refused("json", str(error)) from error
    except (ValueError, RecursionError):
        return None


def _all_turns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) and "role" in turn for turn in value)


def _read_chat(value: Any, column: str, turns: Turns) -> None:
    if isinstance(value, str):
        value = _parsed(value)
        if value is None:
            raise Refused("columns", f"`{column}` is text, not a list of messages")
    if isinstance(value, dict) and value and all(isinstance(own, list) for own in value.values()):
        # A list of objects as `datasets` stores a Sequence of them: an object of lists.
        if len({len(own) for own in value.values()}) != 1:
            raise Refused("columns", f"`{column}` is an object of lists that differ in length")
        value = [dict(zip(value, turn, strict=True)) for turn in zip(*value.values(), strict=True)]
    if not isinstance(value, list):
        raise Refused("columns", f"`{column}` is {kind_of(value)}, not a list of messages")
    if column == "data" and any(isinstance(turn, dict) and not {"role", "from"} & {*turn} for turn in value):
        raise Refused("columns", "`data` is a list of rows, not of texts: write each of them as a row")
    if value and all(isinstance(own, list) and own and all(isinstance(turn, dict) for turn in own) for own in value):
        if len(value) > 1:
            raise Refused("columns", f"`{column}` holds {len(value)} conversations: write each of them as a row")
        value = value[0]
    for number, turn in enumerate(value):
        parsed = _parsed(turn)
        if isinstance(parsed, dict) and ("role" in parsed or "from" in parsed):
            turn = parsed
        if isinstance(turn, dict):
            _read_turn(turn, turns)
        elif isinstance(turn, str):
            _add(turns, ("user", "assistant")[number % 2], turn)
        else:
            raise Refused("messages", f"message {number + 1} is {kind_of(turn)}, not a message")


def _read_turn(turn: dict[str, Any], turns: Turns) -> None:
    number = len(turns.messages) + 1
    who = turn.get("from")
    if who is None:
        who = turn.get("role")
    elif turn.get("role") is not None and _role(turn["role"]) != _role(who):
        raise Refused("messages", f"message {number} has two speakers: `from` and `role` differ")
    if who is None:
        pair = next((pair for pair in PAIRS if pair[0] in turn and pair[1] in turn), None)
        if pair is None:
            raise Refused("messages", f"message {number} has no `role` and `content`")
        if turn.get("system"):  # https://xtuner.readthedocs.io/en/latest/training/multi_turn_dataset.html
            _add(turns, "system", turn["system"])
        if len(turn) > 2:
            _read_flags(turn, (*pair, "system"), "assistant", len(turns.messages) + 2, turns)
        _add(turns, "user", turn[pair[0]])
        _add(turns, "assistant", turn[pair[1]])
        return
    text_keys = [name for name in _SAID if turn.get(name) is not None]
    content = turn[text_keys[0]] if text_keys else None
    if len(text_keys) > 1 and any(turn[name] != content for name in text_keys):
        raise Refused("messages", f"message {number} says two things: `{text_keys[0]}` and `{text_keys[1]}` differ")
    role = _role(who)
    if len(turn) > 2:
        _read_flags(turn, ("from", "role", *_SAID), role, number, turns)
    if role is None:
        if str(who).casefold() in TOOLS:
            raise Refused("roles", f"message {number} is of a tool ({who}), which is not read")
        raise Refused("roles", f"message {number} is from {str(who)!r:.40}")
    if role == "system" and content in (None, "") and not turns.messages:
        return  # no system prompt, as an empty column `system` is none
    _add(turns, role, content)


def _role(who: Any) -> str | None:
    return ROLES.get(who) or ROLES.get(who.strip().casefold()) if isinstance(who, str) else None


def _read_flags(turn: dict[str, Any], known: Sequence[str], role: str | None, number: int, turns: Turns) -> None:
    """Read whether a turn is to be learned; refuse what else changes it.

    Args:
        turn: As it stands.
        known: Its fields that say who speaks, and what.
        role: Whose the message is that flags are of.
        number: Of that message, from 1.
        turns: What was read so far.
    """
    for name, value in turn.items():
        if name in known or value in _NOTHING:
            continue
        if name not in FLAGS:
            cut = name in _ENDED and str(value).casefold() in _CUT_SHORT
            if cut or _is_verdict_against(name, value) or _CHANGES_TURN.search(name):
                raise Refused("fields", f"`{name}` of message {number} is not read")
            turns.unread = tuple(dict.fromkeys((*turns.unread, f"messages.{name}")))
            continue
        if value not in (0, 1):
            raise Refused("fields", f"`{name}` of message {number} is {value!r:.40}, neither true nor false")
        if role == "assistant" and not value:
            turns.unlearned.append(number - 1)
        elif role != "assistant" and value:
            raise Refused("fields", f"`{name}` asks to learn message {number}, which is no answer")


def _add(turns: Turns, role: str, content: Any) -> None:
    if not isinstance(content, str):
        content = _text_of_parts(content, len(turns.messages) + 1, turns)
    elif content[:2] == "[{" and isinstance(parts := _parsed(content), list) and all(map(_is_part, parts)):
        content = _text_of_parts(parts, len(turns.messages) + 1, turns)
    turns.messages.append({"role": role, "content": content})


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in (*_TEXT_PARTS, *_IMAGE_PARTS)


def _text_of_parts(content: Any, number: int, turns: Turns) -> str:
    """Return the text of typed parts, put together as the checkpoint's chat template does it."""
    if not isinstance(content, list) or not content:
        raise Refused("messages", f"message {number} is {kind_of(content)}, not text")
    if len(content) > 1 and all(isinstance(part, str) for part in content):
        raise Refused(
            "messages", f"message {number} is a list of {len(content)} texts, and which is meant is not known"
        )
    texts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, dict) and kind is None:  # Qwen's first form: {"image": …} and {"text": …}
            kind = next((name for name in ("text", "image", "image_url") if part.get(name) is not None), None)
        kind = kind.casefold() if isinstance(kind, str) else kind
        said = [part[name] for name in _SAID if part.get(name) is not None] if kind else []
        text = said[0] if said else None
        if kind in _TEXT_PARTS and any(own != text for own in said):
            raise Refused("messages", f"a part of message {number} says two things")
        if kind in _TEXT_PARTS and isinstance(text, str):
            _check_part(part, _SAID, number)
            texts.append(text)
        elif kind in _IMAGE_PARTS:
            _check_part(part, _OF_IMAGE, number)
            texts.append(f"{PLACEHOLDER}\n")
            _take_image(part, number, turns)
        else:
            raise Refused("messages", f"message {number} has a part of type {kind!r:.40}, which is not read")
    return "".join(texts)


def is_nothing(value: Any) -> bool:
    """Return whether a value is empty, or an object of nothing, as tables hold the parts of another type."""
    return value in _NOTHING or (isinstance(value, dict) and all(own is None for own in value.values()))


def _check_part(part: dict[str, Any], known: Sequence[str], number: int) -> None:
    for name, value in part.items():
        if name not in known and name not in _HOW_SHOWN and not is_nothing(value):
            raise Refused("fields", f"`{name}` of a part of message {number} is not read")


def _take_image(part: dict[str, Any], number: int, turns: Turns) -> None:
    """Take the image that a part holds itself; without one it stands for the next image of the row."""
    held = next((part[key] for key in _OF_IMAGE if not is_nothing(part.get(key))), None)
    if held is None:
        if part.get("index") is not None:
            turns.indexes.append(part["index"])
        return
    images = images_of([held])
    if isinstance(images, Problem):
        raise Refused(images.rule, f"message {number}: {images.found}")
    if len(images) != 1:
        raise Refused("images", f"message {number} has an image that is neither a picture nor a path")
    # Of a table, one column holds the images of all rows.
    if turns.images_are_of_column or (turns.has_column and not isinstance(images[0], str)):
        raise Refused("images", f"message {number} holds an image itself: all images belong into `images`")
    turns.images += images


def _read_system(row: dict[str, Any], names: tuple[str, ...], turns: Turns) -> None:
    for name in names:
        system = row[name]
        if system is None or system == "":
            continue
        if isinstance(system, list) and all(_is_text_alone(part) for part in system):  # as Bedrock has it
            system = "".join(part["text"] for part in system)
        if not isinstance(system, str):
            raise Refused("fields", f"`{name}` is {kind_of(system)}, not text")
        first = turns.messages[0] if turns.messages else {}
        if first.get("role") == "system":
            if first.get("content") != system:
                raise Refused("fields", f"`{name}` and the first message are two system prompts")
            continue
        turns.messages.insert(0, {"role": "system", "content": system})
        turns.unlearned = [number + 1 for number in turns.unlearned]


def _is_text_alone(part: Any) -> bool:
    return isinstance(part, dict) and {"text"} <= part.keys() <= {"type", "text"} and isinstance(part["text"], str)


def _other_ending(value: Any) -> str:
    """Return the ending of a file that a value names, if it is one of `_OTHER_ENDS`."""
    if isinstance(value, list):
        return next((found for own in value[:8] if (found := _other_ending(own))), "")
    if not isinstance(value, str) or len(value) >= 500 or any(letter.isspace() for letter in value):
        return ""
    return next((ending for ending in _OTHER_ENDS if value.lower().endswith(ending)), "")


def _looks_like_image(value: Any, *, paths: bool) -> bool:
    """Return whether a value holds a picture, or with `paths` names one."""
    if isinstance(value, str):
        is_path = len(value) < 500 and value.lower().endswith(_PICTURE_ENDS)
        return is_base64_picture(value) or value.startswith("data:image/") or (paths and is_path)
    if isinstance(value, dict):
        return any(_looks_like_image(own, paths=paths) for own in value.values())
    if isinstance(value, list):
        return any(_looks_like_image(own, paths=paths) for own in value[:8])
    return isinstance(value, bytes)


def kind_of(value: Any) -> str:
    """Return what kind of JSON value this is, in words."""
    names = {
        list: "a list", dict: "an object", str: "text", bytes: "bytes", bool: "true or false", type(None): "missing",
    }  # fmt: skip
    return names.get(type(value), "a number")
