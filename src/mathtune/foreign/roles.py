"""Decide which field of a file is the solution and which the gold, by what its rows hold.

Names only propose: a field may be called `solution` and be the data set's own reference, or
`answer` and be what the model's own answer was. The rows decide:

- a known layout (`layouts`) says where its writer puts things;
- a field that is always part of another one was extracted from it, and is no sample;
- a field that is equal in all samples of a problem, while another is not, is no sample;
- a reference that always has the gold's answer gives way to a field that may be samples;
- where two fields remain for a role, nothing is guessed: both are named, and the option to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from mathtune.answers import Verdict, compare, extract
from mathtune.errors import InputError
from mathtune.foreign import names
from mathtune.foreign.layouts import LAYOUTS, Layout
from mathtune.foreign.paths import MISSING, is_chat, is_parts, leaves, reach
from mathtune.foreign.texts import NoTextError, golds, question_of, solutions

NEARLY_ALL = 0.95
_SHORT = 80
_TEXTS_COMPARED = 200
_COMPARED_LENGTH = 20_000


@dataclass(frozen=True)
class Fields:
    """Where a row holds its solution (a text or a list of them), its gold and its problem's id.

    Paths, see `paths`. None: found by what the rows hold.
    """

    solution: str | None = None
    gold: str | None = None
    problem: str | None = None
    question: str | None = None

    @classmethod
    def parse(cls, text: str) -> Fields:
        """Read `solution=generation,gold=expected_answer,problem=id`; any of them may be left out.

        >>> Fields.parse("solution=choices.0.message.content").solution
        'choices.0.message.content'

        Raises:
            InputError: another name, or no path.
        """
        known = ("solution", "gold", "problem", "question")
        named = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
        if not named or set(named) - set(known) or not all(named.values()):
            raise InputError(
                f"--fields {text!r}: expected parts such as solution=NAME,gold=NAME,problem=NAME."
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
    lists: bool = False
    doubts: tuple[str, ...] = ()

    def read(self) -> dict[str, str]:
        """The roles as they are shown."""
        shown = f"{self.solution}[]" if self.lists and "*" not in self.solution else self.solution
        return {"solution": shown.replace(".*", "[]"), "gold": self.gold or ""}


@dataclass
class Head:
    """The first rows of a file, by paths."""

    name: str
    rows: Sequence[dict[str, Any]]
    _columns: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            for path, value in leaves(row):
                column = self._columns.setdefault(path, [])
                column += [MISSING] * (number - len(column))
                column.append(value)
        for column in self._columns.values():
            column += [MISSING] * (len(self.rows) - len(column))

    @property
    def paths(self) -> list[str]:
        """The paths of all leaves, in order."""
        return list(self._columns)

    def has(self, path: str) -> bool:
        """Whether a row has this path, a leaf's or not."""
        return path in self._columns or any(reach(row, path) is not MISSING for row in self.rows)

    def column(self, path: str) -> list[Any]:
        """The values at a path, MISSING where a row has none."""
        if path not in self._columns:
            return [reach(row, path) for row in self.rows]
        return self._columns[path]

    def texts(self, path: str) -> list[list[str | None]] | None:
        """Each row's texts at a path; None where they are no texts."""
        found: list[list[str | None]] = []
        for value in self.column(path):
            try:
                found.append([] if value is MISSING else solutions(value))
            except NoTextError:
                return None
        return found if any(text for row in found for text in row) else None

    def golds(self, path: str) -> list[tuple[str, ...]]:
        """Each row's golds at a path, none where the value is no gold."""
        found = []
        for value in self.column(path):
            try:
                found.append(() if value is MISSING else golds(value))
            except NoTextError:
                found.append(())
        return found

    @cached_property
    def problems(self) -> list[str]:
        """What tells the rows' problems apart, as far as the first look goes: their questions."""
        for path in names.QUESTIONS:
            for found in (path, *(one for one in self.paths if names.leaf(one) == path)):
                questions = [question_of(value) for value in self.column(found)]
                if all(questions):
                    return questions
        for name in names.IDS:
            if name in self._columns:
                return [str(value) for value in self.column(name)]
        return [str(number) for number in range(len(self.rows))]


