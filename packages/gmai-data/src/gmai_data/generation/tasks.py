"""What a model is asked about each record, and the way from its replies to an outcome.

`TaskMaker` derives the tasks of a record, `advance` walks one task: first request, one repair with the complaint, one
new attempt. It looks replies up and never sends anything, so that a live run, the Batch API and a run from the cache
take the same way.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gmai_formats.chat.dialect import Dialect, ResponseFormat
from gmai_formats.chat.prices import Price, text_tokens
from gmai_formats.rows.box_text import box_text
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmai_data.annotation import MIRRORED, Annotation, Box, boxes_of
from gmai_data.checks.facts import Facts, Known, LabelNames, Measure
from gmai_data.checks.parts import ANSWER
from gmai_data.checks.phrases import find_phrase
from gmai_data.checks.simhash import simhash
from gmai_data.checks.written import first_complaint, without_unresolved
from gmai_data.generation.journal import Journal, Outcome, Reply
from gmai_data.generation.knowledge import Knowledge, load_knowledge
from gmai_data.generation.prompts import Prompt
from gmai_data.generation.reasoning import question_of
from gmai_data.generation.replies import (
    CONVERSATION_SCHEMA,
    OPINION_SCHEMA,
    UnusableReplyError,
    parse_opinion,
    parse_turns,
)
from gmai_data.generation.requests import (
    Detail,
    Parameters,
    Repair,
    Request,
    conversation_text,
    later_key,
    request_key,
)
from gmai_data.generation.translation import glossary, lock, unlock
from gmai_data.generation.wording import Words
from gmai_data.sample import qualified_id
from gmai_data.seeded import choose, hash_fraction, shuffled
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.vocabulary import Kind, Language, Split
from gmai_data.vocabulary import Task as SourceTask

SHOWN_BOXES = 6
"""A model is shown at most this many boxes of an image."""
CONSISTENT = "consistent"
"""Verdict of the judge; every other one is a fault (`replies.FAULTS`)."""
_NEIGHBOURS = 4
"""So many neighbours of a label are named at most."""
_BESIDE = 0.04
"""Boxes that lie apart by no more than this share of the image's side are beside one another."""
_LEAST_MM = 3
"""A side of a box that is shorter is rounded too coarsely to be told in whole millimetres."""
_PARTS_IN_CHINESE = {
    "report": {"Findings:": "所见：", "Impression:": "印象："},
    "reasoning": {"Answer:": "答案："},
}
REFUSED = "refusal"
UNUSABLE, CUT, FAILED = "unusable reply", "cut at the token limit", "no reply"
"""Reasons for the quarantine; whatever a check refuses is dropped instead."""
WRITTEN_KINDS: tuple[Kind, ...] = (
    Kind.IMAGE_CAPTION,
    Kind.REGION_CAPTION,
    Kind.FREE_INSTRUCTION,
    Kind.DIALOGUE,
    Kind.TEXT_ONLY,
)
"""Perception always follows from the labels alone."""

Turns = tuple[tuple[str, str], ...]


