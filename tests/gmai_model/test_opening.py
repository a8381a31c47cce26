"""What a LLaVA must have to be opened; what its weights must be is `test_lacking_weights`."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_formats.errors import UserError
from gmai_model.opening import require_features


@pytest.mark.parametrize(
    ("layer", "is_there"), [(-2, True), (-6, True), (5, True), ([-1, 2], True), (None, True), (-7, False), (6, False),
                            ([-2, 99], False)],
)  # fmt: skip
def test_features_of_a_layer_that_is_not_there_are_refused(layer: object, is_there: bool) -> None:
    config = SimpleNamespace(vision_config=SimpleNamespace(num_hidden_layers=5), vision_feature_layer=layer)
    refused = contextlib.nullcontext() if is_there else pytest.raises(UserError, match="vision encoder has 5 layers")
    with refused:
        require_features(Path("model"), config)
