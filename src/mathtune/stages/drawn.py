"""Stage `drawn`: samples drawn without regard to their verdicts, as a control for selection."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from mathtune.paths.union import named, united
from mathtune.rows import jsonl
from mathtune.rows.metrics import DrawnMetrics
from mathtune.rows.records import Example, Verdict
from mathtune.rows.samples import read_problems
from mathtune.run.stage import Columns, File, Stage
from mathtune.stages.collect import as_union


class Drawn(Stage[Path]):
    """Draw as many samples as a collect step kept, whatever their verdicts. Handle: the file.

    Training on them does all that rejection sampling does except selection: a gain that both have
    over the base is not due to the verdicts.
    """

    problems: File
    """The training problems."""
    samples: Annotated[tuple[Columns, ...], BeforeValidator(as_union)]
    """Graded samples, as in collect; the grades only show how many of the drawn ones are right."""
    like: File
    """The examples of a collect step: as many samples are drawn, and gold is the same."""
    seed: int = 0
    """Seed of the draw."""

    def outputs(self, folder: Path) -> Path:
        """Return the file of examples."""
        return folder / "examples.jsonl"

    def run(self, folder: Path) -> DrawnMetrics:
        """Write the examples, problem by problem, gold first.

        Raises:
            InputError: samples are of other problems.
        """
        problems = read_problems(self.problems)
        like = list(jsonl.read(self.like, Example))
        gold = {row.problem_id: row for row in like if row.source == "gold"}
        groups = united(named(self.samples), problems, k=None)
        every = [(name, one) for name, group in groups for one in group if one.text.strip()]
        wanted = len(like) - len(gold)
        places = random.Random(f"drawn {self.seed}").sample(
            range(len(every)), min(wanted, len(every))
        )
        chosen = [every[place] for place in sorted(places)]

        def rows() -> Iterator[Example]:
            of: dict[str, list[Example]] = {name: [row] for name, row in gold.items()}
            for name, one in chosen:
                row = Example(
                    problem_id=name,
                    problem=problems[name].problem,
                    solution=one.text,
                    source=one.source,
                )
                of.setdefault(name, []).append(row)
            for name in problems:
                yield from of.get(name, ())

        jsonl.write(self.outputs(folder), rows())
        right = sum(one.verdict is Verdict.correct for _, one in chosen)
        return DrawnMetrics(
            of=len(every), wanted=wanted, drawn=len(chosen), right=right, gold=len(gold)
        )
