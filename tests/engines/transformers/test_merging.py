"""Merged adapters compute what the adapters beside the weights compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig

from mathtune.engines.transformers import merging

SIZES = {"vocab_size": 30, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1}


@pytest.mark.filterwarnings("ignore:.*(tie_word_embeddings|tied|ensure_weight_tying)")
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "kind",
    [
        {"target_modules": ["q_proj"]},
        {"target_modules": ["lm_head"]},
        {"target_modules": ["embed_tokens"]},
        {"target_modules": ["embed_tokens"], "ensure_weight_tying": True},
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    ],
    ids=str,
)
def test_a_merged_model_computes_the_same(kind: dict[str, Any], tied: bool, tmp_path: Path) -> None:
    config = LlamaConfig(num_attention_heads=2, tie_word_embeddings=tied, **SIZES)
    torch.manual_seed(0)
    adapted = get_peft_model(
        AutoModelForCausalLM.from_config(config).eval(), LoraConfig(task_type="CAUSAL_LM", **kind)
    )
    for weights in adapted.parameters():
        if weights.requires_grad:
            weights.data += torch.randn_like(weights)
    ids = torch.arange(9)[None]
    with torch.no_grad():
        expected = adapted(ids).logits
        with adapted.disable_adapter():
            assert (adapted(ids).logits - expected).abs().max() > 1e-3
        merged = merging.merge(adapted)
        torch.testing.assert_close(merged(ids).logits, expected)
        merged.save_pretrained(tmp_path)
        again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
        torch.testing.assert_close(again(ids).logits, expected)
