"""Words of a text that take an equation back, deny it, or only ask about it.

Under `doubts.py`. The sentence after a claim counts only if it takes the claim up:

    2 + 2 = 5, which is impossible
    12 - 5 = 8. Wait, that is not right.
    Is 3 + 3 = 5?
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

MOST_SENTENCES = 5
"""The number of sentences after an equation in which the first one with words is sought."""

FARTHEST = 1_000
"""The number of characters after an equation in which they are sought."""

_FEW_WORDS = 7


def words(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of words; letter case does not matter."""
    return re.compile(pattern, re.IGNORECASE)


@lru_cache(maxsize=1 << 8)
def has(pattern: re.Pattern[str], text: str) -> bool:
    """Return whether a text has the words; a sentence with many equations is searched once."""
    return bool(pattern.search(text))


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text.

    Example:
        >>> list(sentences("One. Two is 2.5 here.\\nThree?"))
        ['One.', 'Two is 2.5 here.', 'Three?']
    """
    start = 0
    for match in _END.finditer(text):
        yield text[start : match.start()]
        start = match.end()
    yield text[start:]


def words_after(text: str, start: int) -> str:
    """Return the first sentence after `start` that is more than a formula, or "".

    Example:
        >>> words_after("2 + 2 = 5. So 4 = 5. This is not true. Try 3.", 10)
        'This is not true.'
    """
    for number, sentence in enumerate(sentences(text[start : start + FARTHEST])):
        if number > MOST_SENTENCES:
            break
        count = len(_WORDS.findall(_COMMAND.sub(" ", sentence)))
        if count >= _FEW_WORDS or (_REFUTED if count else _UNEQUAL).search(sentence):
            return sentence
    return ""


_END = re.compile(r"(?<=[.!?])\s+|\s*\n\s*")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_REFUTED = words(
    r"contradict|impossible|absurd|extraneous|undefined|indeterminate|inconsistent"
    r"|\bno (?:\w+ )?(?:solutions?|values?)\b"
    r"|(?:n['’]t|\bnot|\bnever|\bcannot) (?:\w+ )?(?:true|correct|possible|valid|equal|holds?"
    r"|right(?![- ]?(?:angle|triang|isosc))"
    r"|satisf\w*|works?|working|solutions?|match\w*|consistent|help|fit|defined|integers?|allowed"
    r"|be|case)\b"
    r"|\b(?:false|incorrect|invalid|wrong|fails?|failed|violat\w*|untrue|mistake|nonsense)\b"
    r"|\bcan(?:['’]t| ?not) have\b|(?:might|may|could) (?:\w+ )?think|\(no\W"
    r"|\blet (?:me|us) (?:re-?(?:compute|calculate|do)|correct|fix)\b"
    r"|\\n(?:eq?|ot)(?![A-Za-z])|≠|!=|\\Rightarrow\s*\\Leftarrow|⇒\s*⇐|[✗✘❌↯]"
)
_UNEQUAL = re.compile(r"\d\s*(?:\\neq?(?![A-Za-z])|≠|!=)\s*[-\d(]")
_TAKING_UP = words(
    r"\W*(?:(?:but|however|so|and|clearly|since|as|thus|therefore|hence|obviously|again),? )*"
    r"(?:this|that|which|these|it|the (?:\w+ )?(?:equation|statement|equality|case|sides?|result)"
    r"|contradiction|impossible|there|no|we|wait|oops|hmm|sorry|actually|not|both|let (?:me|us))\b"
    r"|\W*(?:(?:so|thus|hence|therefore)\b\W*)?(?:[a-z]|\d+) ?(?:!?=|\\n|≠)"
)
_ASKED = words(
    r"\?\W*$|\b(?:whether|suppose|supposing|(?:check|checking|see|verify|test|testing) if"
    r"|would (?:be|mean|give|imply|need|require)|should (?:be|equal)|if\b[^.]*= ?\S+ were)\b"
)


def is_refuted(sentence: str, after: str) -> bool:
    """Return whether the sentence, or the next with words, retracts or questions its equation.

    Example:
        >>> is_refuted("2 + 2 = 5 is impossible", ""), is_refuted("2 + 2 = 5.", "So be it.")
        (True, False)
    """
    if has(_REFUTED, sentence) or has(_ASKED, sentence):
        return True
    return bool(_TAKING_UP.match(after)) and has(_REFUTED, after)
