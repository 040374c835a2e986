"""Rows -> the sequences that the model reads and the tokens whose log p is taken. Before batches.

An item is one row of an objective: the sequences the model reads, and for each of its K texts the
tokens whose log p is summed. The texts of an item by objective, column by column:

    mle         solution
    cls-margin  right: correct, incorrect;  wrong: correct, incorrect
    cls-xent    correct, incorrect
    ctr         right solution, wrong solution
    mul-margin  as cls-margin, then the right solution
    mul-xent    as cls-xent, then the solution if it is correct
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mathtune.answers.visible import ends_thoughts, parted, unanswered
from mathtune.engines import prompts
from mathtune.engines.prompts import AnyForm, EndingTokenizer
from mathtune.engines.thought_budget import thought_tokens
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Labelled, Pair, Row
from mathtune.training.settings import Objective

Ids = NDArray[np.int32]

TEXTS: dict[Objective, int] = {
    "mle": 1,
    "cls-margin": 4,
    "cls-xent": 2,
    "ctr": 2,
    "mul-margin": 5,
    "mul-xent": 3,
}
"""The number of texts of an item, by objective: the K of the table above."""
LABEL_WORDS: dict[Objective, int] = {
    "mle": 0,
    "cls-margin": 4,
    "cls-xent": 2,
    "ctr": 0,
    "mul-margin": 4,
    "mul-xent": 2,
}
"""How many of an item's texts are label words, by objective: its first ones."""

KINDS: dict[Objective, tuple[type[Row], ...]] = {
    "mle": (Example,),
    "cls-margin": (Pair,),
    "cls-xent": (Labelled, Pair),
    "ctr": (Pair,),
    "mul-margin": (Pair,),
    "mul-xent": (Labelled, Pair),
}
"""The kinds of row that each objective learns from."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A sequence that the model reads, and the tokens whose log p is taken.

    The log p of `tokens[r]` is taken at `positions[r]` of the sequence (the one before the token)
    and counts for the text in column `texts[r]`. A last token is never fed to the model: `ids` ends
    with the last position that is read. Readings of one `family` (one prompt's solutions, one
    problem's candidates) share their beginning.
    """

    ids: Ids
    positions: Ids
    tokens: Ids
    texts: Ids
    family: str = ""


_READ = ("positions", "tokens", "texts")


@dataclass(frozen=True, slots=True)
class Item:
    """One row in the form that the model reads; `target_tokens` are those of its mle term."""

    name: str
    readings: tuple[Reading, ...]
    correct: bool
    target_tokens: int

    @property
    def length(self) -> int:
        """Tokens of the longest sequence."""
        return max(len(reading.ids) for reading in self.readings)


@dataclass
class Encoder:
    """Turns rows into items and counts those that exceed `max_length` tokens.

    `truncated` counts solutions that were cut, `left_out` rows from which nothing can be learned,
    `unanswered` those among them with a solution that ends with its thoughts, `unthought` solutions
    without the thoughts that their prompt opens, `rethought` those with thoughts that their prompt
    has ended.
    """

    tokenizer: EndingTokenizer
    form: AnyForm
    max_length: int
    truncated: int = 0
    left_out: int = 0
    unanswered: int = 0
    unthought: int = 0
    rethought: int = 0

    def items(self, rows: Iterable[tuple[str, Row]], objective: Objective) -> list[Item]:
        """Encode named rows for an objective.

        Raises:
            InputError: no row has a target inside `max_length`, or a solution behind its thoughts.
        """
        items = []
        rows = list(rows)
        for name, row in rows:
            unanswered = self._unanswered(row, objective)
            self.unanswered += unanswered
            item = None if unanswered else self._item(name, row, objective)
            if item is None:
                self.left_out += 1
            else:
                items.append(item)
        if not items and self.unanswered:
            raise InputError(
                f"{rows[0][0]}: a solution that ends with its thoughts, finished or cut off, as in "
                f"{self.unanswered} of the {len(rows)} examples; no example is left."
            )
        if not items:
            raise InputError(
                f"max_length: found {self.max_length}, inside which none of the {len(rows)} "
                f"examples has a target; expected more tokens."
            )
        return items

    def _unanswered(self, row: Row, objective: Objective) -> bool:
        """Return whether a row has a solution to learn that ends with its thoughts; or one to
        judge, if thoughts are dropped.
        """
        judged = prompts.worded(self.form).thoughts == "drop"
        solutions = {}
        if isinstance(row, Pair):
            solutions = {
                row.right: judged or objective in ("ctr", "mul-margin"),
                row.wrong: judged or objective == "ctr",
            }
        elif isinstance(row, Labelled):
            solutions = {row.solution: judged or (objective == "mul-xent" and row.correct)}
        elif isinstance(row, Example):
            solutions = {row.solution: True}
        return any(used and unanswered(solution) for solution, used in solutions.items())

    def _item(self, name: str, row: Row, objective: Objective) -> Item | None:
        readings: list[Reading | None] = []
        correct, target = True, None
        if isinstance(row, Example):
            target = self._solution(row.problem, row.solution, column=0)
            readings = [target]
        elif isinstance(row, Labelled):
            correct = row.correct
            readings += self._candidate(row.problem, row.solution, column=0)
            if objective == "mul-xent" and correct:
                target = self._solution(row.problem, row.solution, column=2)
                readings.append(target)
        elif isinstance(row, Pair) and objective == "ctr":
            target = self._solution(row.problem, row.right, column=0)
            readings = [target, self._solution(row.problem, row.wrong, column=1)]
        elif isinstance(row, Pair):
            readings += self._candidate(row.problem, row.right, column=0)
            readings += self._candidate(row.problem, row.wrong, column=2)
            if objective == "mul-margin":
                target = self._solution(row.problem, row.right, column=4)
                readings.append(target)
        whole = tuple(reading for reading in readings if reading is not None)
        if len(whole) < len(readings):
            return None
        return Item(name, whole, correct, 0 if target is None else len(target.tokens))

    def _solution(self, problem: str, solution: str, *, column: int) -> Reading | None:
        prompt = prompts.solver(problem, form=self.form, tokenizer=self.tokenizer)
        before = prompts.encode(prompt, form=self.form, tokenizer=self.tokenizer)
        reply = prompts.reply(solution, form=self.form, tokenizer=self.tokenizer, prompt=prompt)
        target = prompts.ended(reply, form=self.form, tokenizer=self.tokenizer)
        self._note_thoughts(solution, prompt)
        whole = [*before, *target]
        if len(whole) > self.max_length:
            self.truncated += 1
        start = len(before)
        if prompts.worded(self.form).thoughts == "read":
            start += thought_tokens(reply, target, tokenizer=self.tokenizer)
        if start >= self.max_length:
            return None
        return _read(whole[: self.max_length], start, column, f"solve {problem}")

    def _note_thoughts(self, solution: str, prompt: str) -> None:
        """Count a solution whose thoughts do not go with the prompt."""
        solution = prompts.worded(self.form).without(solution)
        self.unthought += prompts.lacks_thoughts(solution, prompt)
        parts = parted(solution) if ends_thoughts(prompt) else None
        self.rethought += parts is not None and bool(parts[1].strip())

    def _candidate(self, problem: str, solution: str, *, column: int) -> list[Reading | None]:
        prompt = prompts.evaluator(problem, solution, form=self.form, tokenizer=self.tokenizer)
        start, correct, incorrect = prompts.labelled(
            prompt, form=self.form, tokenizer=self.tokenizer
        )
        if max(len(correct), len(incorrect)) > self.max_length:
            return [None]
        family = f"judge {problem}"
        readings = [
            _read(correct, start, column, family),
            _read(incorrect, start, column + 1, family),
        ]
        short, long = sorted(readings, key=lambda reading: len(reading.ids))
        if not np.array_equal(long.ids[: len(short.ids)], short.ids):
            return list(readings)
        # One sequence serves both words, always if each is one token.
        both = {name: np.concatenate([getattr(r, name) for r in readings]) for name in _READ}
        return [Reading(long.ids, **both, family=family)]


