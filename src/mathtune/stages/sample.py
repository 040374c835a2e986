"""Stage `sample`: sample n solutions per problem with a model. Between train and grade.

samples.jsonl  {"problem_id":"a1","index":0,"text":"... #### 24","finish_reason":"stop","tokens":31}
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
from pydantic import Field

from mathtune.engines import Dtype, opener, prompts, trained_wording
from mathtune.engines.model_names import ModelName
from mathtune.engines.protocol import Draft, Drafts, Sampling, Want
from mathtune.engines.settings import EngineSettings
from mathtune.engines.thought_budget import refuse_ended
from mathtune.errors import InputError, many
from mathtune.rows import jsonl, unfinished
from mathtune.rows.metrics import SampleMetrics
from mathtune.rows.records import Problem, Row
from mathtune.rows.records import Sample as SampleRow
from mathtune.rows.samples import read_problems
from mathtune.run import bill, children
from mathtune.run.progress import Progress, say, say_once
from mathtune.run.stage import Columns, File
from mathtune.run.step import grown_from

NEXT_PROBLEM = "\nProblem:"
"""The stop text of a few-shot sample: it opens the next problem, which the model makes up."""
BLOCK_ROWS = {"cpu": 1024, "mps": 1024, "cuda": 16384}
"""Samples per block if `block_size` is not set: twice the samples in flight on an accelerator."""


@dataclass(frozen=True)
class Block:
    """Problems that are sampled together: their samples from `first` up to `last`."""

    number: int
    problems: slice
    first: int
    last: int
    texts: tuple[str, ...] = ()

    def seed(self, seed: int) -> tuple[int, ...]:
        """Return the seed of the block's random numbers: later rounds have their own."""
        return (seed, self.number, self.first) if self.first else (seed, self.number)


