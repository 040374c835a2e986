"""A LoRA adapter on the embedded engine: its numbers, and what is said of a folder that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("peft")

from peft import LoraConfig, get_peft_model

from mathtune.engines import local
from mathtune.errors import InputError


@pytest.fixture
def saved(tmp_path: Path, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    """A model's folder, an adapter's folder, and the two together as peft runs them."""
    tokenizer = make_tokenizer()
    model = make_model("llama", len(tokenizer))
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    adapted = get_peft_model(model, LoraConfig(r=3, target_modules=["q_proj", "v_proj"]))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.5)
    adapted.save_pretrained(tmp_path / "adapter")
    return tmp_path / "model", tmp_path / "adapter", adapted.eval()


def test_an_adapter_is_merged_into_the_weights(saved) -> None:  # type: ignore[no-untyped-def]
    folder, adapter, adapted = saved
    ids = torch.arange(20)[None]
    plain, _ = local.load(str(folder), None, device="cpu", dtype="float32")
    merged, _ = local.load(str(folder), adapter, device="cpu", dtype="float32")
    with torch.no_grad():
        expected = adapted(ids).logits
        torch.testing.assert_close(merged(ids).logits, expected, rtol=1e-4, atol=1e-4)
        assert (plain(ids).logits - expected).abs().max() > 0.1
    assert local.adapter_rank(adapter) == 3


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
def test_a_folder_that_is_no_adapter_is_refused(saved, file: str, content, said: str) -> None:  # type: ignore[no-untyped-def]
    folder, adapter, _ = saved
    if content is None:
        (adapter / file).unlink()
    else:
        (adapter / file).write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        local.load(str(folder), adapter, device="cpu", dtype="float32")
    assert "\n" not in str(error.value)


def test_an_adapter_of_another_model_is_refused(saved, make_model, make_tokenizer) -> None:  # type: ignore[no-untyped-def]
    _, adapter, _ = saved
    other, tokenizer = adapter.parent / "other", make_tokenizer()
    make_model("gpt_neox", len(tokenizer)).save_pretrained(other)
    tokenizer.save_pretrained(other)
    with pytest.raises(InputError, match="does not fit"):
        local.load(str(other), adapter, device="cpu", dtype="float32")
