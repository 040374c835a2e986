"""Decide which field of a file is the solution and which the gold, by the values of its rows.

Names only propose: a field called `solution` may be the data set's own reference, and one called
`answer` the model's own answer. The rows decide:

- a known layout (`layouts`) declares its fields;
- a field that is always part of another one was extracted from it, and is not a sample;
- a field that is equal in all samples of a problem, while another is not, is no sample;
- a reference that always has the gold's answer gives way to a field that may be samples;
- if two fields remain for a role, nothing is guessed: the error names both, and the option to
  choose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mathtune.data.files import names
from mathtune.data.files.gold_field import checked_gold, gold_field
from mathtune.data.files.head import Head, refuse_missing, refuse_summary
from mathtune.data.files.paths import MISSING, is_chat, is_parts, unpacked
from mathtune.data.files.question_field import with_passage
from mathtune.data.files.texts import finite, question_of
from mathtune.errors import InputError
from mathtune.foreign.labels import run_fields, verdict_field
from mathtune.foreign.layouts import LAYOUTS, Layout
from mathtune.foreign.lists import as_lists, refuse_likelihoods, refuse_lists_of_problems
from mathtune.foreign.prompt_inside import prompts_inside
from mathtune.foreign.solution_field import solution_field

FEWEST_LISTS = 5
"""The number of lists of scores whose equal lengths tell that they are not of steps."""


@dataclass(frozen=True)
class Fields:
    """The paths of a row's solution (a text or a list of them), gold and problem id.

    See `paths`. None: found by the values of the rows.
    """

    solution: str | None = None
    gold: str | None = None
    problem: str | None = None
    question: str | None = None

    @classmethod
    def parse(cls, text: str) -> Fields:
        """Read `solution=generation,gold=expected_answer,id=problem_id`; any may be left out.

        `answer` is `gold`, and `problem` is `id`.

        >>> Fields.parse("solution=choices.0.message.content").solution
        'choices.0.message.content'

        Raises:
            InputError: another name, or no path.
        """
        known = ("solution", "gold", "problem", "question")
        same = {"answer": "gold", "id": "problem"}
        parts = (part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
        named = {same.get(name, name): path for name, path in parts}
        if not named or set(named) - set(known) or not all(named.values()):
            raise InputError(
                f"--fields {text!r}: expected parts such as solution=NAME,gold=NAME,id=NAME,"
                "question=NAME."
            )
        return cls(**{name: path.strip() for name, path in named.items()})


@dataclass(frozen=True)
class Roles:
    """The paths of a file's solution, gold, scores and, the likeliest first, problem."""

    solution: str
    gold: str | None
    ids: tuple[str, ...]
    questions: tuple[str, ...]
    score: str | None = None
    layout: Layout | None = None
    given_problem: bool = False
    verdicts: bool = False
    """True if the scores are true and false."""
    lists: bool = False
    file_verdict: str | None = None
    """The field of the file's own verdicts."""
    runs: tuple[str, ...] = ()
    """The fields that may name a sample's run."""
    options: str | None = None
    """The field of the options that problems offer."""
    first_option: int | None = None
    """The number of the first option, if golds number the options."""
    prompts: bool = False
    """True if the samples begin with their prompts."""

    def read(self) -> dict[str, str]:
        """Return the roles in the form in which they are shown."""
        shown = f"{self.solution}[]" if self.lists and "*" not in self.solution else self.solution
        shown, joined = shown.replace(".*", "[]"), ""
        if ".+" in shown:
            shown, joined = shown.replace(".+", "[]"), " (steps, joined)"
        return {"solution": f"{shown}{joined}", "gold": self.gold or ""}


