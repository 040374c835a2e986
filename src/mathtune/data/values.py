"""One row's values in our roles: its question, solution, golds and labels. Under `problems`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from mathtune.answers.extract import extract
from mathtune.answers.visible import visible
from mathtune.data.files.paths import MISSING, is_chat, reach, unpacked
from mathtune.data.files.texts import (
    ASSISTANTS,
    NoTextError,
    golds,
    is_prose,
    number_text,
    question_of,
    shown,
    solutions,
    speaker,
)
from mathtune.data.rows import Row

GoldRule = Literal["explicit", "auto", "last-number", "without-unit"]
"""How an answer is found in a gold that is a text: as by `extract`, or `9 (apples)` as 9."""
FIELDS = ("id", "problem", "answer", "solution", "level", "subject")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_WITH_UNIT = re.compile(r"([^()]+?)\s*\([^()]*\)\s*")
_PATH = re.compile(r"\{([^{}]+)\}")
_DRESS = re.compile(r"####|\\boxed|\\fbox|[{}$\s.]")


class UnusableError(Exception):
    """A row that is not a problem. `reason` is counted; `sentence` follows the row's place."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(reason)
        self.reason, self.sentence = reason, sentence


@dataclass(frozen=True)
class Golds:
    """The accepted golds of a row, the value they were read from, and the rule; None: unchanged."""

    accepted: tuple[str, ...]
    text: str
    rule: str | None

    @property
    def answer(self) -> str:
        """The first gold."""
        return self.accepted[0]


def columns_of(fields: Mapping[str, str]) -> dict[str, str | None]:
    """Return our names -> paths in a row; a column named for one role has no other.

    >>> columns_of({"problem": "prompt", "answer": "solution"})["solution"] is None
    True
    """
    named = set(fields.values())
    return {name: fields.get(name, None if name in named else name) for name in FIELDS}


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path; None: there is none.

    `{id}-{instance}` fills paths into a text.
    """
    found = reach(values, path)
    if found is MISSING and path.startswith("{"):
        return _PATH.sub(lambda match: str(value_at(values, match[1]) or ""), path)
    if isinstance(found, str) and is_chat(whole := unpacked(found)):
        return whole
    return None if found is MISSING else found


def question_at(row: Row, path: str | None) -> str:
    """Return the question of a row: a text, or the user's message of a conversation.

    Raises:
        UnusableError: there is none, or the conversation has several.
    """
    value = None if path is None else value_at(row.values, path)
    if is_chat(value) and sum(speaker(one) not in (*ASSISTANTS, "system") for one in value) > 1:
        raise UnusableError(
            "conversation of several turns",
            f", field '{path}': a conversation of several turns; expected one question.",
        )
    text = question_of(value)
    if not text.strip():
        found = ", ".join(map(repr, row.values))
        raise UnusableError(
            "no problem",
            f", field '{path}': missing or empty; the row has {found}; expected the problem's "
            "text; fields.problem=NAME says where else it is.",
        )
    return _whole(text, path)


def inner(prompt: str) -> str:
    """Return the question in a prompt whose first and last paragraphs say how to answer.

    >>> inner("Solve it step by step.\\n\\nWhat is 1 + 1?\\n\\nEnd with the answer.")
    'What is 1 + 1?'
    """
    paragraphs = re.split(r"\n\s*\n", prompt.strip())
    return "\n\n".join(paragraphs[1:-1]) if len(paragraphs) > 2 else prompt


def solution_at(row: Row, path: str | None, *, thoughts: bool) -> str | None:
    """Return the solution of a row, None if it has none; `thoughts`: with a model's thoughts.

    Raises:
        UnusableError: the value holds several, or no text.
    """
    value = None if path is None else value_at(row.values, path)
    if value is None:
        return None
    try:
        found = [text for text in solutions(value) if text]
    except NoTextError as error:
        raise UnusableError("solution is no text", f", field '{path}': {error}.") from None
    if len(found) > 1:
        raise UnusableError(
            "several solutions",
            f", field '{path}': holds {len(found)} solutions; expected one: name it "
            f"(fields.solution={path}.0), or choose among them by their verdicts with collect.",
        )
    if not found:
        return None
    text = found[0]
    if not thoughts:
        text = visible(text).strip()
    elif thought := _thought(value):
        text = f"<think>\n{thought}\n</think>\n\n{text}"
    return _whole(text, path) or None


def holds_several(values: Mapping[str, Any], path: str | None) -> bool:
    """Return whether a field of references holds several texts, as OlympiadBench's does."""
    found = None if path is None else value_at(values, path)
    return (
        isinstance(found, list)
        and len(found) > 1
        and all(isinstance(one, str) and one.strip() for one in found)
    )


