"""What a training does when memory runs out or nothing gets better, and what trackers are told."""

from __future__ import annotations

import resource
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Example
from mathtune.stages.train import Train, take_gpu
from mathtune.training.curve import CurvePoint, exhausted
from mathtune.training.settings import Lora, TrainingSettings

QUICK: dict[str, Any] = {"device": "cpu", "threads": 1, "learning_rate": 3e-3}


def curve(folder: Path) -> list[CurvePoint]:
    return list(jsonl.read(folder / "training.jsonl", CurvePoint))


def short_of_memory(stage: Train, folder: Path, room: int | None, said: Path) -> None:
    """Train in a process that may take `room` more bytes than it has when training begins."""
    import sys

    import mathtune.training.fit  # noqa: F401 (what it loads is not what room is for)
    from mathtune.run.progress import console

    if room is not None:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + room, resource.RLIM_INFINITY))
    with said.open("w") as stream:
        console.file = stream
        try:
            stage.run(folder)
        except InputError as error:
            stream.write(str(error))
            stream.flush()
            sys.exit(2)


@pytest.mark.slow
def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(
    save_tiny: Callable[..., None], tmp_path: Path
) -> None:
    save_tiny(tmp_path / "model", vocabulary=60_000)
    rows = [
        Example(problem_id=f"p{i}", problem=f"{i}?", solution="one two three " * (i % 3 + 3))
        for i in range(32)
    ]
    jsonl.write(tmp_path / "rows.jsonl", rows)
    stage = Train(
        **QUICK,
        model=str(tmp_path / "model"),
        examples=(tmp_path / "rows.jsonl",),
        batch_size=16,
        micro_batch_size=16,
        epochs=1,
        lora=Lora(rank=2),  # with adapters the logits (60,000 words, 900 targets) are held whole
    )
    context = get_context("forkserver")
    found = {}
    for name, room in (("enough", None), ("short", 550 * 2**20), ("hopeless", 60 * 2**20)):
        (tmp_path / name).mkdir()
        said = tmp_path / f"{name}.txt"
        process = context.Process(target=short_of_memory, args=(stage, tmp_path / name, room, said))
        process.start()
        process.join()
        found[name] = (process.exitcode, said.read_text())
    assert found["enough"][0] == found["short"][0] == 0
    assert "out of memory" not in found["enough"][1]
    assert "continuing with 8 examples at once instead of 16" in found["short"][1]
    assert "the batch stays 16" in found["short"][1]
    one, two = curve(tmp_path / "enough"), curve(tmp_path / "short")
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        assert b.loss == pytest.approx(a.loss, rel=1e-5)
        assert b.gradient_norm == pytest.approx(a.gradient_norm, rel=1e-4)
    assert found["hopeless"][0] == 2
    assert "out of memory" in found["hopeless"][1]
    assert not (tmp_path / "hopeless" / "model").exists()


def test_memory_that_runs_out_in_the_update_itself_is_a_sentence(
    tiny: str, example_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="out of memory in AdamW's update or in a validation;"):
        Train(**QUICK, model=tiny, examples=(example_file,), batch_size=4).run(tmp_path / "a")


def test_every_process_of_a_machine_needs_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    take_gpu()
    assert taken == [1]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match="launched as 3 processes or more on a machine with 2 GPU"):
        take_gpu()


def test_patience_by_hand() -> None:
    losses = [3.0, 2.0, 2.5, 2.0, 2.1]
    points = [CurvePoint(update=n, validation_loss=loss) for n, loss in enumerate(losses)]
    settings = TrainingSettings(choose="loss", patience=3)
    assert [exhausted(points[:n], settings) for n in range(6)] == [False] * 5 + [True]
    assert not exhausted(points, TrainingSettings(choose="loss"))


def test_training_ends_when_nothing_gets_better(
    tiny: str, example_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"  # what contradicts the training examples gets only worse
    jsonl.write(other, [Example(problem_id="z", problem="What is 1+1+1?", solution="~" * 30)])
    (tmp_path / "a").mkdir()
    stage = Train(
        **QUICK,
        model=tiny,
        examples=(example_file,),
        validation=(other,),
        batch_size=4,
        epochs=20,
        choose="loss",
        patience=2,
    )
    metrics = stage.run(tmp_path / "a")
    assert metrics is not None
    validated = [p for p in curve(tmp_path / "a") if p.validation_loss is not None]
    best = min(validated, key=lambda p: p.validation_loss or 0.0)
    assert metrics.kept_update == best.update
    assert validated.index(best) == len(validated) - 3  # two more, and it ended
    assert metrics.updates == validated[-1].update < 80


def test_tensorboard_is_told_what_the_curve_holds(
    tiny: str, example_file: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (tmp_path / "a").mkdir()
    stage = Train(
        **QUICK,
        model=tiny,
        examples=(example_file,),
        validation=(example_file,),
        batch_size=4,
        epochs=2,
        save_every=2,
        report_to=("tensorboard",),
    )
    stage.run(tmp_path / "a")
    told = EventAccumulator(str(tmp_path / "a" / "tensorboard"))
    told.Reload()
    losses = {event.step: event.value for event in told.Scalars("train/loss")}
    points = curve(tmp_path / "a")
    assert losses == pytest.approx({p.update: p.loss for p in points if p.loss is not None})
    validated = {event.step: event.value for event in told.Scalars("eval/loss")}
    assert validated == pytest.approx(
        {p.update: p.validation_loss for p in points if p.validation_loss is not None}
    )