class Asking(BaseModel):
    """How a model is asked for text: what a user sets, and what the samples depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    temperature: float = Field(default=0.7, ge=0, le=2)
    """Randomness of the model's answers: 0 is least."""
    detail: Detail = "auto"
    """How closely the provider looks at an image, for those that know it: `auto`, `low` (cheaper) or `high`."""
    response_format: ResponseFormat = "json_schema"
    """`json_schema`, `json_object`, or `none` for servers that refuse both."""
    reasoning_effort: str = ""
    """Effort, as the provider names it: `minimal`, `low`, `medium`, `high`; nothing is sent where it is empty."""
    reasoning_tokens: int = Field(default=0, ge=0)
    """Tokens that the model may think beside its answer; added to the limit of each prompt."""
    extra_body: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    """Further fields of each request, as the server names them."""
    report_share: float = Field(default=0.15, ge=0, le=1)
    """Share of the free instructions that are reports with findings and impression."""
    reasoning_share: float = Field(default=0.15, ge=0, le=1)
    """Share of the free instructions that reason in steps to an answer which the record verifies."""
    judge: str = ""
    """A second model that is asked about the accepted samples."""
    judge_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the accepted samples that the judge is asked about."""
    judge_filters: bool = True
    """Whether a sample that the judge calls inconsistent is dropped; else it is only counted."""

    @model_validator(mode="after")
    def _shares_fit(self) -> "Asking":
        if self.report_share + self.reasoning_share > 1:
            raise ValueError(
                f"report_share {self.report_share} and reasoning_share {self.reasoning_share} are more than all."
            )
        return self


class WritingSettings(Asking):
    """What shapes the text that a model writes; part of a build's settings."""

    writer: Literal["openai", "openai-batch", "vllm"]
    model: str = Field(min_length=1)
    translate: Mapping[Kind, float] = Field(default_factory=dict)
    """Kind ▶ share of its accepted English samples that is also translated to Chinese."""
    prompts: Mapping[str, str] = Field(default_factory=dict)
    """Name ▶ digest of the prompt files."""
    knowledge: str = ""
    """Digest of what is known of structures and findings; see `load_knowledge`."""

    def dialect(self) -> Dialect:
        """Return what the requests look like, until a server takes a field otherwise."""
        return Dialect(
            response_format=self.response_format, reasoning_effort=self.reasoning_effort,
            reasoning_tokens=self.reasoning_tokens, extra_body=self.extra_body,
        )  # fmt: skip

    def further(self) -> str:
        """Return what shapes a reply beyond model, temperature, detail, format and seed, as JSON."""
        asked = {name: getattr(self, name) for name in ("reasoning_effort", "reasoning_tokens", "extra_body")}
        asked = {name: value for name, value in asked.items() if value}
        return json.dumps(asked, sort_keys=True) if asked else ""


@dataclass(frozen=True)
class WritingTask:
    """One sample to be written, translated or judged.

    Attributes:
        id: Of the sample.
        parent_id: Of the sample that a translation or an opinion is about.
        prompt: See `Prompt`.
        text: User message.
        image: Encoded, or nothing.
        facts: What the reply is held against.
        parameters: Sent along.
        key: Digest of the first request.
        locked: Of a translation: the locked source turns, and what its tokens stand for.
        judged: The reply is an opinion.
        told: What was drawn for it (scenario, level, form, answer), for the provenance.
    """

    id: str
    parent_id: str | None
    prompt: Prompt
    text: str
    image: bytes
    facts: Facts
    parameters: Parameters
    key: str
    locked: tuple[Turns, tuple[str, ...]] | None = None
    judged: bool = False
    chinese: Mapping[str, str] | None = None
    told: Mapping[str, str] = field(default_factory=dict[str, str])

    def turns(self, reply: str, *, shortened: bool = False) -> Turns:
        """Return the turns of a reply, before the checks; an opinion is one turn of verdict and reason.

        Args:
            reply: As the model gave it.
            shortened: Leave the sentences out that the record does not hold; see `without_unresolved`.

        Raises:
            UnusableReplyError: The reply is not of the asked form.
        """
        turns = self._parsed(reply)
        return without_unresolved(self.facts, turns)[0] if shortened else turns

    def _parsed(self, reply: str) -> Turns:
        if self.judged:
            opinion = parse_opinion(reply)
            return ((opinion.fault if not opinion.consistent else CONSISTENT, opinion.reason),)
        turns = parse_turns(reply)
        if self.locked is not None:
            return unlock(self.locked[0], turns, self.locked[1], self.chinese or {})
        return turns

    def complaint(self, reply: Reply) -> tuple[str, str] | None:
        """Return (reason to be counted, what is wrong) of a reply that cannot be used, or None."""
        if reply.cut:
            return CUT, "it was cut at the token limit; write a shorter one"
        try:
            turns = self.turns(reply.text)
        except UnusableReplyError as error:
            refusal = find_phrase("refusal", (("", reply.text.lower()),), self.facts.language)
            return (REFUSED, f'it says "{refusal}"') if refusal else (UNUSABLE, str(error))
        return None if self.judged else first_complaint(self.facts, turns)

    def left_out(self, reply: Reply) -> int:
        """Return how many sentences must be left out of a reply to make it good; 0 if that does not do."""
        if reply.cut or self.judged or self.locked is not None:
            return 0
        try:
            return len(without_unresolved(self.facts, self._parsed(reply.text))[1])
        except UnusableReplyError:
            return 0

    def request(self, attempt: int, repair: Repair | None, key: str) -> Request:
        """Return a request of this task."""
        schema = OPINION_SCHEMA if self.judged else CONVERSATION_SCHEMA
        return Request(self.prompt, self.text, self.image, schema, attempt, repair, key)


