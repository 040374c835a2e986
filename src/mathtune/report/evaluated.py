"""The results of an evaluation: a row per set, with intervals, for people, programs and the hub.

    results.json             every figure of every set
    samples/NAME.jsonl       one row per problem, as `mathtune compare` reads it
    eval-results.yaml        on request: what the hub reads from a model's `.eval_results/`
    model-index.yaml         on request: the entry of a model card

mean@n     the mean over problems of the part of the n samples that are right
Pass@k     a right one among k samples;  Maj@k  the most frequent answer of k samples is right
truncated  samples that were cut at max_tokens;  unanswered  samples without an answer
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mathtune.data import declared
from mathtune.data.declared import OnHub
from mathtune.metrics.intervals import Interval, half_widths, intervals
from mathtune.report.cells import NONE, Table, percent
from mathtune.report.results import ROW, Measured, Results, measured_by, read_run
from mathtune.report.steps import on_hub
from mathtune.rows import jsonl
from mathtune.rows.records import Row
from mathtune.rows.samples import Joined

RESULTS, SAMPLES = "results.json", "samples"


def write(folder: Path) -> dict[str, Any]:
    """Write results.json and the samples of each set; return the document.

    Raises:
        InputError: the folder holds no run.
    """
    results = read_run(folder)
    steps = {step.name: step for step in results.steps}
    (folder / SAMPLES).mkdir(exist_ok=True)
    document: dict[str, Any] = {"model": _model(results), "sets": {}}
    for row in results.rows:
        name = row.name.rpartition("/")[2]
        name = name.removesuffix(ROW)
        problems = measured_by(row, steps).config["problems"]
        hub = on_hub(problems, steps)
        document["sets"][name] = {
            **_of_row(row, folder / SAMPLES / f"{name}.jsonl"),
            "hub": None if hub is None else asdict(hub),
        }
    jsonl.write_json(folder / RESULTS, document)
    return document


def _model(results: Results) -> str:
    return next(
        (str(step.config["model"]) for step in results.steps if step.config.get("model")), ""
    )


def _of_row(row: Measured, samples: Path) -> dict[str, Any]:
    """Return a set's figures, and write its samples."""
    parts: dict[str, tuple[float, float, float]] = {}

    def lines() -> Iterator[Line]:
        for problem_id, group in row.groups():
            of = len(group)
            parts[problem_id] = (
                sum(one.sample.finish_reason == "length" for one in group) / of,
                sum(one.grade is None or one.grade.answer is None for one in group) / of,
                sum(one.sample.tokens for one in group) / of,
            )
            yield _line(row, problem_id, group)

    jsonl.write(samples, lines())
    table, drawn = np.array(list(parts.values())), row.drawn_together(parts)
    found = {name: _interval(value) for name, value in row.metrics.items()}
    truncated, unanswered = intervals(table[:, :2], groups=drawn)
    half = float(half_widths(table[:, 2:], groups=drawn)[0][0]) if len(table) > 1 else 0.0
    mean = float(table[:, 2].mean())
    return {
        "problems": len(parts),
        "n": row.n,
        "grader": row.document.grader,
        f"mean@{row.n}": found["mean"],
        "metrics": found,
        "over_n": {
            "n": row.document.curves["over_n"]["n"],
            "Pass@k": row.document.curves["over_n"]["Pass"],
            "Maj@k": row.document.curves["over_n"]["Maj1"],
        },
        "truncated": _rounded(truncated.value, truncated.low, truncated.high),
        "unanswered": _rounded(unanswered.value, unanswered.low, unanswered.high),
        "tokens": _rounded(mean, max(0.0, mean - half), mean + half),
        "samples": f"{SAMPLES}/{samples.name}",
    }


class Line(Row, frozen=True):
    """One problem with its samples, as other programs write them."""

    problem_id: str
    problem: str
    gold: str | tuple[str, ...]
    responses: list[str]
    scores: list[float] | None = None
    level: str | None = None
    subject: str | None = None