def _thought(value: Any) -> str:
    """Return the thoughts that a conversation's last message holds besides its text."""
    message = value[-1] if is_chat(value) else value
    if not isinstance(message, Mapping):
        return ""
    found = next((message[key] for key in _THOUGHTS if isinstance(message.get(key), str)), "")
    return found.strip()


def golds_of(row: Row, path: str | None, solution: str | None, *, rule: GoldRule) -> Golds:
    """Return the golds of a row: those in its answer, else the one its solution marks.

    Raises:
        UnusableError: there is none, or it is a text without an answer in it.
    """
    value = None if path is None else value_at(row.values, path)
    if value is None or (isinstance(value, str) and not value.strip()) or value == []:
        return _of_solution(path, solution, rule)
    try:
        accepted = golds(value)
    except NoTextError as error:
        raise UnusableError("gold is no text", f", field '{path}': {error}.") from None
    first = value[0] if isinstance(value, list) and value and not is_chat(value) else value
    text = first if isinstance(first, str) else accepted[0]
    reduced = text.strip() not in accepted
    if not reduced and (answer := _found(text, rule)) is not None:
        return Golds((_whole(answer, path),), text, rule)
    if is_prose(accepted[0]):
        raise UnusableError(
            "gold is prose",
            f", field '{path}': the gold is a text that marks no answer; expected an answer, or "
            "gold_rule=last-number.",
        )
    marked = extract(text) if reduced else None
    accepted = tuple(stripped for one in accepted if (stripped := _whole(one, path).strip()))
    if not accepted:
        raise UnusableError("gold is empty", f", field '{path}': the gold is empty.")
    return Golds(accepted, text, (marked.rule if marked else "list") if reduced else None)


def _found(text: str, rule: GoldRule) -> str | None:
    """Return the answer in a gold that marks none, by the chosen rule."""
    if rule == "without-unit":
        if ";" in text:
            raise UnusableError(
                "gold has several answers",
                f": the gold {shown(text)} has several answers; expected one with its unit.",
            )
        match = _WITH_UNIT.fullmatch(text)
        return match[1].strip() if match else None
    if rule == "explicit" or not _WORD.search(text):
        return None
    found = extract(text, rule=rule)
    return found.text if found is not None and found.text != text.strip() else None


def _of_solution(path: str | None, solution: str | None, rule: GoldRule) -> Golds:
    how = "explicit" if rule == "without-unit" else rule
    found = extract(solution, rule=how) if solution else None
    if found is None or solution is None:
        raise UnusableError(
            "gold is missing",
            f", field '{path or 'answer'}': missing or empty, and no solution marks an "
            "answer (\\boxed{...}, #### ...); expected the gold answer; fields.answer=NAME or "
            "fields.solution=NAME says where it is.",
        )
    return Golds((found.text,), solution, found.rule)


def is_bare(solution: str, answer: str) -> bool:
    r"""Return whether a solution is only its answer, in a box or not.

    >>> is_bare(r"$\boxed{34}$", "34"), is_bare("30 + 4 = 34", "34")
    (True, False)
    """
    return _DRESS.sub("", solution) == _DRESS.sub("", answer)


def label_of(values: Mapping[str, Any], path: str | None) -> str | None:
    """Return a short text of a value (an id, a level, a subject), a list's members with commas.

    >>> label_of({"domain": ["Algebra", "Geometry"]}, "domain")
    'Algebra, Geometry'
    """
    value = None if path is None else value_at(values, path)
    if isinstance(value, list):
        members = [label_of({"": member}, "") for member in value]
        return ", ".join(member for member in members if member) or None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return number_text(value)
    return None


def _whole(text: str, path: str | None) -> str:
    """Return the text, if it can be written as UTF-8.

    Raises:
        UnusableError: it holds half of a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnusableError(
            "text is broken",
            f", field '{path}': half of a character ({shown(text)!r}); expected whole UTF-8.",
        ) from None
    return text
