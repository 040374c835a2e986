"""Trainings through bitsandbytes, where it is installed: it runs on a CPU, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mathtune.engines.transformers import engine, models
from mathtune.errors import InputError
from mathtune.stages.train import Train


@pytest.fixture
def base(tmp_path: Path, save_tiny: Callable[..., None]) -> Path:
    pytest.importorskip("bitsandbytes", reason="pip install bitsandbytes")
    save_tiny(tmp_path / "base")
    return tmp_path / "base"


def losses(base: Path, examples: Path, folder: Path, **config: Any) -> list[float]:
    """Train for six updates; return their losses."""
    folder.mkdir()
    given = {"batch_size": 13, "epochs": 6, "learning_rate": 1e-2, "device": "cpu", "threads": 1}
    Train(model=str(base), examples=(examples,), **given, **config).run(folder)
    return [
        json.loads(line)["loss"] for line in (folder / "training.jsonl").read_text().splitlines()
    ]


def test_moments_in_8_bits_learn_nearly_the_same(
    base: Path, example_file: Path, tmp_path: Path
) -> None:
    whole = losses(base, example_file, tmp_path / "whole")
    found = losses(base, example_file, tmp_path / "bits", optimizer="adamw_8bit")
    assert found == pytest.approx(whole, rel=0.02)
    assert found[-1] < found[0] - 0.3


@pytest.mark.parametrize("bits", [4, 8])
def test_adapters_on_a_model_in_few_bits_learn_and_fit_the_whole_one(
    bits: int, base: Path, example_file: Path, tmp_path: Path
) -> None:
    lora = {"rank": 4, "bits": bits, "merge": False}
    found = losses(base, example_file, tmp_path / "bits", lora=lora)
    whole = losses(base, example_file, tmp_path / "whole", lora={**lora, "bits": None})
    assert found == pytest.approx(whole, rel=0.1)
    assert found[-1] < found[0]
    adapted, _ = engine.load(
        str(base), tmp_path / "bits" / "adapter", device="cpu", dtype="float32"
    )
    plain, _ = models.load(str(base), device="cpu")
    ids = torch.arange(9)[None]
    with torch.no_grad():
        assert not torch.allclose(adapted(ids).logits, plain(ids).logits, atol=1e-3)


def test_what_rounded_weights_cannot_take_is_a_sentence(
    base: Path, example_file: Path, tmp_path: Path
) -> None:
    in_bits, tokenizer = models.load(str(base), device="cpu", bits=4)
    in_bits.save_pretrained(tmp_path / "rounded")
    tokenizer.save_pretrained(tmp_path / "rounded")
    rounded = tmp_path / "rounded"
    with pytest.raises(InputError, match="its weights are quantised and cannot be trained"):
        losses(rounded, example_file, tmp_path / "a")
    with pytest.raises(InputError, match=r"lora\.merge: found true with model .* are quantised"):
        losses(rounded, example_file, tmp_path / "b", lora={"rank": 2})
    assert losses(rounded, example_file, tmp_path / "c", lora={"rank": 2, "merge": False})


def test_dora_on_8_bits_is_refused_before_any_work(example_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lora.dora: found true with lora.bits=8"):
        losses(tmp_path, example_file, tmp_path / "a", lora={"bits": 8, "dora": True})
