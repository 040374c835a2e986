"""The train stage on a tiny random model: what it learns, writes, counts and refuses."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

from mathtune.engines import prompts
from mathtune.engines.transformers import engine
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import TrainMetrics
from mathtune.rows.records import Example
from mathtune.run import progress
from mathtune.run.bill import Meter
from mathtune.stages.train import Train
from mathtune.training.curve import CurvePoint
from mathtune.training.saving import ModelFolder
from mathtune.training.settings import Lora

QUICK: dict[str, Any] = {"device": "cpu", "threads": 1, "batch_size": 4, "learning_rate": 3e-3}


def train(folder: Path, **config: Any) -> TrainMetrics:
    folder.mkdir(parents=True)
    metrics = Train(**{**QUICK, **config}).run(folder)
    assert metrics is not None
    return metrics


def weights(folder: Path | str) -> dict[str, Any]:
    return load_file(Path(folder) / "model.safetensors")


def curve(folder: Path) -> list[CurvePoint]:
    return list(jsonl.read(folder / "training.jsonl", CurvePoint))


def test_it_leaves_a_plain_model_a_curve_and_metrics_without_time(
    tiny: str, example_file: Path, tmp_path: Path
) -> None:
    config = {"model": tiny, "examples": example_file, "validation": example_file}
    bill = Meter()
    metrics = train(tmp_path / "a", **config, epochs=5)
    again = train(tmp_path / "b", **config, epochs=5)
    assert metrics == again
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "README.md",
        "model",
        "training.jsonl",
    ]
    assert (tmp_path / "a" / "model" / "tokenizer.json").exists()
    saved = (tmp_path / "a" / "model" / "model.safetensors").read_bytes()
    assert saved == (tmp_path / "b" / "model" / "model.safetensors").read_bytes()
    points = curve(tmp_path / "a")
    losses = [point.loss for point in points if point.loss is not None]
    validated = [point for point in points if point.validation_loss is not None]
    assert [point.update for point in validated] == [4, 8, 12, 16, 20]
    assert msgspec.to_builtins(metrics) == {
        "objective": "mle",
        "examples": 13,
        "target_tokens": sum(len("1 ones.\n#### 1") + 1 for _ in range(13)),
        "truncated": 0,
        "left_out": 0,
        "updates": 20,
        "loss": pytest.approx((losses[-2] + losses[-1]) / 2),
        "final_loss": losses[-1],
        "validation_loss": validated[-1].validation_loss,
        "kept_update": 20,
    }
    assert losses[-1] < losses[0]
    read = 0
    for row in jsonl.read(example_file, Example):
        read += len(f"Problem: {row.problem}\nSolution:\n{row.solution}")  # the end is not read
    assert bill.read()["trained_tokens"] == 2 * 5 * read
    config = json.loads((tmp_path / "a" / "model" / "config.json").read_text())
    assert config["use_cache"] is True


def test_a_stage_goes_on_from_the_weights_of_another(
    tiny: str, example_file: Path, pair_file: Path, tmp_path: Path
) -> None:
    first = Train(**QUICK, model=tiny, examples=(pair_file,), objective="cls-xent")
    train(tmp_path / "a", model=tiny, examples=pair_file, objective="cls-xent")
    evaluator = first.outputs(tmp_path / "a")
    assert evaluator == str(tmp_path / "a" / "model")
    train(tmp_path / "b", model=evaluator, examples=example_file, learning_rate=1e-12)
    before, after = weights(evaluator), weights(tmp_path / "b" / "model")
    assert max((before[k] - after[k]).abs().max() for k in before) < 1e-6
    assert max((weights(tiny)[k] - after[k]).abs().max() for k in before) > 1e-3


def test_the_weights_of_the_best_epoch_are_kept(
    tiny: str, example_file: Path, tmp_path: Path
) -> None:
    # Validation examples that contradict the training examples: the more is learned the worse.
    other = tmp_path / "other.jsonl"
    problem = "What is 1+1+1?"
    jsonl.write(other, [Example(problem_id="z", problem=problem, solution="~" * 30)])
    config = {"model": tiny, "examples": example_file, "validation": other, "choose": "loss"}
    metrics = train(tmp_path / "a", **config, epochs=4)
    losses = {p.update: p.validation_loss for p in curve(tmp_path / "a") if p.validation_loss}
    assert metrics.validation_loss == min(losses.values())
    assert metrics.kept_update == min(losses, key=losses.__getitem__) < 16
    # Measured anew on the saved weights, it is the loss that was measured then.
    again = train(
        tmp_path / "b",
        model=str(tmp_path / "a" / "model"),
        examples=example_file,
        validation=other,
        updates=1,
        learning_rate=1e-12,
    )
    assert again.validation_loss == pytest.approx(metrics.validation_loss, rel=1e-6)


@pytest.mark.parametrize("objective", ["cls-margin", "ctr"])
def test_the_epoch_of_the_best_accuracy_is_kept(
    objective: str, tiny: str, pair_file: Path, tmp_path: Path
) -> None:
    metrics = train(
        tmp_path / "a",
        model=tiny,
        examples=pair_file,
        validation=pair_file,
        objective=objective,
        choose="accuracy",
        learning_rate=2e-2,
        epochs=8,
    )
    found = {p.update: p.validation_accuracy for p in curve(tmp_path / "a") if p.loss is None}
    best = max(accuracy for accuracy in found.values() if accuracy is not None)
    assert metrics.validation_accuracy == best > 0.7
    assert metrics.kept_update == min(u for u, accuracy in found.items() if accuracy == best)


def test_a_judge_that_guesses_is_named(
    tiny: str, pair_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"model": tiny, "examples": pair_file, "objective": "cls-xent"}
    metrics = train(tmp_path / "short", **config, epochs=1)
    assert metrics.loss > 0.66
    assert f"updates is {metrics.loss:.2f}, and that of guessing is 0.69" in capsys.readouterr().err
    metrics = train(tmp_path / "long", **config, epochs=60)
    assert metrics.loss < 0.65
    assert "guessing" not in capsys.readouterr().err


def test_as_many_updates_as_another_training(tiny: str, example_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    metrics = train(folder, model=tiny, examples=example_file, epochs=1.5)
    assert metrics.updates == 6
    jsonl.write_json(folder / "metrics.json", metrics)
    more = train(
        tmp_path / "more",
        model=tiny,
        examples=example_file,
        epochs=1,
        batch_size=8,
        equal_updates_to=str(folder / "model"),
        warmup=0,
    )
    assert more.updates == 6  # two updates an epoch: three epochs
    rates = [point.learning_rate for point in curve(tmp_path / "more")]
    assert rates[0] == pytest.approx(3e-3)
    # The cosine is stretched to the six updates: half of the peak after three of them.
    assert rates[3] == pytest.approx(1.5e-3)


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", [0, 0.5, 1, 1, 1, 1]),
        ("linear", [0, 0.5, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0, 0.5, 1, 0.853553, 0.5, 0.146447]),  # (1 + cos(pi k / 4)) / 2
    ],
)
def test_the_learning_rate_by_hand(
    schedule: str, shares: list[float], tiny: str, example_file: Path, tmp_path: Path
) -> None:
    config = {"model": tiny, "examples": example_file, "updates": 6, "warmup": 1 / 3}
    train(tmp_path / "a", **config, schedule=schedule)
    rates = [point.learning_rate for point in curve(tmp_path / "a")]
    assert rates == pytest.approx([3e-3 * share for share in shares], rel=1e-5)


def test_gradients_are_clipped(tiny: str, example_file: Path, tmp_path: Path) -> None:
    config = {"model": tiny, "examples": example_file, "warmup": 0}
    for name, clip in (("never", None), ("usual", 1.0), ("small", 1e-12)):
        train(tmp_path / name, **config, clip=clip)
    never, usual, small = (curve(tmp_path / name) for name in ("never", "usual", "small"))
    # The norm is that before clipping, and the first one is of the same gradient.
    norm = never[0].gradient_norm
    assert norm == pytest.approx(usual[0].gradient_norm) == pytest.approx(small[0].gradient_norm)
    before, after = weights(tiny), weights(tmp_path / "small" / "model")
    # AdamW divides by the gradient's size plus 1e-8: what is far smaller moves nothing.
    assert max((before[k] - after[k]).abs().max() for k in before) < 1e-4
    after = weights(tmp_path / "never" / "model")
    assert max((before[k] - after[k]).abs().max() for k in before) > 1e-3


def test_a_model_that_is_no_train_step_has_no_updates(
    tiny: str, example_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"metrics\.json: no such file"):
        train(tmp_path / "a", model=tiny, examples=example_file, equal_updates_to=tiny)


def test_adapters_are_merged_into_a_plain_model(
    tiny: str, example_file: Path, tmp_path: Path
) -> None:
    config = {"model": tiny, "examples": example_file, "validation": example_file}
    lora = Lora(rank=2, targets=("q_proj", "v_proj"))
    metrics = train(tmp_path / "a", **config, lora=lora, epochs=3)
    before, after = weights(tiny), weights(tmp_path / "a" / "model")
    assert list(before) == list(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "q_proj" in name or "v_proj" in name}
    again = train(
        tmp_path / "b",
        **{**config, "model": str(tmp_path / "a" / "model")},
        updates=1,
        learning_rate=1e-12,
    )
    assert again.validation_loss == pytest.approx(metrics.validation_loss, rel=1e-4)


def test_adapters_alone_are_saved_on_request(tiny: str, example_file: Path, tmp_path: Path) -> None:
    config = {"model": tiny, "examples": example_file, "learning_rate": 1e-1}
    train(tmp_path / "a", **config, lora=Lora(rank=2))
    stage = Train(**{**QUICK, **config, "lora": Lora(rank=2, merge=False)})
    (tmp_path / "b").mkdir()
    stage.run(tmp_path / "b")
    assert stage.outputs(tmp_path / "b") == str(tmp_path / "b" / "adapter")
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == [
        "README.md",
        "adapter",
        "training.jsonl",
    ]
    # Merged when it is loaded, it is the model that is merged when it is saved.
    model, _ = engine.load(tiny, tmp_path / "b" / "adapter", device="cpu", dtype="float32")
    merged, loaded = weights(tmp_path / "a" / "model"), model.state_dict()
    for name, weight in merged.items():
        torch.testing.assert_close(loaded[name], weight)
    assert any(not torch.equal(weights(tiny)[name], weight) for name, weight in merged.items())
    with pytest.raises(InputError, match=r"an adapter alone; expected its base as the model"):
        train(tmp_path / "c", **{**config, "model": str(tmp_path / "b" / "adapter")})


@pytest.mark.parametrize("lora", [None, Lora(rank=2)])
def test_recomputed_activations_change_nothing(
    lora: Lora | None, tiny: str, example_file: Path, tmp_path: Path
) -> None:
    config = {"model": tiny, "examples": example_file, "lora": lora}
    whole = train(tmp_path / "a", **config)
    less = train(tmp_path / "b", **config, gradient_checkpointing=True)
    assert less.final_loss == pytest.approx(whole.final_loss, rel=1e-5)


def test_bfloat16_arithmetic_trains_float32_weights(
    tiny: str, example_file: Path, tmp_path: Path
) -> None:
    whole = train(tmp_path / "a", model=tiny, examples=example_file)
    half = train(tmp_path / "b", model=tiny, examples=example_file, dtype="bfloat16")
    assert half.final_loss == pytest.approx(whole.final_loss, rel=2e-2)
    assert half.final_loss != whole.final_loss
    assert {w.dtype for w in weights(tmp_path / "b" / "model").values()} == {torch.float32}


def test_a_loss_that_is_no_number_names_update_and_examples_and_keeps_the_checkpoint(
    save_tiny: Callable[..., None], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    save_tiny(model, tied=False)
    broken = weights(model)
    tilde = 4 + ord("~") - ord(" ")  # behind two special tokens and two label words
    broken["model.embed_tokens.weight"][tilde] = float("nan")
    save_file(broken, model / "model.safetensors", metadata={"format": "pt"})
    rows = [
        Example(problem_id=f"p{i}", problem="~" if i == 9 else str(i), solution="one")
        for i in range(12)
    ]
    jsonl.write(tmp_path / "rows.jsonl", rows)
    with pytest.raises(InputError) as error:
        train(
            tmp_path / "a",
            model=str(model),
            examples=tmp_path / "rows.jsonl",
            save_every=1,
            seed=0,
        )
    sentence = str(error.value)
    assert "the loss is not a finite number, in rows.jsonl, row 10 (problem 'p9');" in sentence
    update = int(sentence.removeprefix("update ").partition(":")[0])
    saved = list((tmp_path / "a" / "checkpoints").iterdir())
    assert update > 1
    assert [path.name for path in saved] == [f"checkpoint-{update - 1}"]
    assert not (tmp_path / "a" / "model").exists()


def test_a_full_disk_ends_with_a_sentence_and_nothing_half_written(
    tiny: str, example_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = {"validation": example_file, "choose": "loss"}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))  # less than the weights
    try:
        with pytest.raises(InputError, match=r"model.partial: cannot be written"):
            train(tmp_path / "b", model=tiny, examples=example_file)
        assert list((tmp_path / "b").iterdir()) == []  # seen before the first update
        monkeypatch.setattr(ModelFolder, "try_out", lambda *_: None)  # full only afterwards
        with pytest.raises(InputError, match=r"checkpoint-2.partial: cannot be written"):
            train(tmp_path / "a", model=tiny, examples=example_file, save_every=2)
        with pytest.raises(InputError, match=r"best.partial: cannot be written"):
            train(tmp_path / "c", model=tiny, examples=example_file, **best)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "a" / "checkpoints" / "checkpoint-2").exists()
    assert not (tmp_path / "c" / "best").exists()


def test_a_tokenizer_of_another_model_is_refused(
    save_tiny: Callable[..., None], example_file: Path, tmp_path: Path
) -> None:
    save_tiny(tmp_path / "model", vocabulary=50)
    with pytest.raises(InputError, match=r"the tokenizer makes token \d+ .* knows only 50 tokens"):
        train(tmp_path / "a", model=str(tmp_path / "model"), examples=example_file)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"choose": "loss"}, "choose: found 'loss' without validation examples"),
        ({"patience": 2}, "patience: found 2 without validation examples"),
        ({"micro_batch_size": 3}, "micro_batch_size: found 3; expected a divisor of batch_size 4."),
        (
            {"lora": Lora(rank=2, targets=("query",))},
            "lora.targets: found query, which the model does not have; expected some of down_proj,",
        ),
        ({"max_length": 5}, "max_length: found 5, inside which none of the 13 examples"),
        ({"objective": "cls-margin"}, "objective 'cls-margin' learns from Pair rows."),
        ({"report_to": ("trackio",)}, "report_to: found 'trackio', which is not installed;"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_training(
    config: dict[str, Any], sentence: str, tiny: str, example_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        train(tmp_path / "a", model=tiny, examples=example_file, **config)
    assert sentence in str(error.value)
    assert not list((tmp_path / "a").iterdir())


def test_it_shows_the_first_example_with_its_target_marked(
    tiny: str,
    pair_file: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_said", set())  # another test may have shown the first one
    train(tmp_path / "a", model=tiny, examples=pair_file, objective="cls-margin", updates=1)
    shown = capfd.readouterr()
    assert f"The above candidate solution is⟦{prompts.CORRECT}⟧" in shown.err
    assert "0 truncated, 0 left out" in shown.err
    assert shown.out == ""


def test_solutions_without_an_answer_behind_their_thoughts_are_named(
    tiny: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [
        Example(problem_id="a", problem="1 + 1?", solution=text)
        for text in ("<think>2?</think>#### 2", "<think>2? 3?", "#### 2", "2?\n</think>")
    ]
    jsonl.write(tmp_path / "rows.jsonl", rows)
    metrics = train(
        tmp_path / "a",
        model=tiny,
        examples=tmp_path / "rows.jsonl",
        validation=tmp_path / "rows.jsonl",
        updates=1,
        thoughts="drop",
    )
    assert (metrics.examples, metrics.left_out) == (2, 2)
    said = "left out, since a solution ends with its thoughts, finished or cut off: 2"
    assert capfd.readouterr().err.count(said) == 2
