r"""Guess the answer of a text that marks none: the value of its last sentence."""

from __future__ import annotations

import re

from mathtune.answers.phrases import (
    DIGITS,
    DOLLARS,
    NUMBER,
    WORDS,
    is_formula,
    percent_at,
    sentence,
    trim,
    with_percent,
)

_LAST_SENTENCES = 5_000
_BETWEEN = re.compile(r"\n+|\s(?<=[.!?]\s)\s*")
_BETWEEN_CJK = re.compile(rf"{_BETWEEN.pattern}|(?<=[。！？])")  # slow: it fits every place
_WHOLE = 80


def last_sentence_value(text: str) -> tuple[str, str] | None:
    r"""Return the last number or formula of the last sentence that has one, and its rule.

    If that sentence has the result of the text's last equation, this is the value, not its 3 bags.

    >>> last_sentence_value("3 * 6 = 18. So Tom has 18 nuts in 3 bags... I hope this helps!")
    ('18', 'last-number')
    >>> last_sentence_value("So Tom has 18 nuts in 3 bags.")
    ('3', 'last-number')
    >>> last_sentence_value(r"Therefore $x = \frac{1}{2}$.")
    ('x = \\frac{1}{2}', 'last-formula')
    """
    tail = text[-_LAST_SENTENCES:]
    if len(text) > _LAST_SENTENCES:
        tail = tail[tail.find(" ") + 1 :]  # never half a number
    whole = tail.strip()
    if whole and len(whole) <= _WHOLE and "\n" not in whole and not WORDS.search(whole):
        number = NUMBER.fullmatch(whole.removesuffix("."))
        return trim(whole), "last-number" if number else "last-formula"
    displayed = re.sub(r"\\\[\s*(.+?)\s*\\\]|\$\$\s*(.+?)\s*\$\$", _on_one_line, tail, flags=re.S)
    system = _unknowns(displayed)
    if system is not None:
        return system, "last-formula"
    wide = any(sign in displayed for sign in "。！？")
    parts = (_BETWEEN_CJK if wide else _BETWEEN).split(displayed)
    result = _last_result(displayed)
    for part in reversed(parts):
        found = _value(part, result)
        if found is not None:
            return found
    word = _stated_word(parts)
    return (word, "last-word") if word else None


_UNKNOWN = (
    r"(?<![\w.])\\?[A-Za-z](?:_\w)?\s*=\s*[-−]?\s*"
    rf"(?:\\d?frac\{{\d+\}}\{{\d+\}}|{DIGITS}(?:/[0-9]+)?)"
)
_FORMULA_MARK = re.compile(r"\\[()\[\],;]|\\q?quad\b|\$|\*\*")
_IN_A_ROW = re.compile(
    rf"{_UNKNOWN}(?:\s*(?:[,;]\s*(?:and\s+)?|\s+(?:and|\\text\{{\s*and\s*\}})\s+){_UNKNOWN})+[\s.]*\Z"
)
_ON_LINES = re.compile(rf":\s*((?:\n\s*(?:- )?{_UNKNOWN}[.,]?[ \t]*){{2,}})\s*\Z")
_OPERATOR = re.compile(r"[-−+*/^=({×·][ \t]*\Z|[0-9][ \t]*\Z")


def _unknowns(text: str) -> str | None:
    r"""Return the values of several unknowns that end a text, as one list.

    >>> _unknowns("So x = 25 and y = -3."), _unknowns("The solution is:\nx = 1/2\ny = 4")
    ('x = 25, y = -3', 'x = 1/2, y = 4')
    >>> _unknowns("y = 3."), _unknowns("2x = 6\nx = 3\ny = 1"), _unknowns("x = 2 and x = 3")
    (None, None, None)
    """
    end = _FORMULA_MARK.sub(" ", text[-200:])
    found = _IN_A_ROW.search(end) or _ON_LINES.search(end)
    if found is None or _OPERATOR.search(end, 0, found.start()):
        return None
    values = re.findall(_UNKNOWN, found.group())
    names = {value.partition("=")[0].strip() for value in values}
    return ", ".join(values) if len(names) == len(values) else None


def _on_one_line(match: re.Match[str]) -> str:
    inside = match.group(1) or match.group(2)
    return rf" \({' '.join(inside.split())}\) "


_CHOICE = re.compile(
    r"\b(?:option|choice)\s*(?:\*\*)?\s*(?:is|[:=])\s*(?:\*\*)?\s*(?=[*_]*\(?[*_]*[A-H](?![\w'’]))"
)
_CHOSEN = re.compile(
    r"\b[Oo]ption\s+[*_]*\(?([A-H])\)?[*_]*\s+is\s+(?:the\s+)?(?:correct|right|best|true)\b"
)