def read_rows(paths: Iterable[Path], objective: Objective) -> Iterator[tuple[str, Row]]:
    """Yield (name, row) of the files, one after the other, as rows that the objective learns from.

    Pair rows become two Labelled rows for cls-xent and mul-xent.

    Raises:
        InputError: a file holds another kind of row, or a solution to learn is empty.
    """
    for path in paths:
        kind = _kind(path, objective)
        for number, row in enumerate(jsonl.read(path, kind), start=1):
            name = f"{path.name}, row {number} (problem {row.problem_id!r})"
            _refuse_empty(path, number, row, objective)
            if isinstance(row, Pair) and objective in ("cls-xent", "mul-xent"):
                yield name, _labelled(row, correct=True)
                yield name, _labelled(row, correct=False)
            else:
                yield name, row


def shown(item: Item, tokenizer: EndingTokenizer) -> str:
    """Return an item's first sequence as text, with a mark where its target begins."""
    reading = item.readings[0]
    start = reading.positions[0] + 1
    target = reading.tokens[reading.texts == reading.texts[0]]
    return f"{tokenizer.decode(reading.ids[:start])}⟦{tokenizer.decode(target)}⟧"


def _kind(path: Path, objective: Objective) -> Any:
    _, line = next(jsonl.lines(path), (0, b"{}"))
    try:
        fields = msgspec.json.decode(line)
    except jsonl.UNREADABLE:
        return KINDS[objective][0]  # reading it as such raises the right error
    for kind in (Example, Pair, Labelled):
        required = {f.name for f in msgspec.structs.fields(kind) if f.required}
        if isinstance(fields, dict) and required <= set(fields) <= set(kind.__struct_fields__):
            if kind in KINDS[objective]:
                return kind
            wanted = " or ".join(k.__name__ for k in KINDS[objective])
            raise InputError(
                f"{path}, line 1: found {kind.__name__} rows; objective {objective!r} learns from "
                f"{wanted} rows."
            )
    return KINDS[objective][0]


def _refuse_empty(path: Path, number: int, row: Any, objective: Objective) -> None:
    field = "right" if isinstance(row, Pair) else "solution"
    wrong = isinstance(row, Labelled) and not row.correct
    learned = objective in ("mle", "ctr", "mul-margin", "mul-xent") and not wrong
    if learned and not getattr(row, field).strip():
        raise InputError(
            f"{path}, row {number}, field {field!r}: empty; expected a solution to learn."
        )


def _labelled(pair: Pair, *, correct: bool) -> Labelled:
    solution = pair.right if correct else pair.wrong
    return Labelled(
        problem_id=pair.problem_id, problem=pair.problem, solution=solution, correct=correct
    )


def _read(whole: list[int], start: int, column: int, family: str) -> Reading:
    """Read every token from `start` on."""
    count = len(whole) - start
    return Reading(
        ids=_ids(whole[:-1]),
        positions=np.arange(start - 1, start - 1 + count, dtype=np.int32),
        tokens=_ids(whole[start:]),
        texts=np.full(count, column, dtype=np.int32),
        family=family,
    )


def _ids(tokens: list[int]) -> Ids:
    return np.asarray(tokens, dtype=np.int32)
