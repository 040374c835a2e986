"""Answers with Chinese, Japanese or Korean words: `18元`, `x=1或x=2`. For the grader `math`.

A word behind a number is a unit or a counter, which may be left out, as `apples` may; two different
ones are different answers. What this cannot read is left to the comparison of words.
"""

import re

from mathtune.answers.phrases import CJK

_LETTER = f"[{CJK}]"
_MIGHT = re.compile(rf"{_LETTER}|[、。．：]")
_WRITTEN = (
    (re.compile(r"\s*[。．]\s*(?=\$?\s*\Z)"), ""),
    (re.compile(r"、"), ", "),
    (re.compile(r"："), ":"),
    (re.compile(r"\\(?:text|mbox|mathrm)\s*\{\s*([或和与且])\s*\}"), r"\1"),
    (re.compile(r"\s*(?:或者?|또는)\s*"), " or "),
    (re.compile(r"\s*[和与且]\s*"), " and "),
    (re.compile(r"(?<=[0-9])\s*[万萬만]"), r"\\times 10^{4}"),
    (re.compile(r"(?<=[0-9])\s*[亿億억]"), r"\\times 10^{8}"),
)  # fmt: skip
# Numerals and hours are no units: `3千` is 3,000 and `3点半` half past three.
_UNIT = re.compile(
    rf"(?<=[0-9}}%)°])\s*(?:\\[ ,;:]\s*)?(?:\\(?:text|mbox|mathrm)\s*\{{\s*)?"
    rf"(?P<unit>(?![十百半多点時时천백십반]|千(?![克米瓦卡]))(?:{_LETTER})+)\s*\}}?\s*\Z"
)
_BEFORE = re.compile(rf"\A(?:{_LETTER})+[:,]?\s*(?=[-$\\(0-9])")
_NARROWS = re.compile(
    r"[不没沒非无無未除]|至少|至多|最多|最少|[大小高低多少]于|超过|以[上下]|미만|이상|이하|초과"
)


def in_signs(text: str) -> tuple[str, str] | None:
    """Return an answer without its words, and its unit; None if it has none or is not understood.

    >>> in_signs("小明有18元。"), in_signs("x=1或x=2"), in_signs("3.5万"), in_signs("没有18元")
    (('18', '元'), ('x=1 or x=2', ''), ('3.5\\\\times 10^{4}', ''), None)
    """
    if text.isascii() or not _MIGHT.search(text) or _NARROWS.search(text):
        return None
    for pattern, written in _WRITTEN:
        text = pattern.sub(written, text)
    found = _UNIT.search(text)
    unit = found["unit"] if found else ""
    text = text[: found.start()] if found else text
    text = _BEFORE.sub("", text.strip())
    return None if not text or _MIGHT.search(text) else (text, unit)
