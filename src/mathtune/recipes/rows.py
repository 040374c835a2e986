"""A row of a table: one model's greedy and sampled solutions of some problems, measured."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mathtune.run import Run
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure
from mathtune.stages.sample import Sample


class Drawing(BaseModel):
    """How solutions are drawn. The fields become those of the sample steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: float = 0.6
    top_p: float = 0.95
    few_shot: Path | None = None
    shots: int = 0


Columns = tuple[Path, ...]


def drawn(run: Run, name: str, model: str, problems: Path, *, n: int, how: Drawing) -> Columns:
    """Steps `<name>-samples` and `<name>-grades`: n graded samples of every problem."""
    sample = Sample(model=model, problems=problems, n=n, **dict(how))
    samples = run(f"{name}-samples", sample)
    return run(f"{name}-grades", Grade(problems=problems, samples=samples))


def greedy(run: Run, name: str, model: str, problems: Path, *, how: Drawing) -> Columns:
    """Steps `<name>-greedy` and `<name>-greedy-grades`: every problem solved once, and graded."""
    few = {"few_shot": how.few_shot, "shots": how.shots}
    solutions = run(f"{name}-greedy", Sample(model=model, problems=problems, greedy=True, **few))
    return run(f"{name}-greedy-grades", Grade(problems=problems, samples=solutions))


def row(
    run: Run,
    name: str,
    model: str,
    problems: Path,
    *,
    n: int,
    how: Drawing,
    against: dict[str, Path] | None = None,
) -> Path:
    """All of a row's steps, ending in `<name>-row`; its handle is that step's folder."""
    first = greedy(run, name, model, problems, how=how)
    samples = drawn(run, name, model, problems, n=n, how=how)
    measure = Measure(problems=problems, samples=samples, greedy=first, against=against or {})
    return run(f"{name}-row", measure)
