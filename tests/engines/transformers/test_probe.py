"""Models that read ahead are refused, whatever their family; those that do not are let through."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, MambaConfig, ProphetNetConfig, XLNetConfig

from mathtune.engines.transformers import models, probe
from mathtune.engines.transformers.decode import Sampler
from mathtune.errors import InputError

AHEAD: dict[str, Any] = {
    "xlnet": XLNetConfig(vocab_size=400, d_model=32, n_layer=2, n_head=4, d_inner=48),
    "prophetnet": ProphetNetConfig(
        vocab_size=400,
        hidden_size=32,
        decoder_ffn_dim=48,
        num_decoder_layers=2,
        num_decoder_attention_heads=4,
        is_decoder=True,
        is_encoder_decoder=False,
        add_cross_attention=False,
        init_std=0.3,
    ),
}


@pytest.mark.parametrize("family", AHEAD)
def test_a_model_that_reads_ahead_is_refused(family: str, make_tokenizer: Any) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AHEAD[family]).eval()
    with pytest.raises(InputError, match=r"change with the tokens after it .* left to right"):
        probe.checked_logits(model)
    with pytest.raises(InputError, match="left to right"):
        Sampler(model, make_tokenizer(), form="plain")


@pytest.mark.parametrize("family", ["llama", "gemma3", "mistral", "mamba"])
def test_a_model_that_does_not_gives_its_logits(family: str, make_model: Any) -> None:
    if family == "mamba":
        config = MambaConfig(vocab_size=400, hidden_size=32, num_hidden_layers=2, state_size=4)
        model = AutoModelForCausalLM.from_config(config).eval()
    else:
        model = make_model(family, 400)
    logits = probe.checked_logits(model)
    assert logits.shape == (12, 400)
    ids = torch.linspace(40, 359, 12).long()
    torch.testing.assert_close(logits, model(ids[None]).logits[0], atol=1e-4, rtol=1e-4)


def test_a_context_of_minus_one_is_none() -> None:
    model = AutoModelForCausalLM.from_config(AHEAD["xlnet"])
    assert model.config.max_position_embeddings == -1
    assert models.context_length(model) is None
