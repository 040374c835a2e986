"""Read sampled solutions that other programs wrote, with golds and scores, row by row.

A file is read through once, to learn its fields' roles (`roles`) and what identifies its problems
(`keys`), and then read again. A row is one sample, or one problem with a list of samples. For
`mathtune grade FILE`, `mathtune measure FILE` and `mathtune compare FILE FILE`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

from mathtune.data.files.formats import Row, rows
from mathtune.data.files.head import Head, refuse_missing
from mathtune.data.files.options import either, options
from mathtune.data.files.paths import MISSING, reach, tops, unpacked
from mathtune.data.files.question_field import asked
from mathtune.data.files.sources import Source, sources
from mathtune.data.files.texts import NoTextError, finite, golds, solutions, verdict
from mathtune.errors import InputError, many
from mathtune.foreign.filters import Filters
from mathtune.foreign.gold_file import Entry, GoldFile, Join, label, label_paths
from mathtune.foreign.keys import Key, Looks, identity
from mathtune.foreign.prompt_inside import without_prompt
from mathtune.foreign.roles import Fields, Roles, decide
from mathtune.foreign.score_file import ScoreJoin, score_file, text_rows

HEAD_ROWS = 1_000
HEAD_CHARACTERS = 8_000_000
LOOKED_THROUGH = 200_000
"""The number of rows that decide what identifies problems."""

__all__ = ["Fields", "ForeignSample", "Samples", "open_samples"]


class ForeignSample(NamedTuple):
    """One sample: its row's place in the file (from 1), its problem, its text and its gold.

    `solution` is None if the sample has no text: it counts, and has no answer. `accepted`: all
    golds that count as right, `gold` first. `group`: the value of the field that `cluster_by`
    names. `question` is the problem's text, empty if unknown. `score`: NaN if scores are read and
    this sample has none. `file_verdict`: the file's own verdict on the sample; None: it has none.
    """

    line: int
    problem_id: str
    solution: str | None
    gold: str
    question: str = ""
    score: float | None = None
    level: str | None = None
    subject: str | None = None
    accepted: tuple[str, ...] = ()
    file: str = ""
    group: str | None = None
    file_verdict: bool | None = None


@dataclass(frozen=True)
class _File:
    """A file with the decisions about it."""

    source: Source
    roles: Roles
    join: Join | None
    levels: tuple[str, ...]
    subjects: tuple[str, ...]
    columns: frozenset[str] | None


@dataclass
class Samples:
    """The samples of some files, in order, and their fields' roles.

    `report` receives a sentence for each row that cannot be used; without it (strict) such a row is
    an InputError. `counted` grows while the samples are read: rows without text and the like.
    """

    files: tuple[_File, ...]
    key: Key
    problems: int | None
    """The number of problems of the files; None if they were too long to be examined."""
    rows: int
    split: str | None = None
    cluster_by: str | None = None
    report: Callable[[str], None] | None = None
    runs: tuple[str, list[str]] | None = None
    """A field that seems to name several runs, and its values."""
    joined: ScoreJoin | None = None
    """The scores that come from a file of their own."""
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def read(self) -> dict[str, str]:
        """The roles of the fields: role -> field."""
        found = self.files[0].roles.read()
        if self.files[0].join is not None:
            found["gold"] = self.files[0].join.shown
        found["problem"] = self.key.shown
        if self.score is not None:
            found["score"] = self.score
        return found

    @property
    def score(self) -> str | None:
        """The field of the scores, if there are any."""
        return self.joined.shown if self.joined is not None else self.files[0].roles.score

    def __iter__(self) -> Iterator[ForeignSample]:
        for number, file in enumerate(self.files):
            filters = Filters(file.roles.layout, file.roles.solution, self.counted)
            for row in rows(file.source, split=self.split, columns=file.columns):
                try:
                    if row.fields is None:
                        raise _BrokenRowError(row.fault)
                    if filters.repeats(row.fields):
                        continue
                    found = list(self._of_row(file, row, number))
                except _BrokenRowError as error:
                    sentence = f"{file.source.name}, line {row.place}: {error}"
                    if self.report is None:
                        raise InputError(sentence) from None
                    self.report(sentence)
                    continue
                yield from found

    def _of_row(self, file: _File, row: Row, number: int) -> Iterator[ForeignSample]:
        fields = row.fields
        assert fields is not None
        entry = _entry(file, fields)
        accepted = entry.golds
        texts = self._texts(file, fields)
        if file.roles.prompts:
            texts = [without_prompt(text, entry.question) for text in texts]
            self.counted["prompts"] += len(texts)
        scores: Sequence[float | None] = self._scores(file, fields, len(texts))
        if self.joined is not None:
            scores = self.joined.scores[number, row.place]
        problem = self._problem(file, row)
        group = None if self.cluster_by is None else reach(fields, self.cluster_by)
        if group is MISSING:
            raise _BrokenRowError(f"no field '{self.cluster_by}' to cluster by.")
        if len(accepted) > 1:
            self.counted["accepted" if file.roles.options is None else "options"] += 1
            self.counted["none of these"] += file.roles.options is not None and any(
                gold.casefold().startswith(("none of", "not given")) for gold in accepted
            )
        verdicts = self._file_verdicts(file, fields, len(texts))
        for text, score, right in zip(texts, scores, verdicts, strict=True):
            yield ForeignSample(
                row.place,
                problem,
                text,
                accepted[0],
                entry.question,
                score,
                entry.level,
                entry.subject,
                accepted,
                file.source.name,
                None if group is None else identity(group),
                right,
            )

    def _problem(self, file: _File, row: Row) -> str:
        if self.key.kind == "joined" and file.join is not None:
            return file.join.problem(row.fields or {})
        found = self.key.of(row.fields or {}, file.source.path.stem, row.place)
        if self.key.kind == "row" and len(self.files) > 1:
            return f"{file.source.name}, {found}"
        return found

    def _texts(self, file: _File, fields: dict[str, Any]) -> list[str | None]:
        value = reach(fields, file.roles.solution)
        if value is MISSING:
            self.counted["missing"] += 1
            return [None]
        try:
            found = solutions(value)
        except NoTextError as error:
            raise _BrokenRowError(f"field '{file.roles.solution}': {error}.") from None
        return [_attached(text, fields) for text in found]

    def _file_verdicts(
        self, file: _File, fields: dict[str, Any], samples: int
    ) -> list[bool | None]:
        """Return the file's own verdict on each sample."""
        path = file.roles.file_verdict
        value = None if path is None else reach(fields, path)
        members = value if isinstance(value, list) else [value]
        return [verdict(one) for one in members] if len(members) == samples else [None] * samples

    def _scores(
        self, file: _File, fields: dict[str, Any], samples: int
    ) -> list[float] | list[None]:
        """Return a number for each sample; NaN if it has none."""
        path = file.roles.score
        if path is None:
            return [None] * samples
        value = unpacked(reach(fields, path))
        members = value if isinstance(value, list) else [value]
        if samples == 1 and len(members) > 1 and not isinstance(members[0], list):
            members = [members]  # the scores of one sample's steps
        if len(members) != samples:
            self.counted["unmatched_scores"] += 1
            return [nan] * samples
        found = [_score(member, verdicts=file.roles.verdicts) for member in members]
        self.counted["without_score"] += sum(number is None for number in found)
        return [nan if number is None else number for number in found]


