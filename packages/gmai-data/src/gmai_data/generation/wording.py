"""The versioned wording files, and an annotation's facts in words of one language."""

import functools
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import yaml

from gmai_data.annotation import Annotation, Box
from gmai_data.seeded import choose
from gmai_data.sources.recipe import Recipe
from gmai_data.vocabulary import CHINESE, Language, Modality

_AN = frozenset({Modality.MR, Modality.X_RAY, Modality.ULTRASOUND, Modality.ENDOSCOPY, Modality.OCT, Modality.INFRARED})
_ABBREVIATED = frozenset({Modality.CT, Modality.MR, Modality.X_RAY, Modality.PET, Modality.OCT})


@functools.cache
def wording(language: Language) -> Mapping[str, Any]:
    """Return the wording of a language, as its YAML file has it."""
    text = (resources.files("gmai_data.generation") / "templates" / f"{language}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


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
        self._annotation, self._recipe, self.language, self._seed = annotation, recipe, language, seed
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

    def modality(self, modality: Modality) -> str:
        """Return a modality as it stands in the vocabulary of this language."""
        return str(modality) if self.language == Language.EN else CHINESE[modality]

    def enumerate(self, names: Sequence[str]) -> str:
        """Return `a, b and c`."""
        style = self.templates["list"]
        words = [self.label(name) for name in names]
        return words[0] if len(words) == 1 else style["separator"].join(words[:-1]) + style["last"] + words[-1]

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
        template = choose(paraphrases, self._seed, self._annotation.id, purpose)
        filled = template.format(**self._facts(), **facts)
        return (
            filled[:1].upper() + filled[1:]
            if template.startswith(("{a_modality}", "{anatomy}", "{labels}"))
            else filled
        )

    def _facts(self) -> dict[str, str]:
        annotation, recipe = self._annotation, self._recipe
        chinese = self.language == Language.ZH
        spoken = self.modality(annotation.image_modality)
        if not chinese and annotation.modality not in _ABBREVIATED:
            spoken = spoken.lower()
        anatomy, noun = recipe.anatomy, recipe.label_noun
        return {
            "modality": spoken,
            "a_modality": f"{'an' if annotation.modality in _AN else 'a'} {spoken}",
            "anatomy": (anatomy.zh or anatomy.en) if chinese else anatomy.en,
            "noun": (noun.zh or noun.en) if chinese else noun.en,
            "department": CHINESE[annotation.department] if chinese else str(annotation.department),
            "labels": self.enumerate(annotation.labels) if annotation.labels else "",
        }


def speaks_chinese(annotation: Annotation, recipe: Recipe) -> bool:
    """Return whether the card has every Chinese name that a sample about this annotation could need."""
    names = (*annotation.labels, *annotation.absent)
    complete = recipe.anatomy.zh is not None and recipe.label_noun.zh is not None
    return complete and all(recipe.chinese(name) is not None for name in names)
