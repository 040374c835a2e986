"""Conditions on rows: `question_type!=proof`. Between the rows of a source and its problems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mathtune.data.files.paths import MISSING, reach
from mathtune.errors import InputError

_CONDITION = re.compile(
    r"\s*(length\(\s*(?P<of>.+?)\s*\)|[^!<>=]+?)\s*(?P<sign>!=|<=|>=|==|=|<|>)(?P<value>.*)"
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SIGNS = {"==": "="}


@dataclass(frozen=True)
class Condition:
    """One condition on a row: a field's path, a sign, and the values to compare with.

    `length`: the number of characters of the field is compared. Several values: any of them.
    """

    text: str
    path: str
    sign: str
    values: tuple[str, ...]
    length: bool = False

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read `question_type!=proof`, `source=olympiads|aops_forum`, `length(solution)<=2000`.

        >>> Condition.parse("level>=3").keeps({"level": "Level 4"})
        True

        Raises:
            InputError: no field, no sign or no value; an order with something other than a number.
        """
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise InputError(
                f"where: found {text!r}; expected a field, a sign and a value, as in "
                "question_type!=proof, level>=3 or length(solution)<=2000."
            )
        sign = _SIGNS.get(match["sign"], match["sign"])
        values = tuple(part.strip() for part in match["value"].split("|"))
        if sign in "<=>=" and sign != "=" and (len(values) > 1 or number_in(values[0]) is None):
            raise InputError(f"where: found {text!r}; expected one number after {sign}.")
        path = match["of"] or match[1]
        return cls(text.strip(), path.strip(), sign, values, match["of"] is not None)

    def keeps(self, row: Mapping[str, Any], default: Any = MISSING) -> bool:
        """Return whether a row fulfils it. `default`: the value of a row without the field.

        A missing field differs from every value and is neither above nor below any number. A list
        is equal to a value if one of its members is.
        """
        found = reach(row, self.path)
        if found is MISSING:
            found = default
        if self.length:
            found = 0 if found in (MISSING, None) else len(str(found))
        if self.sign in ("=", "!="):
            return self._equal(found) == (self.sign == "=")
        number = None if found is MISSING else number_in(found)
        if number is None:
            return False
        bound = number_in(self.values[0])
        assert bound is not None
        return {
            "<": number < bound, "<=": number <= bound, ">": number > bound, ">=": number >= bound
        }[self.sign]  # fmt: skip

    def _equal(self, found: Any) -> bool:
        members = found if isinstance(found, list) else [found]
        return any(_same(member, value) for member in members for value in self.values)


def conditions(value: Any) -> tuple[Condition, ...]:
    """Read conditions as set by the user: one text with commas, or a list of texts.

    >>> [one.path for one in conditions("question_type!=proof, level>=3")]
    ['question_type', 'level']
    """
    texts = value.split(",") if isinstance(value, str) else list(value)
    return tuple(Condition.parse(str(text)) for text in texts)


def number_in(value: Any) -> float | None:
    """Return a number, or the first one of a text ("Level 4"); None: there is none.

    >>> number_in("Level 4"), number_in(0.25), number_in("hard")
    (4.0, 0.25, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        return float(value)
    match = _NUMBER.search(value) if isinstance(value, str) else None
    return float(match[0]) if match else None


def _same(found: Any, value: str) -> bool:
    if found is MISSING:
        return False
    if found is None:
        return value in ("", "null", "None")
    if isinstance(found, bool):
        return value.casefold() == str(found).casefold()
    if isinstance(found, int | float | Decimal):
        return _NUMBER.fullmatch(value) is not None and float(found) == float(value)
    return str(found).strip() == value
