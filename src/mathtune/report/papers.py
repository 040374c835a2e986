"""The papers' tables, ours next to theirs: their rows that correspond to a row of this run.

Liu et al. 2023 (arXiv:2310.10047), PaLM 2-S* and PaLM 2-L on 500 problems of MATH; Yuan et al. 2023
(arXiv:2308.01825), LLaMA and LLaMA 2 on the test problems of GSM8K. All in percent.
"""

from __future__ import annotations

from collections.abc import Sequence

from mathtune.report.cells import NONE, Table, accuracy
from mathtune.report.results import Measured, Results
from mathtune.report.tables import basis
from mathtune.rows.metrics import PathsMetrics

FEW_SHOT = {"PaLM 2-S*": (17.4, 27.2, 67.8), "PaLM 2-L": (33.4, 47.6, 79.4)}
"""Table 2, few-shot: Pass@1, Maj1@64, Pass@64."""
SSFT = {"PaLM 2-S*": (22.6, 38.8, 72.6), "PaLM 2-L": (35.6, 55.2, 82.8)}
"""Table 2, fine-tuned on MATH and PRM800K, from which their further stages start: the same."""
RERANKED = {
    "cls-margin": {"PaLM 2-S*": (22.6, 38.8, 32.4, 36.6), "PaLM 2-L": (35.6, 55.2, 57.0, 58.8)},
    "cls-xent": {"PaLM 2-S*": (22.6, 38.8, 33.6, 35.4), "PaLM 2-L": (35.6, 55.2, 56.8, 58.8)},
}
"""Table 3: Pass@1, Maj1@64, RR.All, RR.Top-8 (our RR.Maj8)."""
TRANSFERRED = {
    "PaLM 2-L, judged by PaLM 2-S*": (35.6, 55.2, 48.4, 50.6),
    "PaLM 2-S*, judged by PaLM 2-L": (22.6, 38.8, 46.0, 46.4),
}
"""Table 6, an evaluator of the other model: as `RERANKED`, cross-entropy."""
SEQUENTIAL = {"cls-margin": (37.6, 57.2, 82.6), "cls-xent": (36.2, 56.6, 82.2)}
"""Table 4, PaLM 2-L: Pass@1, Maj1@64, Pass@64."""
STRATEGIES = {
    "cls-margin": (57.0, 59.4, 60.8, 60.8, 55.2, 59.4),
    "cls-xent": (56.8, 59.4, 60.8, 61.2, 55.2, 60.0),
}
"""Table 7, PaLM 2-L: RR.All, RR.MajK, W.RR, W.RR.MajK, Maj1, Maj1.TopN, K best on the test set."""

LLAMA = ("LLaMA 7B", "LLaMA 2 7B", "LLaMA 13B", "LLaMA 2 13B", "LLaMA 33B")
SFT = ((35.9, 48.7), (41.6, 55.4), (43.0, 55.2), (50.0, 61.7), (54.6, 72.6))
"""Table 1: maj1@1 (greedy) and maj1@100."""
RFT = {
    1: ((37.6, 1.17), (43.4, 1.19), (42.7, 1.15), (52.1, 1.18)),
    3: ((39.0, 1.44), (45.3, 1.47), (45.2, 1.41), (51.9, 1.45)),
    6: ((39.5, 1.74), (45.6, 1.78), (46.8, 1.69), (52.2, 1.76)),
    12: ((41.6, 2.20), (45.3, 2.23), (48.0, 2.11), (53.1, 2.21)),
    25: ((40.9, 2.93), (46.5, 2.93), (46.0, 2.88), (52.6, 2.94)),
    50: ((40.7, 3.94), (47.0, 3.91), (49.4, 3.90), (54.5, 3.94)),
    100: ((41.7, 5.25), (47.5, 5.19), (49.1, 5.26), (54.8, 5.29), (54.5, 2.78)),
}
"""Tables 1 and 2 by k: maj1@1 and distinct paths per question; 33B is given for k = 100."""
VOTES = (52.7, 58.7, 59.9, 65.4, None)
"""Table 1, RFT with k = 100: maj1@100."""

