"""The versioned wording files, and an annotation's facts in words of one language."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from gmai_data.annotation import Annotation, Box
from gmai_data.bundled import bundled_yaml
from gmai_data.generation.naming import named, numbered, plural, region_with_article, specimens, spelled, with_article
from gmai_data.seeded import choose, hash_fraction
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.vocabulary import CHINESE, Language, Modality

_ABBREVIATED = frozenset({Modality.CT, Modality.MR, Modality.X_RAY, Modality.PET, Modality.OCT})
_MOST_NAMED = 8
"""Labels named in a sentence; the others are counted."""
_COUNTED = 30
"""More regions of a label are not given a number."""


@functools.cache
def wording(language: Language) -> Mapping[str, Any]:
    """Return the wording of a language, as its YAML file has it."""
    return bundled_yaml("gmai_data.generation", "templates", f"{language}.yaml")


class Words:
    """One annotation's facts in one language, and the sentences made of them.

    Every draw depends on the annotation's id, the seed and the purpose only.

    Args:
        annotation: The record.
        recipe: Gives the Chinese names and the noun of a label.
        language: Language of every sentence.
        seed: Another seed draws other paraphrases.
    """

    def __init__(self, annotation: Annotation, recipe: Recipe, language: Language, seed: int) -> None:
        self._annotation, self._recipe, self.language, self.seed = annotation, recipe, language, seed
        self.templates = wording(language)

    @property
    def version(self) -> str:
        """Return the version of the wording file, such as `en-1`."""
        return f"{self.language}-{self.templates['version']}"

    @property
    def exhaustive(self) -> bool:
        """Return whether everything of the card's labels was looked for, so that lists are complete."""
        return self._recipe.exhaustive

    @property
    def one_box_per_region(self) -> bool:
        """Return whether each separate region of a picture has a box of its own, so that they can be counted."""
        return self._recipe.boxes.per == "component"

    def label(self, name: str) -> str:
        """Return a full English label in this language."""
        return name if self.language == Language.EN else self._recipe.chinese(name) or name

    def spoken(self, name: str) -> dict[str, str]:
        """Return how sentences speak of a label: `label` alone, and `any`, `these`, `this`, `one` with their verbs."""
        label = self.label(name)
        if self.language != Language.EN:
            return {"label": label, "any": label, "these": label, "this": label, "one": label}
        form = named(label)
        many = form.several or form.counted
        return {
            "label": label, "any": form.any, "these": form.these, "this": form.this, "one": form.one,
            "is_any": "are" if many else "is", "is_these": "are" if many else "is",
            "is_this": "are" if form.several else "is", "does_this": "do" if form.several else "does",
            "lies_this": "lie" if form.several else "lies",
            "fills_this": "fill" if form.several else "fills",
        }  # fmt: skip

    def modality(self, modality: Modality) -> str:
        """Return a modality as it stands in the vocabulary of this language."""
        return str(modality) if self.language == Language.EN else CHINESE[modality]

    @property
    def window(self) -> str:
        """Return the named window of a CT slice, `soft-tissue window`, or nothing."""
        name = str(self._annotation.provenance.get("window", "")).split(" ")[0]
        return self.templates["windows"].get(name, "") if self._annotation.modality == Modality.CT else ""

    @property
    def noun(self) -> str:
        """Return what the card calls its labels: a finding, a structure, a cell type."""
        noun = self._recipe.label_noun
        return noun.en if self.language == Language.EN else noun.zh or noun.en

    def join(self, sentences: Sequence[str]) -> str:
        """Return sentences as one text."""
        return self.templates["list"]["sentence"].join(sentences)

    def shown(self) -> tuple[str, bool]:
        """Return what the image shows, with articles and numbers where they are certain, and whether that is several.

        Of many labels the largest are named, and the others counted.
        """
        annotation = self._annotation
        areas = dict.fromkeys(annotation.labels, 0)
        counts = dict.fromkeys(annotation.labels, 0)
        for box in annotation.boxes:
            areas[box.label] += box.area_px
            counts[box.label] += 1
        ordered = sorted(annotation.labels, key=lambda label: -areas[label])
        named_labels = ordered if len(ordered) <= _MOST_NAMED + 1 else ordered[:_MOST_NAMED]
        parts = [self._in_list(label, counts[label]) for label in named_labels]
        several = len(ordered) > 1 or any(many for _, many in parts)
        texts = [text for text, _ in parts]
        if self.language == Language.EN and texts[0].startswith("the "):
            texts = [texts[0], *(text.removeprefix("the ") for text in texts[1:])]
        style = self.templates["list"]
        if rest := len(ordered) - len(named_labels):
            kinds = plural(self.noun) if self.language == Language.EN else self.noun
            return style["rest"].format(
                listed=style["separator"].join(texts), rest=spelled(rest), all=len(ordered), kinds=kinds
            ), True
        return self._listed(texts), several

    def _in_list(self, label: str, count: int) -> tuple[str, bool]:
        """Return a label as it is listed, and whether it stands for several."""
        form, spoken = named(label), self.spoken(label)
        certain = self.exhaustive and self.one_box_per_region and label not in self._annotation.incomplete
        if form.counted and certain and 0 < count <= _COUNTED:
            if self.language == Language.EN:
                return numbered(label, count), count > 1
            return f"{count}个{spoken['label']}", True
        if form.counted and count:
            return spoken["any"], True
        return spoken["one"], form.several

    def _listed(self, words: Sequence[str]) -> str:
        style = self.templates["list"]
        return words[0] if len(words) == 1 else style["separator"].join(words[:-1]) + style["last"] + words[-1]

    def enumerate(self, names: Sequence[str]) -> str:
        """Return `a, b and c`."""
        return self._listed([self.label(name) for name in names])

    def position(self, box: Box) -> str:
        """Return in which ninth of the image a box has its centre, as the viewer sees it: `upper left`."""
        x, y = box.centre
        column = min(int(3 * x / self._annotation.width_px), 2)
        row = min(int(3 * y / self._annotation.height_px), 2)
        names = self.templates["positions"]
        if (row, column) == (1, 1):
            return names["centre"]
        place = names["pattern"].format(vertical=names["vertical"][row], horizontal=names["horizontal"][column])
        return dict(names["edges"]).get(place, place)  # 中上部 reads as "middle and upper"

    def say(self, paraphrases: Sequence[str], purpose: str, **facts: str) -> str:
        """Draw one paraphrase and fill it; a sentence of English begins with a capital letter."""
        template = choose(paraphrases, self.seed, self._annotation.id, purpose)
        filled = template.format_map({**self._facts, **facts} if facts else self._facts)
        return filled[:1].upper() + filled[1:] if template.startswith("{") and not filled.startswith("<") else filled

    @functools.cached_property
    def _facts(self) -> dict[str, str]:
        annotation, recipe = self._annotation, self._recipe
        chinese = self.language == Language.ZH
        spoken = self.modality(annotation.image_modality)
        if not chinese and annotation.modality not in _ABBREVIATED:
            spoken = spoken.lower()
        anatomy = recipe.anatomy
        plane = self.templates["planes"].get(str(annotation.provenance.get("axis", "")), "")
        image = plane + self.templates["images"][str(annotation.image_modality)]
        if plane and not chinese and hash_fraction(self.seed, annotation.id, "slice") < 0.5:
            image = image.replace(" image", " slice")
        region = (anatomy.zh or anatomy.en) if chinese else region_with_article(anatomy.en)
        is_specimen = anatomy.en.split()[-1] in specimens() or anatomy.en.startswith("tissue")
        site = self.templates["sites"]["specimen" if is_specimen else "region"]
        shown, several = self.shown() if annotation.labels else ("", False)
        return {
            "modality": spoken,
            "image": image,
            "a_image": image if chinese else with_article(image),
            "A_image": image if chinese else f"{with_article(image)[:1].upper()}{with_article(image)[1:]}",
            "region": region,
            "anatomy": (anatomy.zh or anatomy.en) if chinese else anatomy.en,
            "site": site,
            "Site": site.capitalize(),
            "noun": self.noun,
            "nouns": self.noun if chinese else plural(self.noun),
            "department": CHINESE[annotation.department] if chinese else str(annotation.department),
            "labels": self.enumerate(annotation.labels) if annotation.labels else "",
            "shown": shown,
            "are": "are" if several else "is",
        }


def speaks_chinese(annotation: Annotation, recipe: Recipe) -> bool:
    """Return whether the card has every Chinese name that a sample about this annotation could need."""
    names = (*annotation.labels, *annotation.absent)
    complete = recipe.anatomy.zh is not None and recipe.label_noun.zh is not None
    return complete and all(recipe.chinese(name) is not None for name in names)
