"""Our loss is that of TRL's SFTTrainer on the same batch, where TRL is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
trl = pytest.importorskip("trl", reason="TRL is not installed; `pip install '.[bench]'` brings it")

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

from mathtune.rows import jsonl
from mathtune.rows.records import Example
from mathtune.stages.train import Train
from mathtune.training.curve import CurvePoint


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("micro_batch_size", [1, 8])
def test_the_loss_and_gradient_are_those_of_sfttrainer(
    micro_batch_size: int, tiny: str, example_file: Path, tmp_path: Path
) -> None:
    rows = list(jsonl.read(example_file, Example))[:8]
    jsonl.write(tmp_path / "rows.jsonl", rows)
    Train(
        model=tiny,
        examples=(tmp_path / "rows.jsonl",),
        batch_size=8,
        micro_batch_size=micro_batch_size,
        epochs=1,
        device="cpu",
        threads=1,
    ).run(_made(tmp_path / "ours"))
    (ours,) = jsonl.read(tmp_path / "ours" / "training.jsonl", CurvePoint)
    texts = {
        "prompt": [f"Problem: {row.problem}\nSolution:\n" for row in rows],
        "completion": [row.solution for row in rows],
    }
    settings: Any = trl.SFTConfig(
        output_dir=str(tmp_path / "theirs"),
        per_device_train_batch_size=micro_batch_size,
        gradient_accumulation_steps=8 // micro_batch_size,
        max_steps=1,
        logging_steps=1,
        bf16=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
    )
    trainer = trl.SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(tiny),
        args=settings,
        train_dataset=Dataset.from_dict(texts),
        processing_class=AutoTokenizer.from_pretrained(tiny),
    )
    trainer.train()
    theirs = next(logged for logged in trainer.state.log_history if "loss" in logged)
    # transformers rounds what it logs to four decimals.
    assert float(theirs["loss"]) == pytest.approx(ours.loss, abs=1e-3)
    assert float(theirs["grad_norm"]) == pytest.approx(ours.gradient_norm, rel=1e-3)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
