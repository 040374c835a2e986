"""Low-rank adapters: a layer that the model does not have is refused, never left out in silence."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from transformers import LlamaConfig, LlamaForCausalLM

from mathtune.errors import InputError
from mathtune.training.adapters import added
from mathtune.training.settings import Lora


def tiny() -> LlamaForCausalLM:
    sizes = {"vocab_size": 16, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    return LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2))


@pytest.mark.parametrize("targets", [("nope",), ("q_proj", "nope"), ("attn.q_proj", "q_proj")])
def test_every_target_must_be_a_layer(targets: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"lora.targets: found (nope|attn.q_proj), which the mod"):
        added(tiny(), Lora(rank=2, targets=targets))


def test_a_target_may_name_its_parents() -> None:
    trained = [
        name
        for name, weight in added(
            tiny(), Lora(rank=2, targets=("self_attn.q_proj", "down_proj"))
        ).named_parameters()
        if weight.requires_grad
    ]
    assert {name.split(".lora_")[0].rpartition(".")[2] for name in trained} == {
        "q_proj",
        "down_proj",
    }
    assert len(trained) == 2 * 2


def test_a_module_that_is_no_linear_layer_is_refused() -> None:
    with pytest.raises(InputError, match=r"lora.targets: found mlp, which peft refuses"):
        added(tiny(), Lora(rank=2, targets=("mlp",)))
