"""The model card: what the checkpoint is, how it came about, what it was trained on, how well it does, its limits."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from gmai_model.publishing.earlier import CONTACT_TITLE, EVALUATION, MARK_BEGINS, SOURCES, Card
from gmai_model.publishing.sources import Source

MARK = f"{MARK_BEGINS}: your own sections and metadata are kept, edits of its sections not -->"
CURVE_ROWS = 6
_HUB_LICENCE = re.compile(
    r"apache-2\.0|mit|isc|unlicense|wtfpl|bsd(?:-[23]-clause(?:-clear)?)?|bsl-1\.0|cc|cc0-1\.0"
    r"|cc-by(?:-(?:sa|nc|nd|nc-sa|nc-nd))?-[2-4]\.[05]|[al]?gpl(?:-[23]\.[01])?|mpl-2\.0|epl-[12]\.0|eupl-1\.[12]"
    r"|odc-by|odbl|pddl|cdla-(?:sharing-1|permissive-[12])\.0|(?:big(?:science|code)-|creativeml-)?openrail(?:-m|\+\+)?"
    r"|bigscience-bloom-rail-1\.0|llama[234](?:\.\d)?|gemma|other|unknown"
)
"""The commonest identifiers that the Hub takes for `license` (https://huggingface.co/docs/hub/repositories-licenses)."""


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of; nothing else goes into it."""

    repo_id: str
    record: Mapping[str, Any]
    """`gmai.json`, or empty for a checkpoint of others."""
    config: Mapping[str, Any]
    checked: Sequence[str]
    """What `gmai model check` saw."""
    licence: str | None
    sources: Sequence[Source] | None
    evaluation: Mapping[str, Any] | None
    """The report on the real images."""
    ablations: Sequence[Mapping[str, Any]]
    """Reports on the same questions with other images in place of the real ones."""
    digests: Mapping[str, str]
    """File ▶ SHA-256."""
    curves: str | None
    """File name of the drawn loss curves."""
    baselines: Sequence[Mapping[str, Any]] = ()
    """Reports of other models on the same questions."""
    version: str | None = None
    """Of the model, as its authors number it."""


def write_card(facts: CardFacts, before: Card | None = None) -> str:
    """Return the card as Markdown with the Hub's metadata in front.

    Args:
        facts: What gmai knows.
        before: The card that this one takes the place of: what others wrote in it is kept, and its results and sources
            where `facts` has none.
    """
    before = before or Card()
    licence = facts.licence or before.metadata.get("license")
    facts = replace(facts, licence=str(licence).lower() if licence else None)
    entries: list[dict[str, Any]] = list(facts.record.get("stages", []))
    stages = [entry for entry in entries if entry["stage"]]
    warm_ups = [entry for entry in entries if not entry["stage"]]
    sections = [
        *([before.preamble, MARK] if before.preamble else [MARK, _what(facts, stages)]),  # above it all is of others
        _use(facts), _contract(facts), *before.own_sections(),
        *map(_warm_up, warm_ups), _stages(stages, facts.curves), _mixture(stages),
        (facts.sources is None and before.section(SOURCES)) or _sources(facts.sources),
        (facts.evaluation is None and before.section(EVALUATION)) or _evaluation(facts),
        LIMITS, *([] if _names_people(before) else [CONTACT]), _settings(stages), _hashes(facts),
    ]  # fmt: skip
    kept = {key: value for key, value in before.metadata.items() if not (facts.licence and key in _OF_LICENCE)}
    metadata = yaml.safe_dump({**kept, **_metadata(facts, before)}, sort_keys=False, allow_unicode=True)
    return f"---\n{metadata}---\n\n" + "\n\n".join(sections) + "\n"


_OF_LICENCE = ("license_name", "license_link")


def _metadata(facts: CardFacts, before: Card) -> dict[str, Any]:
    tags = ["medical", "llava", "gmai", *before.metadata.get("tags", [])]
    metadata: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": list(dict.fromkeys(tags)),
    }
    if facts.licence:
        named = facts.licence.lower()
        known = _HUB_LICENCE.fullmatch(named) is not None
        metadata["license"] = named if known else "other"
        if not known:  # the Hub shows the name of a licence that it does not know, and where its text stands
            metadata["license_name"] = re.sub(r"[^a-z0-9.]+", "-", named).strip("-")
            text = next((name for name in facts.digests if name.startswith("LICENSE")), None)
            metadata |= {"license_link": text} if text else {}
    languages = sorted({language for source in facts.sources or () for language in source.languages})
    if languages:
        metadata["language"] = languages
    if facts.sources:
        known = {source.source for source in facts.sources if re.fullmatch(r"[\w.-]+/[\w.-]+", source.source)}
        metadata |= {"datasets": sorted(known)} if known else {}
    if facts.evaluation is not None:
        metadata["model-index"] = _model_index(facts.repo_id, facts.evaluation)
    parents = [part for part in (facts.record.get("vision"), facts.record.get("language")) if part and "/" in part]
    if parents:
        metadata["base_model"] = [parent.partition("@")[0] for parent in parents]
        metadata["base_model_relation"] = "finetune"
    return metadata


def _model_index(repo_id: str, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the results in the form that the Hub shows (huggingface_hub, `ModelCardData.eval_results`)."""
    results = [
        {
            "task": {"type": "image-text-to-text"},
            "dataset": {"name": str(entry.get("title") or entry["name"]), "type": str(entry["name"])},
            "metrics": [{"type": "accuracy", "value": round(100 * entry["accuracy"], 2),
                         "name": f"{entry['protocol']} v{entry.get('protocol_version', 1)}, n = {entry['n']}"}],
        }
        for entry in report["benchmarks"]
        if entry.get("accuracy") is not None and not entry.get("hidden")
    ]  # fmt: skip
    return [{"name": repo_id.rpartition("/")[2], "results": results}]


def _what(facts: CardFacts, stages: Sequence[Mapping[str, Any]]) -> str:
    made, vision, text = facts.record, facts.config["vision_config"], facts.config["text_config"]
    done = ", ".join(f"{stage['stage']} ({stage['name']})" for stage in stages) or "none; the projector is untrained"
    size, patch = vision["image_size"], vision["patch_size"]
    lines = [
        f"# {facts.repo_id.rpartition('/')[2]}",
        "",
        f"A medical vision-language model: a vision encoder ({vision.get('model_type', 'not recorded')}), a two-layer "
        f"projector and a language model ({text.get('model_type', 'not recorded')}) in one "
        "`LlavaForConditionalGeneration`. It opens without remote code.",
        "",
        *([f"- Version: {_cell(facts.version)}"] if facts.version else []),
        f"- Stages done: {done}",
        f"- Vision encoder: {made.get('vision', 'not recorded')}, {size} px, {(size // patch) ** 2} tokens an image, "
        f"image mode {made.get('image_mode', 'not recorded')}",
        f"- Language model: {made.get('language', 'not recorded')}, {text['num_hidden_layers']} layers of "
        f"{text['hidden_size']}, {text['vocab_size']} tokens",
        f"- Licence of the weights: {facts.licence or 'not stated; those of its parts and data apply'}",
    ]
    return "\n".join(lines)


def _use(facts: CardFacts) -> str:
    return f"""## Use

```python
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("{facts.repo_id}", dtype="auto", device_map="auto")
processor = AutoProcessor.from_pretrained("{facts.repo_id}")
content = [{{"type": "image"}}, {{"type": "text", "text": "Describe this image."}}]
prompt = processor.apply_chat_template([{{"role": "user", "content": content}}], add_generation_prompt=True)
image = Image.open("image.png").convert("RGB")
inputs = processor(images=[image], text=[prompt], return_tensors="pt", add_special_tokens=False)
answer = model.generate(**inputs.to(model.device, model.dtype), max_new_tokens=256)
print(processor.decode(answer[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
```

```bash
transformers serve {facts.repo_id}
vllm serve {facts.repo_id}
```"""


def _contract(facts: CardFacts) -> str:
    vision, text = facts.config["vision_config"], facts.config["text_config"]
    return (
        "## Input and output\n\n"
        f"- Images: RGB, 8 bit, made {vision['image_size']} × {vision['image_size']} px by the processor; "
        f"{(vision['image_size'] // vision['patch_size']) ** 2} tokens each. Values with a unit, such as those of CT, "
        "must be windowed first.\n"
        f"- Text: chat turns by the checkpoint's template; {text.get('max_position_embeddings', 'unknown')} tokens "
        "in all, images included.\n"
        "- Answers: text; a region is written `<ref>label</ref><box>[[x1, y1, x2, y2]]</box>`, in thousandths of the "
        "image's width and height from its upper left corner."
    )


def _warm_up(entry: Mapping[str, Any]) -> str:
    return (
        "## Warm-up in place of pretrained parts\n\n"
        "The parts were random. Before the stages the vision encoder was taught the labels of the training images in "
        f"{entry['vision_steps']:,} steps (label sets told apart {entry['label_accuracy']:.1%} of the time), and the "
        f"language model the training texts in {entry['language_steps']:,} steps."
    )


def _stages(stages: Sequence[Mapping[str, Any]], curves: str | None) -> str:
    if not stages:
        return "## Training\n\nNo stage has been run."
    lines = ["## Training", ""]
    lines += _table(
        ("stage", "trained", "steps", "samples", "tokens", "validation loss", "devices"),
        [
            (
                f"{stage['stage']} {stage['name']}",
                ", ".join(stage["trainable"]) + (f", LoRA rank {stage['lora']['rank']}" if stage.get("lora") else ""),
                f"{stage['steps']:,} of {stage['steps_planned']:,}", f"{stage['samples']:,}", f"{stage['tokens']:,}",
                _number(stage.get("validation_loss")), _devices(stage),
            )
            for stage in stages
        ],
    )  # fmt: skip
    unreadable = sum(int(stage.get("unreadable") or 0) for stage in stages)
    lines += ["", f"Samples left out because their image could not be read: {unreadable}."]
    if curves:
        lines += ["", f"![Loss curves]({curves})", ""]
        lines += _table(("stage", "loss at step"), [(str(stage["stage"]), _points(stage)) for stage in stages])
    return "\n".join(lines)


def _devices(stage: Mapping[str, Any]) -> str:
    sessions: list[dict[str, Any]] = stage.get("sessions") or []
    if not sessions:
        return "not recorded"
    return "; ".join(dict.fromkeys(f"{session['processes']} × {session['device']}" for session in sessions))


def _points(stage: Mapping[str, Any]) -> str:
    curve: list[list[float]] = stage.get("loss_curve") or []
    every = max((len(curve) - 1) // (CURVE_ROWS - 1), 1)
    chosen = curve[::every]
    if curve and chosen[-1] != curve[-1]:
        chosen = [*chosen, curve[-1]]
    return ", ".join(f"{step:g}: {loss:.3f}" for step, loss in chosen) or "not recorded"


def _mixture(stages: Sequence[Mapping[str, Any]]) -> str:
    if not stages:
        return "## Mixture\n\nNo stage has been run."
    lines = [
        "## Mixture",
        "",
        "What the planned steps of each stage hold. Tokens include image tokens; ratio is the share of the dataset.",
        "",
    ]
    lines += _table(
        ("stage", "dataset", "samples there", "ratio", "samples planned", "left out", "tokens"),
        [
            (
                str(stage["stage"]), share["name"], f"{share['available']:,}", f"{share['ratio']:g}",
                f"{share['used']:,}", _count(share.get("left_out")), _count(share.get("tokens")),
            )
            for stage in stages
            for share in stage["mixture"]
        ],
    )  # fmt: skip
    return "\n".join(lines)


def _sources(sources: Sequence[Source] | None) -> str:
    if sources is None:
        return f"## {SOURCES}\n\nNot listed: the card was written without `--data`."
    rows = [(source.dataset, source.source, source.licence, f"{source.samples:,}") for source in sources]
    joined: Counter[str] = Counter()
    for source in sources:
        joined[source.licence] += source.samples
    shares = "; ".join(f"{_cell(licence)} ({count:,} samples)" for licence, count in joined.most_common())
    together = f"Licences of the data: {shares}. The terms of each hold for what is made with it."
    return "\n".join(
        [f"## {SOURCES}", "", together, "", *_table(("dataset", "source", "licence", "training samples"), rows)]
    )


def _evaluation(facts: CardFacts) -> str:
    report, ablations = facts.evaluation, facts.ablations
    if report is None:
        return f"## {EVALUATION}\n\nNo results are given with this card."
    rows: list[tuple[str, ...]] = []
    for entry in report["benchmarks"]:
        interval = entry.get("interval")
        scored = entry.get("accuracy") is not None and not entry.get("hidden")
        rows.append(
            (
                str(entry.get("title") or entry["name"]), f"`{entry['protocol']}` v{entry.get('protocol_version', 1)}",
                f"{entry['n']:,}" + (" (partial)" if entry.get("partial") else ""),
                f"{entry['accuracy']:.1%}" if scored else "answers not public",
                f"{interval[0]:.1%} to {interval[1]:.1%}" if scored and interval else "",
                f"{entry['chance']:.1%}" if entry.get("chance") is not None else "",
                *(_of_other(entry, other) for other in (*ablations, *facts.baselines)),
            )
        )  # fmt: skip
    lines = [f"## {EVALUATION}", "", "With `gmai bench`; two protocols are never comparable.", ""]
    others = [f"with {ablation['image_ablation']} images" for ablation in ablations]
    others += [f"baseline: {baseline['model']}" for baseline in facts.baselines]
    lines += _table(("benchmark", "protocol", "n", "accuracy", "95 % interval", "chance", *others), rows)
    if ablations:
        lines += ["", "What it reaches with other images than the question's (`--image-ablation`) it does not see."]
    lines += ["", *_contamination(report)]
    lines += _by_group(report)
    generation = json.dumps(report.get("generation"))
    lines += ["", f"Digest of the model that was asked: `{report.get('model_digest')}`; generation: `{generation}`."]
    return "\n".join(lines)


def _contamination(report: Mapping[str, Any]) -> list[str]:
    findings: Sequence[Mapping[str, Any]] | None = report.get("contamination")
    if findings is None:
        return ["Whether the training samples hold questions or images of these benchmarks was not looked for."]
    return [
        f"- `{found['protocol']}`: {found['questions_on_seen_images']:,} of {found['questions']:,} questions are on "
        f"images of the training samples ({found['same_image']:,} of {found['images']:,} images are the same, "
        f"{found['near_image']:,} copies in other files); {found['same_words']:,} have the words of a training "
        f"question, {found['both']:,} of them about such an image."
        for found in findings
    ]


def _of_other(entry: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Return the accuracy in another report, where it is of the same questions under the same protocol."""
    asked = ("name", "protocol", "protocol_version", "n")
    same = (other for other in report["benchmarks"] if all(other.get(key) == entry.get(key) for key in asked))
    accuracy = next((other.get("accuracy") for other in same if not other.get("hidden")), None)
    return "not measured" if accuracy is None else f"{accuracy:.1%}"


def _by_group(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table for each way in which a benchmark's questions are grouped, such as by modality."""
    for entry in report["benchmarks"]:
        for column, groups in ({} if entry.get("hidden") else entry.get("groups") or {}).items():
            yield from (
                "",
                f"### {_cell(str(entry.get('title') or entry['name']))}, `{entry['protocol']}`, by {column}",
                "",
            )
            yield from _table(
                (column, "n", "accuracy", "95 % interval", "chance"),
                [
                    (
                        str(value), f"{group['n']:,}", f"{group['accuracy']:.1%}",
                        " to ".join(f"{each:.1%}" for each in group.get("interval") or []),
                        f"{group['chance']:.1%}" if group.get("chance") is not None else "",
                    )
                    for value, group in groups.items()
                    if group.get("accuracy") is not None
                ],
            )  # fmt: skip


def _names_people(before: Card) -> bool:
    return any(word in title.lower() for title in before.sections if title != CONTACT_TITLE for word in _PEOPLE)


_PEOPLE = ("citation", "contact", "author", "cite")
CONTACT = f"""## {CONTACT_TITLE}

Not given. Write sections of your own with authors, contact and citation: the next push keeps them, without this one."""
LIMITS = """## Intended use and limits

For research on medical vision-language models. It is no medical device and has not been evaluated in clinical use: do
not use it for diagnosis, triage, treatment or any decision about a patient. Answers may be wrong, may name findings
that are not there and may miss those that are. It sees single 2-D pictures of low resolution, not volumes, priors or
the patient's history. How it does on modalities, devices, populations and languages that its data lack is unknown. Its
training data may hold biases of the sources above. Images of patients that are sent to it stay subject to the law that
protects them."""


def _settings(stages: Sequence[Mapping[str, Any]]) -> str:
    lines = ["## Settings", ""]
    for stage in stages:
        # Paths of somebody's machine say nothing to others.
        settings = {key: value for key, value in stage["settings"].items() if not str(value).startswith("/")}
        lines += [f"<details><summary>stage {stage['stage']}</summary>", "", "```yaml"]
        lines += [yaml.safe_dump(settings, sort_keys=False).strip(), "```", "", "</details>", ""]
    return "\n".join(lines).strip() if stages else "## Settings\n\nNo stage has been run."


def _hashes(facts: CardFacts) -> str:
    lines = ["## Checks and hashes", ""]
    lines += [f"- {fact}" for fact in facts.checked]
    lines += ["", *_table(("file", "SHA-256"), [(name, f"`{digest}`") for name, digest in facts.digests.items()])]
    versions: dict[str, Any] = {}
    for stage in facts.record.get("stages", []):
        for session in stage.get("sessions") or []:
            versions |= session.get("versions", {})
    if versions:
        lines += [
            "",
            "Trained with " + ", ".join(f"{name} {number}" for name, number in sorted(versions.items())) + ".",
        ]
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(_cell(cell) for cell in row) + " |"


def _cell(text: str) -> str:
    """Return text that stays inside its cell and is no HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _count(value: int | None) -> str:
    return "not recorded" if value is None else f"{value:,}"
