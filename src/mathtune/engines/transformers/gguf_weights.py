"""The weights of a GGUF file, laid out as transformers' models have them. Below models.

transformers' reader of most architectures reads the whole vocabulary again, which takes ten seconds
or more with a large one. Here only the tensors are read, and go through its own layouts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from gguf import MODEL_ARCH_NAMES, get_tensor_name_map
from torch import nn
from transformers import AutoModelForCausalLM, GgufConfig
from transformers.integrations.gguf.dequant import dequantize
from transformers.integrations.gguf.reader import LazyGgufTensor, load_gguf_state_dict
from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor

from mathtune.engines.transformers.gguf_file import INSTEAD, GgufFile
from mathtune.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


def load(file: GgufFile, config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """Return the model with a file's weights in full.

    Raises:
        InputError: a tensor has no place in the model, a weight no tensor, or one has another size
            than the config says.
    """
    if file.complete:  # its reader passes over the vocabulary, and reports on its tensors
        model, report = AutoModelForCausalLM.from_pretrained(
            str(file.path.parent),
            gguf_file=str(file.path.absolute()),
            config=config,
            dtype=dtype,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
            trust_remote_code=False,
        )
        _check(file, model, report["unexpected_keys"], report["missing_keys"])
        for name, layer in model.named_modules():
            if isinstance(layer, nn.Linear):
                said, there = (layer.out_features, layer.in_features), tuple(layer.weight.shape)
                _check_size(file, name, said, there)
        return model
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    layout = TENSOR_PROCESSORS.get(file.architecture, TensorProcessor)(config=config.to_dict())
    places = _places(file, empty, layout)
    _check(file, empty, *_unequal(file, empty, places))
    model = type(empty).from_pretrained(
        None, config=config, state_dict=_weights(file, empty, layout, places, dtype), dtype=dtype
    )
    model.name_or_path = model.config.name_or_path = str(file.path)
    return model


def _weights(
    file: GgufFile,
    empty: PreTrainedModel,
    layout: TensorProcessor,
    places: dict[str, str],
    dtype: torch.dtype,
) -> dict[str, torch.Tensor]:
    """Return the weights of a file by their names in the model."""
    found: dict[str, dict[str, torch.Tensor]] = {"tensors": {}}
    for name, stored in load_gguf_state_dict(file.header).items():
        full = _full(stored).reshape(file.shapes[name])
        laid = layout.process(full, name, tensor_key_mapping=places, parsed_parameters=found)
        if laid.name in places:
            weight = torch.from_numpy(np.ascontiguousarray(laid.weights))
            found["tensors"][places[laid.name]] = weight.to(dtype)
    weights = found["tensors"]
    for name, expected in empty.state_dict().items():
        if name in weights:
            if weights[name].shape == (1, *expected.shape):  # a gate of one row, stored as one
                weights[name] = weights[name][0]
            _check_size(file, name, tuple(expected.shape), tuple(weights[name].shape))
    return weights


def _check(file: GgufFile, model: PreTrainedModel, strange: set[str], lacking: set[str]) -> None:
    """Raise InputError for a tensor that has no place, or a weight that has no tensor."""
    for name in sorted(strange):
        file.refuse("the tensor", name, verb="holds")
    for name in sorted(lacking):
        raise InputError(
            f"model {str(file.path)!r}: its GGUF file has no tensor for {name}, which a "
            f"{model.config.model_type} model has, so its numbers would be made up; {INSTEAD}."
        )


def _check_size(file: GgufFile, name: str, said: tuple[int, ...], there: tuple[int, ...]) -> None:
    """Raise InputError for a weight of another size than the config says."""
    if said != there:
        file.refuse(f"sizes {said} of {name}", f"but holds {there}")


def _unequal(
    file: GgufFile, model: PreTrainedModel, places: dict[str, str]
) -> tuple[set[str], set[str]]:
    """Return the tensors that have no place in a model, and its weights that have no tensor."""
    found = {
        name: places.get(name) or places.get(name.removesuffix(".weight")) for name in file.shapes
    }
    strange = {name for name, place in found.items() if not place and not name.startswith("rope_")}
    weights = {name for name, _ in model.named_parameters()} - set(found.values())
    tied = model.config.get_text_config().tie_word_embeddings
    if tied or "output.weight" in file.shapes:  # the layout treats it by itself
        strange, weights = strange - {"output.weight"}, weights - {"lm_head.weight"}
    return strange, weights


def _places(file: GgufFile, model: PreTrainedModel, layout: TensorProcessor) -> dict[str, str]:
    """Return the weight of a model that each tensor's name in a file means."""
    kind = next(number for number, name in MODEL_ARCH_NAMES.items() if name == file.architecture)
    names = get_tensor_name_map(kind, model.config.num_hidden_layers)
    places: dict[str, str] = {}
    for weight in map(layout.preprocess_name, model.state_dict()):
        stem, end = weight, ""
        if weight.endswith((".weight", ".bias")):
            stem, dot, end = weight.rpartition(".")
            end = dot + end
        name = names.get_name(stem) or names.get_name(stem.partition(".")[2])  # Bloom's
        if name is None:
            layout.perform_fallback_tensor_mapping(places, end, "", weight)
        else:
            places[name + end] = weight
    return places


def _full(stored: LazyGgufTensor) -> np.ndarray:
    """Return a tensor of a file in full numbers."""
    values = stored[...]
    if not values.is_floating_point():
        values = dequantize(values, stored.ggml_type)
    return values.float().numpy()
