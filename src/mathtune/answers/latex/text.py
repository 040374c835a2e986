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


_PIECE = re.compile(r"\\[a-z]+|[a-z]+|[0-9.]+|\S")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-z])")
_ONE_SIGN = re.compile(r"\{(\w)\}")


def rough_text(answer: str) -> str:
    r"""Write what no grammar reads so that spaces and the size of fractions do not matter.

    >>> rough_text(r"A \cap B"), rough_text(r"\foo\dfrac{1}{2}") == rough_text(r"\foo \frac12")
    ('a \\cap b', True)
    """
    text = plain_text(answer)
    if "\\" not in text:
        return text
    text = _ONE_SIGN.sub(r" \1 ", _FRACTION.sub(r"\\frac", text))
    return " ".join(_PIECE.findall(re.sub(r"(?<=\\frac)\s*([0-9])\s*([0-9])", r" \1 \2", text)))


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
