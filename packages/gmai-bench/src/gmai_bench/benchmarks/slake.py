"""SLAKE (Liu et al. 2021): bilingual questions about radiology images, in the layout of Hugging Face `BoKelvin/SLAKE`.

test.json   records with img_name, question, answer, q_lang (en, zh), answer_type (OPEN, CLOSED), content_type,
            modality, qid
imgs/ or imgs.zip   the images
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_bench.benchmarks import huatuo
from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import (
    NO_ACCURACY,
    SHORT,
    YES_NO,
    Images,
    Named,
    find_copy,
    need_file,
    read_json_records,
)
from gmai_bench.benchmarks.prompts import fill
from gmai_bench.benchmarks.question import Benchmark, Card, KeepImage, Question

HUB = HubSource("BoKelvin/SLAKE", ("test.json", "imgs.zip"))
_FIELDS = ("img_name", "question", "answer", "q_lang", "answer_type", "content_type", "modality", "qid")

_ZH_PAIRS = (("是的", "不是"), ("包含", "不包含"), ("有", "没有"), ("可以", "不可以"))
"""Chinese closed answers that are yes and no. 正常, 健康 and 异常 are findings: which of them is a yes depends on the
question, so they are matched as they stand."""

_EN_GROUPS = {
    "answer_type": {"OPEN": 645, "CLOSED": 416},
    "content_type": {
        "Organ": 253, "Position": 186, "Abnormality": 150, "KG": 148, "Modality": 108, "Size": 65, "Plane": 58,
        "Quantity": 52, "Color": 34, "Shape": 7,
    },
    "modality": {"CT": 472, "X-Ray": 361, "MRI": 228},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Protocol:
    scoring: str
    expected: int
    languages: tuple[str, ...]
    prompts: Mapping[str, str]
    """Language, or language and answer type, ▶ prompt."""
    notes: str
    expected_groups: Mapping[str, Mapping[str, int]]
    closed_only: bool = False
    published_extractor: str = ""


_ZH_SHORT = "{question}\n请用一个词或短语回答。"

_PROTOCOLS = {
    "exact-1061": _Protocol(
        "exact",
        1061,
        ("en",),
        {"en": SHORT},
        "Normalised exact match over the English test split. Sixty answers are lists, whose order must be the same.",
        _EN_GROUPS,
    ),
    "llava-med": _Protocol(
        "yes-no-and-recall",
        1061,
        ("en",),
        {"en": "{question}"},
        "Accuracy over the 416 closed questions (yes/no by extraction; 61 others count when every word of the "
        "reference is said), and mean token recall over the 645 open ones, both by whole words. "
        + NO_ACCURACY.replace("Its", "LLaVA-Med's"),
        _EN_GROUPS,
        published_extractor="llava-med",
    ),
    "medevalkit": _Protocol(
        "medevalkit-open",
        2094,
        ("en", "zh"),
        {
            "en CLOSED": SHORT,
            "en OPEN": "{question}\nPlease answer the question concisely.",
            "zh CLOSED": _ZH_SHORT,
            "zh OPEN": "{question}\n请简要回答。",
        },
        "MedEvalKit without its judge: yes/no by substring, everything else by equality, both languages together. "
        "The Chinese prompts are ours.",
        {"q_lang": {"en": 1061, "zh": 1033}},
    ),
    "zh-exact-1033": _Protocol(
        "exact",
        1033,
        ("zh",),
        {"zh": _ZH_SHORT},
        "Normalised exact match over the Chinese test split.",
        {"answer_type": {"OPEN": 613, "CLOSED": 420}},
    ),
    "zh-closed-420": _Protocol(
        "option-text",
        420,
        ("zh",),
        {"zh": _ZH_SHORT},
        "The closed Chinese questions: 是/不是, 包含/不包含, 有/没有 and 可以/不可以 by extraction of one of the pair, "
        "every other answer by normalised exact match.",
        {},
        closed_only=True,
    ),
}


def open_slake(protocol: str, data_root: Path | None) -> Benchmark:
    """Return SLAKE's test split under a protocol.

    Raises:
        UserError: Its files are not there.
    """
    if protocol == "huatuo-416":
        title = "SLAKE, closed English test questions with options"
        return huatuo.open_split("slake", title, protocol, "slake", 416, data_root)
    chosen = _PROTOCOLS[protocol]
    copy = find_copy("slake", data_root, HUB)
    path = need_file(copy, "slake", ("test.json", "Slake1.0/test.json"), HUB)
    card = Card(
        name="slake",
        title=f"SLAKE, test split, {' and '.join({'en': 'English', 'zh': 'Chinese'}[x] for x in chosen.languages)}",
        protocol=f"slake/{protocol}",
        protocol_version=2 if protocol in ("llava-med", "zh-closed-420") else 1,
        scoring=chosen.scoring,
        expected=chosen.expected,
        groups=("q_lang", "answer_type", "content_type", "modality") if len(chosen.languages) > 1 else
               ("answer_type", "content_type", "modality"),
        source=copy.source,
        license="CC-BY-4.0",
        notes=chosen.notes,
        published_extractor=chosen.published_extractor,
        expected_groups=chosen.expected_groups,
        hub=HUB.repo_id,
        revision=copy.revision,
        count_source="counted in test.json as published",
    )  # fmt: skip
    images = Images(path.parent, ("imgs", ""))
    return Named(card, lambda keep_image: _read(path, protocol, chosen, images, keep_image))


def _read(path: Path, name: str, protocol: _Protocol, images: Images, keep_image: KeepImage) -> Iterator[Question]:
    for place, record in read_json_records(path, _FIELDS):
        language, kind = str(record["q_lang"]).strip(), str(record["answer_type"]).strip()
        if language not in protocol.languages or (protocol.closed_only and kind != "CLOSED"):
            continue
        image = keep_image(images.read(str(record["img_name"]), place), place)
        text, answer = str(record["question"]), str(record["answer"]).strip()
        closed = kind == "CLOSED"
        choices, reference = _choices(answer, closed=closed, name=name)
        prompt = protocol.prompts.get(language) or protocol.prompts[f"{language} {kind}"]
        open_recall = name == "llava-med" and not closed
        yield Question(
            id=str(record["qid"]),
            text=text,
            prompt=fill(prompt, text, (), letters=True),
            images=(image,),
            choices=choices,
            reference=reference,
            cluster=image,
            measure="open_token_recall" if open_recall else "accuracy",
            groups=_groups(record),
            scoring="medevalkit-closed" if name == "medevalkit" and closed else None,
            image_names=(str(record["img_name"]),),
        )


def _choices(answer: str, *, closed: bool, name: str) -> tuple[tuple[str, ...], str]:
    """Return the options that a closed answer has by its nature, and the answer in their spelling."""
    if closed and name == "llava-med" and answer.lower() in YES_NO:
        return YES_NO, answer.lower()
    if closed and name == "zh-closed-420":
        for pair in _ZH_PAIRS:
            if answer in pair:
                return pair, answer
    return (), answer


def _groups(record: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(record[name]).strip() for name in ("q_lang", "answer_type", "content_type", "modality")}
