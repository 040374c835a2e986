"""The judged samples of foreign files as columns without texts, for measuring."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import Any

import numpy as np

from mathtune.answers.equivalence import graded_rows
from mathtune.errors import InputError, many
from mathtune.foreign import notes
from mathtune.foreign.judged import Judged, Request, judged
from mathtune.metrics.sample_columns import Gathered, Gathering, form_of
from mathtune.paths import calculator
from mathtune.rows.records import UNKNOWN, Graded, Problem, Sample, Verdict
from mathtune.rows.samples import Joined

_VERDICTS = tuple(Verdict)


class _Table:
    """Values by number: a million samples have few different answers, rules and forms."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """Return a value's number, a new one for a new value."""
        return self._numbers.setdefault(value, len(self._numbers))

    @cached_property
    def values(self) -> list[Any]:
        """The values by number."""
        return list(self._numbers)


class _Texts:
    """Texts in a temporary file, read back by number."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._starts = array("q", [0])

    def add(self, text: str | None) -> None:
        """Write a text."""
        content = (text or "").encode("utf-8", "replace")
        self._file.write(content)
        self._starts.append(self._starts[-1] + len(content))

    def __getitem__(self, number: int) -> str:
        self._file.seek(self._starts[number])
        return self._file.read(self._starts[number + 1] - self._starts[number]).decode("utf-8")


@dataclass
class Judgments:
    """Judged samples. `problem`, `answer`, ... have an entry for each sample, in file order."""

    request: Request
    ids: _Table = field(default_factory=_Table)
    answers: _Table = field(default_factory=_Table)
    forms: _Table = field(default_factory=_Table)
    golds: list[str] = field(default_factory=list)
    labels: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    clusters: dict[str, str] = field(default_factory=dict)
    first_lines: array[int] = field(default_factory=lambda: array("q"))
    problem: array[int] = field(default_factory=lambda: array("i"))
    answer: array[int] = field(default_factory=lambda: array("i"))
    verdict: array[int] = field(default_factory=lambda: array("b"))
    form: array[int] = field(default_factory=lambda: array("i"))
    length: array[int] = field(default_factory=lambda: array("i"))
    score: array[float] = field(default_factory=lambda: array("d"))
    calculated: array[float] = field(default_factory=lambda: array("d"))
    """The calculator's weights, if samples are scored."""
    digest: array[int] = field(default_factory=lambda: array("q"))
    texts: _Texts | None = None
    questions: bool = False

    def add(self, one: Judged) -> None:
        """Keep the needed parts of a sample.

        Raises:
            InputError: its problem had another gold before.
        """
        sample = one.sample
        number = self.ids.number(sample.problem_id)
        if number == len(self.golds):
            question = sample.question if self.questions else ""
            self.golds.append(sample.gold)
            self.labels.append((question, sample.level, sample.subject))
            self.first_lines.append(sample.line)
            if sample.group is not None:
                self.clusters[sample.problem_id] = sample.group
        elif self.golds[number] != sample.gold:
            raise InputError(
                f"{sample.file}, line {sample.line}: problem {sample.problem_id[:200]!r} has the "
                f"gold {sample.gold!r} and, on line {self.first_lines[number]}, "
                f"{self.golds[number]!r}; expected one gold per problem. Say which field names "
                "the problem: --fields problem=NAME."
            )
        text = sample.solution or ""
        rule = one.answer.rule if one.answer else None
        self.problem.append(number)
        self.answer.append(self.answers.number(one.answer) if one.answer else -1)
        self.verdict.append(_VERDICTS.index(one.verdicts[0]))
        self.form.append(self.forms.number(form_of(text, rule, UNKNOWN)))
        self.length.append(len(text))
        self.score.append(float("nan") if sample.score is None else sample.score)
        if sample.score is not None:
            self.calculated.append(calculator.weight(text))
        self.digest.append(hash(text))
        if self.texts is not None:
            self.texts.add(sample.solution)

    @cached_property
    def order(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The samples problem by problem, in file order within each."""
        return np.argsort(np.array(self.problem), kind="stable")

    @cached_property
    def starts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Problem p's samples are `order[starts[p]:starts[p + 1]]`."""
        counts = np.bincount(np.array(self.problem), minlength=len(self.golds))
        return np.concatenate([[0], np.cumsum(counts)])

    @property
    def counts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The samples of each problem."""
        return np.diff(self.starts)

    @property
    def scored(self) -> bool:
        """Return whether any sample has a score."""
        return not all(map(isnan, self.score))

    def members(self, number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the samples of a problem."""
        return self.order[self.starts[number] : self.starts[number + 1]]

    def grades(self, number: int) -> list[Graded]:
        """Return a problem's graded rows."""
        members = self.members(number).tolist()
        values = self.answers.values
        found = [values[self.answer[i]] if self.answer[i] >= 0 else None for i in members]
        verdicts = [_VERDICTS[self.verdict[i]] for i in members]
        return graded_rows(
            self.ids.values[number],
            range(len(members)),
            found,
            verdicts,
            grader=self.request.graders[0],
        )

    @cached_property
    def gathered(self) -> Gathered:
        """Return the columns for `metrics.measure`.

        Raises:
            InputError: problems differ in their number of samples.
        """
        gathering = Gathering()
        scored = self.scored
        forms = self.forms.values
        for number, problem_id in enumerate(self.ids.values):
            members = self.members(number).tolist()
            gathering.add(
                problem_id,
                self.grades(number),
                scores=[self.score[i] for i in members] if scored else None,
                lengths=[self.length[i] for i in members],
                tokens=[0] * len(members),
                forms=[forms[self.form[i]] for i in members],
                calculator=[self.calculated[i] for i in members] if scored else None,
            )
        if self.texts is None:  # single samples are no longer needed
            for column in (self.form, self.length, self.calculated, self.answer, self.verdict):
                del column[:]
        return gathering.done()

    @cached_property
    def problems(self) -> dict[str, Problem]:
        """The problems by id, in the order of their first samples."""
        return {
            problem_id: Problem(
                id=problem_id, problem=question, answer=gold, level=level, subject=subject
            )
            for problem_id, gold, (question, level, subject) in zip(
                self.ids.values, self.golds, self.labels, strict=True
            )
        }

    @property
    def labelled(self) -> bool:
        """Return whether any problem has a level or a subject."""
        return any(level or subject for _, level, subject in self.labels)

    @property
    def read(self) -> dict[str, str]:
        """Return the roles of the fields."""
        found = self.request.samples.read
        return found if self.request.scorer is None else {**found, "score": calculator.NAME}

    @property
    def warnings(self) -> list[str]:
        """Return the warnings that a reader of the numbers should know."""
        found = notes.warnings(self.request)
        several = self.counts > 1
        digests = np.array(self.digest)[self.order]
        first = np.repeat(digests[self.starts[:-1]], self.counts)
        equal = np.add.reduceat(digests == first, self.starts[:-1]) == self.counts
        same = int(np.count_nonzero(equal & several))
        if same:
            found.append(
                f"In {same:,} of {many(len(self.golds), 'problem', 'problems')} all samples are "
                "identical: a temperature of 0, or one sample written several times?"
            )
        return found

    def joined(self, number: int) -> Sequence[Joined]:
        """Return a problem's samples with their texts."""
        assert self.texts is not None
        return [
            Joined(
                Sample(
                    problem_id=grade.problem_id,
                    index=grade.index,
                    text=self.texts[i],
                    finish_reason=UNKNOWN,
                    tokens=0,
                ),
                grade,
                self.score[i] if self.scored else None,
            )
            for i, grade in zip(self.members(number).tolist(), self.grades(number), strict=True)
        ]

    def groups(self) -> Iterator[tuple[str, Sequence[Joined]]]:
        """Yield the problems with their samples' texts, for a page."""
        for number, problem_id in enumerate(self.ids.values):
            yield problem_id, self.joined(number)


def judge_problems(request: Request, *, texts: bool = False, questions: bool = True) -> Judgments:
    """Read and judge all samples; their texts are kept on disk only if `texts`.

    Raises:
        InputError: as `judged`, or samples of one problem have different golds.
    """
    found = Judgments(request, texts=_Texts() if texts else None, questions=questions or texts)
    for one in judged(request):
        found.add(one)
    return found