def advance(task: WritingTask, journal: Journal) -> Request | Outcome:
    """Return the request whose reply is missing, or what became of the task."""
    known = journal.outcome(task.key)
    if known is not None:
        return known
    attempt, repair, key = 0, None, task.key
    reason = detail = last = ""
    for step in ("first", "repair", "again"):
        if key in journal.failures:
            return Outcome("quarantined", check=FAILED, detail=journal.failures[key])
        reply = journal.replies.get(key)
        if reply is None:
            return task.request(attempt, repair, key)
        complaint = task.complaint(reply)
        left_out = 0 if complaint is None else task.left_out(reply)
        if complaint is None or left_out:
            turns = task.turns(reply.text, shortened=bool(left_out))
            return Outcome("accepted", reply=key, print=simhash(turns), left_out=left_out)
        reason, detail = complaint
        last = key
        if step == "first":
            repair = Repair(reply.text or "(empty)", detail)
            key = later_key(task.key, attempt, repair)
        else:
            attempt, repair = 1, None
            key = later_key(task.key, attempt, None)
    state = "quarantined" if reason in (UNUSABLE, CUT) else "dropped"
    return Outcome(state, reply=last, check=reason, detail=detail)


def input_tokens(task: WritingTask, request: Request, price: Price) -> int:
    """Return about how many tokens a request sends."""
    tokens = text_tokens(request.prompt.general.rules) + text_tokens(request.text)
    if request.repair is not None:
        tokens += text_tokens(request.repair.reply) + text_tokens(request.repair.complaint)
    if request.image:
        annotation = task.facts.annotation
        tokens += price.image.tokens(annotation.width_px, annotation.height_px, task.parameters.detail)
    return tokens


def _measures(annotation: Annotation, boxes: tuple[Box, ...]) -> tuple[Measure, ...]:
    """Return the sizes of boxes, where the distance of the pixels is known."""
    spacing_mm = annotation.provenance.get("spacing_mm")
    if not spacing_mm:
        return ()
    found = [
        Measure(box.label, round((x2 - x1) * spacing_mm[0]), round((y2 - y1) * spacing_mm[0]))
        for box in boxes
        for x1, y1, x2, y2 in [box.xyxy]
    ]
    return tuple(each for each in found if min(each.width, each.height) >= _LEAST_MM)


def _window_name(window: str) -> str:
    """Return the name of a window, such as `soft tissue`; nothing of one that is numbers or percentiles alone."""
    name = re.sub(r"[-+\d./–\s]+$", "", window.replace("_", " "))
    return "" if name.startswith("percentile") else name.strip()


def _touch(annotation: Annotation, label: str, other: str) -> bool:
    """Return whether boxes of two labels lie beside one another in the image."""
    most_px = _BESIDE * max(annotation.width_px, annotation.height_px)

    def apart(one: Box, two: Box) -> float:
        gaps = [max(one.xyxy[way], two.xyxy[way]) - min(one.xyxy[way + 2], two.xyxy[way + 2]) for way in (0, 1)]
        return max(gaps)

    return any(apart(one, two) <= most_px for one in boxes_of(annotation, label) for two in boxes_of(annotation, other))


