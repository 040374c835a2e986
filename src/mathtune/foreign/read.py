r"""Read sampled solutions that other programs wrote, with golds and scores, line by line.

A line is one sample or one problem with a list of samples. Shapes that are known by their fields:

    NeMo-Skills              {"generation": "...", "expected_answer": "18", "problem": "..."}
    lm-evaluation-harness    {"doc_id": 0, "doc": {...}, "target": "#### 18", "resps": [["..."]]}
    Qwen2.5-Math             {"idx": 0, "question": "...", "gt": "18", "code": ["...", "..."]}
    TRL                      {"prompt": [...], "completion": [{"content": "..."}], "solution": "18"}
    lists per problem        {"problem_id": "a", "samples": ["...", "..."], "gold_answer": "18",
                              "scores": [0.9, 0.2]}
    samples, a line each     {"problem_id": "a", "sample": "...", "gold_answer": "18", "score": 0.9}

Any other file is read with `Fields`, which say where solution, gold and problem stand. For
`mathtune grade FILE` and `mathtune measure FILE`.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from mathtune.answers import gold_answer
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.progress import say


@dataclass(frozen=True, slots=True)
class Fields:
    """Where a line holds its solution (a text or a list of them), its gold and its problem's id.

    A dotted name reaches into an object: `doc.answer`. Without `problem`, lines with the same
    question are one problem, else every line is its own. `score` is a number for each sample.
    """

    solution: str
    gold: str
    problem: str | None = None
    score: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Fields":
        """Read `solution=generation,gold=expected_answer,problem=id`.

        >>> Fields.parse("solution=generation,gold=expected_answer").gold
        'expected_answer'
        """
        named = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
        unknown = set(named) - {"solution", "gold", "problem"}
        if unknown or not {"solution", "gold"} <= set(named) or not all(named.values()):
            raise InputError(
                f"--fields {text!r}: expected solution=NAME,gold=NAME and optionally problem=NAME."
            )
        return cls(named["solution"], named["gold"], named.get("problem"))


class ForeignSample(NamedTuple):
    """One sample: the line it stands on (from 1), its problem, its text, its problem's gold.

    `question` is the problem's text, empty where the line has none that we know; `level` and
    `subject` are None where it has none.
    """

    line: int
    problem_id: str
    solution: str
    gold: str
    question: str = ""
    score: float | None = None
    level: str | None = None
    subject: str | None = None


LONGEST_LABEL = 60
"""Characters of a level or subject that are kept."""

SCORES = ("scores", "score")
"""Where scores usually stand."""


_KNOWN = (
    Fields("generation", "expected_answer"),
    Fields("resps", "target", "doc_id"),
    Fields("code", "gt", "idx"),
    Fields("completion", "solution"),
    Fields("completions", "solution"),
    Fields("completion", "answer"),
    Fields("completion", "ground_truth"),
    Fields("samples", "gold_answer", "problem_id"),
    Fields("samples", "answer"),
    Fields("solutions", "gold_answer"),
    Fields("outputs", "ground_truth"),
    Fields("generations", "answer"),
    Fields("generation", "answer"),
    Fields("response", "answer"),
    Fields("output", "answer"),
    Fields("text", "answer"),
    Fields("text", "gold_answer", "problem_id"),
    Fields("sample", "gold_answer", "problem_id"),
    Fields("text", "gold"),
    Fields("solution", "gold_answer"),
    Fields("solution", "gold"),
    Fields("solution", "answer"),
)
_IDS = ("problem_id", "id", "unique_id", "idx", "doc_id", "problem", "question", "prompt")
_QUESTIONS = ("problem", "question", "prompt", "doc.question", "doc.problem")
_LEVELS = ("level", "doc.level")
_SUBJECTS = ("subject", "type", "doc.subject", "doc.type")
_TEXTS_OF = ("content", "text", "response", "generation", "output")


def read_foreign(
    path: Path,
    *,
    fields: Fields | None = None,
    score: str | tuple[str, ...] = (),
    report: Callable[[str], None] | None = None,
) -> Iterator[ForeignSample]:
    """Yield every sample of a `.jsonl` or `.jsonl.gz` file, one line in memory at a time.

    A line that cannot be used is given to `report` as a sentence with file and line, and the rest
    goes on; without `report` (strict) it is raised as InputError.

    lm-evaluation-harness logs every sample once for each of its filters: the first filter's count.

    `score` names the field of the scores, which every line must have then; of several names, the
    first counts that the first good line has with a number for each sample, and none is needed.

    Raises:
        InputError: the file is missing, or its first good line has no known fields or no `score`.
    """
    shape: Fields | None = None
    filters: list[object] = []
    for number, line in jsonl.lines(path):
        try:
            row = _row(line)
            if "filtered_resps" in row and "filter" in row:
                if row["filter"] not in filters:
                    filters.append(row["filter"])
                    if len(filters) > 1:
                        say(f"{path}: filter {row['filter']!r} has the samples again; left out")
                if row["filter"] != filters[0]:
                    continue
            if shape is None:
                shape = _with_score(row, fields or _shape(row), score)
            samples = list(_samples(number, row, shape))
        except _BrokenLineError as error:
            sentence = f"{path}, line {number}: {error}"
            if report is None:
                raise InputError(sentence) from None
            report(sentence)
            continue
        except _UnknownShapeError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        yield from samples


class _BrokenLineError(Exception):
    """A line that cannot be used; the text says why."""


class _UnknownShapeError(Exception):
    """The fields of a line are none that we know."""


def _row(line: bytes) -> dict[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _BrokenLineError(f"not valid JSON ({error}).") from None
    if not isinstance(row, dict):
        raise _BrokenLineError(f"found {type(row).__name__}, expected a JSON object.")
    return row


def _shape(row: dict[str, object]) -> Fields:
    for shape in _KNOWN:
        if shape.solution in row and shape.gold in row:
            return shape
    raise _UnknownShapeError(
        f"the fields {', '.join(sorted(row)) or '(none)'} are of no known shape; "
        "say where things stand with --fields solution=NAME,gold=NAME,problem=NAME, or give "
        "a file of problems with their golds: problems=FILE."
    )


def _with_score(row: dict[str, object], shape: Fields, score: str | tuple[str, ...]) -> Fields:
    if isinstance(score, str):
        if not _has(row, score):
            raise _UnknownShapeError(f"field '{score}': missing; expected scores.")
        return replace(shape, score=score)
    texts = list(_solutions(_reach(row, shape.solution), shape.solution))
    for name in score:
        # A field of this name may be another thing: Qwen2.5-Math's `score` is a list of verdicts.
        try:
            _scores(_reach(row, name), name, len(texts))
        except _BrokenLineError:
            continue
        return replace(shape, score=name)
    return shape


def _samples(number: int, row: dict[str, object], shape: Fields) -> Iterator[ForeignSample]:
    gold = _gold(_reach(row, shape.gold))
    problem, question = _problem(number, row, shape), _question(row)
    level, subject = _label(row, _LEVELS), _label(row, _SUBJECTS)
    texts = list(_solutions(_reach(row, shape.solution), shape.solution))
    scores: list[float] | list[None] = [None] * len(texts)
    if shape.score is not None:
        scores = _scores(_reach(row, shape.score), shape.score, len(texts))
    for solution, score in zip(texts, scores, strict=True):
        yield ForeignSample(number, problem, solution, gold, question, score, level, subject)


def _has(row: dict[str, object], name: str) -> bool:
    try:
        _reach(row, name)
    except _BrokenLineError:
        return False
    return True


def _reach(row: dict[str, object], name: str) -> object:
    if name in row:
        return row[name]
    found: object = row
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            raise _BrokenLineError(f"field '{name}': missing.")
        found = found[part]
    return found


def _gold(value: object) -> str:
    """A gold answer. A gold solution, as GSM8K's in harness logs, is reduced to its answer."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _BrokenLineError(f"the gold is {_shown(value)}, expected a text or a number.")
    if not str(value).strip():
        raise _BrokenLineError("the gold is empty, expected a text or a number.")
    return gold_answer(str(value))