class Sample(EngineSettings[Columns]):
    """Sample solutions with transformers, vLLM or a server; asking for more adds to them."""

    revision: ClassVar[int] = 7
    grows: ClassVar[str | None] = "n"

    model: ModelName
    """The model that samples."""
    problems: File
    """A problem file."""
    n: int = Field(32, ge=1)
    """Samples per problem. Both papers take 64 to 100; 32 is what a laptop does in minutes."""
    temperature: float = Field(0.7, gt=0)
    """The divisor of the logits. 0.7 as in Yuan et al. 2023; Liu et al. 2023 take 0.6."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Draw from the likeliest tokens that together have this probability. 1: all; Liu et al. 2023
    take 0.95.
    """
    top_k: int = Field(0, ge=0)
    """Draw from this many likeliest tokens; 0: from all."""
    min_p: float = Field(0.0, ge=0, le=1)
    """Draw from tokens with at least this fraction of the likeliest one's probability; 0: all.
    """
    stop: str | None = Field(None, min_length=1)
    """A text that ends a sample and is cut off; with `few_shot`, the start of the next problem.
    """
    max_tokens: int = Field(512, ge=1)
    """The most tokens of a sample; a longer one is cut, with finish_reason "length"."""
    thought_tokens: int | None = Field(None, ge=1)
    """The most tokens of a thinking model's thoughts, after which </think> is inserted; max_tokens
    then limits the rest. None: max_tokens limits both.
    """
    greedy: bool = False
    """One sample per problem, with the likeliest token each time; n, temperature, top_p, top_k and
    min_p are not read."""
    seed: int = Field(0, ge=0)
    """Seed of all draws."""
    few_shot: File | None = None
    """A file of problems with solutions, or examples, that precede each problem: see exemplars.
    """
    shots: int = Field(4, ge=1)
    """How many rows of `few_shot` to use, from its start. Both papers' few-shot baselines use 4."""
    block_size: int | None = Field(None, ge=1)
    """Problems per block; a kill can lose one block. None: as many as have 1,024 samples, on CUDA
    16,384. Fewer are as fast with a large model on a CPU, where such a block takes long.
    """
    rows: int | None = Field(None, ge=1)
    """Samples in flight in one process. None: as memory allows, up to 1,024, on CUDA 8,192."""
    workers: int | None = Field(None, ge=1)
    """The number of processes. None: one per `threads` cores on a CPU, one on an accelerator."""
    threads: int = Field(1, ge=1)
    """Threads per process on a CPU: 1 for small models; all cores, with 1 worker, for large ones.
    """
    device: str = "auto"
    """auto: cuda, else mps, else cpu."""
    dtype: Dtype = "auto"
    """auto: bfloat16 on cuda, float32 elsewhere."""

    @property
    def on_device(self) -> bool:
        """True: it holds a model."""
        return True

    def outputs(self, folder: Path) -> Columns:
        """Return the samples' file."""
        return (folder / "samples.jsonl",)

    def run(self, folder: Path) -> SampleMetrics:
        """Sample the solutions that are still missing.

        The transformers engine works in blocks of problems, and a block's draws depend only on
        (seed, block). Other engines' samples are written as they arrive and put in order at the
        end.

        Raises:
            InputError: a problem is empty, an exemplar has no solution, or the model or the server
            cannot be used.
        """
        here = self.engine == "transformers" and self.ray is None
        if here and self.workers != 1 and self.device in ("auto", "cpu"):
            children.start_server()
        problems = list(read_problems(self.problems).values())
        texts = self._prompts(problems)
        (path,) = self.outputs(folder)
        if here:
            self._in_blocks(path, problems, texts)
        else:
            self._as_they_arrive(path, problems, texts)
        wanted = _keys(problems, 0, self._sampling().n)
        unfinished.put_in_order(path, wanted, SampleRow)
        return _summary(path, len(problems), self._sampling().n)

    def _prompts(self, problems: list[Problem]) -> list[str]:
        """Return the prompt of each problem."""
        for problem in problems:
            if not problem.problem.strip():
                raise InputError(
                    f"{self.problems}, problem {problem.id!r}, field 'problem': empty; "
                    "expected a text."
                )
        form, tokenizer = self._form(), opener.solver_tokenizer(self)
        shown = self._exemplars()
        texts = [
            shown + prompts.solver(problem.problem, form=form, tokenizer=tokenizer)
            for problem in problems
        ]
        if self.thought_tokens is not None:
            refuse_ended(texts)
        if self.few_shot is None and self.engine != "openai":
            trained_wording.warn(self.adapter or self.model, form, tokenizer, role="solver")
        return texts

    def _form(self) -> prompts.AnyForm:
        wording = self.wording
        if self.few_shot is not None:
            wording = replace(wording, form=self._few_shot_form())
        return opener.form_of(self, wording)

    def _few_shot_form(self) -> Literal["plain", "minerva"]:
        return "minerva" if self.prompt == "minerva" else "plain"

    def _exemplars(self) -> str:
        """Return the solved problems to put before each problem, with a blank line after each;
        empty without few_shot.
        """
        if self.few_shot is None:
            return ""
        rows = list(jsonl.read(self.few_shot, Exemplar))[: self.shots]
        if len(rows) < self.shots:
            have = many(len(rows), "row", "rows")
            raise InputError(f"{self.few_shot}: has {have}; expected {self.shots} exemplars.")
        form = self._few_shot_form()
        return "".join(prompts.exemplar(row.problem, row.solution, form=form) for row in rows)

    def _sampling(self) -> Sampling:
        return Sampling(
            n=1 if self.greedy else self.n,
            temperature=0.0 if self.greedy else self.temperature,
            top_p=1.0 if self.greedy else self.top_p,
            max_tokens=self.max_tokens,
            stop=NEXT_PROBLEM if self.stop is None and self.few_shot is not None else self.stop,
            top_k=0 if self.greedy else self.top_k,
            min_p=0.0 if self.greedy else self.min_p,
            thought_tokens=self.thought_tokens or 0,
        )

    def _in_blocks(self, path: Path, problems: list[Problem], texts: list[str]) -> None:
        """Sample the missing blocks; append each as a whole."""
        from mathtune.engines.transformers import models
        from mathtune.run import workers

        sampling, device = self._sampling(), models.resolve_device(self.device)
        rows = BLOCK_ROWS[device.split(":")[0]]
        planned = self._blocks(len(problems), sampling.n, grown_from(path.parent), rows=rows)
        wanted = [_keys(problems[b.problems], b.first, b.last) for b in planned]
        tasks = [
            replace(block, texts=tuple(texts[block.problems]))
            for block in planned[unfinished.resume(path, wanted, SampleRow) :]
        ]
        if not tasks:
            return
        self._say_first(texts[0])
        processes = workers.count(self.workers, device, threads=self.threads, blocks=len(tasks))
        make = partial(_sampler, self, sampling)
        results = workers.run(make, tasks, workers=processes, threads=self.threads)
        with _Rate(sum(len(block.texts) for block in tasks)) as rate:
            for block, drafts in zip(tasks, results, strict=True):
                sampled = problems[block.problems]
                indices = [range(block.first, block.last)] * len(sampled)
                jsonl.append(path, _rows(sampled, drafts, indices))
                rate.count(drafts, len(sampled))

    def _say_first(self, text: str) -> None:
        shown = "" if self.few_shot is None else ", few-shot"
        say_once(f"sample {self.prompt}{shown}", f"  the first prompt{shown}:\n{text}")

    def _blocks(self, problems: int, n: int, rounds: list[int], *, rows: int) -> list[Block]:
        """Return all blocks (of `rows` samples if no size is set): those of the first round, then
        those that later rounds add.
        """
        bounds = [0, *(done for done in rounds if done < n), n]
        planned = []
        for first, last in pairwise(bounds):
            size = self.block_size or max(1, rows // (last - first))
            for number, start in enumerate(range(0, problems, size)):
                part = slice(start, min(start + size, problems))
                planned.append(Block(number, part, first, last))
        return planned

    def _as_they_arrive(self, path: Path, problems: list[Problem], texts: list[str]) -> None:
        """Ask for the missing samples; append each answer."""
        sampling = self._sampling()
        have = unfinished.held(path, _keys(problems, 0, sampling.n), SampleRow)
        lacking = [
            [
                index
                for _, index in _keys([problem], 0, sampling.n)
                if (problem.id, index) not in have
            ]
            for problem in problems
        ]
        asked = [place for place, indices in enumerate(lacking) if indices]
        if not asked:
            return
        system = f"(system) {self.system}\n" if self.engine == "openai" and self.system else ""
        self._say_first(f"{system}{texts[0]}")
        wants = [Want(texts[place], len(lacking[place])) for place in asked]
        with _Rate(len(asked)) as rate:
            for number, drafts in self._drafts(wants, sampling, len(have)):
                place = asked[number]
                arrived, lacking[place] = (
                    lacking[place][: len(drafts)],
                    lacking[place][len(drafts) :],
                )
                jsonl.append(path, _rows([problems[place]], [drafts], [arrived]))
                rate.count([drafts], int(not lacking[place]))

    def _drafts(self, wants: list[Want], sampling: Sampling, have: int) -> Iterator[Drafts]:
        """Yield drafts from the engine here, or from those on the cluster.

        The seed of a continued step depends on the rows it has, so that none is drawn twice.
        """
        engine = opener.open_engine(self, self._form(), seed=self.seed + have)
        yield from engine.sample(wants, sampling, seed=(self.seed, have) if have else (self.seed,))


class _Rate:
    """The progress of sampling; bills the sampled tokens."""

    def __init__(self, problems: int) -> None:
        self._progress = Progress("sample", total=problems, unit="problems")
        self._start, self._tokens = time.monotonic(), 0

    def count(self, drafts: list[list[Draft]], problems: int) -> None:
        """Count drafts, and problems that have all of theirs."""
        tokens = sum(draft.tokens for group in drafts for draft in group)
        bill.add(sampled_tokens=tokens)
        self._tokens += tokens
        rate = self._tokens / (time.monotonic() - self._start)
        self._progress.advance(problems, note=f"{rate:,.0f} tokens/s")

    def __enter__(self) -> _Rate:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.__exit__(*error)


class Exemplar(msgspec.Struct):
    """A problem with its solution: a row of an example or a problem file."""

    problem: str
    solution: str


def _sampler(config: Sample, sampling: Sampling) -> Callable[[Block], list[list[Draft]]]:
    """Load the model in a worker; return the function that samples one block."""
    from mathtune.engines.transformers.decode import Sampler
    from mathtune.engines.transformers.engine import load

    model, tokenizer = load(config.model, config.adapter, device=config.device, dtype=config.dtype)
    sampler = Sampler(model, tokenizer, form=config._form(), rows=config.rows)

    def work(block: Block) -> list[list[Draft]]:
        how = replace(sampling, n=block.last - block.first)
        return sampler.sample(block.texts, how, seed=block.seed(config.seed))

    return work


def _keys(problems: Sequence[Problem], first: int, last: int) -> list[unfinished.Key]:
    """Return the keys of the problems' samples from `first` up to `last`, in the file's order."""
    return [(problem.id, index) for problem in problems for index in range(first, last)]


def _rows(
    problems: list[Problem], drafts: list[list[Draft]], indices: Sequence[Sequence[int]]
) -> list[Row]:
    """Return the rows of each problem's samples with these indices."""
    return [
        SampleRow(
            problem_id=problem.id,
            index=index,
            text=draft.text,
            finish_reason=draft.finish_reason,
            tokens=draft.tokens,
        )
        for problem, group, numbers in zip(problems, drafts, indices, strict=True)
        for index, draft in zip(numbers, group, strict=True)
    ]


def _summary(path: Path, problems: int, n: int) -> SampleMetrics:
    """Count the file's rows, so that a continued run reports the same as an uninterrupted one."""
    reasons: Counter[str] = Counter()
    tokens, too_long = 0, dict[str, None]()
    for row in jsonl.read(path, SampleRow):
        reasons[row.finish_reason] += 1
        tokens += row.tokens
        if row.finish_reason == "prompt_too_long":
            too_long[row.problem_id] = None
    if too_long:
        names = ", ".join(list(too_long)[:5]) + (", ..." if len(too_long) > 5 else "")
        prompts_are = many(len(too_long), "prompt is", "prompts are")
        say(f"  {prompts_are} longer than the model's context: {names}")
    return SampleMetrics(
        problems=problems,
        n=n,
        samples=reasons.total(),
        tokens=tokens,
        mean_tokens=round(tokens / reasons.total(), 2),
        finish_reasons={
            reason: reasons[reason] for reason in ("stop", "length", "prompt_too_long")
        },
        prompts_too_long=list(too_long),
    )