def decide(head: Head, fields: Fields, *, joined: bool = False, score: str | None = None) -> Roles:
    """Return the roles of a file's fields. `joined`: the golds come from another file.

    Raises:
        InputError: a role has no field or several, or a named field is not there.
    """
    for path in (fields.solution, fields.gold, fields.problem, fields.question, score):
        if path is not None and not head.has(path):
            refuse_missing(head, path, "--score" if path == score else "--fields")
    if score is not None:
        _check_score(head, score)
    layout = next((one for one in LAYOUTS if _fits(one, head)), None)
    if layout is None and fields.solution is None:
        refuse_summary(head)
    solution = fields.solution and _steps(head, fields.solution)
    if solution is None and layout is not None:
        solution = _first(head, layout.solution)
    gold = fields.gold
    if gold is None and layout is not None and not joined:
        gold = _first(head, layout.gold)
        if gold is not None and layout.common:
            gold = checked_gold(head, gold, solution)
    if solution is None:
        taken = (gold, fields.gold, fields.problem, fields.question)
        solution = solution_field(head, taken)
    refuse_likelihoods(head, solution)
    solution = as_lists(head, solution)
    if gold is None and not joined:
        gold = gold_field(head, solution.removesuffix(".*").removesuffix(".+"))
    if gold is not None:
        refuse_lists_of_problems(head, solution, gold)
    ids = (fields.problem,) if fields.problem else _ids(head, layout)
    questions = (
        (fields.question,) if fields.question else _questions(head, layout, (solution, gold))
    )
    asking = tuple(path for path in questions if path not in (solution, gold))
    return Roles(
        solution=solution,
        gold=None if joined else gold,
        ids=tuple(path for path in ids if path not in (solution, gold)),
        questions=asking or ((solution,) if _asks_and_answers(head, solution) else ()),
        score=score or _score(head, layout, solution),
        layout=layout,
        given_problem=fields.problem is not None,
        verdicts=score is not None and not _hold_scores(list(map(unpacked, head.column(score)))),
        lists=any(_is_list(value) for value in head.column(solution)),
        file_verdict=verdict_field(head, solution),
        options=head.options,
        first_option=None if gold is None or joined else head.first_option(gold),
        prompts=prompts_inside(head, solution, asking),
        runs=run_fields(head, (solution, gold, score, *ids, *questions)),
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and not is_chat(value) and not is_parts(value)


def _fits(layout: Layout, head: Head) -> bool:
    return all(head.has(path) for path in layout.needs) and (
        _first(head, layout.solution) is not None
    )


def _steps(head: Head, path: str) -> str:
    """Return the path of a field's steps as one text, if it holds steps; else the path itself."""
    inside = (one for one in head.paths if one.startswith(f"{path}.+"))
    return next((one for one in inside if names.sample_rank(one) >= 0), path)


def _first(head: Head, paths: Sequence[str]) -> str | None:
    """Return the first path that holds something, else the first that exists."""
    there = [path for path in paths if head.has(path)]
    filled = (path for path in there if any(v not in (MISSING, None) for v in head.column(path)))
    return next(filled, there[0] if there else None)


def _ids(head: Head, layout: Layout | None) -> tuple[str, ...]:
    found = list(layout.problem if layout else ())
    found += [name for name in names.called(head.names, names.IDS) if name in head.paths]
    found += [
        path
        for path in head.paths
        if "*" not in path and "." in path and names.leaf(path) in names.IDS[:6]
    ]
    return tuple(dict.fromkeys(path for path in found if head.has(path)))


def _questions(head: Head, layout: Layout | None, taken: Collection[str | None]) -> tuple[str, ...]:
    found = list(layout.question if layout else ())
    found += names.called(head.names, names.QUESTIONS)
    found += [
        path for path in head.paths if "." in path and names.leaf(path) in names.QUESTIONS[:4]
    ]
    if not found:
        found = [path for path in head.paths if names.asks(path) and _differ(head, path)]
    there = [path for path in found if head.has(path) and _asks(head, path)]
    pairs = ((with_passage(path, head.rows, taken), path) for path in there)
    return tuple(dict.fromkeys(path for pair in pairs for path in pair))


def _differ(head: Head, path: str) -> bool:
    """Return whether rows ask for different things: all of them may have one `few_shot_prompt`."""
    asked = {question_of(value) for value in head.column(path) if value is not MISSING}
    return len(asked) > 1


def _asks_and_answers(head: Head, path: str) -> bool:
    """Return whether a field holds whole conversations: the question stands before the solution."""
    return all(is_chat(value) for value in head.column(path)) and _asks(head, path)


def _asks(head: Head, path: str) -> bool:
    return any(question_of(value) for value in head.column(path) if value is not MISSING)


def _score(head: Head, layout: Layout | None, solution: str) -> str | None:
    """Return the field of the scores: the layout's, else `scores` or `score` if it has numbers.

    Lists of always the same length, beside one sample each, are of samples that the file lacks:
    one sample's steps differ in number.
    """
    single = all(len(row) <= 1 for row in head.texts(solution) or [])
    named = [path for path in names.called(head.names, names.SCORES) if path in head.paths]
    for path in (layout.score if layout else None, *named):
        if path is None or path not in head.paths:
            continue
        values = [unpacked(value) for value in head.column(path)]
        lengths = Counter(len(value) for value in values if isinstance(value, list))
        others = len(values) >= FEWEST_LISTS and list(lengths.values()) == [len(values)]
        if _hold_scores(values) and not (single and others and max(lengths) > 1):
            return path
    return None


def _hold_scores(values: Sequence[Any]) -> bool:
    """Return whether numbers outnumber verdicts: a field `score` may hold true and false only."""
    flat = list(_flat(values))
    numbers = sum(finite(one) is not None for one in flat)
    return numbers > sum(isinstance(one, bool) for one in flat)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for member in value:
            yield from _flat(member)
    else:
        yield value


def _check_score(head: Head, path: str) -> None:
    """Raise InputError if a field that was named for the scores has no numbers and no verdicts."""
    values = [unpacked(value) for value in head.column(path)]
    if any(finite(one) is not None or isinstance(one, bool) for one in _flat(values)):
        return
    numeric = [one for one in head.paths if _hold_scores(head.column(one))]
    raise InputError(
        f"{head.name}: --score names '{path}', but the field '{path}' holds no numbers; "
        f"the fields with numbers are {', '.join(numeric) or '(none)'}."
    )