def _problem(number: int, row: dict[str, object], shape: Fields) -> str:
    if shape.problem is not None and (shape.problem in row or "." in shape.problem):
        return _identity(_reach(row, shape.problem))
    for name in _IDS:
        if name in row:
            return _identity(row[name])
    return f"line {number}"


def _question(row: dict[str, object]) -> str:
    for name in _QUESTIONS:
        if _has(row, name):
            value = _reach(row, name)
            if _is_chat(value):
                assert isinstance(value, list)
                value = value[-1].get("content")
            if isinstance(value, str):
                return value
    return ""


def _label(row: dict[str, object], names: tuple[str, ...]) -> str | None:
    """A level or a subject: a short text or a number. What else stands there is another thing."""
    for name in names:
        if _has(row, name):
            value = _reach(row, name)
            if isinstance(value, str | int) and not isinstance(value, bool):
                return str(value)[:LONGEST_LABEL] or None
    return None


def _scores(value: object, name: str, samples: int) -> list[float]:
    """One finite number for each sample, in the order of the samples."""
    found = list(_numbers(value, name))
    if len(found) != samples:
        raise _BrokenLineError(
            f"field '{name}': {len(found)} scores for {samples} samples; expected one for each."
        )
    return found


def _numbers(value: object, name: str) -> Iterator[float]:
    if isinstance(value, list):
        for member in value:
            yield from _numbers(member, name)
    elif (number := _finite(value)) is not None:
        yield number
    else:
        raise _BrokenLineError(f"field '{name}': found {_shown(value)}, expected a finite number.")


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's integers have no limit
        return None
    return number if math.isfinite(number) else None


def _identity(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _solutions(value: object, name: str) -> Iterator[str]:
    """A text, a chat (its last message), or a list of either, to any depth of lists."""
    if isinstance(value, str):
        yield value
    elif _is_chat(value):
        assert isinstance(value, list)
        yield from _solutions(value[-1], name)
    elif isinstance(value, dict):
        text = next((value[key] for key in _TEXTS_OF if isinstance(value.get(key), str)), None)
        if text is None:
            raise _BrokenLineError(f"field '{name}': an object without a text.")
        yield text
    elif isinstance(value, list) and value:
        for member in value:
            yield from _solutions(member, name)
    else:
        raise _BrokenLineError(f"field '{name}': found {_shown(value)}, expected a text or a list.")


def _is_chat(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(message, dict) and "role" in message for message in value)
    )


def _shown(value: object) -> str:
    return "null" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
