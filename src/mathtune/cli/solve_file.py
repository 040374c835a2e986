"""Solve a file of problems, here or on a server. What `mathtune solve FILE --out ...` does.

Questions are solved side by side. Rows are kept in FILE.begun as they are finished, in the file's
order, so that the same command continues; the answers appear whole, by rename.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from mathtune.cli.serving.settings import Solver, check
from mathtune.cli.serving.solved import Solved
from mathtune.data.columns import QUESTIONS, columns_by
from mathtune.data.files.options import either, first_of, options, options_field
from mathtune.data.rows import Row, read_rows, stable_id
from mathtune.data.values import value_at
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.progress import Progress, say

TOGETHER = 64
"""Questions solved at once."""


class Solution(msgspec.Struct, kw_only=True):
    """A row of the answers. `error`: why there is none; then all but the id and the problem is
    empty."""

    problem_id: str
    problem: str
    gold_answer: str | None = None
    answer: str | None = None
    solution: str | None = None
    strategy: str | None = None
    votes: int = 0
    samples_used: int = 0
    stopped: str | None = None
    tokens: int = 0
    error: str | None = None


class Begun(msgspec.Struct):
    """The first line of a file that was begun: what its rows were made with."""

    made_with: str


Solve = Callable[[str], Coroutine[Any, Any, Solved]]


def solve_file(path: Path, out: Path, solver: Solver, *, server: str | None) -> int:
    """Solve every problem of a file; return how many could not be.

    Raises:
        InputError: the file has no questions, a setting is out of range, or a model or server
            cannot be used.
    """
    check(solver)
    asked = questions(path)
    if not out.parent.is_dir():
        raise InputError(f"--out: {out.parent} is no folder; expected one that is there.")
    begun = out.with_name(out.name + ".begun")
    made_with = _made_with(asked, solver, server)
    done = _begun(begun, made_with)
    with Progress("solve", total=len(asked), unit="questions") as progress:
        for _ in done:
            progress.advance()

        def keep(rows: Sequence[Solution]) -> None:
            jsonl.append(begun, rows)
            for _ in rows:
                progress.advance()

        try:
            _solved(asked[len(done) :], solver, server, keep)
        except (InputError, ModuleNotFoundError):
            if not _begun(begun, made_with):
                begun.unlink()
            raise
    rows = _begun(begun, made_with)
    jsonl.write(out, rows)
    begun.unlink()
    return _summary(rows, out)


def questions(path: Path) -> list[Solution]:
    """Read a file's problems: a `problem` or `question` each; optionally an id and a gold.

    The first row decides which fields these are, as it does for `mathtune prepare`.

    Raises:
        InputError: a row has no question, or an id occurs twice.
    """
    found: dict[str, Solution] = {}
    offers: list[dict[str, str]] = []
    columns: dict[str, str | None] = {}
    for row in read_rows(path):
        if row.fault:
            raise InputError(f"{row.where}: {row.fault}")
        columns = columns or columns_by(row.values, {})
        text = _value(row, columns["problem"])
        if not isinstance(text, str) or not text.strip():
            there = ", ".join(map(repr, row.values))
            raise InputError(
                f"{row.where}: no question; the row has {there}; expected a text in "
                f"{', '.join(('problem', *QUESTIONS[:-1]))} or {QUESTIONS[-1]}."
            )
        given = _value(row, columns["id"])
        name = str(given) if given is not None else f"{stable_id(text)}-{len(found)}"
        if name in found:
            raise InputError(f"{row.where}: the id {name!r} occurs twice; expected every id once.")
        gold = row.values.get("gold_answer", _value(row, columns["answer"]))
        found[name] = Solution(
            problem_id=name, problem=text, gold_answer=None if gold is None else str(gold)
        )
        offering = options_field(row.values)
        offers.append({} if offering is None else options(row.values[offering]))
    first = first_of([one.gold_answer for one in found.values()], offers)
    if first is not None:
        for one, offered in zip(found.values(), offers, strict=True):
            one.gold_answer = one.gold_answer and either((one.gold_answer,), offered, first)[0]
    return list(found.values())


def _value(row: Row, path: str | None) -> Any:
    return None if path is None else value_at(row.values, path)


def _made_with(asked: Sequence[Solution], solver: Solver, server: str | None) -> str:
    content = msgspec.json.encode([list(asked), asdict(solver), server])
    return hashlib.sha256(content).hexdigest()


def _begun(partial: Path, made_with: str) -> list[Solution]:
    """Return the rows that an earlier call finished; else begin the file."""
    jsonl.repair(partial)
    if not partial.exists() or not partial.stat().st_size:
        jsonl.append(partial, [Begun(made_with)])
        return []
    (_, head), *lines = jsonl.lines(partial)
    try:
        begun = msgspec.json.decode(head, type=Begun)
        rows = [msgspec.json.decode(line, type=Solution) for _, line in lines]
    except jsonl.UNREADABLE:
        raise InputError(f"{partial}: is not what an earlier call left; remove it.") from None
    if begun.made_with == made_with:
        return rows
    if rows:
        raise InputError(
            f"{partial}: was begun with other problems or settings; expected the same, or no such "
            "file."
        )
    partial.unlink()
    return _begun(partial, made_with)


def _solved(
    asked: Sequence[Solution],
    solver: Solver,
    server: str | None,
    keep: Callable[[Sequence[Solution]], None],
) -> None:
    """Solve questions here or on the server; `keep` gets their rows in order."""
    if not asked:
        return
    if server is not None:
        from mathtune.cli.serving.ask import Served

        with Served(server) as there, ThreadPoolExecutor(TOGETHER) as threads:

            async def post(question: str) -> Solved:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(threads, there.solve, question, solver)

            asyncio.run(_side_by_side(asked, post, keep))
        return
    from mathtune.cli.serving.models import Question
    from mathtune.cli.serving.opened import opened
    from mathtune.cli.serving.waves import solved

    with opened(solver) as models:

        async def here(question: str) -> Solved:
            return await solved(Question(question), solver, models)

        asyncio.run(_side_by_side(asked, here, keep))


async def _side_by_side(
    asked: Sequence[Solution], solve: Solve, keep: Callable[[Sequence[Solution]], None]
) -> None:
    """Solve `TOGETHER` questions at once; hand rows over in order, as soon as they can be."""
    slots = asyncio.Semaphore(TOGETHER)
    finished: dict[int, Solution] = {}
    kept = 0

    async def one(number: int, row: Solution) -> None:
        nonlocal kept
        async with slots:
            finished[number] = await _row(row, solve)
        ready = []
        while kept in finished:
            ready.append(finished.pop(kept))
            kept += 1
        if ready:
            keep(ready)

    await asyncio.gather(*(one(number, row) for number, row in enumerate(asked)))


async def _row(row: Solution, solve: Solve) -> Solution:
    """Solve a row; a question that fails has its error as its row."""
    from mathtune.cli.serving.models import FailedError

    try:
        found = await solve(row.problem)
    except (InputError, FailedError) as error:
        return msgspec.structs.replace(row, error=str(error))
    return msgspec.structs.replace(
        row,
        answer=found.answer,
        solution=found.choices(1)[0].solution,
        strategy=found.strategy,
        votes=0 if found.picked is None else found.picked.votes,
        samples_used=found.samples_used,
        stopped=found.stopped,
        tokens=found.tokens,
    )


def _summary(rows: Sequence[Solution], out: Path) -> int:
    failed = [row for row in rows if row.error is not None]
    solved = [row for row in rows if row.error is None]
    mean = sum(row.samples_used for row in solved) / max(1, len(solved))
    without = sum(row.answer is None for row in solved)
    say(
        f"{out}: {len(solved)} questions, {mean:.1f} samples each, "
        f"{sum(row.tokens for row in solved):,} tokens, {without} without an answer"
    )
    if failed:
        say(f"{len(failed)} could not be solved; the first: {failed[0].error}")
    return len(failed)
