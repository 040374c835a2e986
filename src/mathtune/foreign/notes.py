"""The notes on foreign files: their fields' roles, and warnings in whole sentences."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from mathtune.answers.extract import GUESSED
from mathtune.data.files import names
from mathtune.errors import many, of_samples
from mathtune.foreign.judged import BROKEN_SHOWN, Request
from mathtune.run.progress import say

RULES_DIFFER = 0.01
"""The largest effect of the rule for answers on the mean that is not reported."""
SUSPICIOUS_SAMPLES = 20
VERDICTS_DIFFER, HARDLY_ANY = 0.1, 0.01
"""The part of samples with other verdicts, or with the gold's answer, that is not reported."""
_LINE = 600
"""The longest line of warnings, in characters; further ones are counted."""


class Problems:
    """The number of problems and of samples of each, in 16 bytes per problem."""

    def __init__(self) -> None:
        self._new = array("q")
        self._known = np.empty(0, dtype=np.int64)
        self._counts = np.empty(0, dtype=np.int64)

    def add(self, problem_id: str) -> None:
        """Count a sample of a problem."""
        self._new.append(hash(problem_id))
        if len(self._new) == 1 << 16:
            self._merge()

    def counts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the samples of each problem."""
        self._merge()
        return self._counts

    def _merge(self) -> None:
        found, counts = np.unique(np.array(self._new, dtype=np.int64), return_counts=True)
        keys = np.concatenate([self._known, found])
        self._known, place = np.unique(keys, return_inverse=True)
        sums = np.bincount(place, np.concatenate([self._counts, counts]).astype(np.float64))
        self._counts = sums.astype(np.int64)
        self._new = array("q")


def size(counts: Sequence[int] | np.ndarray[Any, Any]) -> str:
    """Return problems and samples, from the samples of each problem.

    >>> size([32, 32]), size([3, 4])
    ('2 problems x 32 samples', '2 problems with 3 to 4 samples each')
    """
    few, most = int(min(counts)), int(max(counts))
    problems = many(len(counts), "problem", "problems")
    if few < most:
        return f"{problems} with {few} to {most} samples each"
    return f"{problems} x {most} sample{'s' if most > 1 else ''}"


def roles(read: dict[str, str]) -> str:
    """Return the roles of the fields.

    >>> roles({"solution": "responses[]", "gold": "answer", "problem": "id"})
    'solution <- responses[], gold <- answer, problem <- id'
    """
    return ", ".join(f"{role} <- {path}" for role, path in read.items())


def rules(counted: Counter[str]) -> dict[str, int]:
    """Return the number of answers that each extraction rule found."""
    return {
        name.removeprefix("rule "): count
        for name, count in sorted(counted.items())
        if name.startswith("rule ")
    }


def warnings(request: Request) -> list[str]:
    """Return the warnings that a reader of the numbers should know, the gravest first."""
    return list(_warnings(request))


def _warnings(request: Request) -> Iterator[str]:
    counted, samples = request.counted, request.samples
    total = counted["samples"]
    if counted["programs"] > HARDLY_ANY * total:
        yield (
            f"{of_samples(counted['programs'], total, 'ends', 'end')} in a program: programs are "
            "never run, and what counts as the answer is a number of their text. Run them "
            "elsewhere, and name the field of their outputs with --fields solution=NAME."
        )
    yield from _on_verdicts(request)
    yield from _on_rules(request)
    yield from _on_reference(request)
    if samples.runs is not None:
        path, values = samples.runs
        shown = ", ".join(values[:3]) + (", ..." if len(values) > 3 else "")
        yield (
            f"Every problem has samples for each of the {len(values)} values of '{path}' "
            f"({shown}): these seem to be several runs, read as samples of one problem; write the "
            "rows of one to a file of its own to measure it alone."
        )
    if counted["prose"]:
        yield (
            f"{of_samples(counted['prose'], total, 'has', 'have')} a gold of many words that marks "
            "no answer: no sample equals it (--fields gold=NAME names another field, "
            "--problems FILE another file)."
        )
    if counted["no_text"]:
        lacking = many(counted["missing"], "row lacks", "rows lack")
        missing = f" ({lacking} the field)" if counted["missing"] else ""
        yield (
            f"{of_samples(counted['no_text'], total, 'has', 'have')} no text{missing}; "
            "a sample without a text counts as one without an answer."
        )
    if counted["prompts"]:
        yield "The samples begin with their prompts; they are read from their question on."
    if samples.key.kind == "row" and total > 1:
        yield (
            "No field tells problems apart: each row is a problem of its own "
            "(--fields problem=NAME names one)."
        )
    if counted["filtered"]:
        yield (
            f"Left out: {many(counted['filtered'], 'row that is a copy', 'rows that are copies')} "
            "of a sample, by another filter."
        )
    if counted["options"]:
        named = many(counted["options"], "row has", "rows have")
        yield (
            f"{named} options: the letter and the text of the right one are both correct "
            f"('{request.samples.files[0].roles.options}')."
        )
    if counted["none of these"]:
        rows = many(counted["none of these"], "row's right option says", "rows' right option says")
        yield f"{rows} 'none of these': a value instead of the letter counts as wrong there."
    if counted["accepted"]:
        several = many(counted["accepted"], "row has", "rows have")
        yield f"{several} several golds; a sample that fits one is correct."
    if counted["unmatched_scores"]:
        yield (
            f"{many(counted['unmatched_scores'], 'row has', 'rows have')} another number of scores "
            "than of samples; these scores count as missing."
        )
    if samples.joined is not None and samples.joined.unused:
        scores = many(samples.joined.unused, "score fits", "scores fit")
        yield f"{scores} no sample ({samples.joined.shown})."
    if request.broken:
        yield _broken(request)


def _on_rules(request: Request) -> Iterator[str]:
    """Say how much the mean depends on what counts as an answer."""
    counted = request.counted
    explicit, chosen = counted["correct and marked"], counted["correct"]
    total = counted["samples"]
    if request.rule != "explicit" and chosen - explicit > RULES_DIFFER * total:
        guessed = sum(counted[f"rule {name}"] for name in GUESSED)
        yield (
            f"{of_samples(guessed, total, 'marks', 'mark')} no answer: with the last number or "
            f"formula of their text (--extract {request.rule}) {chosen / total:.1%} of samples are "
            f"correct, with marked answers alone (--extract explicit) {explicit / total:.1%}."
        )
    unmarked = total - counted["answers"]
    if request.rule == "explicit" and 10 * unmarked > total:
        yield (
            f"{of_samples(unmarked, total, 'marks', 'mark')} no answer, which counts as wrong; "
            "--extract auto reads the last number or formula of their text."
        )


def _on_verdicts(request: Request) -> Iterator[str]:
    """Say if the file's own verdicts are others, or if hardly any sample has its gold's answer."""
    counted = request.counted
    by_file, total = counted["file verdicts"], counted["samples"]
    differs = counted["file verdict differs"]
    if by_file and differs > max(2, VERDICTS_DIFFER * by_file):
        yield (
            f"The file's own verdicts ('{request.samples.files[0].roles.file_verdict}') are others "
            f"for {differs:,} of {by_file:,} samples "
            f"({counted['file says correct'] / by_file:.1%} are correct by the file, "
            f"{counted['correct'] / total:.1%} here): look whether solution and gold are the right "
            "fields (--fields) and whole, and how the file was graded."
        )
    elif total >= SUSPICIOUS_SAMPLES and counted["correct"] <= HARDLY_ANY * total:
        yield (
            f"Hardly any sample has its gold's answer ({counted['correct']:,} of {total:,}): look "
            "whether solution and gold are the right fields (--fields)."
        )


def _on_reference(request: Request) -> Iterator[str]:
    """Say if the solutions may be the data set's own."""
    counted = request.counted
    roles_ = request.samples.files[0].roles
    if (
        names.sample_rank(roles_.solution) in (0, 1)
        and request.fields is None
        and counted["correct"] == counted["samples"] >= SUSPICIOUS_SAMPLES
    ):
        yield (
            f"Every '{roles_.solution}' has the gold's answer: these may be the data set's own "
            "solutions, not samples (--fields solution=NAME names another field)."
        )


def _broken(request: Request) -> str:
    rest = request.broken - BROKEN_SHOWN
    more = f"; and {rest:,} more" if rest > 0 else ""
    listed = "; ".join(sentence.removesuffix(".") for sentence in request.shown)
    what = "line is" if request.broken == 1 else "lines are"
    return f"{request.broken:,} broken {what} left out: {listed}{more}."


def tell(lines: Iterable[str], *, verbose: bool) -> None:
    """Print warnings on standard error: one line in all, or one per warning if asked."""
    found = list(lines)
    if not found:
        return
    if verbose or len(found) == 1:
        for line in found:
            say(f"warning: {line}")
        return
    shown = found[:1]
    while len(shown) < len(found) and sum(map(len, shown)) + len(found[len(shown)]) < _LINE:
        shown.append(found[len(shown)])
    rest = len(found) - len(shown)
    more = f" And {rest} more: --verbose." if rest else ""
    say(f"warnings: {' '.join(shown)}{more}")
