"""Grade foreign files in one pass: counts per grader, frequent disagreements, grades to keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from typing import Any

from mathtune.answers import explain
from mathtune.errors import many
from mathtune.foreign import notes
from mathtune.foreign.grade_folder import GradeFiles, refuse_folder
from mathtune.foreign.judged import Judged, Request, judged
from mathtune.report.cells import Table
from mathtune.rows.records import Verdict
from mathtune.run.progress import visible

SHOWN = 10
"""The number of disagreements in a list."""
KEPT = 20_000
"""The number of different disagreements that are counted at a time."""
TEXT_KEPT = 200
"""The number of characters of an answer that distinguish disagreements."""
TEXT_SHOWN = 60


def grade_file(
    request: Request,
    *,
    out: Path | None = None,
    redo: bool = False,
    each: Callable[[Judged], None] | None = None,
) -> dict[str, Any]:
    """Grade every sample; with `out`, write the grades and this document into that folder.

    `each` is called with every sample once it is judged.

    Returns `read` (role -> field), `problems`, `samples`, `size` in words, `warnings`, `rules`,
    `broken_lines`, `extract`; `graders`: name -> version, accuracy, a count for each verdict and
    the most frequent `disagreements` with the gold; with several graders `between_graders`.
    Accuracy is the fraction of all samples that is correct.

    Raises:
        InputError: as `judged`; the folder holds something other than grades, or grades without
        `redo`. Nothing is written then.
    """
    tally = Tally(request)
    if out is None:
        for _ in _counted(request, tally, each):
            pass
        return tally.document()
    refuse_folder(out, redo=redo)
    with GradeFiles(out, request.graders) as files:
        files.write(_counted(request, tally, each))
        document = tally.document()
        files.finish(document)
    return document


def _counted(
    request: Request, tally: Tally, each: Callable[[Judged], None] | None
) -> Iterator[Judged]:
    for one in judged(request):
        tally.add(one)
        if each is not None:
            each(one)
        yield one


def reason(one: Judged, request: Request) -> str:
    """Return one line that says why each grader gives its verdict on a sample."""
    given = one.answer.text if one.answer else None
    said = [explain(given, one.sample.gold, grader=grader) for grader in request.graders]
    return f"line {one.sample.line}: {'; '.join(said)}"


class Frequent:
    """Counts keys and remembers each one's first line, in bounded memory.

    Beyond `KEPT` different keys the rarer half is forgotten, so that a count is a lower bound.
    """

    def __init__(self) -> None:
        self.total = 0
        self.exact = True
        self._found: dict[tuple[str, ...], list[int]] = {}

    def add(self, key: tuple[str, ...], line: int) -> None:
        """Count a key that occurs on `line`."""
        self.total += 1
        self._found.setdefault(key, [0, line])[0] += 1
        if len(self._found) > KEPT:
            self.exact = False
            self._found = dict(self._ranked(KEPT // 2))

    def rows(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return the most frequent keys with count and first line; `names`: of a key's parts."""
        return [
            {"count": count, **dict(zip(names, key, strict=True)), "first_line": line}
            for key, (count, line) in self._ranked(SHOWN)
        ]

    def _ranked(self, number: int) -> list[tuple[tuple[str, ...], list[int]]]:
        return nlargest(number, self._found.items(), key=lambda item: (item[1][0], -item[1][1]))


