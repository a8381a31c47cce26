"""The scorers by name. A protocol names one of them; numbers of two protocols are never compared.

A laboratory adds its own with an entry point of the group `gmai.scorers` that names a `Scorer`:

    [project.entry-points."gmai.scorers"]
    my-rule = "my_package.my_rule:SCORER"
"""

import importlib.metadata
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from gmai_formats.errors import UserError, did_you_mean

from gmai_bench.scoring import (
    accepted,
    boxes,
    exact,
    likelihood,
    medevalkit,
    mmmu,
    option_sets,
    options,
    recall,
    reports,
    rubric,
    texts,
    token_f1,
)
from gmai_bench.scoring.verdict import Scorer

GROUP = "gmai.scorers"

SCORERS: Mapping[str, Scorer] = MappingProxyType(
    {
        "option-text": options.TEXT,
        "option-letter": options.LETTER,
        "option-letter-set": option_sets.SCORER,
        "exact": exact.SCORER,
        "yes-no-and-recall": recall.SCORER,
        "mmmu": mmmu.SCORER,
        "medevalkit-open": medevalkit.OPEN,
        "medevalkit-closed": medevalkit.CLOSED,
        "likelihood": likelihood.SCORER,
        "alternatives": accepted.ALTERNATIVES,
        "yes-no": accepted.YES_NO,
        "token-f1": token_f1.SCORER,
        "bleu": texts.BLEU,
        "rouge-l": texts.ROUGE_L,
        "cider": texts.CIDER,
        "box-iou": boxes.SCORER,
        rubric.NAME: rubric.SCORER,
        **reports.SCORERS,
    }
)
"""Those that ship with the package."""


@cache
def scorer(name: str) -> Scorer:
    """Return a scorer by its name, one of ours or of an installed package.

    Raises:
        UserError: There is none of that name, or the package that brings it does not load.
    """
    if name in SCORERS:
        return SCORERS[name]
    added = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if name not in added:
        known = [*SCORERS, *added]
        raise UserError(f'scoring "{name}": no such scorer.{did_you_mean(name, known)}')
    point = added[name]
    try:
        loaded: Any = point.load()
    except Exception as error:
        raise UserError(
            f'scoring "{name}": {point.value} does not load ({type(error).__name__}: {error}). '
            f"Reinstall the package that brings it."
        ) from error
    if not isinstance(loaded, Scorer):
        raise UserError(
            f'scoring "{name}": {point.value} is a {type(loaded).__name__}. An entry point of the group `{GROUP}` must '
            f"name a gmai_bench.scoring.verdict.Scorer. Report this to its authors."
        )
    return loaded
