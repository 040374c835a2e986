"""The card of a trained model with its run's results. Between results and push_to_hub.

RUN/cards/STEP/README.md          the card
RUN/cards/STEP/.eval_results/     the hub's evaluation results, of data sets that the hub has
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from mathtune.errors import InputError
from mathtune.report.results import Measured, Results, measured_by, read_run
from mathtune.report.steps import StepRecord, judges, maker, on_hub, trainings
from mathtune.rows.metrics import TrainMetrics
from mathtune.run import finished
from mathtune.stages.train import defaults
from mathtune.training.card import AUC, CARD, Accuracy, Trained, results_files, text

CARDS = "cards"
JUDGED = ("RR.All", "W.RR", "W.RR.MajK", "W.RR.calculator")
"""The strategies that a judge's card shows, beside votes and the calculator."""


def write(run_folder: Path, name: str) -> Path:
    """Write the card of a train step of a run; return its folder.

    Raises:
        InputError: the run has no such step, or it is not finished.
    """
    results = read_run(run_folder)
    steps = {step.name: step for step in results.steps}
    step = steps.get(name)
    if step is None or step.stage != "train" or not step.finished:
        trained = ", ".join(s.name for s in results.steps if s.stage == "train" and s.finished)
        raise InputError(
            f"{run_folder / name}: no finished train step of this run; expected one of "
            f"{trained or 'them, and there is none'}."
        )
    found = accuracies(results, step)
    folder = run_folder / CARDS / name
    files = {
        CARD: text(facts(step, steps), found, name=PurePath(name).name),
        **results_files(found),
    }
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    return folder


def facts(step: StepRecord, steps: Mapping[str, StepRecord]) -> Trained:
    """Return the facts about a training, of its run's steps."""
    earlier = trainings(step.config["model"], steps)
    first = [*earlier, step][0]
    base = str(first.config["model"])
    return Trained(
        base=base,
        settings=step.config,
        metrics=step.read(TrainMetrics),
        defaults=defaults(),
        local=finished.read(first.folder)["config"]["model"] != base,
        sources=tuple(_sources([step, *earlier], steps)),
        before=tuple(f"{one.name} ({one.config['objective']})" for one in earlier),
    )


def accuracies(results: Results, step: StepRecord) -> list[Accuracy]:
    """Return the run's results for the model: alone, or as a judge of samples."""
    steps = {one.name: one for one in results.steps}
    found, seen = [], set[str]()
    for row in results.rows:
        measured = measured_by(row, steps)
        for path in measured.config["samples"]:
            column = maker(path, steps)
            if column is None or column.name in seen or not _uses(column, step, steps):
                continue
            seen.add(column.name)
            found += _shares(row, measured, column, steps)
    return found


def _uses(column: StepRecord, step: StepRecord, steps: Mapping[str, StepRecord]) -> bool:
    """Return whether a step used the model to sample or to judge."""
    used = judges(column) or column.stage == "sample"
    return used and maker(str(column.config["model"]), steps) is step


def _shares(
    row: Measured,
    measured: StepRecord,
    column: StepRecord,
    steps: Mapping[str, StepRecord],
) -> list[Accuracy]:
    judged = column.stage == "score"
    votes = f"Maj1@{row.n}"
    compared = (votes, "calculator", AUC) if judged else ()
    wanted = (*compared, *JUDGED) if judged else (row.first, votes, f"Pass@{row.n}")
    prepared = maker(measured.config["problems"], steps)
    source = str(prepared.config.get("source")) if prepared is not None else ""
    drawn = f", {row.n} samples" + (
        "" if judged else f" at temperature {column.config['temperature']:g}"
    )
    values = {name: row.metrics[name] for name in wanted if name in row.metrics}
    within = (row.document.evaluator or {}).get("within_auc") if judged else None
    if within is not None:
        values[AUC] = within
    return [
        Accuracy(
            row=row.name if judged else column.name,
            metric="Pass@1 (greedy)" if name == "Pass@1" else name,
            value=found["value"],
            low=found["low"],
            high=found["high"],
            problems=row.document.problems,
            data=PurePath(source or measured.config["problems"]).name,
            hub=on_hub(measured.config["problems"], steps),
            how="" if name == "Pass@1" else drawn,
            single=not judged and name == row.first,
            date=str(measured.made_with["finished"])[:10],
            for_comparison=name in compared,
        )
        for name, found in values.items()
    ]


def _sources(learned: Sequence[StepRecord], steps: Mapping[str, StepRecord]) -> list[str]:
    """Return the data that trainings go back to, as the prepare steps name it."""
    found: dict[str, None] = {}
    makers = [maker(path, steps) for one in learned for path in one.config["examples"]]
    waiting, seen = [step.name for step in makers if step is not None], set[str]()
    while waiting:
        step = steps[waiting.pop(0)]
        if step.name in seen:
            continue
        seen.add(step.name)
        if step.stage == "prepare":
            found[PurePath(str(step.config["source"])).name] = None
        waiting += step.reads
    return list(found)