@dataclass
class Tally:
    """The counts that grow with each sample."""

    request: Request
    samples: int = 0
    verdicts: list[Counter[Verdict]] = field(default_factory=list)
    against_gold: list[Frequent] = field(default_factory=list)
    between: Frequent = field(default_factory=Frequent)
    problems: notes.Problems = field(default_factory=notes.Problems)

    def __post_init__(self) -> None:
        self.verdicts = [Counter() for _ in self.request.graders]
        self.against_gold = [Frequent() for _ in self.request.graders]

    def add(self, one: Judged) -> None:
        """Count one sample."""
        self.samples += 1
        self.problems.add(one.sample.problem_id)
        gold = one.sample.gold[:TEXT_KEPT]
        answer = one.answer.text[:TEXT_KEPT] if one.answer else ""
        for number, verdict in enumerate(one.verdicts):
            self.verdicts[number][verdict] += 1
            if verdict in (Verdict.wrong, Verdict.undecided):
                self.against_gold[number].add((gold, answer, verdict.value), one.sample.line)
        if len(set(one.verdicts)) > 1:
            said = (verdict.value for verdict in one.verdicts)
            self.between.add((gold, answer, *said), one.sample.line)

    def document(self) -> dict[str, Any]:
        """Return the counts as JSON values, in the order of their display."""
        graders = {}
        for name, counts, wrong in zip(
            self.request.graders, self.verdicts, self.against_gold, strict=True
        ):
            graders[name] = {
                "version": self.request.versions[name],
                "accuracy": round(counts[Verdict.correct] / self.samples, 6),
                **{verdict.value: counts[verdict] for verdict in Verdict},
                "disagreements": wrong.rows(("gold", "answer", "verdict")),
                "disagreements_exact": wrong.exact,
            }
        problems = self.problems.counts()
        document: dict[str, Any] = {
            "read": self.request.samples.read,
            "problems": len(problems),
            "samples": self.samples,
            "size": notes.size(problems),
            "warnings": notes.warnings(self.request),
            "rules": notes.rules(self.request.counted),
            "broken_lines": self.request.broken,
            "extract": self.request.rule,
            "graders": graders,
        }
        if len(graders) > 1:
            document["between_graders"] = {
                "samples": self.between.total,
                "disagreements": self.between.rows(("gold", "answer", *graders)),
                "disagreements_exact": self.between.exact,
            }
        return document


def brief(document: dict[str, Any]) -> dict[str, Any]:
    """Return the part of `grade_file`'s document that `mathtune grade FILE --json` prints."""
    return {
        "read": document["read"],
        "problems": document["problems"],
        "samples": document["samples"],
        "rule": document["extract"],
        "warnings": document["warnings"],
        "graders": {
            name: {verdict.value: found[verdict.value] for verdict in Verdict}
            for name, found in document["graders"].items()
        },
    }


def tables(document: dict[str, Any]) -> list[Table]:
    """Return the tables of `grade_file`'s document for the terminal."""
    rows = [
        (
            name,
            found["version"],
            f"{100 * found['accuracy']:.1f} %",
            *(f"{found[verdict.value]:,}" for verdict in Verdict),
        )
        for name, found in document["graders"].items()
    ]
    broken = document["broken_lines"]
    rules = ", ".join(f"{name} {count:,}" for name, count in document["rules"].items())
    note = f"Answers found by the rule {document['extract']}: {rules or 'none'}."
    if "between_graders" in document:
        note += f" The graders differ on {document['between_graders']['samples']:,} samples."
    shown = [
        Table(
            document["size"]
            + (f", {many(broken, 'broken line', 'broken lines')} left out" if broken else ""),
            ("grader", "version", "accuracy", *(verdict.value for verdict in Verdict)),
            rows,
            note,
        )
    ]
    for name, found in document["graders"].items():
        title = f"Most frequent disagreements with the gold, {name}"
        shown.append(_disagreements(title, found))
    if "between_graders" in document:
        found = document["between_graders"]
        shown.append(_disagreements("Where the graders differ", found))
    return [table for table in shown if table.rows]


def _disagreements(title: str, found: dict[str, Any]) -> Table:
    listed = found["disagreements"]
    header = tuple(listed[0]) if listed else ()
    rows = [tuple(_cell(value) for value in row.values()) for row in listed]
    note = "" if found["disagreements_exact"] else "Very many differ: counts are lower bounds."
    return Table(title, tuple(name.replace("_", " ") for name in header), rows, note)


def _cell(value: int | str) -> str:
    """Return a cell: model text is cut, without control sequences."""
    if isinstance(value, int):
        return f"{value:,}"
    text = value[:TEXT_SHOWN] + ("…" if len(value) > TEXT_SHOWN else "")
    return visible(text, keep="")
