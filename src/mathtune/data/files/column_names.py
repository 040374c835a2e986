"""Check the first line of a table (CSV, TSV), which names its columns. Under `formats`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from mathtune.errors import InputError

_LONGEST = 150
"""The longest name of a column, in characters; what is longer is a value."""


def checked(names: Sequence[str], file: str) -> list[str]:
    """Return the names of a table's columns, without spaces around them.

    Raises:
        InputError: the first line holds the first row's values, or names two columns alike, of
            which only one could be read.

    Example:
        >>> checked(["question", " answer"], "a.csv")
        ['question', 'answer']
    """
    values = [one for one in names if len(one) > _LONGEST or re.fullmatch(r"-?\d+\.\d+", one)]
    if values:
        raise InputError(
            f"{file}, line 1: expected the names of the columns, found {values[0][:40]!r}; "
            "put a line of names before it."
        )
    found = [name.strip() for name in names]
    twice = [name for name, count in Counter(found).items() if name and count > 1]
    if twice:
        raise InputError(
            f"{file}, line 1: two columns are called {twice[0]!r}; give each a name of its own."
        )
    return found
