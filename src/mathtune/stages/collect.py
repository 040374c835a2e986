"""Stage `collect`: graded samples to training rows: pairs or labels to judge, paths for RFT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from mathtune.data import exports
from mathtune.data.exports import Format
from mathtune.data.overlap import refuse_shared, report_near
from mathtune.engines import prompts
from mathtune.errors import InputError
from mathtune.paths.example_rows import PathChoice, PathRows, drawing
from mathtune.paths.prefixes import drawn_beginnings
from mathtune.paths.select import Rule
from mathtune.paths.union import Candidate, named, united
from mathtune.rows import jsonl
from mathtune.rows.metrics import JudgedMetrics, NearMetrics, PathsMetrics
from mathtune.rows.records import Labelled, Pair, Problem, Verdict
from mathtune.rows.samples import read_problems
from mathtune.run.cores import usable_cores
from mathtune.run.stage import Columns, File, Stage

WORTH_WORKERS = 20_000_000
"""The size of samples, in bytes, from which a process for every core is worth its start."""
FILES = {
    "pairs": "pairs.jsonl",
    "labelled": "labelled.jsonl",
    "paths": "examples.jsonl",
    "counts": "counts.jsonl",
}


def as_union(value: Any) -> Any:
    """Read columns as a union: `a.jsonl,b.jsonl` is one set of columns, `;` separates several."""
    if isinstance(value, str):
        return tuple(value.split(";"))
    if isinstance(value, tuple | list) and value and isinstance(value[0], Path):
        return (tuple(value),)
    return value


class Collect(Stage[Path]):
    """Collect training rows from graded samples of training problems. Handle: the file written.

    Rows do not depend on the order of the files or of their rows: the draw is seeded per problem.
    """

    revision: ClassVar[int] = 4

    problems: File
    """The training problems. Samples of any other problem are refused: they would leak."""
    samples: Annotated[tuple[Columns, ...], BeforeValidator(as_union)]
    """Graded samples, `samples.jsonl,grades.jsonl`; several sets (of several models), separated by
    `;`, are united, each row naming its source."""
    keep: Literal["pairs", "labelled", "paths", "counts"]
    """pairs: a right and a wrong solution (margin losses). labelled: as many right as wrong ones
    (cross-entropy). paths: gold and one correct solution for each distinct path (RFT). counts: only
    the numbers of correct samples and distinct correct paths of each problem, without rows to learn
    from.
    """
    per_problem: int = Field(default=10, ge=1)
    """The most pairs per problem, or right solutions and as many wrong ones; 10 as in the paper."""
    right_from: Literal["samples", "gold"] = "samples"
    """gold: the gold solution serves as the right one if no sample is right."""
    wrong_from: Literal["any", "frequent"] = "any"
    """frequent: hard negatives, the wrong solutions of the most frequent wrong answers first."""
    steps: bool = False
    """Also make pairs and labels of beginnings of the drawn solutions, cut after every step: right
    beginnings of right solutions and as many wrong ones of wrong solutions, as far as
    `paths.prefixes` knows them.
    """
    rule: Rule = "default"
    """The solution that represents a path: see `mathtune.paths.select.select`."""
    dedup: bool = True
    """paths: one solution per path. False: every correct solution whose equations hold."""
    gold: bool = True
    """paths: also write the gold solutions, first; they do not take part in the selection."""
    leave_out: tuple[str, ...] = ()
    """Families (`subject`) of problems whose samples are left out."""
    k: int | None = Field(default=None, ge=1)
    """Use only the first k samples of a problem in each set; None: all."""
    most: int | None = Field(default=None, ge=1)
    """paths: the most solutions to keep per problem, drawn at random; None: all."""
    test: File | None = None
    """The test problems. They may not be among the training problems; near ones are reported."""
    format: Format = "mathtune"
    """Also write the rows in another trainer's form, in a file of this name: trl, verl or
    llama-factory for paths, dpo or llama-factory for pairs, kto for labelled.
    """
    prompt: Literal["plain", "alpaca"] = "plain"
    """The form of the prompts for trl, kto and dpo; see mathtune.engines.prompts."""
    seed: int = 0
    """Seed of every draw."""

    @model_validator(mode="after")
    def _check(self) -> Collect:
        if self.rule == "published" and not self.dedup:
            raise ValueError("rule: 'published' selects paths; it has no meaning without dedup")
        if self.format != "mathtune" and self.keep not in exports.OF[self.format]:
            fitting = " or ".join(exports.OF[self.format])
            raise ValueError(f"format: {self.format!r} is of {fitting}; found keep {self.keep!r}")
        return self

    def outputs(self, folder: Path) -> Path:
        """Return the file of rows."""
        return folder / FILES[self.keep]

    def run(self, folder: Path) -> JudgedMetrics | PathsMetrics:
        """Collect the rows; the metrics count all that was kept and dropped.

        Raises:
            InputError: samples are not graded, are of other problems, or are fewer than k; test
            problems are among the training problems.
        """
        problems = read_problems(self.problems)
        near = None if self.test is None else self._near(problems, self.test)
        sources = named(self.samples)
        counts: Counter[str] = Counter()
        groups = united(sources, problems, k=self.k)
        if self.leave_out:
            groups = self._others(groups, problems, counts)
        if self.keep in ("counts", "paths"):
            paths = PathRows(self._path_choice(), counts)
            only_numbers = self.keep == "counts"
            rows = paths.numbers(groups) if only_numbers else paths.rows(problems, groups)
            jsonl.write(self.outputs(folder), rows)
            self._export(folder, problems)
            return paths.metrics(sources, near)
        jsonl.write(self.outputs(folder), self._judged(problems, groups, counts))
        if not counts["rows"]:
            raise InputError(
                f"{sources[0][1][0]}: no problem has both a right and a wrong solution "
                f"({counts['only_right']} only right, {counts['only_wrong']} only wrong, "
                f"{counts['neither']} without any answer). {self._remedy()}"
            )
        self._export(folder, problems)
        return JudgedMetrics(**counts, near_test=near)

    def _path_choice(self) -> PathChoice:
        size = sum(columns[0].stat().st_size for columns in self.samples)
        workers = usable_cores() if size > WORTH_WORKERS else 1
        return PathChoice(self.rule, self.dedup, self.gold, self.most, self.seed, workers)

    def _remedy(self) -> str:
        """Say how to get pairs or labels from such samples."""
        if self.right_from == "gold":
            return "Take more samples per problem: there are too few wrong solutions."
        return (
            "Take more samples per problem, or right_from=gold (in a recipe, of this step: "
            "pairs.right_from=gold), which uses gold solutions as right ones."
        )

    def _others(
        self,
        groups: Iterable[tuple[str, list[Candidate]]],
        problems: dict[str, Problem],
        counts: Counter[str],
    ) -> Iterator[tuple[str, list[Candidate]]]:
        """Yield the problems of families that are not left out; count the others."""
        for problem_id, candidates in groups:
            if problems[problem_id].subject in self.leave_out:
                counts["left_out"] += 1
            else:
                yield problem_id, candidates

    def _near(self, problems: dict[str, Problem], test: Path) -> NearMetrics:
        """Raise InputError for test problems among the training problems; report near ones."""
        known = read_problems(test)
        refuse_shared(problems, known, what=f"{self.problems}, with {test}")
        return report_near(problems.values(), known.values())

    def _export(self, folder: Path, problems: dict[str, Problem]) -> None:
        """Write the rows in the chosen form."""
        if self.format != "mathtune":
            form = prompts.FIXED[self.prompt]
            exports.export(
                self.format,
                self.outputs(folder),
                folder / f"{self.format}.jsonl",
                problems,
                prompt_of=lambda problem: form.replace("{problem}", problem),
            )

    def _judged(
        self,
        problems: dict[str, Problem],
        groups: Iterable[tuple[str, list[Candidate]]],
        counts: Counter[str],
    ) -> Iterator[Pair | Labelled]:
        """Yield rows for the evaluator, problem by problem."""
        for problem_id, candidates in groups:
            problem = problems[problem_id]
            for right, wrong in self._pairs(problem, candidates, counts):
                names = {"problem_id": problem_id, "problem": problem.problem}
                if self.keep == "pairs":
                    counts["rows"] += 1
                    yield Pair(**names, right=right, wrong=wrong)
                else:
                    counts["rows"] += 2
                    yield Labelled(**names, solution=right, correct=True)
                    yield Labelled(**names, solution=wrong, correct=False)

    def _pairs(
        self, problem: Problem, candidates: Sequence[Candidate], counts: Counter[str]
    ) -> list[tuple[str, str]]:
        rights = _distinct(c for c in candidates if c.verdict is Verdict.correct)
        wrongs = _distinct(c for c in candidates if c.verdict is Verdict.wrong)
        counts.update(
            problems=1,
            samples=len(candidates),
            no_answer_dropped=sum(c.verdict is Verdict.no_answer for c in candidates),
            undecided_dropped=sum(c.verdict is Verdict.undecided for c in candidates),
        )
        judged = sum(c.verdict in (Verdict.correct, Verdict.wrong) for c in candidates)
        counts["duplicate_texts_dropped"] += judged - len(rights) - len(wrongs)
        rng = drawing(problem.id, self.seed)
        right_texts = sorted(rights)
        if not rights and wrongs and self.right_from == "gold" and problem.solution is not None:
            counts["gold_stands_in"] += 1
            right_texts = [problem.solution]
        if not right_texts or not wrongs:
            counts["only_right" if right_texts else "only_wrong" if wrongs else "neither"] += 1
            return []
        rng.shuffle(right_texts)
        wrong_texts = sorted(wrongs)
        rng.shuffle(wrong_texts)
        if self.wrong_from == "frequent":
            votes = Counter(c.answer for c in candidates if c.verdict is Verdict.wrong)
            wrong_texts.sort(key=lambda text: (-votes[wrongs[text]], str(wrongs[text])))
        count = min(self.per_problem, len(right_texts), len(wrong_texts))
        counts["problems_used"] += 1
        right_texts, wrong_texts = right_texts[:count], wrong_texts[:count]
        if self.steps:
            right, wrong = drawn_beginnings(right_texts, wrong_texts, rng, counts)
            right_texts, wrong_texts = right_texts + right, wrong_texts + wrong
        return list(zip(right_texts, wrong_texts, strict=True))


def _distinct(candidates: Iterable[Candidate]) -> dict[str, str | None]:
    """Return text -> answer, each text once."""
    return {candidate.text: candidate.answer for candidate in candidates}
