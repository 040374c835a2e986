"""Read a value of a row as solutions, as a question, or as golds. Over `paths`, under `roles`.

A sample without text (null, an empty text, a chat without a reply) is None: it counts, and has no
answer. A model's thoughts (`reasoning_content`, parts of type reasoning or thinking) are never its
solution.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mathtune.answers import gold_answer
from mathtune.data.files.paths import is_chat, is_parts
from mathtune.data.files.quoted_list import quoted_list

ASSISTANTS = ("assistant", "model", "gpt", "bot", "ai", "chatbot")
_TEXTS = (
    "content",
    "text",
    "output_text",
    "value",
    "response",
    "generation",
    "completion",
    "output",
    "generated_text",
    "continuation",
    "prediction",
    "solution",
    "answer",
)
"""The keys under which an object holds its text, the likeliest first."""
_TEXT_PARTS = ("text", "output_text", "message", None)
UNUSABLE = (
    "proof", "notfound", "not found", "n/a", "na", "nan", "null", "unknown", "tbd", "None", "?", "-"
)  # fmt: skip
"""Golds that mean "no answer", in any letter case (but None only in this one)."""
_LONGEST_EXPONENT = 60
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_WORDS = {
    "true": True, "false": False, "correct": True, "wrong": False, "incorrect": False,
    "right": True, "yes": True, "no": False,
}  # fmt: skip
_WORDS_OF_PROSE = 12
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


class NoTextError(Exception):
    """A value that cannot be a solution or a gold; the message says what was found."""


def solutions(value: Any) -> list[str | None]:
    """Return the texts of one value, in order: a text, a message, a chat, or a list of any of them.

    >>> solutions([{"role": "assistant", "content": None, "reasoning_content": "5?"}])
    [None]
    >>> solutions([["a", None], {"content": [{"type": "text", "text": "b"}]}])
    ['a', None, 'b']

    Raises:
        NoTextError: a member is neither.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return [None]
    if isinstance(value, str):
        return [value if value.strip() else None]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return [number_text(value)]
    if isinstance(value, dict):
        return [_of_object(value)]
    if is_chat(value):
        return _of_chat(value)
    if is_parts(value):
        return [_of_parts(value)]
    if isinstance(value, list):
        return [text for member in value for text in solutions(member)] or [None]
    raise NoTextError(f"found {shown(value)}, expected a text or a list of texts")


def _of_chat(messages: list[dict[str, Any]]) -> list[str | None]:
    """Return a chat's reply: its last message. A list of replies alone gives one sample each."""
    speakers = [speaker(one) for one in messages]
    if all(name in ASSISTANTS for name in speakers):
        return [_of_object(one) for one in messages]
    return [_of_object(messages[-1]) if speakers[-1] in ASSISTANTS else None]


def speaker(message: Mapping[str, Any]) -> str:
    """Return who says a message of a chat, in small letters; empty: it does not say."""
    return str(message.get("role", message.get("from", ""))).lower()


def _of_object(value: dict[str, Any]) -> str | None:
    if isinstance(value.get("message"), dict):
        return _of_object(value["message"])
    for key in _TEXTS:
        if key in value:
            found = solutions(value[key])
            return "".join(text for text in found if text) or None
    raise NoTextError(f"an object with {', '.join(value) or 'nothing'} and no text")


def _of_parts(parts: list[dict[str, Any]]) -> str | None:
    texts = []
    for part in parts:
        if part.get("type") in _TEXT_PARTS and any(key in part for key in ("text", "content")):
            texts += [text for text in solutions(part.get("text", part.get("content"))) if text]
    return "".join(texts) or None


def question_of(value: Any) -> str:
    """Return a question's text; for a chat, the last message not by the model. Empty: none."""
    if isinstance(value, str):
        return value
    if is_chat(value):
        asked = [one for one in value if speaker(one) not in (*ASSISTANTS, "system")]
        return question_of(asked[-1]) if asked else ""
    if is_parts(value):
        return _of_parts(value) or ""
    if isinstance(value, dict):
        found = next((value[key] for key in ("content", "prompt", "value", "text", "question",
                                             "problem") if key in value), None)  # fmt: skip
        return question_of(found)
    if isinstance(value, list) and value:
        return question_of(value[-1] if isinstance(value[-1], dict) else value[0])
    return ""


