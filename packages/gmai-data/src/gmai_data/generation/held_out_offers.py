"""The questions that a held-out image could be asked; publishing makes a balanced choice of them."""

import json
from collections.abc import Iterator, Sequence

from gmai_data.annotation import Annotation, boxes_of
from gmai_data.generation.pairs import Numbered, pair_turns, partner
from gmai_data.generation.perception import Offer, label_offer, modality_offer, region_offer, two_answer_offers
from gmai_data.generation.wording import Words
from gmai_data.seeded import choose
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.vocabulary import Language, Modality


def held_out_offers(
    annotation: Annotation,
    recipe: Recipe,
    modalities: Sequence[Modality],
    seed: int,
    earlier: Sequence[Numbered] = (),
) -> Iterator[str]:
    """Yield the questions as lines of JSON.

    Args:
        annotation: The record of the image.
        recipe: Its source.
        modalities: The modalities of the whole build, which are the wrong answers to the question for the modality.
        seed: Draws other questions.
        earlier: Held-out images of the source that came before, with one of which the image may be compared.
    """
    words = Words(annotation, recipe, Language.EN, seed)
    offers = [modality_offer(annotation, words, modalities, only_these=True)]
    offers += [label_offer(annotation, words, label, f"held out {label}") for label in annotation.labels]
    for label in annotation.labels:
        boxes = boxes_of(annotation, label)
        if boxes:
            box = choose(boxes, seed, annotation.id, "held out region")
            offers.append(region_offer(annotation, words, box, f"held out region {label}"))
    offers += two_answer_offers(annotation, words, seed, annotation.id, "held out")
    beside = partner(annotation, earlier, seed)
    asked: list[tuple[Offer, dict[str, str]]] = [(offer, {}) for offer in offers]
    if beside is not None:
        asked += _compared(annotation, beside[1], words, seed)
    for number, (offer, more) in enumerate(asked):
        yield json.dumps(
            {
                "id": f"{annotation.id}#held_out#{number}",
                "annotation": annotation.id,
                "image_id": annotation.image_id,
                "asks": offer.family,
                "question": offer.question,
                "answer": offer.answer,
                "wrong": list(offer.wrong),
                "modality": str(annotation.image_modality),
                "department": str(annotation.department),
                "source": annotation.source,
                "license": annotation.license,
                **more,
            },
            ensure_ascii=False,
        )


def _compared(annotation: Annotation, other: Annotation, words: Words, seed: int) -> list[tuple[Offer, dict[str, str]]]:
    """Return questions about two images, each with the id of the image `before` or `behind` that of the record."""
    templates = words.templates["perception"]["two_images"]
    both = {templates["first"], templates["second"]}
    offers: list[tuple[Offer, dict[str, str]]] = []
    for turn, own_first in pair_turns(annotation, other, words, seed):
        if turn.balance is not None:
            family = " ".join(filter(None, turn.balance["of"]))
            offer = Offer(family, turn.question, turn.answer, tuple(both - {turn.answer}), 2)
            offers.append((offer, {"behind" if own_first else "before": other.id}))
    return offers
