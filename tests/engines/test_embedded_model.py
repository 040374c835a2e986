"""The shipped base model: its size, its format, and that its tokenizer is the script's."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from mathtune.engines.embedded_model import path
from pretraining.text import build_tokenizer


def test_size_and_format() -> None:
    folder = path()
    assert (folder / "model.safetensors").stat().st_size <= 4_000_000
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert model.config.model_type == "llama"
    assert 300_000 <= sum(p.numel() for p in model.parameters()) <= 2_000_000
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.pad_token_id == tokenizer.pad_token_id
    assert model.config.vocab_size == len(tokenizer)


def test_the_shipped_tokenizer_is_the_one_the_script_builds() -> None:
    shipped = PreTrainedTokenizerFast.from_pretrained(path())
    assert shipped.get_vocab() == build_tokenizer().get_vocab()
