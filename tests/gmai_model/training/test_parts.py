from types import SimpleNamespace
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_model.training.parts import count_parameters, disk_names, part_of, product_weights, set_trainable
from torch import nn


class Llava(nn.Module):
    """The names of a LLaVA with three vision layers, one number a parameter."""

    def __init__(self, feature_layer: int | list[int] = -2) -> None:
        super().__init__()
        one = lambda: nn.Linear(1, 1, bias=False)  # noqa: E731
        encoder = nn.Module()
        encoder.layers = nn.ModuleList(one() for _ in range(3))
        self.model = nn.Module()
        self.model.vision_tower = nn.ModuleDict({"encoder": encoder, "post_layernorm": one()})
        self.model.multi_modal_projector = nn.ModuleDict({"linear_1": one()})
        self.model.language_model = nn.ModuleDict({"embed_tokens": nn.Embedding(7, 1), "norm": one()})
        self.lm_head = nn.Linear(1, 7, bias=False)
        vision = SimpleNamespace(num_hidden_layers=3)
        self.config = SimpleNamespace(vision_config=vision, vision_feature_layer=feature_layer)


def trained(llava: Any) -> set[str]:
    return {name for name, parameter in llava.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.vision_tower.x", "vision_encoder"),
        ("model.multi_modal_projector.x", "projector"),
        ("model.language_model.x", "language_model"),
        ("lm_head.weight", "language_model"),
    ],
)
def test_a_parameter_belongs_to_a_part(name: str, part: str) -> None:
    assert part_of(name) == part
    with pytest.raises(ValueError, match=f"parameter x.{name} belongs to no part of a LLaVA"):
        part_of(f"x.{name}")


def test_nothing_but_the_trainable_parts_trains() -> None:
    llava: Any = Llava()
    assert set_trainable(llava, {"projector"}) == []
    assert trained(llava) == {"model.multi_modal_projector.linear_1.weight"}
    set_trainable(llava, {"language_model"})
    assert trained(llava) == {
        "model.language_model.embed_tokens.weight", "model.language_model.norm.weight", "lm_head.weight"
    }  # fmt: skip


@pytest.mark.parametrize(("layer", "reached"), [(-1, 3), (-2, 2), (-3, 1), (1, 1), (3, 3), ([1, -2], 2), ([-3, 0], 1)])
def test_layers_that_no_gradient_reaches_stay_frozen_and_are_named(layer: int | list[int], reached: int) -> None:
    llava: Any = Llava(layer)
    beyond = set_trainable(llava, {"vision_encoder"})
    layers = [f"model.vision_tower.encoder.layers.{number}.weight" for number in range(3)]
    assert trained(llava) == set(layers[:reached])
    assert sorted(beyond) == sorted([*layers[reached:], "model.vision_tower.post_layernorm.weight"])


def test_parameters_are_counted_by_part() -> None:
    llava: Any = Llava()
    set_trainable(llava, {"vision_encoder", "projector"})
    assert count_parameters(llava) == {"vision_encoder": (4, 2), "projector": (1, 1), "language_model": (15, 0)}
    assert product_weights(llava) == ({"vision_encoder": 2, "projector": 1, "language_model": 1}, 7)


@pytest.mark.parametrize(
    ("name", "disk"),
    [
        ("model.vision_tower.a", "vision_tower.vision_model.a"),
        ("model.vision_tower.a", "model.vision_tower.vision_model.a"),
        ("model.vision_tower.a", "model.vision_tower.a"),
        ("model.multi_modal_projector.a", "multi_modal_projector.a"),
        ("model.language_model.a", "language_model.model.a"),
        ("model.language_model.a", "model.language_model.a"),
        ("lm_head.weight", "language_model.lm_head.weight"),
        ("lm_head.weight", "lm_head.weight"),
    ],
)
def test_a_parameter_has_its_name_on_disk(name: str, disk: str) -> None:
    assert list(disk_names([name], [disk, "other"])) == [(name, disk)]
    with pytest.raises(UserError, match=f"the checkpoint has no tensor for {name} \\(looked for "):
        list(disk_names([name], [f"x{disk}"]))


def test_the_classic_name_goes_first() -> None:
    assert list(disk_names(["lm_head.weight"], ["lm_head.weight", "language_model.lm_head.weight"])) == [
        ("lm_head.weight", "language_model.lm_head.weight")
    ]
