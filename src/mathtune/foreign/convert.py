"""Foreign samples as our files: problems, samples and grades, for `mathtune collect FILE`."""

from __future__ import annotations

import re
from pathlib import Path

from mathtune.answers.equivalence import graded_rows
from mathtune.data.files.texts import says_none
from mathtune.errors import InputError, many
from mathtune.foreign.judged import Judged, Request, judged
from mathtune.rows import jsonl
from mathtune.rows.records import UNKNOWN, Problem, Sample
from mathtune.run.progress import say

_CHATS = (
    r"<\|im_start\|>user\n(?P<asked>.*?)<\|im_end\|>\s*<\|im_start\|>assistant",
    (
        r"<\|start_header_id\|>user<\|end_header_id\|>\n\n(?P<asked>.*?)<\|eot_id\|>"
        r"\s*<\|start_header_id\|>assistant"
    ),
    r"\A(?:system\n.*?\n?)?user\n(?P<asked>.*?)\n?assistant\n",
)
"""Rendered chats (ChatML, Llama 3), also without their special tokens, as in dumps, up to the
beginning of the model's turn.
"""
_END = re.compile(r"\s*(<\|end_header_id\|>)?\s*(<think>\s*)?\Z")
_OURS = (",", ";", "=")
"""The parts of the names of our own columns, and of settings."""
PROBLEMS, SAMPLES, GRADES = "problems.jsonl", "samples.jsonl", "grades.jsonl"


def as_settings(given: list[str], fields: str | None, out: Path | None) -> list[str]:
    """Convert the first file, next to `out`; return the settings for its samples.

    Settings alone, and our own columns, are returned as they are.
    """
    if any(sign in given[0] for sign in _OURS) and not Path(given[0]).exists():
        if fields is not None:
            raise InputError("--fields: only for a file alone, with its golds in it.")
        return given
    if out is None:
        raise InputError("mathtune collect: --out is missing; expected the folder to write.")
    folder = out.with_name(f"{out.name}-samples")
    request = Request.parse([given[0]], fields=fields, rule="explicit")
    problems, *columns = convert(request, folder)
    say(f"wrote {folder}")
    return [f"problems={problems}", f"samples={','.join(map(str, columns))}", *given[1:]]


def convert(request: Request, folder: Path) -> tuple[Path, Path, Path]:
    """Grade a file's samples and write them, whole, into `folder`; return the three files.

    Problems are identified as by `mathtune grade`; their samples are grouped in the order of each
    problem's first sample. Samples without text are counted and left out, as are problems whose
    gold means "no answer". From a question that is a rendered chat, the user's text is kept.

    Raises:
        InputError: the file cannot be read, or a problem has no known question.
    """
    groups, left_out = _groups(request)
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / PROBLEMS, folder / SAMPLES, folder / GRADES
    jsonl.write(files[0], (_problem(name, group) for name, group in groups.items()))
    jsonl.write(
        files[1],
        (
            Sample(
                problem_id=name,
                index=index,
                text=one.sample.solution or "",
                finish_reason=UNKNOWN,
                tokens=0,
            )
            for name, group in groups.items()
            for index, one in enumerate(group)
        ),
    )
    grader = request.graders[0]
    jsonl.write(
        files[2],
        (
            row
            for name, group in groups.items()
            for row in graded_rows(
                name,
                range(len(group)),
                [one.answer for one in group],
                [one.verdicts[0] for one in group],
                grader=grader,
            )
        ),
    )
    problems = many(len(groups), "problem", "problems")
    samples = many(sum(map(len, groups.values())), "sample", "samples")
    say(f"  {problems}, {samples}{left_out}")
    return files


def _groups(request: Request) -> tuple[dict[str, list[Judged]], str]:
    """Return the usable samples of each problem, and words on what was left out."""
    groups: dict[str, list[Judged]] = {}
    empty = 0
    unusable: dict[str, str] = {}
    for one in judged(request):
        if says_none(one.sample.gold):
            unusable[one.sample.problem_id] = one.sample.gold
        elif one.sample.solution is None:
            empty += 1
        else:
            groups.setdefault(one.sample.problem_id, []).append(one)
    for name, group in groups.items():
        if not group[0].sample.question.strip():
            raise InputError(
                f"{request.name}: problem {name[:60]!r} has no question, which training needs; "
                "name its field with --fields question=NAME."
            )
    if not groups:
        raise InputError(f"{request.name}: it has no sample with a text and a usable gold.")
    words = f"; {empty} without text left out" if empty else ""
    if unusable:
        problems = many(len(unusable), "problem", "problems")
        words += f"\n  {problems} left out, with golds such as "
        words += repr(min(unusable.values()))
    return groups, words


def asked(question: str) -> str:
    r"""Return the user's text in a rendered chat of one turn; any other question unchanged.

    >>> asked("system\nBe brief.\nuser\nWhat is 1 + 1?\nassistant\n<think>\n")
    'What is 1 + 1?'
    >>> asked("<|im_start|>user\nWhat is 1 + 1?<|im_end|>\n<|im_start|>assistant\n")
    'What is 1 + 1?'
    """
    for pattern in _CHATS:
        match = re.search(pattern, question, flags=re.S)
        if match and _END.match(question, match.end()):
            return match["asked"].strip()
    return question


def _problem(name: str, group: list[Judged]) -> Problem:
    first = group[0].sample
    return Problem(
        id=name,
        problem=asked(first.question),
        answer=first.gold,
        level=first.level,
        subject=first.subject,
        accepted=first.accepted[1:],
    )
