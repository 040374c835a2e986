"""A training that is killed and run again ends with the same bytes as one that is not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mathtune.rows import jsonl
from mathtune.rows.metrics import TrainMetrics
from mathtune.run.bill import Meter
from mathtune.run.step import execute
from mathtune.stages.train import Train
from mathtune.training import checkpoint
from mathtune.training.curve import CurvePoint
from mathtune.training.settings import Lora

CONFIGS: dict[str, dict[str, Any]] = {
    "all weights": {"choose": "loss"},
    "adapters with dropout": {"lora": Lora(rank=2, dropout=0.3)},
}


def rows(folder: Path) -> int:
    path = folder / "training.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def updates(folder: Path) -> int:
    points = jsonl.read(folder / "training.jsonl", CurvePoint)
    return max(point.update for point in points)


ASKED = "asked to stop"
# 13 rows in batches of 4: 4 updates an epoch; 16 updates and 4 validations make 20 rows.
KILLS: dict[str, Callable[[Path], bool]] = {
    "before the first checkpoint": lambda folder: rows(folder) >= 2,
    "inside an epoch": lambda folder: (folder / "checkpoints" / "checkpoint-3").exists(),
    "while a checkpoint is written": lambda folder: bool(
        list((folder / "checkpoints").glob("checkpoint-6.partial"))
    ),
    "after a checkpoint at the end of an epoch": lambda folder: (
        folder / "checkpoints" / "checkpoint-12"
    ).exists(),
    ASKED: lambda folder: updates(folder) > 13,
    "near the end": lambda folder: rows(folder) >= 19,
    "while the model is saved": lambda folder: (folder / "model.partial").exists(),
}


def stage(tiny: str, pair_file: Path, which: str) -> Train:
    return Train(
        model=tiny,
        examples=(pair_file,),
        validation=(pair_file,),
        objective="mul-margin",
        batch_size=4,
        micro_batch_size=2,
        epochs=4,
        learning_rate=1e-2,
        save_every=3,
        device="cpu",
        threads=1,
        **CONFIGS[which],
    )


def outcome(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def uninterrupted(
    tiny: str, pair_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[TrainMetrics | None, dict[str, bytes]]]:
    """Metrics and files of each config, trained in one go."""
    found = {}
    for which in CONFIGS:
        folder = tmp_path_factory.mktemp("whole")
        metrics = stage(tiny, pair_file, which).run(folder)
        found[which] = (metrics, outcome(folder))
    return found.__getitem__


@pytest.mark.slow
def test_sigterm_reaches_a_training_in_a_process_of_its_own(
    tiny: str, pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    work = stage(tiny, pair_file, "all weights").replaced({"epochs": 5000}, where="train")
    folder = tmp_path / "long"

    def ask() -> None:
        deadline = time.monotonic() + 300
        while rows(folder) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    asking = Thread(target=ask)
    asking.start()
    with pytest.raises(SystemExit) as stopped:
        execute(work, folder, name="long")
    asking.join()
    assert stopped.value.code == 0
    assert (folder / "checkpoints" / f"checkpoint-{updates(folder)}").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.slow
@pytest.mark.parametrize("which", CONFIGS)
def test_killed_again_and_again_it_ends_with_the_same_bytes(
    which: str,
    tiny: str,
    pair_file: Path,
    tmp_path: Path,
    uninterrupted: Callable[[str], tuple[TrainMetrics | None, dict[str, bytes]]],
) -> None:
    work = stage(tiny, pair_file, which)
    context = get_context("forkserver")
    context.set_forkserver_preload(["mathtune.stages.train", "mathtune.training.fit"])
    killed = []
    for when, reached in KILLS.items():
        process = context.Process(target=work.run, args=(tmp_path,))
        process.start()
        while process.is_alive() and not reached(tmp_path):
            time.sleep(0.0005)
        if process.is_alive() and process.pid is not None:
            asked = when == ASKED
            os.kill(process.pid, signal.SIGTERM if asked else signal.SIGKILL)
            killed.append(when)
        process.join()
        if when == ASKED:  # it leaves a checkpoint of the very update
            assert process.exitcode == 0
            assert (tmp_path / "checkpoints" / f"checkpoint-{updates(tmp_path)}").exists()
        left = [p for p in (tmp_path / "checkpoints").rglob("*") if p.is_file()]
        whole = [p for p in left if not p.name.startswith(".tmp")]  # as safetensors begins a file
        kinds = {p.suffix for p in whole}
        assert kinds <= {".safetensors", ".json", ".partial"}
        if (tmp_path / "model").exists():  # the last kill came too late
            break
    assert len(killed) >= 4
    metrics, files = uninterrupted(which)
    bill = Meter()
    assert work.run(tmp_path) == metrics
    assert outcome(tmp_path) == files
    # It went on from a checkpoint near the end: far from 4 epochs of 13 rows of some 300 tokens.
    assert bill.read().get("trained_tokens", 0) < 2 * 4 * 300


def test_an_optimizers_state_in_groups_is_put_back(tmp_path: Path) -> None:
    """bitsandbytes keeps moments in a group, shares tables, and counts updates in a number."""
    table = torch.arange(4.0)
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]

    def made() -> tuple[Any, Any]:
        optimizer = torch.optim.SGD(weights, lr=0.1)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)

    optimizer, schedule = made()
    for number, weight in enumerate(weights):
        moments = {"state1": torch.full((2,), number, dtype=torch.uint8), "qmap1": table}
        optimizer.state[weight] = {"step": 3 + number, "quantised": moments}
    checkpoint.save_optimizer(optimizer, schedule, tmp_path)
    again, schedule = made()
    checkpoint.load_optimizer(again, schedule, tmp_path)
    for number, weight in enumerate(weights):
        state = again.state[weight]
        assert state["step"] == 3 + number
        assert not isinstance(state["step"], torch.Tensor)
        assert state["quantised"]["qmap1"].tolist() == table.tolist()
        assert state["quantised"]["state1"].tolist() == [number, number]