def golds(value: Any) -> tuple[str, ...]:
    r"""Return the golds that a value accepts; for a gold solution (`#### 18`, prose), its answer.

    >>> golds("6*3=18\n#### 18"), golds("['18']"), golds(["18", "eighteen"])
    (('18',), ('18',), ('18', 'eighteen'))

    Raises:
        NoTextError: it is no text, number or list of them; or empty.
    """
    if is_chat(value):
        replies = [text for text in solutions(value) if text]
        return golds(replies[-1] if replies else "")
    if isinstance(value, dict):
        for key in (
            "ground_truth",
            "gold",
            "answer",
            "target",
            "value",
            "text",
            "content",
            "output",
        ):
            if key in value:
                return golds(value[key])
    if isinstance(value, list):
        right = [one for one in value if one is not None and not _is_wrong_option(one)]
        found = [gold for member in right for gold in golds(member)]
        if found:
            return tuple(dict.fromkeys(found))
    if isinstance(value, str) and value.strip():
        members = quoted_list(value)
        if members:
            return golds(members)
        return (gold_answer(value),)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if not isinstance(value, int) and not math.isfinite(value):
            raise NoTextError("the gold is not a finite number")
        return (number_text(value),)
    if isinstance(value, bool):
        raise NoTextError(
            f"the gold is the boolean {str(value).lower()}, which may mean yes or true; expected "
            'the text that right solutions give, such as "yes"'
        )
    empty = value == [] or (isinstance(value, str) and not value.strip())
    found_text = "empty" if empty else shown(value)
    raise NoTextError(f"the gold is {found_text}, expected a text or a number")


def _is_wrong_option(value: Any) -> bool:
    """Return whether a reference of HELM's lacks the tag of the right ones."""
    tags = value.get("tags") if isinstance(value, dict) else None
    return isinstance(tags, list) and "output" in value and "correct" not in tags


def says_none(gold: str, unusable: Sequence[str] = UNUSABLE) -> bool:
    r"""Return whether a gold means "no answer".

    >>> says_none(r"$\text{Proof}$"), says_none("None"), says_none("none"), says_none("7")
    (True, True, False, False)
    """
    bare = gold.strip().strip("$.").strip()
    text = bare[6:-1].strip() if bare.startswith("\\text{") and bare.endswith("}") else bare
    return text in unusable or text.casefold() in unusable


def number_text(value: float | Decimal) -> str:
    """Return a number in plain digits, as exact as in the file."""
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and abs(exponent) <= _LONGEST_EXPONENT:
            return format(value, "f")
    return str(value)


def is_prose(gold: str) -> bool:
    """Return whether a gold is a text of many words, which no answer equals.

    Example:
        >>> is_prose("x = 2"), is_prose("We add three and four to get seven, and so there are ten.")
        (False, True)
    """
    return len(gold) > _WORDS_OF_PROSE and len(_WORD.findall(gold)) > _WORDS_OF_PROSE


def finite(value: Any) -> float | None:
    """Return a score as a float; None if it is not a number (null, a word, NaN, a verdict).

    A table has its numbers as texts.

    >>> finite("0.25"), finite("1e-3"), finite("nan"), finite("True"), finite(True)
    (0.25, 0.001, None, None, None)
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return finite(float(value))
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's integers are unlimited
        return None
    return number if math.isfinite(number) else None


def verdict(value: Any) -> bool | None:
    """Return a verdict; None if a value is none.

    >>> verdict(True), verdict("False"), verdict("Wrong"), verdict(1), verdict(0.5)
    (True, False, False, True, None)
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return bool(value) if value in (0, 1) else None
    return _WORDS.get(value.strip().lower()) if isinstance(value, str) else None


def shown(value: Any) -> str:
    """Describe a value for a message: its kind and its beginning."""
    return "null" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
