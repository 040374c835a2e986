"""The stage part: smaller parts are parts of larger ones, whole problems, seeded."""

from __future__ import annotations

from pathlib import Path

from mathtune.rows import jsonl
from mathtune.rows.metrics import PartMetrics
from mathtune.rows.records import Example
from mathtune.stages.part import Part


def kept(folder: Path, examples: Path, **config: float) -> list[str]:
    folder.mkdir()
    stage = Part(examples=examples, **config)  # type: ignore[arg-type]
    metrics = stage.run(folder)
    rows = list(jsonl.read(stage.outputs(folder), Example))
    assert metrics == PartMetrics(
        problems=len({row.problem_id for row in rows}), rows=len(rows), of_problems=20
    )
    return [f"{row.problem_id}/{row.solution}" for row in rows]


def test_parts_are_nested_and_keep_the_files_order(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    rows = [
        Example(problem_id=f"p{i}", problem="A?", solution=text) for i in range(20) for text in "xy"
    ]
    jsonl.write(path, rows)
    every = kept(tmp_path / "1", path, fraction=1.0)
    half = kept(tmp_path / "2", path, fraction=0.5)
    tenth = kept(tmp_path / "3", path, fraction=0.1)
    assert (len(every), len(half)) == (40, 20)
    assert len(tenth) == 4
    assert set(tenth) < set(half) < set(every)
    assert half == [row for row in every if row in half]
    assert kept(tmp_path / "5", path, fraction=0.5, seed=1) != half