def _choice(part: str) -> str | None:
    """Return the choice that a sentence states.

    >>> _choice("So the correct option is (C)."), _choice("Option A is correct.")
    ('(C)', 'A')
    >>> _choice("Is the option C?"), _choice("The best option is A bus.")
    (None, None)
    """
    if part.rstrip().endswith("?"):
        return None
    stated = list(_CHOICE.finditer(part))
    if stated:
        found = sentence(part[stated[-1].end() :])
        if found and not re.fullmatch(r"[A-H]\s+[a-z].*", found, re.S):
            return found
    chosen = _CHOSEN.search(part)
    return chosen.group(1) if chosen else None


_YES = re.compile(
    r"[*_\s]*(?:(?:so|thus|hence|therefore|then|finally)\b,?\s*)?[*_]*(yes|no|true|false)"
    r"[*_]*(?:\s*[.!]?[*_]*\s*\Z|,\s|[.!]\s)",
    re.I,
)


def _stated_word(parts: list[str]) -> str | None:
    """Return the yes, no, true or false of a text without any number or formula.

    >>> _stated_word(["Every square is a rectangle.", "So yes."]), _stated_word(["No idea."])
    ('yes', None)
    """
    found = [match.group(1) for match in map(_YES.match, parts) if match]
    return found[-1] if len({word.lower() for word in found}) == 1 else None


_RESULT = re.compile(
    rf"\s*(?:<<[^<>]*>>)?[\s\\$*]*(?:\(\s*)?([-−]?{DIGITS})"
    r"(?![0-9(^_!]|[A-Za-z](?![a-z])|\s*[-+*/×÷]\s*[\d($\\]|\s*(?:with|R|r) )"
)


def _last_result(text: str) -> str | None:
    """Return the number behind the last equals sign of a text.

    >>> _last_result("3 * 6 = 18. So 18 in 3."), _last_result("3 * 6 = 6 * 3"), _last_result("3")
    ('18', None, None)
    """
    _, equals, behind = text.rpartition("=")
    result = _RESULT.match(behind) if equals else None
    return result.group(1) if result else None


_FINISHED = re.compile(r"[.!。！][\W_]*\Z")
_NOTATION = re.compile(r"[_^=]|\\[dt]?frac")
_STATED_LAST = re.compile(
    r"(?:(?<!that )\b(?:is|are|was|be)|\bequals|\bequal to)"
    r"(?:\s+(?:about|approximately|only|exactly))?[\s\\$*(]*\Z"
)
_PREMISE = re.compile(
    r"[\W_]*(?:(?:so|but|now),?\s+)?(?:since|because|as|if)\b[^,]*(?:,\d[^,]*)*,", re.I
)
_ASIDE = re.compile(r"(?<!\\)\([\s$\\]*\Z|/\s*\Z")
_DIVIDED = re.compile(r"\s*/\s*\d")


def _stated_result(part: str, result: str) -> str | None:
    """Return the number of a sentence that is the last equation's result, if its last is not.

    None where the sentence is unfinished, holds notation, or says of its last number that the
    value *is* this; a premise ("Since 21 ..., "), an aside "(21)" and a part of 21/3 are no result.

    >>> _stated_result("So he will be 21 years old in 3 years.", "21")
    '21'
    >>> _stated_result("Since 21 is above 3, it takes 3 days.", "21")
    >>> _stated_result("Beside Ann's 21 years, the age of Tom is 3.", "21")
    """
    numbers = list(NUMBER.finditer(part))
    if not numbers or not _FINISHED.search(part[-20:]) or _NOTATION.search(part):
        return None
    last = numbers[-1]
    if _same(last.group(), result) or _STATED_LAST.search(part, 0, last.start()):
        return None
    premise = _PREMISE.match(part)
    start = premise.end() if premise else 0
    for match in reversed(numbers):
        before = part[max(0, match.start() - 9) : match.start()]
        apart = _ASIDE.search(before) or _DIVIDED.match(part, match.end())
        if match.start() >= start and not apart and _same(match.group(), result):
            return match.group() + percent_at(part, match.end())
    return None


def _same(number: str, other: str) -> bool:
    """Return whether two spellings are one number.

    >>> _same("1,200", "1200.00"), _same("12", "120")
    (True, False)
    """
    plain = (re.sub(r",|\.0+\Z", "", spelt.replace("−", "-")) for spelt in (number, other))
    return next(plain) == next(plain)


def _value(part: str, result: str | None) -> tuple[str, str] | None:
    choice = _choice(part)
    if choice is not None:
        return choice, "last-word"
    formulas = [match for match in DOLLARS.finditer(part) if is_formula(match)]
    end = formulas[-1].end() if formulas else 0
    numbers = with_percent(part[end:])
    content = trim(formulas[-1].group()) if formulas else ""
    if numbers or NUMBER.fullmatch(content):
        stated = _stated_result(part, result) if result else None
        if stated or numbers:
            return stated or numbers[-1], "last-number"
    if not formulas:
        return None
    left, equals, right = content.rpartition("=")
    if equals and right.strip() and not re.fullmatch(r"\s*\\?[A-Za-z](?:_\w)?\s*", left):
        content = trim(right)
    return (content + percent_at(part, end), "last-formula") if content else None
