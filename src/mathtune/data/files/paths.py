"""Reach a value in a row by its path, and list a row's paths. Lowest in `files`.

a.b          a key in an object; a key that has a dot in it is found first
a.0.b        a place in a list, from 0
a.*.b        every member of a list (or object), as a list
a.+.b        every member of a list of steps, as one text, a step a line
a_*          every key of that stem with a number behind it: a_0, a_1, ...
a.{b.c}      the place or key that the value at `b.c` names: choices.{gold_index}
a+b          the texts at a and at b as one text; the options of a problem, a line each

A text in JSON is walked into as what it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, TypeGuard

from mathtune.data.files import names
from mathtune.data.files.options import options
from mathtune.data.files.quoted_list import quoted_list

MISSING: Final = object()
"""The value that `reach` returns if a row has no such path."""

DEEPEST = 6
_PART = re.compile(r"\{[^}]*\}|[^.{}]+")
_PLUS = re.compile(r"(?<!\.)\+(?!\.)")
_BRACES = re.compile(r"\{([^{}]+)\}")
_NUMBERED = re.compile(r"(.*?[A-Za-z][ _-]?)(\d{1,4})")


@lru_cache(maxsize=1_024)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(_PART.findall(path))


def reach(row: Any, path: str) -> Any:
    """Return the value at `path` of a row, or MISSING.

    >>> reach({"choices": [{"text": "a"}, {"text": "b"}]}, "choices.*.text")
    ['a', 'b']
    >>> reach({"options": ["5", "7"], "right": 1}, "options.{right}")
    '7'
    >>> reach({"Body": "Ann has 3 pens.", "Question": "How many?"}, "Body+Question")
    'Ann has 3 pens. How many?'
    """
    if isinstance(row, dict) and path in row:
        return row[path]
    if "+" in path and len(parts := summands(path)) > 1:
        return _together(row, parts)
    return _walk(row, _parts(path), row)


def summands(path: str) -> list[str]:
    """Return the paths whose texts a path joins.

    >>> summands("Body+Question"), summands("steps.+.text")
    (['Body', 'Question'], ['steps.+.text'])
    """
    return [part.strip() for part in _PLUS.split(path)]


def tops(path: str) -> set[str]:
    """Return the top-level fields that a path reads.

    >>> sorted(tops("doc.choices.{label}")), sorted(tops("Body+Question"))
    (['doc', 'label'], ['Body', 'Question'])
    """
    inner = [one for found in _BRACES.findall(path) for one in tops(found)]
    return {part.split(".", 1)[0] for part in summands(path)} | set(inner)


def _together(row: Any, paths: list[str]) -> Any:
    text = ""
    for path in paths:
        value = reach(row, path)
        if isinstance(value, str) and value.strip():
            text += f" {value.strip()}"
        for letter, option in options(value).items():
            text += f"\n{letter}) {option}"
    return text.strip() or MISSING


def _walk(value: Any, parts: tuple[str, ...], row: Any) -> Any:
    for number, part in enumerate(parts):
        rest = parts[number + 1 :]
        value = unpacked(value)
        if part.startswith("{"):
            value = _named(value, reach(row, part[1:-1]))
        elif part == "*":
            if not isinstance(value, list | dict):
                return MISSING
            members = value if isinstance(value, list) else value.values()
            return _every(members, rest, row)
        elif part == "+":
            found = _every(value, rest, row) if isinstance(value, list) else MISSING
            return _joined(found) if _are_texts(found) else MISSING
        elif part.endswith("*") and isinstance(value, dict) and part not in value:
            return _every(_series(value, part[:-1]), rest, row)
        elif isinstance(value, dict):
            value = value.get(part, MISSING)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
        if value is MISSING:
            return MISSING
    return value


def unpacked(value: Any) -> Any:
    """Return what a text in JSON holds, as tables store lists; other values as they are.

    >>> unpacked('{"answer": 5}'), unpacked("{1, 2}"), unpacked([1]), unpacked("['a', 'b']")
    ({'answer': 5}, '{1, 2}', [1], ['a', 'b'])
    """
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return quoted_list(value) or value


def _every(members: Any, rest: tuple[str, ...], row: Any) -> Any:
    found = [_walk(member, rest, row) for member in members]
    if all(value is MISSING for value in found):
        return MISSING
    return [None if value is MISSING else value for value in found]


def _are_texts(value: Any) -> TypeGuard[list[str | None]]:
    """Return whether a value is a list of texts, with at least one."""
    return (
        isinstance(value, list)
        and any(isinstance(one, str) for one in value)
        and all(isinstance(one, str) or one is None for one in value)
    )


def _joined(steps: list[str | None]) -> str:
    return "\n".join(step for step in steps if step)


def _named(value: Any, name: Any) -> Any:
    """Return the member that another value of the row names; a list of one value names it, too."""
    if isinstance(name, list):
        found = [_named(value, one) for one in name]
        return MISSING if not found or MISSING in found else found[0] if len(found) == 1 else found
    if isinstance(value, list) and isinstance(name, int) and -1 < name < len(value):
        return value[name]
    if isinstance(value, dict):
        return value.get(str(name), MISSING)
    return MISSING


def _series(value: dict[str, Any], stem: str) -> list[Any]:
    found = []
    for key, member in value.items():
        match = _NUMBERED.fullmatch(key)
        if match and match.group(1) == stem:
            found.append((int(match.group(2)), member))
    return [member for _, member in sorted(found, key=lambda pair: pair[0])]


def is_chat(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Return whether a value is a conversation: a list of messages, each with a speaker."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and ("role" in one or "from" in one) for one in value)
    )


def is_parts(value: Any) -> bool:
    """Return whether a value is a message in parts: `[{"type": "text", "text": "..."}]`."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and "type" in one for one in value)
    )


