"""Stage `score`: an evaluator's score of each sample, or a likelihood's, or the calculator's.

scores.jsonl  {"problem_id":"a1","index":0,"score":0.83}
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self, cast

from pydantic import Field, model_validator

from mathtune.answers.visible import unanswered
from mathtune.engines import Dtype, opener, prompts, trained_wording
from mathtune.engines.model_names import ModelName
from mathtune.engines.protocol import Candidates, EngineChoice, ScorerName
from mathtune.engines.protocol import Scores as Arrived
from mathtune.engines.settings import EngineSettings
from mathtune.errors import InputError, of_samples
from mathtune.paths import calculator
from mathtune.rows import jsonl, unfinished
from mathtune.rows.metrics import ScoreMetrics
from mathtune.rows.records import Problem, Sample, Scored
from mathtune.rows.samples import read_groups, read_problems
from mathtune.run import bill
from mathtune.run.progress import Progress, say, say_once
from mathtune.run.stage import Columns, File

Block = list[Candidates]
"""Problems with the texts of their samples."""
Group = tuple[Problem, list[Sample]]
"""A problem and its samples."""
Scores = list[list[float | None]]
"""The scores of a block; None: the candidate exceeds the model's context."""


class Score(EngineSettings[Columns]):
    """Give every sample a score. A problem's samples with the same text are read once."""

    revision: ClassVar[int] = 8

    model: ModelName | None = None
    """The evaluator; for `likelihood`, the solver. The calculator needs none."""
    problems: File
    """The problems of the samples."""
    samples: Columns
    """A samples file, alone or with its grades, which are not read."""
    scorer: Literal[ScorerName, "calculator"] = "evaluator"
    """evaluator: S = p(correct) / (p(correct) + p(incorrect)), in [0, 1] (Liu et al. 2023, 3.2).
    likelihood: p(solution | prompt) = exp(sum_t log p), the end token included: a weight that is
    never negative; below about 1e-308 it is 0. calculator: 0.1 if the solution states a false
    equation, else 1; it needs no model.
    """
    thoughts: Literal["read", "drop"] = "read"
    """The thoughts of a thinking model's samples: read with the solution, or dropped before."""
    block_size: int = Field(32, ge=1)
    """Problems per block; a kill can lose one block."""
    workers: int | None = Field(None, ge=1)
    """The number of processes. None: one per `threads` cores on a CPU, one on an accelerator."""
    threads: int = Field(1, ge=1)
    """Threads per process on a CPU."""
    device: str = "auto"
    """auto: cuda, else mps, else cpu."""
    dtype: Dtype = "auto"
    """auto: bfloat16 on cuda, float32 elsewhere."""

    @model_validator(mode="after")
    def _has_its_model(self) -> Self:
        if self.scorer == calculator.NAME and self.model is not None:
            raise ValueError(
                f"model: found {self.model!r}; the scorer {self.scorer} reads no model"
            )
        if self.scorer != calculator.NAME and self.model is None:
            raise ValueError(f"model: missing; the scorer {self.scorer} needs one")
        return self

    @property
    def on_device(self) -> bool:
        """True if it holds a model."""
        return self.scorer != calculator.NAME

    @property
    def wording(self) -> prompts.Wording:
        """The form and the words of the prompts."""
        return replace(super().wording, thoughts=self.thoughts)

    def outputs(self, folder: Path) -> Columns:
        """Return the samples' files and the scores' file."""
        return (*self.samples, folder / "scores.jsonl")

    def run(self, folder: Path) -> ScoreMetrics:
        """Score the samples that have no score yet.

        Raises:
            InputError: a sample's problem is not among the problems, or the model cannot be used.
        """
        groups = self._groups()
        path = self.outputs(folder)[-1]
        if self.thoughts == "drop" and self.on_device:
            _say_unanswered(groups)
        if self.scorer == calculator.NAME:
            _calculated(path, groups)
        elif self.engine == "transformers" and self.ray is None:
            self._in_blocks(path, groups)
        else:
            self._as_they_arrive(path, groups)
        unfinished.put_in_order(path, _keys(groups), Scored)
        return _summary(path, len(groups))

    def _groups(self) -> list[Group]:
        """Return every problem that has samples, with its samples, in the order of the samples."""
        problems = read_problems(self.problems)
        groups = []
        for problem_id, group in read_groups(self.samples):
            if problem_id not in problems:
                raise InputError(
                    f"{self.samples[0]}: has samples of problem {problem_id!r}, which is not in "
                    f"{self.problems}."
                )
            groups.append((problems[problem_id], [joined.sample for joined in group]))
        return groups

    def _say_first(self, problem: Problem, samples: list[Sample]) -> None:
        form = self._form()
        role: trained_wording.Role = "evaluator" if self.scorer == "evaluator" else "solver"
        if role == "evaluator":
            tokenizer = opener.judge_tokenizer(_choice(self), form)
            text = prompts.evaluator(
                problem.problem, samples[0].text, form=form, tokenizer=tokenizer
            )
        else:
            tokenizer = opener.solver_tokenizer(_choice(self))
            text = prompts.solver(problem.problem, form=form, tokenizer=tokenizer)
        if self.engine != "openai":
            trained_wording.warn(self.adapter or _choice(self).model, form, tokenizer, role=role)
        say_once(f"{self.scorer} {form}", f"  the first prompt ({self.scorer}):\n{text}")

    def _form(self) -> prompts.AnyForm:
        return opener.form_of(_choice(self), self.wording)

    def _in_blocks(self, path: Path, groups: list[Group]) -> None:
        """Score the missing blocks; append each as a whole."""
        from mathtune.engines.transformers import models
        from mathtune.run import workers

        parts = [groups[at : at + self.block_size] for at in range(0, len(groups), self.block_size)]
        parts = parts[unfinished.resume(path, [_keys(part) for part in parts], Scored) :]
        if not parts:
            return
        self._say_first(*groups[0])
        tasks = [_candidates(part) for part in parts]
        device = models.resolve_device(self.device)
        many = workers.count(self.workers, device, threads=self.threads, blocks=len(tasks))
        results = workers.run(partial(_scorer, self), tasks, workers=many, threads=self.threads)
        left, start, total = sum(map(len, parts)), time.monotonic(), 0
        with Progress("score", total=left, unit="problems") as progress:
            for part, (scores, tokens) in zip(parts, results, strict=True):
                jsonl.append(path, _rows(part, scores))
                bill.add(read_tokens=tokens)
                total += tokens
                rate = total / (time.monotonic() - start)
                progress.advance(len(part), note=f"{rate:,.0f} tokens/s")

    def _as_they_arrive(self, path: Path, groups: list[Group]) -> None:
        """Ask for the missing scores; append each problem's as soon as they are known."""
        have = unfinished.held(path, _keys(groups), Scored)
        lacking = [
            (problem, [sample for sample in samples if (problem.id, sample.index) not in have])
            for problem, samples in groups
        ]
        left = [(problem, samples) for problem, samples in lacking if samples]
        if left:
            self._say_first(*groups[0])
            with Progress("score", total=len(left), unit="problems") as progress:
                for place, scores in self._scores(_candidates(left)):
                    jsonl.append(path, _rows([left[place]], [scores]))
                    progress.advance()

    def _scores(self, candidates: Block) -> Iterator[Arrived]:
        """Yield scores from the engine here, or from those on the cluster."""
        engine = opener.open_engine(_choice(self), self._form())
        yield from engine.score(candidates, cast(ScorerName, self.scorer))
        bill.add(read_tokens=engine.tokens)


