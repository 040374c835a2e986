"""Read a list of texts that a cell holds as one text. Lowest in `files`."""

from __future__ import annotations

import json
import re

_QUOTED = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*(,|\Z)""", re.S)


def quoted_list(text: str) -> list[str] | None:
    r"""Return the members of a list of texts written as one text, in JSON or in Python's form.

    >>> quoted_list("['18']"), quoted_list('["a", "b"]'), quoted_list("[1, 2)")
    (['18'], ['a', 'b'], None)
    """
    text = text.strip()
    if not (text.startswith(("['", '["')) and text.endswith(("']", '"]'))):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _python_list(text[1:-1])
    return found if all(isinstance(member, str) for member in found) else None


def _python_list(inside: str) -> list[str] | None:
    members, at = [], 0
    while at < len(inside):
        match = _QUOTED.match(inside, at)
        if match is None:
            return None
        single, double, _ = match.groups()
        member = single if single is not None else double
        members.append(re.sub(r"\\(.)", _unescaped, member, flags=re.S))
        at = match.end()
    return members


def _unescaped(match: re.Match[str]) -> str:
    letter = match.group(1)
    return {"n": "\n", "t": "\t"}.get(letter, letter if letter in "\\'\"" else match.group())