UNION = ((49.3, 61.8), (50.3, 65.6), (52.1, 66.2), (55.4, 69.1))
"""Table 1, RFT on the union of four models' paths (U13B), 12.84 paths per question: as `SFT`."""

NOTE = (
    "Ours next to the papers' rows. Theirs are of other models and other problems, "
    "one seed, no intervals: set differences between rows side by side, not levels."
)
MATH = "Theirs: PaLM 2, 500 problems of MATH, N = 64."
GSM8K = "Theirs: LLaMA, 1,319 problems of GSM8K, N = 100."


def tables_of(results: Results) -> list[Table]:
    """Return the tables with rows of ours and theirs; none if no training was measured."""
    judged = [row for row in results.rows if row.origin.evaluator in RERANKED]
    others = [row for row in judged if not row.origin.own_evaluator]
    judged = [row for row in judged if row.origin.own_evaluator]
    paths = [row for row in results.rows if row.origin.paths is not None]
    found = []
    if judged:
        found = [fine_tuned(results.rows), reranked(judged)]
        found += [sequential(results.rows), transferred(others), strategies(judged)]
    if paths:
        found.append(rejection_sampled(results.rows, paths))
    return [table for table in found if table.rows]


def fine_tuned(rows: Sequence[Measured]) -> Table:
    """Return their Table 2: the base model with exemplars, and fine-tuned on solutions."""
    few = [row for row in rows if row.origin.few_shot and not row.origin.objectives]
    tuned = _tuned(rows)
    body = [_ours(row, "Pass@1", "Maj1", "Pass") for row in (*few, *tuned)]
    if few:
        body += [(f"{who}, few-shot", *_theirs(values), "64") for who, values in FEW_SHOT.items()]
    if tuned:
        body += [(f"{who}, MATH + PRM800K", *_theirs(values), "64") for who, values in SSFT.items()]
    header = ("", "Pass@1", "Maj1@N", "Pass@N", "N")
    return _table("Liu et al. 2023, Table 2: solution fine-tuning", header, body, rows, MATH)


def reranked(rows: Sequence[Measured]) -> Table:
    """Return their Table 3: one solution, votes, and the two ways to re-rank."""
    body = []
    for row in rows:
        loss = str(row.origin.evaluator)
        names = ("Pass@1", f"Maj1@{row.n}", "RR.All", "RR.Maj8")
        body.append(
            (f"{row.name} (ours)", loss, *(accuracy(row.metrics, one) for one in names), f"{row.n}")
        )
        body += [(who, loss, *_theirs(found), "64") for who, found in RERANKED[loss].items()]
    header = ("", "evaluator's loss", "Pass@1", "Maj1@N", "RR.All", "RR.Top-8", "N")
    return _table("Liu et al. 2023, Table 3: re-ranking", header, body, rows, MATH)


def sequential(rows: Sequence[Measured]) -> Table:
    """Return their Table 4: the generator that was an evaluator in between."""
    ours = [
        row
        for row in rows
        if row.origin.objectives[-3:-2] == ("mle",)
        and row.origin.objectives[-2] in SEQUENTIAL
        and row.origin.objectives[-1] == "mle"
    ]
    if not ours:
        return Table("", (), [])
    body = []
    for row in (*_tuned(rows), *ours):
        loss = row.origin.objectives[-2] if row in ours else NONE
        name, *cells = _ours(row, "Pass@1", "Maj1", "Pass")
        body.append((name, loss, *cells))
    body.append(("PaLM 2-L, SSFT", NONE, *_theirs(SSFT["PaLM 2-L"]), "64"))
    for loss in dict.fromkeys(row.origin.objectives[-2] for row in ours):
        body.append(("PaLM 2-L, sequential", loss, *_theirs(SEQUENTIAL[loss]), "64"))
    header = ("", "evaluator's loss", "Pass@1", "Maj1@N", "Pass@N", "N")
    return _table("Liu et al. 2023, Table 4: sequential fine-tuning", header, body, ours, MATH)


