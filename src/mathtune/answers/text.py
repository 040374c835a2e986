r"""One way to write an answer that is words, or that no grammar reads. For keys of texts."""

import re

from mathtune.answers.lexer import MAX_TEXT, clean

TEXT_COMMAND = re.compile(
    r"\\(?:text|mbox|textbf|textit|textrm|textnormal|mathrm|hbox)(?![A-Za-z])\s*"
)
_MARKS = re.compile(r"[{}]|\\[,!;:]")


def plain_text(answer: str) -> str:
    r"""Words in lower case, single spaces, no `\text{}`, braces or final full stop.

    >>> plain_text(r"\text{Two  Lines}.")
    'two lines'
    """
    if len(answer) > MAX_TEXT:
        return answer.strip()
    text = _MARKS.sub("", TEXT_COMMAND.sub("", clean(answer)))
    return " ".join(text.split()).removesuffix(".").rstrip().casefold()
