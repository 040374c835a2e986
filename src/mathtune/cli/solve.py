"""Solve one question here or on a server, and show it. What `mathtune solve QUESTION` does.

>>> question = "Ann has 24 pens and gives away 7. How many pens are left?"
>>> found = solve(question, Solver())                        # doctest: +SKIP
>>> found.answer, found.clusters[0].votes, found.sure.votes  # doctest: +SKIP
('17', 4, 1.0)
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mathtune.cli.serving.settings import Solver, check
from mathtune.cli.serving.solved import Solved
from mathtune.errors import InputError
from mathtune.run.progress import visible
from mathtune.stages.grade import remedy

__all__ = ["Solver", "solve", "view"]

WHY = {
    "sure": "the lead is sure",
    "decided": "the lead cannot be overtaken",
    "samples": "all are used",
}
"""Why sampling ended, in words."""


def solve(question: str, solver: Solver) -> Solved:
    """Sample solutions in waves, cluster their answers, judge them once each, and pick.

    Raises:
        InputError: an empty or too long question, a setting out of range, a strategy that needs an
            evaluator, or a model that cannot be used.
    """
    if not question.strip():
        raise InputError("question: empty; expected a text.")
    check(solver)
    from mathtune.cli.serving.models import FailedError, Question
    from mathtune.cli.serving.opened import opened
    from mathtune.cli.serving.waves import solved

    with opened(solver) as models, ThreadPoolExecutor(1) as thread:
        # In a thread of its own: a notebook runs an event loop in the main one.
        try:
            return thread.submit(asyncio.run, solved(Question(question), solver, models)).result()
        except FailedError as error:
            raise InputError(str(error)) from None


def view(found: Solved) -> RenderableType:
    """Show the clusters, the pick, its solution and its confidence in the terminal."""
    table = Table("answer", "votes", "summed score", "best score")
    for one in found.clusters:
        score = "" if one.score is None else f"{one.score:.2f}"
        best = "" if one.best_score is None else f"{one.best_score:.2f}"
        table.add_row(Text(visible(one.answer)), str(one.votes), score, best)
    if found.answer is None or found.sure is None or found.solution is None:
        return Text(
            f"None of the {found.samples_used} samples ends in an answer: "
            f"{remedy(found.samples_used, found.cut_off)}; more samples (-n) may help."
        )
    table.caption = (
        f"{found.samples_used} of at most {found.n} samples ({WHY[found.stopped]}), "
        f"{found.no_answer} without an answer, {found.cut_off} cut off"
    )
    sure = f"{found.sure.votes:.0%} of the votes"
    if found.sure.scores is not None and found.sure.pick is not None:
        sure += f", {found.sure.scores:.0%} of the scores; its solution is judged "
        sure += f"{found.sure.pick:.2f}"
    head = Text(f"{visible(found.answer)}", style="bold")
    return Group(
        table,
        Text("answer: ") + head + Text(f"   ({found.strategy}; {sure})\n"),
        Text(visible(found.solution)),
    )
