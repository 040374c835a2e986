"""Low-rank adapters on a frozen model, by peft. Under fit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from mathtune.engines.transformers import models
from mathtune.errors import InputError, many, one_line
from mathtune.training.settings import Lora


def added(model: Any, lora: Lora) -> Any:
    """Return the model, frozen, with low-rank adapters on its linear layers.

    Raises:
        InputError: the model lacks a named layer or module, or peft cannot add adapters to it.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    modules = model.named_modules()
    linear = {name.rpartition(".")[2] for name, one in modules if isinstance(one, nn.Linear)}
    if strange := sorted(set(lora.modules_to_save) - names):
        raise InputError(
            f"lora.modules_to_save: found {strange[0]}, which the model does not have; expected "
            f"some of {', '.join(sorted(filter(str.isidentifier, names)))}."
        )
    if absent := [name for name in lora.targets if not _has(model, name)]:
        raise InputError(
            f"lora.targets: found {absent[0]}, which the model does not have; expected some of "
            f"{', '.join(sorted(linear))}, or an empty list for all linear layers."
        )
    if models.quantised(model):
        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=model.is_gradient_checkpointing
        )
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or "all-linear",
        exclude_modules=_changed(model) or None,
        use_dora=lora.dora,
        use_rslora=lora.rslora,
        modules_to_save=list(lora.modules_to_save) or None,
        **({"ensure_weight_tying": True} if _tied(model, lora.modules_to_save) else {}),
    )
    try:
        with warnings.catch_warnings():  # merging.merge handles tied layers
            warnings.filterwarnings("ignore", ".*tie_word_embeddings")
            adapted = get_peft_model(model, config)
    except ImportError as error:
        raise InputError(
            f"lora: peft cannot add adapters to this model ({one_line(error)}); "
            "expected the package that it needs, or a model in full weights."
        ) from error
    except ValueError as error:
        if lora.modules_to_save and not set(lora.targets) - linear:
            raise InputError(
                f"lora.modules_to_save: found {', '.join(lora.modules_to_save)}, which leaves no "
                "layer for the adapters of lora.targets; expected modules that are none of these "
                "layers and do not hold them all, such as embed_tokens or lm_head."
            ) from error
        raise InputError(
            f"lora.targets: found {', '.join(lora.targets) or 'none (every linear layer)'}, which "
            f"peft refuses ({one_line(error)}); expected some of {', '.join(sorted(linear))}, or "
            "an empty list for all linear layers."
        ) from error
    _refuse_zeros(adapted)
    return adapted


def _refuse_zeros(model: Any) -> None:
    """Raise InputError if DoRA would divide by the length of weights that are all zero, as those of
    padding tokens in an output layer are.
    """
    for name, weight in model.named_parameters():
        if "lora_magnitude_vector" in name and not weight.all():
            layer = name.partition(".lora_magnitude_vector")[0].rpartition(".")[2]
            zeros = many(int((weight == 0).sum()), "output has", "outputs have")
            raise InputError(
                f"lora.dora: found true for {layer}, of which {zeros} only weights of 0, such as "
                "those of padding tokens; DoRA divides by their length: expected other "
                "lora.targets, or no dora."
            )


def _has(model: Any, name: str) -> bool:
    """Return whether the model has a module of this name, or one that ends in it: q_proj."""
    return any(f".{known}".endswith(f".{name}") for known, _ in model.named_modules())


def _tied(model: Any, modules: Sequence[str]) -> bool:
    """Return whether the modules hold an embedding that is also the output layer."""
    if not model.config.get_text_config().tie_word_embeddings:
        return False
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    return any(
        module in ends and name.rpartition(".")[2] in modules
        for name, module in model.named_modules()
    )


def _changed(model: Any) -> list[str]:
    """Return the linear layers whose family has changed what they return, such as routers."""
    families = (
        (name, one)
        for name, one in model.named_modules()
        if isinstance(one, nn.Linear) and type(one).__module__.startswith("transformers.models.")
    )
    with torch.inference_mode():
        return [
            name
            for name, one in families
            if not isinstance(one(one.weight.new_zeros(1, one.in_features)), torch.Tensor)
        ]
