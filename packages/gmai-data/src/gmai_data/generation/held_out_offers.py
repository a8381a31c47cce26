"""The questions that a held-out image could be asked; publishing makes a balanced choice of them."""

import json
from collections.abc import Iterator, Sequence

from gmai_data.annotation import Annotation, boxes_of
from gmai_data.generation.perception import label_offer, modality_offer, region_offer
from gmai_data.generation.wording import Words
from gmai_data.seeded import choose
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.vocabulary import Language, Modality


def held_out_offers(annotation: Annotation, recipe: Recipe, modalities: Sequence[Modality], seed: int) -> Iterator[str]:
    """Yield the questions as lines of JSON.

    Args:
        annotation: The record of the image.
        recipe: Its source.
        modalities: The modalities of the whole build, which are the wrong answers to the question for the modality.
        seed: Draws other questions.
    """
    words = Words(annotation, recipe, Language.EN, seed)
    offers = [modality_offer(annotation, words, modalities, only_these=True)]
    offers += [label_offer(annotation, words, label, f"held out {label}") for label in annotation.labels]
    for label in annotation.labels:
        boxes = boxes_of(annotation, label)
        if boxes:
            box = choose(boxes, seed, annotation.id, "held out region")
            offers.append(region_offer(annotation, words, box, f"held out region {label}"))
    for number, offer in enumerate(offers):
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
            },
            ensure_ascii=False,
        )