class TaskMaker:
    """Derives the tasks of the records of one card."""

    def __init__(
        self,
        recipe: Recipe,
        settings: WritingSettings,
        prompts: Mapping[str, Prompt],
        text_share: float,
        seed: int,
        knowledge: Knowledge | None = None,
    ) -> None:
        """Compile what all records of a card share.

        Args:
            recipe: The card.
            settings: See `WritingSettings`.
            prompts: By name.
            text_share: Share of the records that are also written as text, and of the source's conversations that
                are written anew.
            seed: Draws other styles, boxes and shares.
            knowledge: Of structures and findings; none takes the bundled one.
        """
        self._knowledge = knowledge or load_knowledge()
        self._recipe, self._settings, self._prompts = recipe, settings, prompts
        self._text_share, self._seed = text_share, seed
        self.writer = settings.writer
        self._names = {language: LabelNames(recipe, language) for language in Language}
        self._of_card = {language: self._knowledge.known(recipe.label_names, None, language) for language in Language}
        self._chinese = {name.en: name.zh for name in recipe.labels.values() if name.zh}
        self._parameters = Parameters(
            settings.model, settings.temperature, settings.detail, settings.response_format, seed, settings.further()
        )
        self._base = self._parameters.digest()
        self._judge = replace(self._parameters, model=settings.judge, temperature=0.0)
        self._judge_base = self._judge.digest()
        self._instructions: dict[tuple[str | int, ...], str] = {}
        """Prompt, turns and what was drawn ▶ what is asked, where it says no more of the record."""

    def tasks(self, annotation: Annotation, image_digest: str) -> Iterator[WritingTask]:
        """Yield the tasks about one record; none about a held-out one.

        Args:
            annotation: The record.
            image_digest: SHA-256 of its image.
        """
        if annotation.split == Split.HELD_OUT:
            return
        words = Words(annotation, self._recipe, Language.EN, self._seed)
        shown = tuple(shuffled(annotation.boxes, self._seed, annotation.id, "boxes")[:SHOWN_BOXES])
        for kind, name in (
            (Kind.IMAGE_CAPTION, "image_caption"),
            (Kind.FREE_INSTRUCTION, self._form(annotation)),
            (Kind.DIALOGUE, "dialogue"),
        ):
            if name == "reasoning":
                yield self._reasoning(annotation, image_digest, words)
            else:
                yield self._task(annotation, image_digest, kind, name, shown, words)
        if shown:
            all_of_few = (
                len(annotation.boxes) <= SHOWN_BOXES and hash_fraction(self._seed, annotation.id, "grounded") < 0.5
            )
            chosen = shown if all_of_few else shown[:1]
            known = self._knowledge.known([box.label for box in chosen], annotation.modality, Language.EN)
            yield self._task(
                annotation, image_digest, Kind.REGION_CAPTION, "region_caption", chosen, words, known=known
            )
        if annotation.labels and hash_fraction(self._seed, annotation.id, "text") < self._text_share:
            known = self._knowledge.known(annotation.labels[:SHOWN_BOXES], None, Language.EN)
            yield self._task(annotation, "", Kind.TEXT_ONLY, "text_record", (), words, known=known)

    def _form(self, annotation: Annotation) -> str:
        """Return the prompt of a record's free instruction."""
        drawn = hash_fraction(self._seed, annotation.id, "form")
        if drawn < self._settings.reasoning_share:
            return "reasoning" if question_of(annotation, self._names[Language.EN], self._seed) else "free_instruction"
        reports = drawn < self._settings.reasoning_share + self._settings.report_share
        return "report" if reports and annotation.labels else "free_instruction"

    def _reasoning(self, annotation: Annotation, image_digest: str, words: Words) -> WritingTask:
        asked = question_of(annotation, self._names[Language.EN], self._seed)
        if asked is None:
            raise ValueError(f"{annotation.id}: the record answers no question")
        question, answer, boxes = asked
        return self._task(
            annotation, image_digest, Kind.FREE_INSTRUCTION, "reasoning", boxes, words, form="reasoning", answer=answer,
            question=question, answer_line=ANSWER[Language.EN].format(answer=answer),
        )  # fmt: skip

    def text_task(self, annotation: Annotation, sample_id: str, turns: Turns, language: Language) -> WritingTask | None:
        """Return the task that writes a source's own conversation anew, or None where it is not drawn."""
        if hash_fraction(self._seed, sample_id, "text") >= self._text_share:
            return None
        words = Words(annotation, self._recipe, Language.EN, self._seed)
        source = conversation_text(turns)
        return self._task(
            annotation, "", Kind.TEXT_ONLY, "text_dialogue", (), words,
            number=1, source=source, language=language, conversation=source,
        )  # fmt: skip

    @property
    def filters(self) -> bool:
        """Return whether what the judge calls inconsistent is dropped."""
        return bool(self._settings.judge) and self._settings.judge_filters

    def opinion(self, task: WritingTask, turns: Turns) -> WritingTask | None:
        """Return the task that asks the judge about an accepted text, or None where it is not drawn."""
        if task.judged or not self._settings.judge:
            return None
        drawn = hash_fraction(self._seed, task.id, "judge") < self._settings.judge_share
        return self._opinion(task, turns) if drawn else None

    def follow_ups(self, task: WritingTask, turns: Turns) -> Iterator[WritingTask]:
        """Yield what an accepted text gives rise to beside the judge's opinion on it: its translation."""
        if task.judged or task.locked is not None or task.facts.language != Language.EN:
            return
        translation = self.translation(task.facts, task.id, turns)
        if translation is not None:
            yield translation

    def translation(self, facts: Facts, sample_id: str, turns: Turns) -> WritingTask | None:
        """Return the translation of an English sample, or None where it is not drawn or the card lacks the names."""
        share = self._settings.translate.get(facts.kind, 0.0)
        drawn = share and hash_fraction(self._seed, sample_id, "translate") < share
        if not drawn or not self.speaks_chinese(facts.annotation):
            return None
        annotation = facts.annotation
        prompt = self._prompts["translation"]
        locked, tokens = lock(turns, self._chinese)
        names = {label: self._chinese[label] for label in annotation.labels}
        if self._recipe.anatomy.zh and annotation.labels:
            names[annotation.anatomy] = self._recipe.anatomy.zh
        names |= _PARTS_IN_CHINESE.get(facts.form, {})
        asked = {"glossary": glossary(names), "conversation": conversation_text(locked)}
        text = self._text("", prompt, len(turns), len(turns), asked)
        english = "\n".join(part for turn in turns for part in turn)
        of_english = Facts(
            annotation, facts.kind, Language.ZH, self._names[Language.ZH], facts.boxes,
            tuple(self._in_chinese(reference) for reference in facts.references), facts.positions, english,
            prompt.specific.words, (len(turns), len(turns)), facts.image_digest, facts.measures,
            self._knowledge.known([each.label for each in facts.knowledge], annotation.modality, Language.ZH),
            self._of_card[Language.ZH], facts.form, self._chinese.get(facts.answer, facts.answer),
        )  # fmt: skip
        key = request_key(self._base, prompt, text, "")
        return WritingTask(
            f"{sample_id}#zh", sample_id, prompt, text, b"", of_english, self._parameters, key,
            locked=(locked, tokens), chinese=self._chinese,
            told={name: each for name, each in (("form", of_english.form), ("answer", of_english.answer)) if each},
        )  # fmt: skip

    def prompt(self, name: str) -> Prompt:
        """Return one of the prompts."""
        return self._prompts[name]

    def overhead_tokens(self, name: str) -> int:
        """Return about how many tokens a prompt sends beside what is filled in."""
        prompt = self._prompts[name]
        return text_tokens(prompt.general.rules) + text_tokens(prompt.specific.task)

    def source_facts(self, annotation: Annotation) -> Facts:
        """Return the facts of a source's own conversation, for its translation."""
        return Facts(annotation, Kind.TEXT_ONLY, Language.EN, self._names[Language.EN], (), (), (), "", (0, 0), (1, 1))

    def speaks_chinese(self, annotation: Annotation) -> bool:
        """Return whether the card has the Chinese names of the record's labels."""
        return all(label in self._chinese for label in annotation.labels)

    def _in_chinese(self, reference: str) -> str:
        label = reference[len("<ref>") : reference.index("</ref>")]
        return reference.replace(f"<ref>{label}</ref>", f"<ref>{self._chinese.get(label, label)}</ref>")

    def _task(
        self,
        annotation: Annotation,
        image_digest: str,
        kind: Kind,
        name: str,
        boxes: tuple[Box, ...],
        words: Words,
        *,
        number: int = 0,
        source: str = "",
        language: Language = Language.EN,
        known: tuple[Known, ...] = (),
        form: str = "",
        answer: str = "",
        **fields: str,
    ) -> WritingTask:
        prompt = self._prompts[name]
        sample_id = qualified_id(annotation, kind, number)
        size = (annotation.width_px, annotation.height_px)
        references = tuple([box_text(box.label, [box.xyxy], *size) for box in boxes])
        if kind == Kind.REGION_CAPTION:
            fields["references"] = "\n".join(references)
        least, most = prompt.specific.turns
        if kind == Kind.TEXT_ONLY:
            # Table 6 counts single-round and multi-turn texts as two sub-datasets; each text is drawn into one.
            single = hash_fraction(self._seed, annotation.id, "text form") < 0.5
            least, most = (1, 1) if single else (max(2, least), most)
        extra = {"form": form or ("report" if name == "report" else "")}
        fields["style"] = choose(prompt.specific.styles, self._seed, sample_id, "style")
        if prompt.scenarios:
            extra["scenario"] = choose(prompt.scenarios, self._seed, sample_id, "scenario")
            fields["scenario"] = prompt.scenario(extra["scenario"])
        if prompt.general.levels and "{level}" in prompt.specific.task:
            extra["level"] = choose(tuple(prompt.general.levels), self._seed, sample_id, "level")
            fields["level"] = prompt.general.level.format(level=prompt.general.levels[extra["level"]])
        measures = _measures(annotation, boxes)
        if image_digest and not known:
            told = [box.label for box in boxes] or list(annotation.labels[:SHOWN_BOXES])
            known = self._knowledge.known([*dict.fromkeys(told)], annotation.modality, language)
        record = "" if source else self._record(annotation, words, boxes, known, measures, pictured=bool(image_digest))
        text = self._text(record, prompt, least, most, fields)
        if image_digest and kind != Kind.REGION_CAPTION:  # what is known of the others and the region may be stated too
            known = self._about(annotation, language)
        facts = Facts(
            annotation, kind, language, self._names[language], boxes, references,
            tuple([words.position(box) for box in boxes]), source, prompt.specific.words, (least, most),
            image_digest, measures, known, self._of_card[language], extra["form"], answer, fields.get("question", ""),
        )  # fmt: skip
        if answer:
            extra["answer"] = answer
        image = annotation.image if image_digest else b""
        parameters, base = self._parameters, self._base
        if not image_digest and not source:
            # Two records may say the same, and two texts about them should not.
            parameters = replace(parameters, seed=self._seed + int(hash_fraction(sample_id, "seed") * 2**31))
            base = parameters.digest()
        key = request_key(base, prompt, text, image_digest)
        extra = {name: value for name, value in extra.items() if value}
        return WritingTask(sample_id, None, prompt, text, image, facts, parameters, key, told=extra)

    def _text(self, record: str, prompt: Prompt, least: int, most: int, given: Mapping[str, str]) -> str:
        fields = {"style": "", "scenario": "", "level": "", **given}
        drawn = (fields["style"], fields["scenario"], fields["level"])
        alike = (prompt.name, least, most, *drawn) if len(fields) == len(drawn) else None
        instructions = self._instructions.get(alike, "") if alike else ""
        if not instructions:
            general = prompt.general
            turns = general.one_turn if least == most == 1 else general.some_turns.format(least=least, most=most)
            form = "" if prompt.name == "judge" else general.form.format(turns=turns)
            asked = prompt.specific.task.format(**fields).strip()
            parts = (asked.replace("  ", " ") if alike else asked, form, prompt.example() if form else "")
            instructions = "\n".join(part for part in parts if part)
            if alike:
                self._instructions[alike] = instructions
        return f"{record}\n{instructions}" if record else instructions

    def _record(
        self,
        annotation: Annotation,
        words: Words,
        boxes: tuple[Box, ...],
        known: tuple[Known, ...],
        measures: tuple[Measure, ...],
        *,
        pictured: bool,
    ) -> str:
        lines = next(iter(self._prompts.values())).general.record
        parts_of_record: list[str] = []

        def tell(name: str, **facts: object) -> None:
            """Add a line; what a general.yaml of one's own has no line for is not told."""
            if name in lines:
                parts_of_record.append(lines[name].format(**facts))

        tell("modality", modality=annotation.modality)
        tell("anatomy", anatomy=annotation.anatomy)
        tell("department", department=annotation.department)
        if pictured:
            shown = annotation.provenance
            if axis := shown.get("axis"):
                tell("plane", plane=axis)
                if axis in MIRRORED:
                    tell("display")
                tell("slice", slice=shown.get("slice", ""))
            if window := _window_name(str(shown.get("window", ""))):
                tell("window", window=window)
        if annotation.labels:
            tell("labels", labels="; ".join(annotation.labels))
        else:
            tell("no_labels")
        size = (annotation.width_px, annotation.height_px)
        for box in boxes:
            tell("box", position=words.position(box), box=box_text(box.label, [box.xyxy], *size))
        if pictured and annotation.labels and not annotation.boxes:
            tell("no_boxes")
        for each in measures:
            tell("size", label=each.label, width=each.width, height=each.height)
        for label in dict.fromkeys(each.label for each in known):
            known_beside = self._knowledge.neighbours(label, annotation.labels) if pictured else ()
            beside = [other for other in known_beside if _touch(annotation, label, other)][:_NEIGHBOURS]
            if beside:
                tell("neighbours", label=label, neighbours=", ".join(beside))
        for each in known:
            tell(each.about, label=each.label, text=each.text)
        return "\n".join(parts_of_record)

    def _about(self, annotation: Annotation, language: Language) -> tuple[Known, ...]:
        """Return what is known in general of the labels of a record and of its region."""
        return self._knowledge.known((*annotation.labels, annotation.anatomy), annotation.modality, language)

    def _opinion(self, task: WritingTask, turns: Turns) -> WritingTask:
        prompt = self._prompts["judge"]
        annotation = task.facts.annotation
        words = Words(annotation, self._recipe, Language.EN, self._seed)
        facts = task.facts
        record = ""
        if annotation.task != SourceTask.TEXT:
            said = "\n".join(part for turn in turns for part in turn).lower()
            spoken_of = {mention.label for mention in facts.names.mentions(said)}
            known = tuple(line for line in facts.knowledge if line.label in spoken_of)
            record = self._record(
                annotation, words, facts.boxes, known, facts.measures, pictured=bool(facts.image_digest)
            )
        text = self._text(record, prompt, 1, 1, {"conversation": conversation_text(turns)})
        shown = task.facts.image_digest
        key = request_key(self._judge_base, prompt, text, shown)
        image = annotation.image if shown else b""
        return WritingTask(
            f"{task.id}#opinion", task.id, prompt, text, image, task.facts, self._judge, key, judged=True
        )  # fmt: skip
