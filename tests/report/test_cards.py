"""Cards of a run's trainings: data, command and accuracies, from a small run of real steps."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="pip install 'mathtune[train]'")

from huggingface_hub import ModelCard

from mathtune.errors import InputError
from mathtune.report import cards, evaluated
from mathtune.run.recipe_run import Run, planned, work
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure
from mathtune.stages.prepare import Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score
from mathtune.stages.train import Train

QUICK: dict[str, Any] = {"batch_size": 2, "updates": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that trains on a copy of gsm8k, goes on with arithmetic, and lets this model judge."""
    folder = tmp_path_factory.mktemp("cards")
    rows = [{"question": f"What is {n} + 1?", "answer": f"so\n#### {n + 1}"} for n in range(9)]
    for split in ("train", "test"):
        lines = [json.dumps({**row, "question": f"{split}: {row['question']}"}) for row in rows]
        (folder / f"gsm8k_{split}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "mine.jsonl").write_text(json.dumps({"problem": "1?", "answer": "1"}) + "\n")

    def recipe(top: Run) -> None:
        run = top.within("seed-0")
        data = run("data", Prepare(source="gsm8k", folder=folder, validation=3))
        run("mine", Prepare(source=str(folder / "mine.jsonl"), test="all"))
        more = run("more", Prepare(source="arithmetic", train=4, validation=1, test=1))
        ssft = run(
            "ssft",
            Train(
                model="embedded",
                examples=(data.solutions,),
                validation=(data.validation_solutions,),
                **QUICK,
            ),
        )

        def sampled(name: str, **drawing: Any) -> Any:
            given = {"problems": data.test, "max_tokens": 3, "workers": 1, "device": "cpu"}
            samples = run(name, Sample(model=ssft, **given, **drawing))
            return run(f"{name}-grades", Grade(problems=data.test, samples=samples))

        greedy, samples = sampled("greedy", greedy=True), sampled("samples", n=2)
        again = Train(model=ssft, examples=(more.solutions,), equal_updates_to=ssft, **QUICK)
        control = run("control", again)
        scores = Score(model=control, problems=data.test, samples=samples, device="cpu", workers=1)
        scored = run("scores", scores)
        run("gsm8k-row", Measure(problems=data.test, samples=scored, greedy=greedy))

    run = planned(recipe, name="cards", folder=folder / "run", overrides={})
    work(run, recipe, name="cards")
    return folder / "run"


def card(run_folder: Path, name: str) -> tuple[str, Any]:
    """Return a card, and its metadata as the hub's client reads it."""
    text = (cards.write(run_folder, name) / "README.md").read_text()
    return text, ModelCard(text).data


def test_a_card_names_all_data_and_none_that_only_lies_there(run_folder: Path) -> None:
    assert "- Data: gsm8k\n" in card(run_folder, "seed-0/ssft")[0]
    text, metadata = card(run_folder, "seed-0/control")
    assert "- Data: arithmetic, gsm8k\n" in text
    assert "- After: seed-0/ssft (mle)\n" in text
    assert metadata.base_model is None  # the embedded one


def test_the_command_of_a_card_names_every_input(run_folder: Path) -> None:
    first, _ = card(run_folder, "seed-0/ssft")
    assert (
        "mathtune train seed-0/data/solutions.jsonl model=embedded updates=1 batch_size=2" in first
    )
    assert "'validation=[seed-0/data/validation_solutions.jsonl]' device=cpu --out" in first
    second, _ = card(run_folder, "seed-0/control")
    assert " model=seed-0/ssft/model " in second
    assert " equal_updates_to=seed-0/ssft/model " in second
    assert str(run_folder) not in first + second


def test_accuracies_of_a_copy_are_of_the_hubs_split_without_a_revision(run_folder: Path) -> None:
    _, metadata = card(run_folder, "seed-0/ssft")
    assert [result.metric_name for result in metadata.eval_results] == [
        "Pass@1 (greedy) (seed-0/samples)",
        "Maj1@2, 2 samples at temperature 0.7 (seed-0/samples)",
        "Pass@2, 2 samples at temperature 0.7 (seed-0/samples)",
    ]
    for result in metadata.eval_results:
        found = result.dataset_type, result.dataset_config, result.dataset_split
        assert found == ("openai/gsm8k", "main", "test")
        assert result.dataset_revision is None
    (entry,) = results(run_folder, "seed-0/ssft")
    assert entry["dataset"] == {"id": "openai/gsm8k", "task_id": "gsm8k"}
    assert entry["notes"].startswith("9 of 1,319 problems, Pass@1 (greedy): percent with 95 % ")


def test_what_a_judge_chose_is_no_result_of_a_benchmark(run_folder: Path) -> None:
    text, metadata = card(run_folder, "seed-0/control")
    for baseline in ("Maj1@2", "calculator"):
        assert f"| gsm8k (seed-0/gsm8k) | 9 | {baseline}, 2 samples | " in text
    assert [result.metric_name for result in metadata.eval_results] == [
        "RR.All, 2 samples (seed-0/gsm8k)",
        "W.RR, 2 samples (seed-0/gsm8k)",
        "W.RR.MajK, 2 samples (seed-0/gsm8k)",
        "W.RR.calculator, 2 samples (seed-0/gsm8k)",
    ]
    assert results(run_folder, "seed-0/control") == []


def test_a_file_of_the_same_name_is_not_the_hubs_set(run_folder: Path) -> None:
    document = evaluated.write(run_folder)
    assert document["sets"]["gsm8k"]["hub"]["id"] == "openai/gsm8k"
    document["sets"]["gsm8k"]["hub"] = None
    assert evaluated.write_for_hub(document, run_folder) == []


def test_a_step_that_is_no_training_is_refused(run_folder: Path) -> None:
    with pytest.raises(InputError, match="expected one of seed-0/ssft, seed-0/control"):
        cards.write(run_folder, "seed-0/greedy")


def results(run_folder: Path, name: str) -> list[Any]:
    """Return the entries of all files of results beside a card."""
    import yaml

    files = (run_folder / "cards" / name).glob(".eval_results/*.yaml")
    return [entry for file in files for entry in yaml.safe_load(file.read_text())]
