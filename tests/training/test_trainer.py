"""What the Trainer refuses and takes from its surroundings, asked directly."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from mathtune.engines.transformers import models
from mathtune.errors import InputError
from mathtune.training import fit
from mathtune.training.examples import Encoder, read_rows
from mathtune.training.settings import Plan, TrainingSettings
from mathtune.training.trainer import Trainer


def trainer(tiny: str, example_file: Path, folder: Path, *, gpus: int = 0) -> Trainer:
    """A Trainer on a machine where a single process sees so many GPUs."""
    model, tokenizer = models.load(tiny, device="cpu", dtype="float32")
    settings = TrainingSettings(batch_size=4)
    plan = Plan(updates=4, updates_per_epoch=4, micro_batch_size=2, bfloat16=False)
    given = fit.arguments(settings, plan, folder, model=model, validate=False)
    given._n_gpu = gpus
    items = Encoder(tokenizer, "plain", 512).items(read_rows([example_file], "mle"), "mle")
    return Trainer(
        model,
        given,
        settings=settings,
        items=items,
        validation=[],
        callbacks=[],
        form="padded",
    )


def test_one_process_uses_one_gpu(tiny: str, example_file: Path, tmp_path: Path) -> None:
    made = trainer(tiny, example_file, tmp_path, gpus=8)
    assert made.args.n_gpu == 1  # else transformers wraps the model in DataParallel
    assert made.args.train_batch_size == 2


@pytest.mark.parametrize(
    ("loss", "norm"), [(math.inf, 1.0), (math.nan, 1.0), (0.5, math.nan), (0.5, math.inf)]
)
def test_a_loss_or_a_gradient_that_is_no_number_is_enough(
    loss: float, norm: float, tiny: str, example_file: Path, tmp_path: Path
) -> None:
    made = trainer(tiny, example_file, tmp_path)
    made._counted = torch.tensor(loss)
    finite = math.isfinite(loss)
    made._pending = [(["row 3", "row 4"], torch.tensor([[-2.0], [-1.0 if finite else -math.inf]]))]
    names = "gradient is not a finite number, in row 3; row 4;" if finite else "in row 4;"
    with pytest.raises(InputError, match=rf"update 1: the .*{names}"):
        made._get_grad_norm(made.trained, torch.tensor(norm))


def test_a_norm_may_come_as_a_number(tiny: str, example_file: Path, tmp_path: Path) -> None:
    made = trainer(tiny, example_file, tmp_path)
    assert float(made._get_grad_norm(made.trained, 1.5)) == 1.5  # as DeepSpeed gives it
