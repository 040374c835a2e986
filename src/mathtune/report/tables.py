"""The report's tables, once: the page, the Markdown and the terminal show the same cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table as Grid
from rich.text import Text

from mathtune.report.gap import Closed, closed, strategy_label
from mathtune.report.results import Measured, Results, read_run

COUNTED = ("wall_s", "cpu_s")
NONE = "–"


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column names the row. `note` stands below."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def terminal(run_folder: Path) -> list[Grid]:
    """The tables that end a run: models, strategies, and what each step cost."""
    results = read_run(run_folder)
    found = closed(results)
    return [grid(table) for table in (*accuracy_tables(results, found), costs(results))]


def accuracy_tables(results: Results, found: list[Closed]) -> list[Table]:
    """Models, strategies, comparisons and evaluators, those that the run has."""
    scored = [row for row in results.rows if row.scored]
    tables = [models(results.rows)] if results.rows else []
    tables += [strategies(row, found if row is results.reference else []) for row in scored]
    if any(row.document["against"] for row in results.rows):
        tables.append(comparisons(results.rows))
    judged = [row for row in (*scored, *results.choices) if row.scored]
    if judged:
        tables.append(evaluators(judged))
    return tables


def models(rows: list[Measured]) -> Table:
    """One line a model: one solution, votes over N, the oracle over N."""
    body = [
        (
            row.name,
            NONE if row.updates is None else f"{row.updates:,}",
            *(_accuracy(row.metrics, name) for name in ("Pass@1", "mean")),
            f"{row.n}",
            *(_accuracy(row.metrics, f"{name}@{row.n}") for name in ("Maj1", "Pass")),
        )
        for row in rows
    ]
    graders = sorted({row.document["grader"] for row in rows})
    problems = sorted({row.document["problems"] for row in rows})
    return Table(
        "Models",
        ("model", "updates", "Pass@1 (greedy)", "mean of samples", "N", "Maj1@N", "Pass@N"),
        body,
        f"Percent of {_listed(problems)} problems, with 95 % bootstrap intervals over problems; "
        f"graded by {_listed(graders)}. Pass@N is an oracle.",
    )


def strategies(row: Measured, found: list[Closed]) -> Table:
    """Re-ranking of one row's samples: accuracy, difference to voting, gap closed, what is read."""
    n, k = row.n, row.document["curves"]["over_n"]["k"]
    fixed = ("RR.All", f"RR.Maj{k}", "W.RR", f"W.RR.Maj{k}", f"Maj1.Top{k}")
    chosen = row.document["chosen"]
    names = (f"Maj1@{n}", *fixed, *chosen["k"], f"Maj{k}@{n}", f"Pass@{n}")
    parts = {one.label: one for one in found}
    body = []
    for name in names:
        label = strategy_label(row, name)
        shown = label + (" (oracle)" if name in names[-2:] else "")
        body.append(
            (
                shown,
                _accuracy(row.metrics, name),
                _difference(row.document["over_maj1"], name),
                _part(parts[label]) if label in parts else NONE,
                _cost(row, name),
            )
        )
    optimistic = " (optimistic: K chosen on these problems)" if chosen["optimistic"] else ""
    return Table(
        f"Strategies over {n} samples of {row.name}{optimistic}",
        ("strategy", "accuracy", f"over Maj1@{n}", "gap closed", "samples read"),
        body,
        f"{row.document['problems']} problems, graded by {row.document['grader']}; K and N chosen "
        f"on {chosen['chosen_on']}. Differences are paired, in points, with 95 % intervals and the "
        "p of a sign-flip test. Samples read: the part that the evaluator must score.",
    )


def comparisons(rows: list[Measured]) -> Table:
    """Paired differences between rows."""
    body = [
        (f"{row.name} – {other}", *(_difference(found, name) for name in ("Pass@1", "mean")))
        for row in rows
        for other, found in row.document["against"].items()
    ]
    return Table(
        "Paired comparisons",
        ("row – control", "Pass@1", "mean of samples"),
        body,
        "In points, problem by problem, with 95 % intervals and the p of a sign-flip test.",
    )


