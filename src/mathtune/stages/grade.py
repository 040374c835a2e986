"""Stage `grade`: extract each answer, compare it with the gold one, cluster a problem's answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from mathtune.answers import compare_accepted, extract, grader_version
from mathtune.answers.equivalence import graded_rows
from mathtune.answers.extract import ExtractRule
from mathtune.engines.settings import Ray
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import GradeMetrics
from mathtune.rows.records import Graded, Verdict
from mathtune.rows.samples import Joined, read_groups, read_problems, read_samples
from mathtune.run.progress import Progress, say
from mathtune.run.stage import Columns, File, Free, Stage

PROBLEMS_AT_ONCE = 256
"""The samples that are read, compared and written together; bounds memory, changes no result."""


class Grade(Stage[Columns]):
    """Give every sample its answer, a verdict and a cluster."""

    revision: ClassVar[int] = 7

    problems: File
    """The problems with their gold answers."""
    samples: Columns
    """The samples, as `sample` writes them."""
    grader: Literal["math", "prm800k", "math-verify"] = "math"
    """The grader, which compares an answer with the gold one."""
    extract: ExtractRule = "explicit"
    """The rule for answers. Where none is marked, `auto` takes the last sentence's value,
    `last-number` the text's last number."""

    ray: Annotated[Ray | None, Free()] = None
    """Grade on a Ray cluster: address, cpus; --ray takes the defaults."""

    def outputs(self, folder: Path) -> Columns:
        """Return the files of the samples and their grades, which are read together."""
        return (*self.samples, folder / "grades.jsonl")

    def run(self, folder: Path) -> GradeMetrics:
        """Write `grades.jsonl`; return the counts of verdicts and of extraction rules.

        Raises:
            InputError: a sample's problem is not in the problem file.
        """
        golds = {problem.id: problem.golds for problem in read_problems(self.problems).values()}
        verdicts: Counter[str] = Counter()
        rules: Counter[str] = Counter()

        def rows() -> Iterator[Graded]:
            with Progress("grade", total=len(golds), unit="problems") as progress:
                for graded in self._blocks(golds):
                    for row in graded:
                        verdicts[row.verdict] += 1
                        rules[row.rule or "none"] += 1
                        yield row
                    progress.advance(len({row.problem_id for row in graded}))

        jsonl.write(folder / "grades.jsonl", rows())
        if rules["none"] == verdicts.total() > 0:
            found = [row.sample.finish_reason for row in read_samples(self.samples)]
            say(f"  no sample has an answer: {remedy(len(found), found.count('length'))}")
        return GradeMetrics(
            grader=self.grader,
            grader_version=grader_version(self.grader),
            extract=self.extract,
            samples=verdicts.total(),
            verdicts={verdict.value: verdicts[verdict] for verdict in Verdict},
            rules=dict(sorted(rules.items())),
        )

    def _blocks(self, golds: dict[str, tuple[str, ...]]) -> Iterator[list[Graded]]:
        """Yield the rows of some problems at a time, in order, graded here or on the cluster."""
        groups = read_groups(self.samples)
        blocks = iter(lambda: tuple(islice(groups, PROBLEMS_AT_ONCE)), ())
        if self.ray is None:
            for block in blocks:
                yield list(self._graded(block, golds))
            return
        from mathtune.engines.ray import mapped

        tasks = (
            msgspec.json.encode((block, {name: golds[name] for name, _ in block if name in golds}))
            for block in blocks
        )
        for content in mapped(self.ray, partial(_graded_there, self), tasks):
            yield msgspec.json.decode(content, type=list[Graded])

    def _graded(
        self, block: tuple[tuple[str, list[Joined]], ...], golds: dict[str, tuple[str, ...]]
    ) -> Iterator[Graded]:
        for problem_id, _ in block:
            if problem_id not in golds:
                raise InputError(
                    f"{self.samples[0]}: a sample of problem {problem_id!r}, "
                    f"which {self.problems} does not have."
                )
        found = [[extract(row.sample.text, rule=self.extract) for row in rows] for _, rows in block]
        every = [answer.text if answer else None for answers in found for answer in answers]
        accepted = [golds[problem_id] for problem_id, rows in block for _ in rows]
        verdicts = iter(compare_accepted(every, accepted, grader=self.grader))
        for (problem_id, rows), answers in zip(block, found, strict=True):
            indices = [row.sample.index for row in rows]
            decided = list(islice(verdicts, len(rows)))
            yield from graded_rows(problem_id, indices, answers, decided, grader=self.grader)


def remedy(samples: int, cut: int) -> str:
    """Say what helps if no sample has an answer; `cut` of them reached max_tokens.

    Example:
        >>> remedy(8, 8)
        '8 of 8 were cut off; raise max_tokens'
    """
    if 2 * cut >= samples:
        return f"{cut} of {samples} were cut off; raise max_tokens"
    return (
        f"{samples - cut} of {samples} ended by themselves without marking one; ask for one with "
        "instruction='Put the final answer in \\boxed{}.' (a chat model is asked by default), or "
        "read the last sentence with extract=auto"
    )


def _graded_there(stage: Grade, task: bytes) -> bytes:
    """Grade a block on the cluster: samples and golds in, rows out."""
    kind = tuple[tuple[tuple[str, list[Joined]], ...], dict[str, tuple[str, ...]]]
    block, golds = msgspec.json.decode(task, type=kind)
    return msgspec.json.encode(list(stage._graded(block, golds)))
