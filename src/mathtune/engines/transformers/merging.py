"""Merge adapters into a model's weights. Below the engine and training's fit."""

from __future__ import annotations

from typing import Any

from peft.tuners.lora import LoraLayer
from torch import nn


def merge(adapted: Any) -> Any:
    """Return the model of a PeftModel with its adapters merged into the weights.

    An output layer that shares its weights with the input embedding gets its own first if either
    has adapters: merged into shared weights, they would change both layers.
    """
    model = adapted.get_base_model()
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if any(isinstance(one, LoraLayer) for one in (head, embedding)):
        layer = head.base_layer if isinstance(head, LoraLayer) else head
        if layer.weight is embedding.weight:
            layer.weight = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
            for config in (model.config, model.config.get_text_config()):
                config.tie_word_embeddings = False
    return adapted.merge_and_unload()
