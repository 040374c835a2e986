"""Each sample of a foreign file with its answer and what each grader says of it, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

from mathtune.answers import Answer, Grader, cluster, compare_many, extract, grader_version
from mathtune.answers.extract import ExtractRule
from mathtune.answers.graders import math_verify
from mathtune.data.local import refuse_pointer
from mathtune.errors import InputError
from mathtune.foreign.read import Fields, ForeignSample, read_foreign
from mathtune.rows.records import Graded, Verdict
from mathtune.run.progress import say

SAMPLES_AT_ONCE = 4_096
CHARACTERS_AT_ONCE = 16_000_000
"""A block is compared in bulk: so many samples, or so much text. Bounds memory, changes nothing."""

BROKEN_SHOWN = 100
"""So many broken lines are named one by one; all are counted."""

SAY_EVERY = 100_000
"""Samples between two lines about how far it is."""


@dataclass
class Request:
    """What is to be done with a file. `fields` None: its shape is recognised.

    `strict`: the first broken line ends the work. Otherwise broken lines are named, and counted in
    `broken`.

    Example:
        >>> Request.parse(Path("out.jsonl"), grader="math,prm800k").graders
        ('math', 'prm800k')
    """

    file: Path
    graders: tuple[Grader, ...] = ("math",)
    rule: ExtractRule = "explicit"
    fields: Fields | None = None
    strict: bool = False
    broken: int = field(default=0, init=False)

    @classmethod
    def parse(
        cls,
        file: Path,
        *,
        grader: str | None = None,
        rule: str | None = None,
        fields: str | None = None,
        strict: bool = False,
    ) -> Request:
        """Read the options of the command line; None: not given.

        Raises:
            InputError: an unknown grader or rule, or fields that say too little.
        """
        request = cls(file, strict=strict)
        if grader is not None:
            request.graders = _graders(grader)
        if rule is not None:
            request.rule = _rule(rule)
        if fields is not None:
            request.fields = Fields.parse(fields)
        return request

    @property
    def versions(self) -> dict[str, str]:
        """Each grader's version."""
        return {grader: grader_version(grader) for grader in self.graders}


class Judged(NamedTuple):
    """A sample, its answer, and the verdict of each of the request's graders, in their order."""

    sample: ForeignSample
    answer: Answer | None
    verdicts: tuple[Verdict, ...]


def judged(request: Request, *, score: str | tuple[str, ...] = ()) -> Iterator[Judged]:
    """Yield the file's samples in its order. `score`: as in `read_foreign`.

    Raises:
        InputError: the file cannot be read, no line of it can be used, or, where the request is
            strict, one line cannot.
    """
    refuse_pointer(request.file)
    done = 0
    for block in _blocks(_samples(request, score)):
        answers = [extract(sample.solution, rule=request.rule) for sample in block]
        pairs = [
            (answer.text if answer else None, sample.gold)
            for sample, answer in zip(block, answers, strict=True)
        ]
        verdicts = zip(
            *(compare_many(pairs, grader=grader) for grader in request.graders), strict=True
        )
        yield from map(Judged, block, answers, verdicts)
        if (done + len(block)) // SAY_EVERY > done // SAY_EVERY:
            say(f"{done + len(block):,} samples graded")
        done += len(block)
    if not done:
        broken = f"; {request.broken} lines are broken" if request.broken else ""
        raise InputError(
            f"{request.file}: no line can be used{broken}; "
            "expected JSON Lines, one object with samples and a gold a line."
        )
    if request.broken > BROKEN_SHOWN:
        say(f"{request.file}: {request.broken - BROKEN_SHOWN} more broken lines")


def rows_of(members: Sequence[Judged], grader: Grader, position: int = 0) -> list[Graded]:
    """The rows of one problem's samples, numbered and clustered by a grader.

    `position` is the grader's place among the request's.
    """
    texts = [one.answer.text if one.answer else None for one in members]
    number = {i: k for k, indices in enumerate(cluster(texts, grader=grader)) for i in indices}
    return [
        Graded(
            problem_id=one.sample.problem_id,
            index=i,
            answer=texts[i],
            rule=one.answer.rule if one.answer else None,
            verdict=one.verdicts[position],
            cluster=number.get(i),
        )
        for i, one in enumerate(members)
    ]


def _samples(request: Request, score: str | tuple[str, ...]) -> Iterator[ForeignSample]:
    def report(sentence: str) -> None:
        request.broken += 1
        if request.broken <= BROKEN_SHOWN:
            say(f"broken: {sentence}")

    for sample in read_foreign(
        request.file,
        fields=request.fields,
        score=score,
        report=None if request.strict else report,
    ):
        texts: dict[str, Any] = {
            name: _valid(value) for name, value in sample._asdict().items() if _doubtful(value)
        }
        yield sample._replace(**texts) if texts else sample


def _doubtful(value: object) -> bool:
    return isinstance(value, str) and not value.isascii()


def _valid(text: str) -> str:
    """The text with `?` for lone surrogates, which JSON can bring and no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _blocks(samples: Iterator[ForeignSample]) -> Iterator[list[ForeignSample]]:
    block: list[ForeignSample] = []
    size = 0
    for sample in samples:
        block.append(sample)
        size += len(sample.solution)
        if len(block) == SAMPLES_AT_ONCE or size >= CHARACTERS_AT_ONCE:
            yield block
            block, size = [], 0
    if block:
        yield block


def _graders(text: str) -> tuple[Grader, ...]:
    known = get_args(Grader)
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in known:
            raise InputError(f"--grader {text}: no grader {name!r}; expected {', '.join(known)}.")
    if "math-verify" in names:
        math_verify.require()
    return tuple(grader for name in names for grader in known if grader == name)


def _rule(text: str) -> ExtractRule:
    known = get_args(ExtractRule)
    for rule in known:
        if rule == text:
            return rule
    raise InputError(f"--extract {text}: no such rule; expected {' or '.join(known)}.")
