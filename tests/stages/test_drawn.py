"""Drawn: as many samples as were kept, whatever their verdicts; best: what validation chooses."""

from pathlib import Path

import pytest

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Graded, Problem, Sample, Verdict
from mathtune.stages.best import Best
from mathtune.stages.collect import Collect
from mathtune.stages.drawn import Drawn


def graded(folder: Path, problems: int, n: int) -> tuple[Path, Path]:
    """Samples of which the first of each problem is right."""
    jsonl.write(
        folder / "problems.jsonl",
        [
            Problem(id=f"p{i}", problem=f"{i}?", answer="8", solution="gold")
            for i in range(problems)
        ],
    )
    samples, grades = [], []
    for i in range(problems):
        for index in range(n):
            verdict = Verdict.wrong if index else Verdict.correct
            samples.append(
                Sample(problem_id=f"p{i}", index=index, text=f"{i} <<{index}+1={index + 1}>>",
                       finish_reason="stop", tokens=3)
            )  # fmt: skip
            grades.append(
                Graded(problem_id=f"p{i}", index=index, answer="8", rule="hashes",
                       verdict=verdict, cluster=0)
            )  # fmt: skip
    jsonl.write(folder / "samples.jsonl", samples)
    jsonl.write(folder / "grades.jsonl", grades)
    return folder / "samples.jsonl", folder / "grades.jsonl"


def test_as_many_are_drawn_as_were_kept_and_verdicts_do_not_count(tmp_path: Path) -> None:
    columns = graded(tmp_path, problems=40, n=5)
    given = {"problems": tmp_path / "problems.jsonl", "samples": (columns,)}
    (tmp_path / "paths").mkdir()
    paths = Collect(**given, keep="paths")
    kept = paths.run(tmp_path / "paths").rows  # type: ignore[union-attr]
    assert kept == 80
    (tmp_path / "out").mkdir()
    stage = Drawn(**given, like=paths.outputs(tmp_path / "paths"))
    metrics = stage.run(tmp_path / "out")
    rows = list(jsonl.read(stage.outputs(tmp_path / "out"), Example))
    assert (metrics.of, metrics.wanted, metrics.drawn, metrics.gold) == (200, 40, 40, 40)
    assert len(rows) == 80
    assert sum(row.source == "gold" for row in rows) == 40
    right = sum(row.source != "gold" and "<<0+1" in row.solution for row in rows)
    assert metrics.right == right
    assert 2 <= right <= 16  # a fifth of 40, by chance; selection would make it 40
    (tmp_path / "again").mkdir()
    stage.run(tmp_path / "again")
    same = [(tmp_path / name / "examples.jsonl").read_bytes() for name in ("out", "again")]
    assert same[0] == same[1]


def measured(folder: Path, mean: float) -> Path:
    folder.mkdir()
    one = {"value": mean, "low": 0.0, "high": 1.0}
    document = {"problems": 9, "n": 4, "metrics": {"mean": one}, "over_maj1": {}, "curves": {},
                "against": {}}  # fmt: skip
    jsonl.write_json(folder / "metrics.json", document)
    return folder


@pytest.mark.parametrize(
    ("means", "best", "stopped"),
    [
        ((0.1, 0.3, 0.2, 0.4), "row-3", "row-1"),
        ((0.1, 0.2, 0.3), "row-2", "row-2"),
        ((0.3, 0.3), "row-0", "row-0"),
    ],
)
def test_validation_chooses(
    tmp_path: Path, means: tuple[float, ...], best: str, stopped: str
) -> None:
    rows = {f"row-{i}": measured(tmp_path / f"row-{i}", mean) for i, mean in enumerate(means)}
    found = Best(rows=rows).run(tmp_path)
    assert (found.best, found.stopped_at) == (best, stopped)
    with pytest.raises(InputError, match=r"no metric 'W\.RR'; it has mean"):
        Best(rows=rows, metric="W.RR").run(tmp_path)