def transferred(rows: Sequence[Measured]) -> Table:
    """Return their Table 6: samples judged by the evaluator of another model."""
    if not rows:
        return Table("", (), [])
    names = ("Pass@1", "Maj1", "RR.All", "RR.Maj8")
    body = []
    for row in rows:
        shown = [accuracy(row.metrics, f"Maj1@{row.n}" if n == "Maj1" else n) for n in names]
        body.append((f"{row.name} (ours)", *shown, f"{row.n}"))
    body += [(who, *_theirs(values), "64") for who, values in TRANSFERRED.items()]
    header = ("samples of, judged by", "Pass@1", "Maj1@N", "RR.All", "RR.Top-8", "N")
    return _table("Liu et al. 2023, Table 6: evaluators of other models", header, body, rows, MATH)


def strategies(rows: Sequence[Measured]) -> Table:
    """Return their Table 7: every strategy; K theirs best on the test set, ours from validation."""
    names = ("RR.All", "RR.MajK", "W.RR", "W.RR.MajK", "Maj1", "Maj1.TopN")
    body = []
    for row in rows:
        loss = str(row.origin.evaluator)
        shown = [accuracy(row.metrics, f"Maj1@{row.n}" if n == "Maj1" else n) for n in names]
        body.append((f"{row.name} (ours)", loss, *shown))
        body.append(("PaLM 2-L, K from the test set", loss, *_theirs(STRATEGIES[loss])))
    header = ("", "evaluator's loss", *names)
    return _table("Liu et al. 2023, Table 7: strategies", header, body, rows, MATH)


def rejection_sampled(rows: Sequence[Measured], paths: Sequence[Measured]) -> Table:
    """Return Tables 1 and 2 of Yuan et al.: SFT, and RFT on distinct paths, by their k."""
    body = [(*_ours(row, "Pass@1", "Maj1"), NONE) for row in _tuned(rows)]
    theirs: dict[str, None] = {}
    for row in paths:
        collected = row.origin.paths
        assert collected is not None
        made = collected.read(PathsMetrics)
        body.append((*_ours(row, "Pass@1", "Maj1"), f"{made.paths_per_problem:.2f}"))
        k = made.samples // made.problems
        several = len(collected.config["samples"]) > 1
        theirs["union" if several else str(k if k in RFT else 100)] = None
    body += _rft_rows("SFT", SFT, (None,) * len(SFT))
    for kind in theirs:
        if kind == "union":
            body += _rft_rows("RFT U13B", UNION, (12.84,) * len(UNION))
            continue
        found = RFT[int(kind)]
        votes = VOTES if kind == "100" else (None,) * len(VOTES)
        pairs = [(greedy, many) for (greedy, _), many in zip(found, votes, strict=False)]
        body += _rft_rows(f"RFT k = {kind}", pairs, [distinct for _, distinct in found])
    header = ("", "maj1@1 (greedy)", "maj1@N", "N", "distinct paths per problem")
    title = "Yuan et al. 2023, Tables 1 and 2: rejection sampling"
    return _table(title, header, body, paths, GSM8K)


def _rft_rows(
    what: str, accuracies: Sequence[tuple[float, float | None]], paths: Sequence[float | None]
) -> list[tuple[str, ...]]:
    return [
        (
            f"{LLAMA[number]}, {what}",
            *_theirs(pair),
            "100",
            NONE if distinct is None else f"{distinct:.2f}",
        )
        for number, (pair, distinct) in enumerate(zip(accuracies, paths, strict=True))
    ]


def _tuned(rows: Sequence[Measured]) -> list[Measured]:
    """Return the row fine-tuned once on gold solutions, preferably one with an evaluator."""
    once = [r for r in rows if r.origin.objectives == ("mle",) and r.origin.paths is None]
    return sorted(once, key=lambda row: row.origin.evaluator is None)[:1]


def _ours(row: Measured, *names: str) -> tuple[str, ...]:
    full = [name if name == "Pass@1" else f"{name}@{row.n}" for name in names]
    return (f"{row.name} (ours)", *(accuracy(row.metrics, name) for name in full), f"{row.n}")


def _theirs(values: Sequence[float | None]) -> tuple[str, ...]:
    return tuple(NONE if value is None else f"{value:.1f}" for value in values)


def _table(
    title: str,
    header: tuple[str, ...],
    body: list[tuple[str, ...]],
    rows: Sequence[Measured],
    theirs: str,
) -> Table:
    return Table(title, header, body, f"{theirs} Ours: {basis(rows)}.")
