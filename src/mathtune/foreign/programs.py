"""Samples that end in a program, whose result they do not show. For the warnings of `notes`."""

from __future__ import annotations

import re

_LANGUAGES = ("", "python", "python3", "py", "sympy")
_STATEMENT = re.compile(
    r"\s*(?:#|@|\"\"\"|'''|print\(|[A-Za-z_][\w.]*\(.*\)\s*\Z|\s+\S"
    r"|(?:def|class|import|from|return|if|elif|else|for|while|with|try|except)\b"
    r"|[A-Za-z_][\w.]*(?:\[[^\]]*\]|, \w+)*\s*[-+*/]?=(?!=))"
)
_RUNS = re.compile(r"^[ \t]*(?:def \w+\(|import \w|from \w[\w.]* import |print\()", re.M)
_NEARLY_ALL = 0.8


def program_start(text: str) -> int | None:
    r"""Return the position of the program that a text ends in; None: it ends in something else.

    >>> program_start("Let us compute.\n```python\nx = 3 + 4\nprint(x)\n```")
    16
    >>> program_start("def solution():\n    x = 3 + 4\n    return x")
    0
    >>> program_start("```python\nprint(3 + 4)\n```\n```output\n7\n```"), program_start("x = 7")
    (None, None)
    """
    whole = text.rstrip().removesuffix("```")
    start = whole.rfind("```")
    if start < 0:
        return 0 if _is_code(text) else None
    language, _, code = whole[start + 3 :].partition("\n")
    return start if language.strip().lower() in _LANGUAGES and _is_code(code) else None


def _is_code(text: str) -> bool:
    if not _RUNS.search(text):
        return False
    lines = [line for line in text.splitlines() if line.strip()]
    statements = sum(_STATEMENT.match(line) is not None for line in lines)
    return statements >= _NEARLY_ALL * len(lines)
