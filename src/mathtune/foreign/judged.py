"""Each sample of foreign files with its answer and each grader's verdict, block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, get_args

from mathtune.answers import Answer, Grader, compare_accepted, extract, grader_version
from mathtune.answers.extract import GUESSED, ExtractRule
from mathtune.answers.graders import math_verify
from mathtune.data.files.texts import is_prose
from mathtune.errors import InputError, many, named
from mathtune.foreign.programs import program_start
from mathtune.foreign.read import Fields, ForeignSample, Samples, open_samples
from mathtune.metrics.weights import WeightRule
from mathtune.paths import calculator
from mathtune.rows import jsonl
from mathtune.rows.records import Verdict
from mathtune.run.progress import Progress

SAMPLES_AT_ONCE = 4_096
CHARACTERS_AT_ONCE = 16_000_000
"""The size of a block that is compared in bulk, in samples and characters; it bounds memory."""

BROKEN_SHOWN = 5
"""The number of broken lines that are named; all are counted."""
SECONDS_BETWEEN_LINES = 60.0

Scorer = Callable[[str, str], float | None]
"""A score from a sample's question and text; None: it has none."""


@dataclass
class Request:
    """The work on some files, and the counts made during it.

    `rule` auto: the marked answer, else the last number or formula. `strict`: the first broken line
    ends the work. `scorer` scores each sample instead of a field of the file.

    Example:
        >>> Request.parse("out.jsonl", grader="math,prm800k").graders
        ('math', 'prm800k')
    """

    files: tuple[str | Path, ...]
    graders: tuple[Grader, ...] = ("math",)
    rule: ExtractRule = "auto"
    fields: Fields | None = None
    problems: str | Path | None = None
    split: str | None = None
    strict: bool = False
    score: str | None = None
    scorer: Scorer | None = None
    weights: WeightRule = "auto"
    cluster_by: str | None = None
    broken: int = field(default=0, init=False)
    shown: list[str] = field(default_factory=list, init=False)
    counted: Counter[str] = field(default_factory=Counter, init=False)

    @classmethod
    def parse(
        cls,
        files: str | Path | Sequence[str | Path],
        *,
        grader: str | None = None,
        rule: str | None = None,
        fields: str | None = None,
        **others: Any,
    ) -> Request:
        """Read the options of the command line; None: not given.

        Raises:
            InputError: an unknown grader or rule, or incomplete fields.
        """
        named = (files,) if isinstance(files, str | Path) else tuple(files)
        request = cls(named, **{name: value for name, value in others.items() if value is not None})
        if grader is not None:
            request.graders = _graders(grader)
        if rule is not None:
            request.rule = _known("--extract", rule, get_args(ExtractRule))
        if fields is not None:
            request.fields = Fields.parse(fields)
        if request.score == calculator.NAME:
            request.scorer = _calculated
        request.weights = _known("--weights", request.weights, get_args(WeightRule))
        return request

    @property
    def versions(self) -> dict[str, str]:
        """Each grader's version."""
        return {grader: grader_version(grader) for grader in self.graders}

    @property
    def name(self) -> str:
        """The files in a title."""
        first = Path(self.files[0]).name if str(self.files[0]) != "-" else "standard input"
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"

    @cached_property
    def samples(self) -> Samples:
        """The files' samples, with their fields' roles decided.

        Raises:
            InputError: as `open_samples`.
        """
        return open_samples(
            self.files,
            fields=self.fields,
            problems=self.problems,
            score=None if self.score == calculator.NAME else self.score,
            split=self.split,
            cluster_by=self.cluster_by,
            report=None if self.strict else self._broken,
        )

    def _broken(self, sentence: str) -> None:
        self.broken += 1
        if self.broken <= BROKEN_SHOWN:
            self.shown.append(sentence)


def _calculated(question: str, solution: str) -> float:
    """Return the calculator's weight: a solution that states a false equation weighs little."""
    del question
    return calculator.weight(solution)


class Judged(NamedTuple):
    """A sample, its answer, and the verdict of each of the request's graders, in their order."""

    sample: ForeignSample
    answer: Answer | None
    verdicts: tuple[Verdict, ...]