def leaves(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    r"""Yield (path, value) of everything in a row that is not a plain object.

    >>> list(leaves({"a": {"b": 1}, "c": [{"d": 2}, {"d": 3}], "r_1": "x", "r_2": "y"}))
    [('a.b', 1), ('c.*.d', [2, 3]), ('r_*', ['x', 'y'])]
    >>> list(leaves({"steps": ["2 + 2 = 4", "So 4"]}))
    [('steps.+', '2 + 2 = 4\nSo 4')]
    """
    yield from _leaves(row, "", DEEPEST)


def _leaves(value: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    stems = _stems(value)
    done: set[str] = set()
    for key, member in value.items():
        match = _NUMBERED.fullmatch(key)
        if match and match.group(1) in stems:
            stem = match.group(1)
            if stem not in done:
                done.add(stem)
                yield f"{prefix}{stem}*", _series(value, stem)
        elif isinstance(member, dict) and member and depth:
            yield from _leaves(member, f"{prefix}{key}.", depth - 1)
        elif _is_table(member) and depth:
            for name in _keys(member):
                values = [one.get(name) if isinstance(one, dict) else None for one in member]
                if names.are_steps(key) and _are_texts(values):
                    yield f"{prefix}{key}.+.{name}", _joined(values)
                else:
                    yield from _member_leaves(member, name, f"{prefix}{key}.*.{name}", depth - 1)
        elif names.are_steps(key) and _are_texts(member):
            yield f"{prefix}{key}.+", _joined(member)
        else:
            yield f"{prefix}{key}", member


def _keys(members: list[Any]) -> dict[str, None]:
    return dict.fromkeys(name for one in members if isinstance(one, dict) for name in one)


def _member_leaves(
    members: list[Any], name: str, path: str, depth: int
) -> Iterator[tuple[str, Any]]:
    values = [one.get(name) if isinstance(one, dict) else None for one in members]
    if names.are_steps(name):
        tables = [one for one in values if isinstance(one, list) and _is_table(one)]
        parts = dict.fromkeys([("+",), *(("+", key) for one in tables for key in _keys(one))])
        for part in parts:
            texts = [_walk(one, part, None) for one in values]
            if any(isinstance(text, str) for text in texts):
                found = [None if text is MISSING else text for text in texts]
                yield f"{path}.{'.'.join(part)}", found
    objects = [one for one in values if isinstance(one, dict)]
    if objects and depth:
        for inner in dict.fromkeys(key for one in objects for key in one):
            yield from _member_leaves(values, inner, f"{path}.{inner}", depth - 1)
    else:
        yield path, values


def _is_table(value: Any) -> bool:
    """Return whether a value is a list of records: objects, but neither messages nor parts."""
    return (
        isinstance(value, list)
        and any(isinstance(one, dict) for one in value)
        and all(isinstance(one, dict) or one is None for one in value)
        and not is_chat(value)
        and not is_parts(value)
    )


def _stems(value: dict[str, Any]) -> set[str]:
    """Return the stems of keys that count up: response_0, response_1."""
    counts: dict[str, int] = {}
    for key in value:
        match = _NUMBERED.fullmatch(key)
        if match:
            counts[match.group(1)] = counts.get(match.group(1), 0) + 1
    return {stem for stem, count in counts.items() if count > 1}
