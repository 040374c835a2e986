"""The weights of a GGUF file, laid out as transformers' models have them. Below gguf_file.

transformers' reader of most architectures reads the whole vocabulary again, which takes ten seconds
or more with a large one. Here only the tensors are read, and go through its own layouts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gguf import MODEL_ARCH_NAMES, get_tensor_name_map
from transformers import AutoModelForCausalLM, GgufConfig
from transformers.integrations.gguf.dequant import dequantize
from transformers.integrations.gguf.reader import LazyGgufTensor, load_gguf_state_dict
from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from mathtune.engines.transformers.gguf_file import GgufFile


def load(
    file: GgufFile, config: PreTrainedConfig, dtype: torch.dtype
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return the model with a file's weights in full, and what transformers reports of these."""
    if file.complete:  # its reader passes over the vocabulary
        return AutoModelForCausalLM.from_pretrained(
            str(file.path.parent),
            gguf_file=str(file.path.absolute()),
            config=config,
            dtype=dtype,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
            trust_remote_code=False,
        )
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    layout = _layout(file, config)
    places, weights = _places(file, empty, layout), empty.state_dict()
    found: dict[str, dict[str, torch.Tensor]] = {"tensors": {}}
    for name, stored in load_gguf_state_dict(file.header).items():
        full = _full(stored).reshape(file.shapes[name])
        laid = layout.process(full, name, tensor_key_mapping=places, parsed_parameters=found)
        if laid.name in places:
            weight = torch.from_numpy(np.ascontiguousarray(laid.weights))
            found["tensors"][places[laid.name]] = weight.to(dtype)
    for name, weight in found["tensors"].items():
        said, there = tuple(weights[name].shape), tuple(weight.shape)
        if there == (1, *said):  # a gate of one row, stored as one
            found["tensors"][name] = weight[0]
        elif there != said:
            file.refuse(f"sizes {said} of {name}", f"but holds {there}")
    model, report = type(empty).from_pretrained(
        None, config=config, state_dict=found["tensors"], dtype=dtype, output_loading_info=True
    )
    model.name_or_path = model.config.name_or_path = str(file.path)
    return model, report


def compared(file: GgufFile, model: PreTrainedModel) -> tuple[set[str], set[str]]:
    """Return the tensors that have no place in a model, and its weights that have no tensor."""
    places = _places(file, model, _layout(file, model.config))
    found = {
        name: places.get(name) or places.get(name.removesuffix(".weight")) for name in file.shapes
    }
    strange = {name for name, place in found.items() if not place and not name.startswith("rope_")}
    weights = {name for name, _ in model.named_parameters()} - set(found.values())
    tied = model.config.get_text_config().tie_word_embeddings
    if tied or "output.weight" in file.shapes:  # the layout treats it by itself
        strange, weights = strange - {"output.weight"}, weights - {"lm_head.weight"}
    return strange, weights


def _layout(file: GgufFile, config: PreTrainedConfig) -> TensorProcessor:
    """Return how transformers lays the weights of a file's architecture out."""
    kind: type[TensorProcessor] = TENSOR_PROCESSORS.get(file.architecture, TensorProcessor)
    return kind(config=config.to_dict())


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
