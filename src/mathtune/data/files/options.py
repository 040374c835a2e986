"""The options that a problem offers, by letter, and golds that name one. Under `paths`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeGuard

from mathtune.data.files import names
from mathtune.data.files.quoted_list import quoted_list
from mathtune.errors import InputError

_LETTERS = "ABCDEFGHIJ"
_GOLD = re.compile(r"\(?([A-Ja-j])\)?[.:]?")
_LABELLED = re.compile(r"\s*\(?([A-Ja-j])\s?[).:]\s*(.*?)\s*", re.S)
_IN_TEXT = re.compile(r"(?:^|[\s,;])\(?([A-Ja-j])\s?[).]\s")


def options(value: Any) -> dict[str, str]:
    """Return the options that a value offers, by letter; empty if it offers fewer than two.

    >>> options(["A)21", "B)None of these"]), options({"a": "21", "b": 22}), options(["21", "22"])
    ({'A': '21', 'B': 'None of these'}, {'A': '21', 'B': '22'}, {'A': '21', 'B': '22'})
    >>> options("a ) 21 , b ) none of these"), options({"label": ["A", "B"], "text": ["x", "y"]})
    ({'A': '21', 'B': 'none of these'}, {'A': 'x', 'B': 'y'})
    >>> options(["one text"]), options("No options."), options([{"text": "a"}, {"text": "b"}])
    ({}, {}, {})
    """
    if isinstance(value, str):
        value = quoted_list(value) or _in_text(value)
    if isinstance(value, Mapping) and _are_texts(value.get("text")):
        value = dict(zip(value.get("label") or _LETTERS, value["text"], strict=False))
    elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        value = {one.get("label"): one.get("text") for one in value}
    elif _are_texts(value):
        labelled = [_LABELLED.fullmatch(str(one)) for one in value]
        if all(labelled):
            value = {one[1]: one[2] for one in labelled if one is not None}
        else:
            value = dict(zip(_LETTERS, value, strict=False))
    if not isinstance(value, Mapping) or len(value) < 2 or not _are_texts(list(value.values())):
        return {}
    found = {str(letter).upper(): str(text).strip() for letter, text in value.items()}
    return found if _LETTERS.startswith("".join(found)) else {}


def options_field(row: Mapping[str, Any]) -> str | None:
    """Return the field of a row that holds options; None: it has none."""
    return next((name for name in row if names.are_options(name) and options(row[name])), None)


def _are_texts(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and all(isinstance(one, str | int | Decimal) for one in value)


def _in_text(text: str) -> dict[str, str]:
    parts = _IN_TEXT.split(text)[1:]
    return {letter: one.strip(" ,;\n") for letter, one in zip(parts[::2], parts[1::2], strict=True)}


def letter(gold: str, offered: Mapping[str, str]) -> str | None:
    """Return the letter of the option that a gold names; None: it names none.

    >>> [letter(gold, {"A": "21", "B": "22"}) for gold in ("(b)", "22", "C")]
    ['B', None, None]
    """
    match = _GOLD.fullmatch(gold.strip())
    return match[1].upper() if match and match[1].upper() in offered else None


def first_number(golds: Sequence[str], offers: Sequence[Mapping[str, str]]) -> int | None:
    """Return the number of the first option, 0 or 1, if golds are numbers of options.

    None: they are not, or they do not tell the number of the first.

    >>> four = {"A": "5", "B": "6", "C": "7", "D": "8"}
    >>> first_number(["1", "0"], [four] * 2), first_number(["1", "4"], [four] * 2)
    (0, 1)
    >>> first_number(["5", "8"], [four] * 2), first_number(["1", "2"], [four] * 2)
    (None, None)
    """
    pairs = list(zip(golds, offers, strict=True))
    if not pairs or any(re.fullmatch("[0-9]", gold) is None for gold, _ in pairs):
        return None
    if all(gold in offered.values() for gold, offered in pairs):
        return None
    if all(int(gold) < len(offered) for gold, offered in pairs):
        return 0 if "0" in golds else None
    one_more = all(0 < int(gold) <= len(offered) for gold, offered in pairs)
    return 1 if one_more else None


def are_numbers(golds: Sequence[str], offers: Sequence[Mapping[str, str]]) -> bool:
    """Return whether golds are numbers of options, whichever is the first, and not their texts.

    >>> four = {"A": "15", "B": "16", "C": "17", "D": "18"}
    >>> are_numbers(["1", "3"], [four] * 2), are_numbers(["1", "15"], [four] * 2)
    (True, False)
    """
    pairs = list(zip(golds, offers, strict=True))
    return bool(pairs) and all(
        re.fullmatch("[0-9]", gold) and int(gold) <= len(offered) and gold not in offered.values()
        for gold, offered in pairs
    )


def first_of(
    golds: Sequence[str | None], offers: Sequence[Mapping[str, str]], known: int | None = None
) -> int | None:
    """Return the number of the first option if golds are numbers of options; None: they are not.

    `known`: that of another split of the same source. Rows without options do not count.

    Raises:
        InputError: they are, and do not tell whether the first option is 0 or 1.
    """
    pairs = [(gold, offer) for gold, offer in zip(golds, offers, strict=True) if gold and offer]
    found, offered = [gold for gold, _ in pairs], [offer for _, offer in pairs]
    first = first_number(found, offered)
    if first is not None or not are_numbers(found, offered):
        return first
    if known is None:
        raise InputError(
            f"the golds are numbers of options, such as {found[0]}, and do not tell whether the "
            "first option is 0 or 1; expected the letters of options or their texts."
        )
    return known


def either(
    accepted: tuple[str, ...], offered: Mapping[str, str], first: int | None = None
) -> tuple[str, ...]:
    """Return golds with the text of an option that one names, and the letter of one that one is.

    `first`: golds are numbers of options, this of the first.

    >>> either(("B",), {"A": "21", "B": "22"}), either(("22",), {"A": "21", "B": "22"})
    (('B', '22'), ('22', 'B'))
    >>> either(("1",), {"A": "21", "B": "22"}, 0)
    ('B', '22')
    """
    if first is not None:
        numbers = {str(number): one for number, one in enumerate(offered, start=first)}
        accepted = tuple(numbers.get(gold, gold) for gold in accepted)
    found = list(accepted)
    for gold in accepted:
        named = letter(gold, offered)
        alike = [one for one, text in offered.items() if text == gold.strip()]
        if named is not None:
            found.append(offered[named])
        elif len(alike) == 1:
            found += alike
    return tuple(dict.fromkeys(found))
