"""Score samples with an evaluator, or with a model's likelihood. Between grade and collect or
measure.

scores.jsonl  {"problem_id":"a1","index":0,"score":0.83}
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from mathtune import bill, jsonl, prompts
from mathtune.engines import Dtype, blocks
from mathtune.errors import InputError
from mathtune.progress import Progress, say
from mathtune.records import Problem, Sample, Scored
from mathtune.samples import read_groups, read_problems
from mathtune.stage import Columns, File, ModelName, Stage

Block = list[tuple[str, list[str]]]
"""Problems with the texts of their samples."""
Scores = list[list[float | None]]
"""The scores of a block; None: the candidate does not fit the context."""


class Score(Stage[Columns]):
    """Give every sample a score. A problem's samples with the same text are read once."""

    on_device: ClassVar[bool] = True

    model: ModelName
    """The evaluator; for `likelihood`, the solver."""
    problems: File
    """The problems of the samples."""
    samples: Columns
    """A samples file, alone or with its grades (which are not looked at)."""
    scorer: Literal["evaluator", "likelihood"] = "evaluator"
    """evaluator: S = p(correct) / (p(correct) + p(incorrect)), in [0, 1] (Liu et al. 2023, 3.2).
    likelihood: p(solution | prompt) = exp(sum_t log p), the end token included, so that scores are
    weights that are not negative; below about 1e-308 it is 0."""
    prompt: prompts.Form = "auto"
    """The form of the prompt, as in training."""
    block_size: int = Field(32, ge=1)
    """Problems a block: what a kill can cost."""
    workers: int | None = Field(None, ge=1)
    """Processes. None: one for every `threads` cores on a CPU, one on an accelerator."""
    threads: int = Field(1, ge=1)
    """Threads of a process on a CPU."""
    device: str = "auto"
    """auto: cuda, else mps, else cpu."""
    dtype: Dtype = "auto"
    """auto: bfloat16 on cuda, float32 elsewhere."""

    def outputs(self, folder: Path) -> Columns:
        """The samples' columns and the scores' file."""
        return (*self.samples, folder / "scores.jsonl")

    def run(self, folder: Path) -> dict[str, Any]:
        """Score the blocks that are not there yet.

        Raises:
            InputError: a sample's problem is not among the problems, or the model cannot be used.
        """
        groups = self._groups()
        parts = [groups[at : at + self.block_size] for at in range(0, len(groups), self.block_size)]
        path = self.outputs(folder)[-1]
        done = blocks.resume(path, [sum(len(own) for _, own in part) for part in parts])
        if done < len(parts):
            self._say_first(*groups[0])
            self._work(path, parts[done:])
        return _summary(path, len(groups))

    def _groups(self) -> list[tuple[Problem, list[Sample]]]:
        """Every problem that has samples, with them, in the order of the samples."""
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
        from mathtune.engines import models

        tokenizer = models.load_tokenizer(self.model)
        if self.scorer == "evaluator":
            text = prompts.evaluator(
                problem.problem, samples[0].text, form=self.prompt, tokenizer=tokenizer
            )
        else:
            text = prompts.solver(problem.problem, form=self.prompt, tokenizer=tokenizer)
        say(f"  the first prompt:\n{text}")

    def _work(self, path: Path, parts: list[list[tuple[Problem, list[Sample]]]]) -> None:
        """Score the blocks, appending each as a whole."""
        from mathtune.engines import models, workers

        tasks: list[Block] = [
            [(problem.problem, [sample.text for sample in own]) for problem, own in part]
            for part in parts
        ]
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


def _scorer(config: Score) -> Callable[[Block], tuple[Scores, int]]:
    """Load the model; what it returns scores one block and counts tokens. Called in each worker."""
    from mathtune.engines import models
    from mathtune.engines.scoring import Scorer

    model, tokenizer = models.load(config.model, device=config.device, dtype=config.dtype)
    scorer = Scorer(model, tokenizer, form=config.prompt)

    def evaluate(block: Block) -> Scores:
        return scorer.evaluate(
            [
                [
                    prompts.evaluator(problem, text, form=config.prompt, tokenizer=tokenizer)
                    for text in texts
                ]
                for problem, texts in block
            ]
        )

    def likelihood(block: Block) -> Scores:
        logs = scorer.log_likelihoods(
            [
                prompts.solver(problem, form=config.prompt, tokenizer=tokenizer)
                for problem, _ in block
            ],
            [texts for _, texts in block],
        )
        return [[None if log is None else math.exp(log) for log in group] for group in logs]

    score = {"evaluator": evaluate, "likelihood": likelihood}[config.scorer]

    def work(block: Block) -> tuple[Scores, int]:
        before = scorer.tokens
        scores = score(block)
        return scores, scorer.tokens - before

    return work


def _rows(part: list[tuple[Problem, list[Sample]]], scores: Scores) -> list[Scored]:
    """A block's rows; a sample that does not fit the context is named and gets 0."""
    rows = []
    for (problem, samples), values in zip(part, scores, strict=True):
        for sample, value in zip(samples, values, strict=True):
            if value is None:
                say(f"  {problem.id} {sample.index}: longer than the model's context, score 0")
                value = 0.0
            rows.append(Scored(problem_id=problem.id, index=sample.index, score=value))
    return rows


def _summary(path: Path, problems: int) -> dict[str, Any]:
    """Count what is in the file, so that a continued run says the same as an uninterrupted one."""
    values = [row.score for row in jsonl.read(path, Scored)]
    return {
        "problems": problems,
        "scores": len(values),
        "mean": math.fsum(values) / len(values),
        "zero": sum(value == 0 for value in values),
    }