def _line(row: Measured, problem_id: str, group: Sequence[Joined]) -> Line:
    problem = row.problems[problem_id]
    scores = [one.score for one in group if one.score is not None]
    return Line(
        problem_id=problem_id,
        problem=problem.problem,
        gold=problem.golds if problem.accepted else problem.answer,
        responses=[one.sample.text for one in group],
        scores=scores if len(scores) == len(group) else None,
        level=problem.level,
        subject=problem.subject,
    )


def _interval(value: Mapping[str, float]) -> dict[str, float]:
    return {key: value[key] for key in ("value", "low", "high")}


def _rounded(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": round(value, 6), "low": round(low, 6), "high": round(high, 6)}


def table(document: Mapping[str, Any]) -> Table:
    """Return the table that ends an evaluation: a column per set, percent with 95 % intervals."""
    sets = document["sets"]

    def row(title: str, cell: Callable[[dict[str, Any]], str]) -> tuple[str, ...]:
        return (title, *(cell(found) for found in sets.values()))

    def metric(title: str, name: str) -> tuple[str, ...]:
        return row(title, lambda one: _percent(one["metrics"].get(name.format(n=one["n"]))))

    body = [
        row("problems x n", lambda one: f"{one['problems']:,} x {one['n']}"),
        metric("Pass@1 (greedy)", "Pass@1"),
        row("mean@n", lambda one: _percent(one["metrics"]["mean"])),
        metric("Maj@n", "Maj1@{n}"),
        metric("Pass@n", "Pass@{n}"),
        metric("W.RR", "W.RR"),
        row("truncated", lambda one: _percent(one["truncated"])),
        row("unanswered", lambda one: _percent(one["unanswered"])),
        row("tokens per sample", lambda one: _number(one["tokens"])),
    ]
    shown = [cells for cells in body if set(cells[1:]) != {NONE}]
    return Table(f"{document['model']}: percent, with 95 % intervals", ("", *sets), shown)


def _number(found: Mapping[str, float]) -> str:
    return f"{found['value']:.0f} [{found['low']:.0f}, {found['high']:.0f}]"


def _percent(found: Mapping[str, float] | None) -> str:
    return NONE if found is None else percent(Interval(**found))


def write_for_hub(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write model-index.yaml, of the sets that the hub has, and eval-results.yaml, of those that
    are benchmarks there; a file without an entry is not written.
    """
    entries, index = [], []
    today = date.today().isoformat()
    for name, found in document["sets"].items():
        known = _on_hub(name, found)
        if known is None:
            continue
        if known.task_id is not None:
            value, what = found["metrics"]["mean"]["value"], f"mean@{found['n']}, {found['grader']}"
            entries.append(known.result(value, found["problems"], notes=what, date=today))
        shown = {f"mean@{found['n']}": found["metrics"]["mean"]} | {
            metric: value
            for metric, value in found["metrics"].items()
            if metric in (f"Maj1@{found['n']}", f"Pass@{found['n']}", "Pass@1")
        }
        index.append(
            {
                "task": {"type": "text-generation"},
                "dataset": known.dataset(),
                "metrics": [
                    {"type": "accuracy", "name": metric, "value": round(100 * v["value"], 2)}
                    for metric, v in shown.items()
                ],
            }
        )
    model = Path(str(document["model"])).name
    files: dict[str, Any] = {"eval-results.yaml": entries} if entries else {}
    if index:
        files["model-index.yaml"] = {"model-index": [{"name": model, "results": index}]}
    for file, content in files.items():
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (folder / file).write_text(text, encoding="utf-8")
    return [folder / file for file in files]


def _on_hub(name: str, found: Mapping[str, Any]) -> OnHub | None:
    """Return the hub's names for a set of the document; documents of earlier versions lack them."""
    if "hub" not in found:
        return declared.on_hub(name)
    return None if found["hub"] is None else OnHub(**found["hub"])
