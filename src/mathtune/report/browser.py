"""The solution browser's data: problems with their clusters and solutions, compressed for the page.

The page holds an index of every problem, small, and blocks of a few problems with all their texts,
each block deflated and in base64; the browser inflates a block when one of its problems is opened.
"""

from __future__ import annotations

import base64
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mathtune.metrics.strategies import answer_of
from mathtune.paths.equations import equations
from mathtune.report.results import Measured
from mathtune.rows import jsonl
from mathtune.rows.records import UNKNOWN, Problem, Verdict
from mathtune.rows.samples import Joined

PROBLEMS_A_BLOCK = 8
TEXT_LIMIT = 20_000
"""The longest text that the page keeps, in characters; the page says where the rest is."""
PAGE_LIMIT = 8_500_000
"""The size of all blocks, in characters; the page names the rows that do not fit."""


@dataclass
class Pages:
    """The data that the page embeds: the rows' indexes, the blocks, and the rows left out."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def index(self) -> str:
        """The rows' indexes, packed as the blocks are."""
        return pack(self.rows)


def pages(rows: Sequence[Measured]) -> Pages:
    """Pack the rows in the order given, as many as fit."""
    found = Pages()
    size = 0
    for row in rows:
        entries, blocks = _row(row, first_block=len(found.blocks))
        size += sum(len(block) for block in blocks)
        if size > PAGE_LIMIT:
            found.left_out.append(row.name)
            size -= sum(len(block) for block in blocks)
            continue
        found.blocks += blocks
        found.rows.append({"name": row.name, "n": row.n, "problems": entries})
    return found


def pack(value: Any) -> str:
    """Pack as JSON, raw deflate, base64, which the page's script reverses. Lone surrogates become
    `?`.
    """
    encoded = msgspec.json.encode(value)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(encoded) + deflate.flush()).decode("ascii")


def _row(row: Measured, *, first_block: int) -> tuple[list[dict[str, Any]], list[str]]:
    greedy = {problem_id: samples[0] for problem_id, samples in row.greedy()}
    entries: list[dict[str, Any]] = []
    blocks: list[str] = []
    block: list[dict[str, Any]] = []
    for problem_id, samples in row.groups():
        picks = row.outcomes[problem_id].picks
        full = _problem(row.problems[problem_id], samples, greedy.get(problem_id), picks)
        entries.append(_entry(full, samples, block=first_block + len(blocks)))
        block.append(full)
        if len(block) == PROBLEMS_A_BLOCK:
            blocks.append(pack(block))
            block = []
    if block:
        blocks.append(pack(block))
    return entries, blocks


def _problem(
    problem: Problem, samples: Sequence[Joined], greedy: Joined | None, picks: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "id": problem.id,
        "problem": _text(problem.problem),
        "gold": _text(problem.answer),
        "solution": None if problem.solution is None else _text(problem.solution),
        "level": problem.level,
        "subject": problem.subject,
        "clusters": list(_clusters(samples)),
        "picks": dict(picks),
        "greedy": None if greedy is None else _sample(greedy),
        "samples": [_sample(row) for row in samples],
    }


def _clusters(samples: Sequence[Joined]) -> Iterator[dict[str, Any]]:
    """Yield the clusters, most votes first, with the verdict of the most frequent answer text."""
    members: dict[int, list[Joined]] = defaultdict(list)
    for row in samples:
        if row.grade is not None and row.grade.cluster is not None:
            members[row.grade.cluster].append(row)
    for number, rows in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        grades = [row.grade for row in rows if row.grade is not None]
        answer, verdict = answer_of(grades)
        scores = [row.score for row in rows if row.score is not None]
        yield {
            "number": number,
            "answer": _text(answer or ""),
            "verdict": verdict,
            "votes": len(rows),
            "score": round(sum(scores), 4) if scores else None,
        }


def _sample(row: Joined) -> dict[str, Any]:
    grade = row.grade
    finish = row.sample.finish_reason
    return {
        "index": row.sample.index,
        "text": _text(row.sample.text),
        "equations": [(_text(one.text)["text"], one.holds) for one in equations(row.sample.text)],
        "finish": finish,
        "tokens": None if finish == UNKNOWN else row.sample.tokens,
        "answer": None if grade is None or grade.answer is None else _text(grade.answer),
        "rule": None if grade is None else grade.rule,
        "verdict": None if grade is None else grade.verdict,
        "cluster": None if grade is None else grade.cluster,
        "score": None if row.score is None else round(row.score, 4),
    }


def _entry(full: Mapping[str, Any], samples: Sequence[Joined], *, block: int) -> dict[str, Any]:
    """Return the parts of a problem that the list and its filters need."""
    clusters = full["clusters"]
    voted = clusters[0]["verdict"] if clusters else Verdict.no_answer
    cluster_of = {row.sample.index: row.grade.cluster for row in samples if row.grade is not None}
    answers = {cluster_of[index] for index in full["picks"].values()}
    right = sum(row.grade is not None and row.grade.verdict == Verdict.correct for row in samples)
    saved = any(one["verdict"] == Verdict.correct for one in clusters)
    flags = {
        "disagree": len(answers) > 1,
        "missed": voted != Verdict.correct and saved,
        "undecided": any(row.grade and row.grade.verdict == Verdict.undecided for row in samples),
        "never": right == 0,
        "cut": any(row.sample.finish_reason == "length" for row in samples),
    }
    return {
        "id": full["id"],
        "start": full["problem"]["text"][:160],
        "level": full["level"],
        "subject": full["subject"],
        "verdict": voted,
        "right": right,
        "flags": [name for name, holds in flags.items() if holds],
        "block": block,
    }


def _text(text: str) -> dict[str, Any]:
    """Return a text for the page: cut if it is very long, and always valid UTF-8."""
    kept = jsonl.writable(text[:TEXT_LIMIT])
    return {"text": kept, "length": len(text)} if len(text) > TEXT_LIMIT else {"text": kept}