def _calculated(path: Path, groups: list[Group]) -> None:
    """Write all of the calculator's scores: an interrupted step begins again."""
    rows = []
    with Progress("score", total=len(groups), unit="problems") as progress:
        for problem, samples in groups:
            scores: list[float | None] = [calculator.weight(sample.text) for sample in samples]
            rows += _rows([(problem, samples)], [scores])
            progress.advance()
    jsonl.write(path, rows)
    false = sum(row.score < 1.0 for row in rows)
    say(f"  {of_samples(false, len(rows), 'states', 'state')} a false equation")


def _say_unanswered(groups: list[Group]) -> None:
    texts = [sample.text for _, samples in groups for sample in samples]
    if count := sum(map(unanswered, texts)):
        ends = of_samples(count, len(texts), "ends", "end")
        say(f"  thoughts=drop: {ends} with thoughts, finished or cut off; nothing is left to read")


def _keys(groups: list[Group]) -> list[unfinished.Key]:
    """Return the keys of the groups' rows, in the file's order."""
    return [(problem.id, sample.index) for problem, samples in groups for sample in samples]


def _choice(config: Score) -> EngineChoice:
    """Return the settings of the engine; `_has_its_model` ensures that there is a model."""
    return cast(EngineChoice, config)


def _candidates(groups: list[Group]) -> Block:
    return [
        Candidates(problem.problem, tuple(sample.text for sample in samples))
        for problem, samples in groups
    ]


def _scorer(config: Score) -> Callable[[Block], tuple[Scores, int]]:
    """Load the model in a worker; return the function that scores a block and counts tokens."""
    engine = opener.open_engine(_choice(config), config.wording)
    scorer = cast(ScorerName, config.scorer)

    def work(block: Block) -> tuple[Scores, int]:
        before = engine.tokens
        scores = [scores for _, scores in engine.score(block, scorer)]
        return scores, engine.tokens - before

    return work


def _rows(part: list[Group], scores: Scores) -> list[Scored]:
    """Return a block's rows; a sample that does not fit the context is named and gets 0."""
    rows = []
    for (problem, samples), values in zip(part, scores, strict=True):
        for sample, value in zip(samples, values, strict=True):
            if value is None:
                say(f"  {problem.id} {sample.index}: longer than the model's context, score 0")
                value = 0.0
            rows.append(Scored(problem_id=problem.id, index=sample.index, score=value))
    return rows


def _summary(path: Path, problems: int) -> ScoreMetrics:
    """Count the file's rows, so that a continued run reports the same as an uninterrupted one."""
    values = [row.score for row in jsonl.read(path, Scored)]
    return ScoreMetrics(
        problems=problems,
        scores=len(values),
        mean=math.fsum(values) / len(values),
        zero=sum(value == 0 for value in values),
    )
