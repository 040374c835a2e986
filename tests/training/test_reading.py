"""Which positions of a batch meet the vocabulary, and how exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from mathtune.engines.transformers import models
from mathtune.training import fit
from mathtune.training.examples import Encoder, read_rows
from mathtune.training.reading import BatchForm
from mathtune.training.settings import Objective, Plan, TrainingSettings
from mathtune.training.trainer import Trainer


@pytest.mark.parametrize(
    ("objective", "form"),
    [("cls-xent", "padded"), ("cls-xent", "single"), ("mul-margin", "padded")],
)
def test_label_words_of_a_bfloat16_training_are_not_rounded(
    objective: Objective, form: BatchForm, tiny: str, pair_file: Path, tmp_path: Path
) -> None:
    model, tokenizer = models.load(tiny, device="cpu", dtype="float32")
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(50)  # logits as large as trained models have
    items = Encoder(tokenizer, "plain", 512).items(read_rows([pair_file], objective), objective)
    settings = TrainingSettings(objective=objective, batch_size=4)
    plan = Plan(updates=1, updates_per_epoch=1, micro_batch_size=4, bfloat16=True)
    made = Trainer(
        model,
        fit.arguments(settings, plan, tmp_path, model=model, validate=False),
        settings=settings,
        items=items,
        validation=[],
        callbacks=[],
        form=form,
    )
    read = []
    model.get_output_embeddings().register_forward_hook(
        lambda _, given, logits: read.append((given[0].float(), logits))
    )
    batch = made._collator()(items[:4])
    with torch.autocast("cpu", torch.bfloat16):
        log_p = made._log_p(model, batch)
    hidden, found = (torch.cat(each) for each in zip(*read, strict=True))
    exact = hidden @ model.get_output_embeddings().weight.T
    solutions = batch["texts"] % 5 == 4 if objective == "mul-margin" else batch["texts"] < 0
    assert exact.abs().max() > 8  # where bfloat16 numbers are a sixteenth apart
    torch.testing.assert_close(found[~solutions], exact[~solutions])
    expected = exact.log_softmax(-1).gather(1, batch["tokens"][:, None])[:, 0]
    torch.testing.assert_close(log_p[~solutions], expected[~solutions])
    rounded = found[solutions]  # the others are what bfloat16 makes of them
    torch.testing.assert_close(rounded, rounded.bfloat16().float(), rtol=0, atol=0)
    assert solutions.any() == (objective == "mul-margin")
