"""The folder that `mathtune grade FILE --out FOLDER` writes: it appears whole, or not at all."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import msgspec

from mathtune.answers import Answer, Grader
from mathtune.answers.equivalence import graded_rows
from mathtune.errors import InputError
from mathtune.foreign.judged import Judged
from mathtune.rows import jsonl
from mathtune.rows.records import Graded
from mathtune.run.names import METRICS


def names(graders: Sequence[Grader]) -> dict[Grader, str]:
    """Return each grader's file: `grades.jsonl`, or `grades-math.jsonl` and so on for several.

    >>> names(["math"]), names(["math", "prm800k"])["prm800k"]
    ({'math': 'grades.jsonl'}, 'grades-prm800k.jsonl')
    """
    if len(graders) == 1:
        return {graders[0]: "grades.jsonl"}
    return {grader: f"grades-{grader}.jsonl" for grader in graders}


def refuse_folder(folder: Path, *, redo: bool) -> None:
    """Raise InputError if `folder` cannot be written or replaced."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder to write.")
    found = sorted(path.name for path in folder.iterdir())
    others = [name for name in found if name != METRICS and not name.startswith("grades")]
    if others:
        raise InputError(f"{folder}: holds {others[0]}, which is no grade; choose another --out.")
    if found and not redo:
        raise InputError(f"{folder}: holds grades; give --redo to replace them, or another --out.")


class GradeFiles:
    """Grades on their way to a folder: written next to it, moved there by `finish`, else removed.

    A problem's rows are adjacent and numbered from 0, as in every file of samples, in the order of
    each problem's first sample. If the foreign file mixes its problems, the rows (without texts)
    are grouped in memory; otherwise one problem is held at a time.
    """

    def __init__(self, folder: Path, graders: Sequence[Grader]) -> None:
        self.folder = folder
        self._partial = folder.absolute().with_name(f".{folder.absolute().name}.partial")
        self._names = names(graders)

    def __enter__(self) -> GradeFiles:
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)

    def write(self, samples: Iterable[Judged]) -> None:
        """Write the rows of all graders."""
        seen: set[bytes] = set()
        together = True
        encoder = msgspec.json.Encoder()
        with ExitStack() as stack:
            streams = [
                stack.enter_context((self._partial / name).open("wb"))
                for name in self._names.values()
            ]
            for problem_id, members in groupby(samples, key=lambda one: one.sample.problem_id):
                # A digest: the id may be the whole question, and there may be a million of them.
                digest = blake2b(problem_id.encode(), digest_size=12).digest()
                together = together and digest not in seen
                seen.add(digest)
                held = list(members)
                indices, answers = range(len(held)), [one.answer for one in held]
                for number, (grader, stream) in enumerate(zip(self._names, streams, strict=True)):
                    verdicts = [one.verdicts[number] for one in held]
                    rows = graded_rows(problem_id, indices, answers, verdicts, grader=grader)
                    _append(stream, rows, encoder)
            for stream in streams:
                jsonl.flush(stream)
        if not together:
            for grader, name in self._names.items():
                path = self._partial / name
                jsonl.write(path, _together(jsonl.read(path, Graded), grader))

    def finish(self, document: dict[str, Any]) -> None:
        """Write the document, and move the folder to its place."""
        jsonl.write_json(self._partial / METRICS, document)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._partial.replace(self.folder)


def _append(stream: IO[bytes], rows: Iterable[Graded], encoder: msgspec.json.Encoder) -> None:
    for row in rows:
        stream.write(encoder.encode(row))
        stream.write(b"\n")


def _together(rows: Iterable[Graded], grader: Grader) -> Iterator[Graded]:
    """Yield the rows, problem by problem, numbered and clustered anew."""
    problems: dict[str, list[Graded]] = defaultdict(list)
    for row in rows:
        problems[row.problem_id].append(row)
    for problem_id, found in problems.items():
        answers = [None if r.answer is None else Answer(r.answer, r.rule or "") for r in found]
        verdicts = [row.verdict for row in found]
        yield from graded_rows(problem_id, range(len(found)), answers, verdicts, grader=grader)