def _score(value: Any, *, verdicts: bool) -> float | None:
    """Return a score; of several scores of a sample's steps, the last."""
    while isinstance(value, list) and value:
        value = value[-1]
    return float(value) if verdicts and isinstance(value, bool) else finite(value)


def _attached(text: str | None, fields: dict[str, Any]) -> str | None:
    """Put back the long texts that inspect_ai moved into a sample's attachments."""
    if text is not None and text.startswith("attachment://"):
        found = reach(fields, "attachments").get(text.removeprefix("attachment://"))
        return found if isinstance(found, str) else None
    return text


class _BrokenRowError(Exception):
    """A row that cannot be used; the message says why."""


def _entry(file: _File, fields: dict[str, Any]) -> Entry:
    """Return the problem of a row: from the row itself, or from the file of golds."""
    if file.join is not None:
        entry = file.join.entry(fields)
        if entry is None:
            raise _BrokenRowError(f"no gold: '{file.join.path}' is not in the file of problems.")
        if not entry.golds:
            raise _BrokenRowError(
                f"no gold: the file of problems has several for {file.join.key(fields)[:60]!r}."
            )
        return entry
    assert file.roles.gold is not None
    value = reach(fields, file.roles.gold)
    if value is MISSING:
        raise _BrokenRowError(f"field '{file.roles.gold}': missing.")
    try:
        accepted = golds(value)
    except NoTextError as error:
        raise _BrokenRowError(f"field '{file.roles.gold}': {error}.") from None
    if file.roles.options is not None:
        offered = options(reach(fields, file.roles.options))
        accepted = either(accepted, offered, file.roles.first_option)
    question = asked(fields, file.roles.questions)
    return Entry(accepted, question, label(fields, file.levels), label(fields, file.subjects))


