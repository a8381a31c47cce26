"""A LLaVA over packed rows: the same layers as `LlavaForConditionalGeneration`, called in one fixed order."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss
from transformers import LlavaForConditionalGeneration

from gmai_model import attention
from gmai_model.batching.collate import Row
from gmai_model.target_loss import target_losses


class PackedLlava(nn.Module):
    """Computes the loss of one packed row.

    Embedding, vision encoder, projector, language model and head are called in this order on every rank, with or
    without an image in the row: ZeRO-3 needs the same order everywhere, and ZeRO-2 a gradient for every trainable
    tensor. A row without an image sends one grey image through and adds its features times zero.

    Args:
        llava: The model; its language model is switched to `attention.varlen_attention`.
    """

    def __init__(self, llava: LlavaForConditionalGeneration) -> None:
        super().__init__()
        llava.set_attn_implementation({"text_config": attention.NAME, "vision_config": "sdpa"})
        self.llava = llava

    def forward(self, row: Row, *, logits: bool = False) -> Any:
        """Return what the row's targets cost, or the logits there.

        Returns:
            The sum of the cross-entropy over the targets, fp32, shape `()`, and each target's share of it without a
            gradient, shape `(targets,)`.
        """
        predicted = self.logits(row)
        if logits:
            return predicted
        of_targets = target_losses(predicted, row.targets)
        # Added up as `cross_entropy` adds them, so that the sum is the same to the last bit.
        total = nll_loss(-of_targets[:, None], torch.zeros_like(row.targets), reduction="sum")
        return total, of_targets.detach()

    def logits(self, row: Row, *, everywhere: bool = False) -> Tensor:
        """Return the logits at the predicting positions, or at every position.

        Returns:
            Shape `(targets, vocabulary)` or `(tokens, vocabulary)`. Logits elsewhere are never computed: with 92,544
            tokens they would take most of the memory.
        """
        model = self.llava.model
        embeddings = model.get_input_embeddings()(row.input_ids)
        pixels = row.pixels.to(embeddings.dtype)
        images: Any = model.get_image_features(pixel_values=pixels)
        features = torch.cat(images.pooler_output)
        if row.has_images:
            places = _places(row.input_ids[0] == self.llava.config.image_token_id, len(features))
            embeddings = embeddings[0].index_copy(0, places, features.to(embeddings.dtype))[None]
        else:
            embeddings = embeddings + 0.0 * features.sum()
        return self.logits_of(row, embeddings, everywhere=everywhere)

    def logits_of(self, row: Row, embeddings: Tensor, *, everywhere: bool = False) -> Tensor:
        """Return the logits as above, of a row whose tokens are embedded already, images among them.

        Args:
            row: The row.
            embeddings: Shape `(1, tokens, hidden size)`.
            everywhere: As above.
        """
        hidden = self.llava.model.language_model(
            inputs_embeds=embeddings,
            position_ids=row.position_ids,
            cu_seq_lens_q=row.cu_seq_lens,
            max_length_q=row.max_length,
            use_cache=False,
        ).last_hidden_state[0]
        return self.llava.lm_head(hidden if everywhere else hidden[_places(row.predicts, len(row.targets))])


def compile_layers(llava: LlavaForConditionalGeneration, backend: str = "inductor") -> None:
    """Have each layer of the language model compiled when it is first called; names of tensors stay as they are.

    Args:
        llava: With activation checkpointing switched on or off already: each layer is compiled inside it.
        backend: One of `torch.compile`.
    """
    for layer in llava.model.language_model.layers:
        layer.compile(dynamic=True, backend=backend)


def _places(mask: Tensor, count: int) -> Tensor:
    """Return where a mask holds, ascending; with the count known, nothing waits for the device to say it."""
    return torch.nonzero_static(mask, size=count)[:, 0]