def judged(request: Request) -> Iterator[Judged]:
    """Yield the files' samples in their order.

    Raises:
        InputError: a file cannot be read, no line of it can be used, or, if the request is strict,
        one line cannot.
    """
    samples = request.samples
    known = samples.rows if samples.problems is not None else 0
    progress = Progress("grade", total=known, unit="samples", every=SECONDS_BETWEEN_LINES)
    with progress:
        for block in _blocks(_scored(samples, request)):
            answers = [
                extract(sample.solution, rule=request.rule) if sample.solution else None
                for sample in block
            ]
            verdicts = zip(
                *(_verdicts(block, answers, grader) for grader in request.graders), strict=True
            )
            for one in map(Judged, block, answers, verdicts):
                _notice(one, request.counted)
                yield one
            progress.advance(len(block))
    if not progress.done:
        raise InputError(
            f"{request.name}: no line can be used{_broken_lines(request)}; "
            "expected rows with samples and a gold."
        )
    request.counted.update(samples.counted)


def _broken_lines(request: Request) -> str:
    if not request.broken:
        return ""
    first = f" ({request.shown[0]})" if request.shown else ""
    broken = many(request.broken, "line is", "lines are")
    return f"; {broken} broken{first.removesuffix('.)')}" + (")" if first else "")


def _notice(one: Judged, counted: Counter[str]) -> None:
    """Count what the warnings need: missing texts, and the rules that found answers."""
    counted["samples"] += 1
    counted["no_text"] += one.sample.solution is None
    counted["prose"] += is_prose(one.sample.gold)
    counted["programs"] += _is_program(one.sample.solution or "")
    if one.sample.file_verdict is not None:
        counted["file verdicts"] += 1
        counted["file says correct"] += one.sample.file_verdict
        counted["file verdict differs"] += one.sample.file_verdict != (
            one.verdicts[0] is Verdict.correct
        )
    if one.answer is None:
        return
    counted["answers"] += 1
    counted[f"rule {one.answer.rule}"] += 1
    if one.verdicts[0] is Verdict.correct:
        counted["correct"] += 1
        counted["correct and marked"] += one.answer.rule not in GUESSED


def _is_program(text: str) -> bool:
    """Return whether a text ends in a program, and marks no answer before it."""
    start = program_start(text)
    return start is not None and extract(text[:start]) is None


def _verdicts(
    block: Sequence[ForeignSample], answers: Sequence[Answer | None], grader: Grader
) -> list[Verdict]:
    """Return the verdicts of a block; of several accepted golds the kindest verdict counts."""
    texts = [answer.text if answer else None for answer in answers]
    golds = [sample.accepted or (sample.gold,) for sample in block]
    return compare_accepted(texts, golds, grader=grader)


def _scored(samples: Samples, request: Request) -> Iterator[ForeignSample]:
    """Yield the samples with texts that any file can hold, scored again if a scorer is given."""
    for sample in samples:
        texts: dict[str, Any] = {
            name: jsonl.writable(value)
            for name, value in sample._asdict().items()
            if isinstance(value, str) and not value.isascii()
        }
        found = sample._replace(**texts) if texts else sample
        if request.scorer is not None:
            score = request.scorer(found.question, found.solution) if found.solution else None
            found = found._replace(score=float("nan") if score is None else score)
        yield found


def _blocks(samples: Iterator[ForeignSample]) -> Iterator[list[ForeignSample]]:
    block: list[ForeignSample] = []
    size = 0
    for sample in samples:
        block.append(sample)
        size += len(sample.solution or "")
        if len(block) == SAMPLES_AT_ONCE or size >= CHARACTERS_AT_ONCE:
            yield block
            block, size = [], 0
    if block:
        yield block


def _graders(text: str) -> tuple[Grader, ...]:
    known = get_args(Grader)
    names = tuple(dict.fromkeys(named("--grader", text)))
    for name in names:
        if name not in known:
            raise InputError(f"--grader {text}: no grader {name!r}; expected {', '.join(known)}.")
    if "math-verify" in names:
        math_verify.require()
    return tuple(grader for name in names for grader in known if grader == name)


def _known(option: str, text: str, known: tuple[str, ...]) -> Any:
    if text in known:
        return text
    raise InputError(f"{option} {text}: no such rule; expected {' or '.join(known)}.")
