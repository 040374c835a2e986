"""Adapters on a loaded model: merged where they fit, refused where they are another base's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from mathtune.engines.transformers import engine
from mathtune.errors import InputError


def save(folder: Path, make_tokenizer: Any, *, layers: int, width: int = 32) -> Any:
    """Write a random Llama of so many layers, and return it."""
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    made = LlamaForCausalLM(config)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return made


@pytest.fixture
def adapter(tmp_path: Path, make_tokenizer: Any) -> Path:
    """An adapter of a model of two layers."""
    made = save(tmp_path / "base", make_tokenizer, layers=2)
    adapted = get_peft_model(made, LoraConfig(r=2, target_modules=["q_proj"], lora_alpha=4))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.fill_(0.1)
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_an_adapter_is_merged(adapter: Path) -> None:
    base = str(adapter.parent / "base")
    plain, _ = engine.load(base, None, device="cpu", dtype="float32")
    merged, _ = engine.load(base, adapter, device="cpu", dtype="float32")
    before, after = (m.model.layers[1].self_attn for m in (plain, merged))
    # B A is rank times 0.1 * 0.1 everywhere, counted alpha / rank times: 2 * 0.01 * 4 / 2.
    change = after.q_proj.weight - before.q_proj.weight
    torch.testing.assert_close(change, torch.full_like(change, 0.04))
    torch.testing.assert_close(after.k_proj.weight, before.k_proj.weight)
    assert engine.adapter_rank(adapter) == 2


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("adapter_config.json", None, "has no adapter_config.json; expected a LoRA adapter"),
        ("adapter_config.json", b"{", "adapter_config.json: not a LoraAdapter row"),
        ("adapter_config.json", b"{}", "adapter_config.json: field 'peft_type': missing"),
        (
            "adapter_config.json",
            b'{"peft_type": "IA3", "r": 1}',
            "adapter_config.json: field 'peft_type': invalid enum value 'IA3'",
        ),
        ("adapter_model.safetensors", b"short", "does not fit"),
    ],
    ids=["none", "torn-config", "empty-config", "another-kind", "torn-weights"],
)
def test_a_folder_that_is_no_adapter_is_refused(
    adapter: Path, file: str, content: bytes | None, said: str
) -> None:
    if content is None:
        (adapter / file).unlink()
    else:
        (adapter / file).write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        engine.load(str(adapter.parent / "base"), adapter, device="cpu", dtype="float32")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"layers": 3}, "only one of them has base_model.model.model.layers.2.self_attn.q_proj"),
        ({"layers": 1}, "only one of them has base_model.model.model.layers.1.self_attn.q_proj"),
        ({"layers": 2, "width": 64}, "size mismatch"),
    ],
)
def test_an_adapter_of_another_base_is_refused(
    shape: dict[str, int], said: str, adapter: Path, make_tokenizer: Any, tmp_path: Path
) -> None:
    save(tmp_path / "other", make_tokenizer, **shape)
    with pytest.raises(InputError, match=rf"adapter .*: does not fit .*{re.escape(said)}"):
        engine.load(str(tmp_path / "other"), adapter, device="cpu", dtype="float32")
