"""Stage `part`: a random part of a file's problems, for studies of the amount of data."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import Field

from mathtune.rows import jsonl
from mathtune.rows.metrics import PartMetrics
from mathtune.rows.records import Example
from mathtune.run.stage import File, Stage


class Part(Stage[Path]):
    """Keep the examples of a random part of the problems. Handle: the file written.

    With the same seed a smaller part is contained in a larger one.
    """

    examples: File
    """A file of examples."""
    fraction: float = Field(gt=0, le=1)
    """The fraction of the problems to keep; at least one is kept."""
    seed: int = 0
    """Seed of the draw."""

    def outputs(self, folder: Path) -> Path:
        """Return the file of examples."""
        return folder / "examples.jsonl"

    def run(self, folder: Path) -> PartMetrics:
        """Draw examples and write them in the order of the file."""
        rows = list(jsonl.read(self.examples, Example))
        problems = sorted(dict.fromkeys(row.problem_id for row in rows), key=self._place)
        kept = set(problems[: max(1, round(self.fraction * len(problems)))])
        jsonl.write(self.outputs(folder), (row for row in rows if row.problem_id in kept))
        return PartMetrics(
            problems=len(kept),
            rows=sum(row.problem_id in kept for row in rows),
            of_problems=len(problems),
        )

    def _place(self, problem_id: str) -> bytes:
        return hashlib.sha256(f"{self.seed}\0{problem_id}".encode()).digest()
