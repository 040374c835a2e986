r"""One way to write an answer in words, or one that no grammar reads. For keys of texts."""

import re
from functools import lru_cache

from mathtune.answers.latex.clean import clean
from mathtune.answers.latex.limits import MAX_TEXT

TEXT_COMMAND = re.compile(
    r"\\(?:text|mbox|textbf|textit|textrm|textnormal|mathrm|hbox)(?![A-Za-z])\s*"
)
_SPACES = re.compile(r"\\[,!;:]")
# After one of these signs, braces group: 9^{99} is not 9^{9}9.
_STRUCTURE = re.compile(r"[\\^_]")


@lru_cache(maxsize=20_000)
def plain_text(answer: str) -> str:
    r"""Write words in lower case with single spaces, without `\text{}`, braces or final full stop.

    >>> plain_text(r"\text{Two  Lines}.")
    'two lines'
    """
    if len(answer) > MAX_TEXT:
        return answer.strip()
    text = _SPACES.sub(" ", TEXT_COMMAND.sub("", clean(answer)))
    if not _STRUCTURE.search(text):
        text = text.replace("{", "").replace("}", "")
    return " ".join(text.split()).removesuffix(".").rstrip().casefold()