def decide(head: Head, fields: Fields, *, joined: bool = False, score: str | None = None) -> Roles:
    """The roles of a file's fields. `joined`: the golds come from another file.

    Raises:
        InputError: a role has no field or several, or a named field is not there.
    """
    for path in (fields.solution, fields.gold, fields.problem, fields.question, score):
        if path is not None and not head.has(path):
            _refuse_missing(head, path, "--score" if path == score else "--fields")
    layout = next((one for one in LAYOUTS if _fits(one, head)), None)
    doubts: list[str] = []
    solution = fields.solution
    if solution is None and layout is not None:
        solution = _first(head, layout.solution)
    gold = fields.gold
    if gold is None and layout is not None and not joined:
        gold = _first(head, layout.gold)
        if gold is not None and _is_common(layout):
            gold = _checked_gold(head, gold, solution)
    if solution is None:
        solution = _solution(head, gold, fields)
    if gold is None and not joined:
        gold = _gold(head, solution, doubts)
    ids = (fields.problem,) if fields.problem else _ids(head, layout)
    questions = (fields.question,) if fields.question else _questions(head, layout)
    return Roles(
        solution=solution,
        gold=None if joined else gold,
        ids=tuple(path for path in ids if path not in (solution, gold)),
        questions=tuple(path for path in questions if path not in (solution, gold)),
        score=score or _score(head, layout),
        layout=layout,
        given_problem=fields.problem is not None,
        lists=any(_is_list(value) for value in head.column(solution)),
        doubts=tuple(doubts),
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and not is_chat(value) and not is_parts(value)


_COMMON = ("TRL", "NeMo-Skills", "search-and-learn", "LLaMA-Factory", "ms-swift")


def _is_common(layout: Layout) -> bool:
    """Whether a layout's fields are names that other files also have."""
    return layout.writer in _COMMON


def _fits(layout: Layout, head: Head) -> bool:
    return all(head.has(path) for path in layout.needs) and (
        _first(head, layout.solution) is not None
    )


def _first(head: Head, paths: Sequence[str]) -> str | None:
    """The first path that holds something, else the first that is there at all."""
    there = [path for path in paths if head.has(path)]
    filled = (path for path in there if any(v not in (MISSING, None) for v in head.column(path)))
    return next(filled, there[0] if there else None)


def _refuse_missing(head: Head, path: str, option: str) -> NoReturn:
    shown = [one.replace(".*", ".*") for one in head.paths][:30]
    more = f" and {len(head.paths) - 30} more" if len(head.paths) > 30 else ""
    raise InputError(
        f"{head.name}: {option} names the field '{path}', which no row has; "
        f"the fields are {', '.join(shown)}{more}."
    )


def _solution(head: Head, gold: str | None, fields: Fields) -> str:
    """The field of the samples."""
    taken = (gold, fields.gold, fields.problem, fields.question)
    every = {
        path: texts
        for path in head.paths
        if path not in taken
        and names.sample_rank(path) >= 0
        and (texts := head.texts(path)) is not None
        and (names.sample_rank(path) > 0 or _holds_values(head, path, texts))
    }
    found = _without_copies(_without_parts(every))
    found = _without_constants(found, head.problems)
    likely = {path: texts for path, texts in found.items() if _likely(path, texts)}
    ranks = {path: _rank(path, texts) for path, texts in likely.items()}
    golds_of = _gold_columns(head, exclude=tuple(path for path in likely if ranks[path] >= 2))
    ranks = _without_references(likely, ranks, golds_of)
    if not ranks:
        _refuse_shape(head)
    best = max(ranks.values())
    first = [path for path, rank in ranks.items() if rank == best]
    if best == 3 and len(first) == 1:
        return first[0]
    rivals = first if best >= 2 else [path for path in ranks if _answers(likely[path])] or first
    if best == 1 and len(rivals) == 1 and _always_right(likely[rivals[0]], golds_of, rivals[0]):
        # A reference, it seems: whatever else may hold samples is a rival, however short.
        rivals = [rivals[0], *(path for path in found if path not in likely)]
    if len(rivals) > 1:
        _refuse_two(head, "solution", rivals)
    return rivals[0]


def _holds_values(head: Head, path: str, texts: list[list[str | None]]) -> bool:
    """Whether a field of unclear name has texts, and numbers or formulas in half of them."""
    if any(isinstance(value, int | float) for value in head.column(path)):
        return False
    flat = [text for row in texts for text in row if text]
    return 2 * sum(any(sign in text for sign in "0123456789$\\") for text in flat) >= len(flat)


def _likely(path: str, texts: list[list[str | None]]) -> bool:
    """Whether texts may be solutions: named so, lists, longer texts, or answers that are marked."""
    flat = [text for row in texts for text in row if text]
    return (
        names.sample_rank(path) > 0
        or any(len(row) > 1 for row in texts)
        or sum(map(len, flat)) >= 15 * len(flat)
        or all(extract(text) is not None for text in flat[:_TEXTS_COMPARED])
    )


def _rank(path: str, texts: list[list[str | None]]) -> int:
    """3: called samples, or lists of several texts; 2: extracted answers; 1: unclear."""
    rank = names.sample_rank(path)
    if rank in (0, 1) and any(len(row) > 1 for row in texts):
        return 3
    return max(rank, 1)


def _answers(texts: list[list[str | None]]) -> bool:
    """Whether half of the texts have an answer that can be found."""
    flat = [text for row in texts for text in row if text][:_TEXTS_COMPARED]
    return 2 * sum(extract(text, rule="auto") is not None for text in flat) >= len(flat)


_Texts = dict[str, list[list[str | None]]]


def _without_parts(found: _Texts) -> _Texts:
    """Leave out what was extracted from another field: it is a short part of it in every row."""
    return {
        path: texts
        for path, texts in found.items()
        if not any(
            other != path and _is_part(texts, rest) and not _is_part(rest, texts)
            for other, rest in found.items()
        )
        or not _has_rival(path, found)
    }


def _has_rival(path: str, found: _Texts) -> bool:
    """Whether a field that could be the samples remains beside `path`."""
    return any(
        other != path and (names.sample_rank(other) in (0, 1, 3)) and _is_part(found[path], rest)
        for other, rest in found.items()
    )


def _is_part(short: list[list[str | None]], long: list[list[str | None]]) -> bool:
    """Whether the texts of `short` are short and nearly always inside those of `long`."""
    pairs = 0
    inside = 0
    for few, many in zip(short[:_TEXTS_COMPARED], long[:_TEXTS_COMPARED], strict=True):
        if len(few) not in (1, len(many)):
            return False
        wholes = many if len(few) == len(many) else [" ".join(text for text in many if text)]
        for part, whole in zip(few, wholes, strict=True):
            if part and whole:
                pairs += 1
                inside += len(part) <= _SHORT and len(part) < len(whole) and part.strip() in whole
    return pairs > 0 and inside >= NEARLY_ALL * pairs


def _without_copies(found: _Texts) -> _Texts:
    """Of equal fields the first; of a field that is prompt and sample together, the sample."""
    kept: _Texts = {}
    for path, texts in found.items():
        if any(_same_end(texts, other) and _better(kept_path, path) for kept_path, other in
               kept.items()):  # fmt: skip
            continue
        kept = {
            name: other
            for name, other in kept.items()
            if not (_same_end(texts, other) and _better(path, name))
        }
        kept[path] = texts
    return kept


def _better(path: str, other: str) -> bool:
    return names.sample_rank(path) >= names.sample_rank(other)


def _same_end(texts: list[list[str | None]], other: list[list[str | None]]) -> bool:
    """Whether two fields hold the same texts, or one the other with something before it."""
    pairs = 0
    for row, rest in zip(texts[:_TEXTS_COMPARED], other[:_TEXTS_COMPARED], strict=True):
        if len(row) != len(rest):
            return False
        for one, two in zip(row, rest, strict=True):
            if one and two:
                pairs += 1
                a, b = one.strip()[-_COMPARED_LENGTH:], two.strip()[-_COMPARED_LENGTH:]
                if not (a.endswith(b) or b.endswith(a)):
                    return False
    return pairs > 0


def _without_constants(found: _Texts, problems: Sequence[str]) -> _Texts:
    """Leave out fields that are equal in all samples of a problem, if another one is not."""
    varies = {path: _varies(texts, problems) for path, texts in found.items()}
    if True not in varies.values():
        return found
    return {path: found[path] for path, verdict in varies.items() if verdict is not False}


def _varies(texts: list[list[str | None]], problems: Sequence[str]) -> bool | None:
    """Whether samples of a problem differ; None: no problem has several rows or texts."""
    first: dict[str, str | None] = {}
    several = False
    for problem, row in zip(problems, texts, strict=True):
        for text in row:
            if problem not in first:
                first[problem] = text
                continue
            several = True
            if first[problem] != text:
                return True
    return False if several else None


def _without_references(
    found: _Texts, ranks: dict[str, int], golds_of: dict[str, list[tuple[str, ...]]]
) -> dict[str, int]:
    """Leave out the data set's own solutions, which always have the gold's answer.

    A field that is called samples and always has it may be such a reference as well (`output` in
    instruction data): then a field of unclear name is a rival, and the user must choose.
    """
    if len(ranks) < 2:
        return ranks
    agrees = {path: _always_right(found[path], golds_of, path) for path in ranks}
    unclear = [path for path, rank in ranks.items() if rank == 1]
    strong = [path for path, rank in ranks.items() if rank == 3]
    if strong and not any(len(row) > 1 for path in strong for row in found[path]):
        doubtful = [p for p in unclear if names.sample_rank(p) == 0 and _answers(found[p])]
        if doubtful and all(agrees[path] for path in strong):
            return {path: 3 for path in (*strong, *doubtful)}
    if strong:
        return {path: rank for path, rank in ranks.items() if rank != 1}
    left = {path: rank for path, rank in ranks.items() if not (rank == 1 and agrees[path])}
    return left or ranks


def _always_right(
    texts: list[list[str | None]], golds_of: dict[str, list[tuple[str, ...]]], path: str
) -> bool:
    """Whether the texts of `path` always have the answer of another field that may be the gold."""
    for name, column in golds_of.items():
        if name == path:
            continue
        verdicts = [
            _agrees(text, gold)
            for row, gold in zip(texts[:_TEXTS_COMPARED], column[:_TEXTS_COMPARED], strict=True)
            for text in row[:4]
            if gold
        ]
        if verdicts and sum(verdicts) >= NEARLY_ALL * len(verdicts):
            return True
    return False


def _agrees(text: str | None, accepted: tuple[str, ...]) -> bool:
    answer = extract(text, rule="auto") if text else None
    if answer is None:
        return False
    return any(
        answer.text == gold or compare(answer.text, gold) is Verdict.correct for gold in accepted
    )


def _gold_columns(head: Head, exclude: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    """The columns that may be golds, by path."""
    found = {}
    for path in head.paths:
        if path in exclude or not (names.is_strong_gold(path) or names.is_weak_gold(path)):
            continue
        values = [value for value in head.column(path) if value not in (MISSING, None)]
        if not values or any(isinstance(value, bool) for value in values):
            continue
        column = head.golds(path)
        if 2 * sum(map(bool, column)) >= len(column):
            found[path] = column
    return found


def _gold(head: Head, solution: str, doubts: list[str]) -> str:
    """The field of the golds, beside this solution."""
    columns = {
        path: column
        for path, column in _gold_columns(head, exclude=(solution,)).items()
        if not path.startswith(f"{solution.split('.*')[0]}.") or "." not in path
        or names.is_strong_gold(path)
    }  # fmt: skip
    binary = [path for path in columns if _is_label(head.column(path))]
    if len(binary) < len(columns):
        columns = {path: column for path, column in columns.items() if path not in binary}
    if not columns:
        _refuse_shape(head, solution)
    strong = [path for path in columns if names.is_strong_gold(path)]
    weak = [path for path in columns if path not in strong]
    texts = head.texts(solution) or []
    for group in (strong, weak):
        rival = _rival(group, columns)
        if rival:
            own = [path for path in rival if _always_own(texts, columns[path])]
            _refuse_two(head, "gold", rival, own)
    chosen = _shortest(_as_they_stand(head, strong or weak, columns), columns)
    if strong and weak and _is_prose(columns[chosen]) and not _alike(columns, chosen, weak[0]):
        _refuse_two(head, "gold", (chosen, weak[0]), ())
    if strong and _is_prose(columns[chosen]) and weak:
        chosen = _shortest(weak, columns)
    return chosen


def gold_of_problems(head: Head) -> str:
    """The gold of a file of problems, whose solutions are references.

    Raises:
        InputError: it has none, or two that differ.
    """
    columns = _gold_columns(head, exclude=())
    if not columns:
        shown = ", ".join(head.paths[:30])
        raise InputError(f"{head.name}: none of the fields {shown} is known to hold golds.")
    strong = [path for path in columns if names.is_strong_gold(path)] or list(columns)
    rival = _rival(strong, columns)
    if rival:
        raise InputError(
            f"{head.name}: both '{rival[0]}' and '{rival[1]}' may be the gold, and they differ; "
            "keep one of them."
        )
    return _shortest(strong, columns)


def _checked_gold(head: Head, gold: str, solution: str | None) -> str:
    """A layout's gold, unless another field with a gold's name says something else."""
    columns = _gold_columns(head, exclude=(solution,) if solution else ())
    if gold not in columns:
        return gold
    others = [
        path
        for path in columns
        if path != gold
        and names.is_strong_gold(path) == names.is_strong_gold(gold)
        and not _is_label(head.column(path))
    ]
    rival = _rival([gold, *others], columns)
    if rival:
        texts = (head.texts(solution) if solution else None) or []
        _refuse_two(head, "gold", rival, [p for p in rival if _always_own(texts, columns[p])])
    return gold


def _rival(group: Sequence[str], columns: dict[str, list[tuple[str, ...]]]) -> list[str]:
    """The first two fields of a group that do not say the same."""
    for number, path in enumerate(group):
        for other in group[:number]:
            if not _alike(columns, other, path):
                return [other, path]
    return []


def _alike(columns: dict[str, list[tuple[str, ...]]], one: str, two: str) -> bool:
    pairs = [(a, b) for a, b in zip(columns[one], columns[two], strict=True) if a and b]
    equal = 0
    for a, b in pairs[:_TEXTS_COMPARED]:
        equal += any(
            x == y or compare(x, y) is Verdict.correct or (len(x) > _SHORT and y in x)
            or (len(y) > _SHORT and x in y)
            for x in a for y in b
        )  # fmt: skip
    return equal >= NEARLY_ALL * len(pairs[:_TEXTS_COMPARED])


def _shortest(group: Sequence[str], columns: dict[str, list[tuple[str, ...]]]) -> str:
    """The first field of a group whose golds are no prose; they say the same."""
    return min(group, key=lambda path: _is_prose(columns[path]))


def _as_they_stand(
    head: Head, group: Sequence[str], columns: dict[str, list[tuple[str, ...]]]
) -> list[str]:
    """The group with those fields first whose golds need no reading: an answer, no solution."""

    def read(path: str) -> bool:
        values = zip(head.column(path), columns[path], strict=True)
        return any(isinstance(value, str) and gold and value != gold[0] for value, gold in values)

    return sorted(group, key=read)


def _is_prose(column: list[tuple[str, ...]]) -> bool:
    firsts = [gold[0] for gold in column if gold]
    return 2 * sum(len(text.split()) > 12 for text in firsts) > len(firsts)


def _is_label(values: Sequence[Any]) -> bool:
    """Whether values are verdicts, 0 and 1, rather than golds."""
    known = [value for value in values if value not in (MISSING, None)]
    flat = [one for value in known for one in (value if isinstance(value, list) else [value])]
    return bool(flat) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and one in (0, 1) for one in flat
    )


def _always_own(texts: list[list[str | None]], column: list[tuple[str, ...]]) -> bool:
    """Whether a gold is the sample's own answer in every row."""
    pairs = [(row[0], gold) for row, gold in zip(texts, column, strict=True) if row and gold]
    return len(pairs) > 1 and all(_agrees(text, gold) for text, gold in pairs[:_TEXTS_COMPARED])


def _ids(head: Head, layout: Layout | None) -> tuple[str, ...]:
    found = list(layout.problem if layout else ())
    found += [name for name in names.IDS if name in head.paths]
    found += [
        path
        for path in head.paths
        if "*" not in path and "." in path and names.leaf(path) in names.IDS[:6]
    ]
    return tuple(dict.fromkeys(path for path in found if head.has(path)))


def _questions(head: Head, layout: Layout | None) -> tuple[str, ...]:
    found = list(layout.question if layout else ())
    found += [name for name in names.QUESTIONS if head.has(name)]
    found += [
        path for path in head.paths if "." in path and names.leaf(path) in names.QUESTIONS[:4]
    ]
    return tuple(dict.fromkeys(path for path in found if head.has(path) and _asks(head, path)))


def _asks(head: Head, path: str) -> bool:
    return any(question_of(value) for value in head.column(path) if value is not MISSING)


def _score(head: Head, layout: Layout | None) -> str | None:
    """The field of the scores: as the layout has it, else `scores` or `score` if it has numbers."""
    for path in (layout.score if layout else None, *names.SCORES):
        if path is None or path not in head.paths:
            continue
        if _has_numbers(head.column(path)):
            return path
    return None


def _has_numbers(values: Sequence[Any]) -> bool:
    """Whether there are numbers that are no verdicts: Qwen2.5-Math's `score` is true or false."""
    flat: list[Any] = []
    for value in values:
        flat += value if isinstance(value, list) else [value]
    numbers: Callable[[Any], bool] = lambda one: not isinstance(one, bool | str) and one not in (
        MISSING,
        None,
    )
    return any(numbers(one) for one in flat) and not any(isinstance(one, bool) for one in flat)


def _refuse_two(
    head: Head, role: str, rivals: Sequence[str], own: Sequence[str] = ()
) -> NoReturn:
    one, two, *more = rivals
    why = f" ('{own[0]}' is always the sample's own answer)" if own else ""
    others = f" (and {', '.join(more)})" if more else ""
    raise InputError(
        f"{head.name}: both '{one}' and '{two}'{others} may be the {role}{why}; "
        f"choose with --fields {role}={one} or --fields {role}={two}."
    )


def _refuse_shape(head: Head, solution: str | None = None) -> NoReturn:
    fields = ", ".join(head.paths[:30]) or "(none)"
    if solution is not None:
        raise InputError(
            f"{head.name}: the solution is '{solution}', but none of the fields {fields} is a gold; "
            "say which with --fields gold=NAME, or give the golds in another file: --problems FILE."
        )
    raise InputError(
        f"{head.name}: none of the fields {fields} is known to hold solutions; "
        "say which with --fields solution=NAME,gold=NAME,problem=NAME."
    )
