"""Sample n solutions a problem with a model. Between train and grade.

samples.jsonl  {"problem_id":"a1","index":0,"text":"... #### 24","finish_reason":"stop","tokens":31}
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
from pydantic import Field

from mathtune import bill, jsonl, prompts
from mathtune.engines import Dtype, blocks, forking
from mathtune.errors import InputError
from mathtune.progress import Progress, say
from mathtune.records import Problem, Row
from mathtune.records import Sample as SampleRow
from mathtune.samples import read_problems
from mathtune.stage import Columns, File, ModelName, Stage

if TYPE_CHECKING:
    from mathtune.engines.embedded import Draft, Sampling

NEXT_PROBLEM = "\nProblem:"
"""Where a few-shot sample goes on to a problem of its own, and is cut."""
BLOCK_ROWS = 1024
"""Samples of a block, where `block_size` is not given."""

Block = tuple[int, list[str]]
"""A block's number and its prompts."""


class Sample(Stage[Columns]):
    """Sample solutions, problems in blocks; a block draws from (seed, block) alone."""

    on_device: ClassVar[bool] = True

    model: ModelName
    """The model that samples."""
    problems: File
    """A problem file."""
    n: int = Field(32, ge=1)
    """Samples a problem. Both papers take 64 to 100; 32 is what a laptop does in minutes."""
    temperature: float = Field(0.7, gt=0)
    """What logits are divided by. 0.7 as Yuan et al. 2023; Liu et al. 2023 take 0.6."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Draw from the likeliest tokens with this much probability. 1: all; Liu et al. 2023 take 0.95.
    """
    max_tokens: int = Field(512, ge=1)
    """Most tokens of a sample; more are cut and counted as finish_reason "length"."""
    greedy: bool = False
    """One sample a problem, the likeliest token each time; n, temperature and top_p are not read.
    """
    seed: int = Field(0, ge=0)
    """Seed of all draws."""
    few_shot: File | None = None
    """Problems with solutions, or examples, that stand before each problem: see exemplars."""
    shots: int = Field(4, ge=1)
    """How many of `few_shot`, from its beginning. Both papers' few-shot baseline has 4."""
    prompt: prompts.Form = "auto"
    """The form of the prompt; with `few_shot` minerva if that is asked for, else plain."""
    block_size: int | None = Field(None, ge=1)
    """Problems a block: what a kill can cost. None: as many as have 1,024 samples."""
    rows: int | None = Field(None, ge=1)
    """Samples in flight in one process. None: up to 1,024, as memory allows."""
    workers: int | None = Field(None, ge=1)
    """Processes. None: one for every `threads` cores on a CPU, one on an accelerator."""
    threads: int = Field(1, ge=1)
    """Threads of a process on a CPU: 1 is right for small models, all cores and 1 worker for large.
    """
    device: str = "auto"
    """auto: cuda, else mps, else cpu."""
    dtype: Dtype = "auto"
    """auto: bfloat16 on cuda, float32 elsewhere."""

    def outputs(self, folder: Path) -> Columns:
        """The samples' file."""
        return (folder / "samples.jsonl",)

    def run(self, folder: Path) -> dict[str, Any]:
        """Sample the blocks that are not there yet.

        Raises:
            InputError: a problem is empty, an exemplar has no solution, or the model cannot be
            used.
        """
        if self.workers != 1 and self.device in ("auto", "cpu"):
            forking.start()
        problems = list(read_problems(self.problems).values())
        texts = self._prompts(problems)
        sampling = self._sampling()
        size = self.block_size or max(1, BLOCK_ROWS // sampling.n)
        parts = [slice(start, start + size) for start in range(0, len(problems), size)]
        (path,) = self.outputs(folder)
        done = blocks.resume(path, [len(problems[part]) * sampling.n for part in parts])
        tasks = [(number, texts[part]) for number, part in enumerate(parts)][done:]
        if tasks:
            say(f"  the first prompt:\n{texts[0]}")
            self._work(path, problems, parts, tasks, sampling)
        return _summary(path, len(problems), sampling.n)

    def _prompts(self, problems: list[Problem]) -> list[str]:
        """What the model reads for each problem."""
        for problem in problems:
            if not problem.problem.strip():
                raise InputError(
                    f"{self.problems}, problem {problem.id!r}, field 'problem': empty; "
                    "expected a text."
                )
        from mathtune.engines import models

        tokenizer = models.load_tokenizer(self.model)
        shown = self._exemplars()
        return [
            shown + prompts.solver(problem.problem, form=self._form(), tokenizer=tokenizer)
            for problem in problems
        ]

    def _form(self) -> prompts.Form:
        return self._few_shot_form() if self.few_shot is not None else self.prompt

    def _few_shot_form(self) -> Literal["plain", "minerva"]:
        return "minerva" if self.prompt == "minerva" else "plain"

    def _exemplars(self) -> str:
        """The solved problems before each problem, a blank line after each; nothing without
        few_shot.
        """
        if self.few_shot is None:
            return ""
        rows = list(jsonl.read(self.few_shot, Exemplar))[: self.shots]
        if len(rows) < self.shots:
            raise InputError(
                f"{self.few_shot}: has {len(rows)} rows; expected {self.shots} exemplars."
            )
        form = self._few_shot_form()
        return "".join(prompts.exemplar(row.problem, row.solution, form=form) for row in rows)

    def _sampling(self) -> Sampling:
        from mathtune.engines.embedded import Sampling

        return Sampling(
            n=1 if self.greedy else self.n,
            temperature=0.0 if self.greedy else self.temperature,
            top_p=1.0 if self.greedy else self.top_p,
            max_tokens=self.max_tokens,
            stop=None if self.few_shot is None else NEXT_PROBLEM,
        )

    def _work(
        self,
        path: Path,
        problems: list[Problem],
        parts: list[slice],
        tasks: list[Block],
        sampling: Sampling,
    ) -> None:
        """Sample the tasks' blocks, appending each as a whole."""
        from mathtune.engines import models, workers

        device = models.resolve_device(self.device)
        many = workers.count(self.workers, device, threads=self.threads, blocks=len(tasks))
        make = partial(_sampler, self, sampling)
        results = workers.run(make, tasks, workers=many, threads=self.threads)
        left, start, total = sum(len(texts) for _, texts in tasks), time.monotonic(), 0
        with Progress("sample", total=left, unit="problems") as progress:
            for (number, _), drafts in zip(tasks, results, strict=True):
                block = problems[parts[number]]
                jsonl.append(path, _rows(block, drafts))
                tokens = sum(draft.tokens for group in drafts for draft in group)
                bill.add(sampled_tokens=tokens)
                total += tokens
                rate = total / (time.monotonic() - start)
                progress.advance(len(block), note=f"{rate:,.0f} tokens/s")


class Exemplar(msgspec.Struct):
    """A problem with its solution: a row of an example or a problem file."""

    problem: str
    solution: str


def _sampler(config: Sample, sampling: Sampling) -> Callable[[Block], list[list[Draft]]]:
    """Load the model; what it returns samples one block. Called in each worker."""
    from mathtune.engines import models
    from mathtune.engines.embedded import Embedded

    model, tokenizer = models.load(config.model, device=config.device, dtype=config.dtype)
    engine = Embedded(model, tokenizer, form=config._form(), rows=config.rows)

    def work(block: Block) -> list[list[Draft]]:
        number, texts = block
        return engine.sample(texts, sampling, seed=(config.seed, number))

    return work


def _rows(problems: list[Problem], drafts: list[list[Draft]]) -> list[Row]:
    return [
        SampleRow(
            problem_id=problem.id,
            index=index,
            text=draft.text,
            finish_reason=draft.finish_reason,
            tokens=draft.tokens,
        )
        for problem, group in zip(problems, drafts, strict=True)
        for index, draft in enumerate(group)
    ]


def _summary(path: Path, problems: int, n: int) -> dict[str, Any]:
    """Count what is in the file, so that a continued run says the same as an uninterrupted one."""
    reasons: Counter[str] = Counter()
    tokens, too_long = 0, dict[str, None]()
    for row in jsonl.read(path, SampleRow):
        reasons[row.finish_reason] += 1
        tokens += row.tokens
        if row.finish_reason == "prompt_too_long":
            too_long[row.problem_id] = None
    if too_long:
        names = ", ".join(list(too_long)[:5]) + (", ..." if len(too_long) > 5 else "")
        say(f"  {len(too_long)} prompts are longer than the model's context: {names}")
    return {
        "problems": problems,
        "n": n,
        "samples": reasons.total(),
        "tokens": tokens,
        "mean_tokens": round(tokens / reasons.total(), 2),
        "finish_reasons": {
            reason: reasons[reason] for reason in ("stop", "length", "prompt_too_long")
        },
        "prompts_too_long": list(too_long),
    }