def evaluators(rows: list[Measured]) -> Table:
    """How well each evaluator judges, beside what length and form alone would reach."""
    body = []
    for row in rows:
        found = row.document["evaluator"]
        within = found["within_auc"]
        body.append(
            (
                row.name,
                _plain(found["auc"]),
                NONE
                if within is None
                else f"{within['value']:.3f} [{within['low']:.3f}, {within['high']:.3f}]",
                f"{found['within_problems']}",
                _plain(found["ece"]) if "ece" in found else NONE,
                _plain(found["length_alone"]["within_auc"]),
                _plain(found["formatting_alone"]["within_auc"]),
            )
        )
    return Table(
        "Evaluators",
        (
            "scores of",
            "AUC",
            "AUC within problems",
            "problems with both",
            "ECE",
            "length alone",
            "form alone",
        ),
        body,
        "AUC: the chance that a right solution scores above a wrong one; within problems is what "
        "re-ranking lives on. The last two columns: AUC within problems of length, of form alone.",
    )


def costs(results: Results) -> Table:
    """The bill: one line a step, and the sum."""
    steps = [step for step in results.steps if step.finished]
    counts = sorted({key for step in steps for key in step.bill} - set(COUNTED))
    body = [
        (step.name, step.stage, *(_amount(step.bill, key) for key in (*COUNTED, *counts)))
        for step in steps
    ]
    total = {
        key: sum(step.bill[key] for step in steps if key in step.bill)
        for key in (*COUNTED, *counts)
    }
    body.append(("all", "", *(_amount(total, key) for key in (*COUNTED, *counts))))
    waiting = len(results.steps) - len(steps)
    return Table(
        "Cost of each step",
        ("step", "stage", "wall s", "CPU s", *(key.replace("_", " ") for key in counts)),
        body,
        f"{waiting} steps are not finished." if waiting else "",
    )


def grid(table: Table) -> Grid:
    """The table for a terminal."""
    drawn = Grid(title=table.title, caption=table.note or None, box=box.SIMPLE_HEAD)
    for number, name in enumerate(table.header):
        drawn.add_column(Text(name), justify="left" if number == 0 else "right")
    for cells in table.rows:
        drawn.add_row(*(Text(cell) for cell in cells))
    return drawn


def markdown(table: Table) -> str:
    """The table in Markdown."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    sides = ["---"] + ["---:"] * (len(table.header) - 1)
    lines = [line(table.header), line(sides), *(line(cells) for cells in table.rows)]
    note = f"\n{table.note}\n" if table.note else ""
    return f"### {table.title}\n\n" + "\n".join(lines) + "\n" + note


def _accuracy(metrics: Mapping[str, Mapping[str, float]], name: str) -> str:
    if name not in metrics:
        return NONE
    found = metrics[name]
    return f"{100 * found['value']:.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def _difference(found: Mapping[str, Mapping[str, float]], name: str) -> str:
    if name not in found:
        return NONE
    row = found[name]
    bounds = f"[{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
    return f"{100 * row['difference']:+.1f} {bounds} p={row['p']:.3f}"


def _part(one: Closed) -> str:
    return f"{one.part.value:.0%} [{one.part.low:.0%}, {one.part.high:.0%}]"


def _cost(row: Measured, name: str) -> str:
    k, n = row.document["curves"]["over_n"]["k"], row.n
    if name in (f"Maj1@{n}", f"Maj{k}@{n}", f"Pass@{n}"):
        return "0 %"
    by_k = row.document["curves"]["over_k"]["cost.MajK"]["value"]
    if name.endswith((f".Maj{k}", ".MajK")):
        top = row.document["chosen"]["k"][name] if name.endswith("MajK") else min(k, n)
        return f"{100 * by_k[top - 1]:.0f} %"
    return "100 %"


def _plain(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _amount(bill: Mapping[str, float], key: str) -> str:
    if key not in bill:
        return NONE
    return f"{bill[key]:,.1f}" if key.endswith("_s") else f"{bill[key]:,.0f}"


def _listed(values: list[str] | list[int]) -> str:
    return ", ".join(str(value) for value in values)