def open_samples(
    names: Sequence[str | Path],
    *,
    fields: Fields | None = None,
    problems: str | Path | None = None,
    score: str | None = None,
    split: str | None = None,
    cluster_by: str | None = None,
    report: Callable[[str], None] | None = None,
) -> Samples:
    """Examine the files and decide their fields' roles; iterating then reads the samples.

    Raises:
        InputError: a file cannot be read, no row of it can be used, or a field's role cannot be
        decided (see `roles`).
    """
    gold_file = GoldFile(problems) if problems is not None else None
    given = fields or Fields()
    scored = score_file(score)
    field = score if scored is None else None
    found = [
        _decided(source, given, gold_file, field, split, cluster_by) for source in sources(names)
    ]
    files = tuple(found)
    joined = None
    if scored is not None:
        paths = dict.fromkeys((*files[0].roles.ids, *files[0].roles.questions))
        texts = text_rows([(file.source, file.roles) for file in files], split)
        joined = scored.join(texts, tuple(paths))
    if given.problem is not None:
        key, count, seen, runs = Key("id", given.problem), None, 0, None
    else:
        key, count, seen, runs = _looked_through(files, split)
    return Samples(files, key, count, seen, split, cluster_by, report, runs, joined)


def _decided(
    source: Source,
    given: Fields,
    gold_file: GoldFile | None,
    score: str | None,
    split: str | None,
    cluster_by: str | None,
) -> _File:
    head = _head(source, split)
    if cluster_by is not None and not head.has(cluster_by):
        refuse_missing(head, cluster_by, "--cluster-by")
    roles = decide(head, given, joined=gold_file is not None, score=score)
    join = None
    if gold_file is not None:
        join = gold_file.join(head, roles.ids, roles.questions, roles.given_problem)
    levels, subjects = label_paths(head.paths)
    named = (
        roles.solution,
        roles.gold,
        roles.score,
        roles.file_verdict,
        roles.options,
        join.path if join else None,
        "filter",
        cluster_by,
    )
    paths = (*named, *roles.runs, *roles.ids, *roles.questions, *levels, *subjects, "attachments")
    read = frozenset(top for path in paths if path is not None for top in tops(path))
    columns = None if any("*" in part for part in read) else read
    return _File(source, roles, join, tuple(levels), tuple(subjects), columns)


def _head(source: Source, split: str | None) -> Head:
    """Return the first good rows of a file.

    Raises:
        InputError: it has none.
    """
    found: list[dict[str, Any]] = []
    broken = 0
    size = 0
    first_fault = ""
    for row in rows(source, split=split):
        if row.fields is None:
            broken += 1
            first_fault = first_fault or f" (line {row.place}: {row.fault.removesuffix('.')})"
            continue
        found.append(row.fields)
        size += _size(row.fields)
        if len(found) == HEAD_ROWS or size > HEAD_CHARACTERS:
            break
    if not found:
        what = f"; {many(broken, 'line is', 'lines are')} broken{first_fault}" if broken else ""
        raise InputError(
            f"{source.name}: no line can be used{what}; expected rows with samples and a gold."
        )
    return Head(source.name, found)


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values())) + 64
    if isinstance(value, list):
        return sum(map(_size, value)) + 8 * len(value)
    return 8


def _looked_through(
    files: tuple[_File, ...], split: str | None
) -> tuple[Key, int | None, int, tuple[str, list[str]] | None]:
    """Return the key, the numbers of problems and of rows, and the runs that the files hold.

    The number of problems is None if not all rows were examined.
    """
    looks = Looks([file.roles for file in files])
    joined: set[int] = set()
    for number, file in enumerate(files):
        filters = Filters(file.roles.layout, file.roles.solution, Counter())
        for row in rows(file.source, split=split, columns=file.columns):
            if len(looks) == LOOKED_THROUGH:
                join = files[0].join
                key = Key("joined", join.file) if join is not None else looks.decide()[0]
                return key, None, looks.samples, looks.runs(key)
            if row.fields is None or filters.repeats(row.fields):
                continue
            try:
                entry = _entry(file, row.fields)
                value = reach(row.fields, file.roles.solution)
                texts = solutions(None if value is MISSING else value)
            except (_BrokenRowError, NoTextError):
                continue
            looks.add(row.fields, number, entry.golds, len(texts))
            if file.join is not None:
                joined.add(hash(file.join.problem(row.fields)))
    if not len(looks):
        return Key("row"), None, 0, None
    join = files[0].join
    if join is not None:
        return Key("joined", join.file), len(joined), looks.samples, None
    key, problems = looks.decide()
    return key, problems, looks.samples, looks.runs(key)
