r"""Answers in words: text answers, multiple choice, and the one number that a sentence states.

For the grader `math`, if trees alone do not decide.
"""

import re

from mathtune.answers.latex.number_words import joined_number, number_word
from mathtune.answers.latex.text import TEXT_COMMAND, plain_text

_BASE = re.compile(r"_(?:[0-9]+|\{[0-9]+\})$")
_AND = re.compile(r",?\s+and\s+")
_ARTICLE = re.compile(r"^(?:the|a|an)\s+")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_CHOICE_GOLD = re.compile(r"\s*\(?\s*([A-Z])\s*\)?\s*[.,]?\s*")
_CHOICE_WORDS = re.compile(
    r"^\s*(?:the\s+)?(?:correct\s+)?(?:answer|option|choice)\s*(?:is)?\s*:?\s*(?=\(?\s*[A-Z]\b)",
    re.I,
)
_CHOICE = re.compile(
    r"\s*(?:(?:the\s+)?(?:correct\s+)?(?:answer|option|choice)\s*(?:is)?\s*:?\s*)?\(?\s*([A-Za-z])\s*(?:\)?\s*[.,]?\s*$|\)(?=\s|[0-9$]|[A-Za-z]{2})|[.:]\s)",
    re.I,
)
_CHOICE_BEHIND = re.compile(
    r"(?=.*(?:[0-9]|[A-Za-z]{2})).*\s(?:\(\s*([A-H])\s*\)|(?:option|choice)\s+\(?([A-H])\)?)\s*[.,]?\s*"
)


def same_words(answer: str, gold: str) -> bool:
    """Compare text answers and choices; letter case, articles and punctuation do not matter."""
    ours, golds = (_AND.sub(", ", _ORDINAL.sub("", plain_text(t))) for t in (answer, gold))
    wanted = _CHOICE_GOLD.fullmatch(_CHOICE_WORDS.sub("", _unwrapped(gold)))
    if wanted is not None:
        labelled = choice_label(answer)
        if len(set(_ANY_CHOICE.findall(answer))) > 1:
            return False
        if labelled is not None:
            return labelled[0] == wanted.group(1)
        chosen = _CHOICE.match(_unwrapped(answer))
        if chosen is None:
            return choice_behind(answer) == wanted.group(1)
        variable = gold.strip().isalpha() and wanted.group(1) > "F"
        return (chosen.group(1) if variable else chosen.group(1).upper()) == wanted.group(1)
    if _BASE.sub("", ours) == _BASE.sub("", golds) and ("_" in ours) != ("_" in golds):
        return True
    if not ours.isascii() or not golds.isascii() or not re.search("[a-z]{2}|^[a-z]\\b", golds):
        return False
    if re.search(r"[\\^_=<>+*/|-]|(?<![a-z])[a-z]'(?![a-z])", f"{ours} {golds}"):
        return False
    ours, golds = (_NOT_WORD.sub(" ", _ARTICLE.sub("", text)).strip() for text in (ours, golds))
    return bool(golds) and (ours == golds or _meaning(ours) == _meaning(golds))


_MEANINGS = (
    ("does not exist", r"dne|(?:(?:the )?(?:limit|value|it) )?(?:does not|doesn t) exist"),
    ("no solution", r"(?:there (?:is|are) )?no solutions?(?: exists?)?|has no solutions?"),
    ("infinitely many", r"(?:there are )?infinite(?:ly many)?(?: solutions)?"),
    ("impossible", r"(?:it is )?(?:impossible|not possible)"),
    ("diverges", r"(?:(?:the )?(?:series|integral|it) )?(?:is )?diverge(?:s|nt)"),
    ("converges", r"(?:(?:the )?(?:series|integral|it) )?(?:is )?converge(?:s|nt)"),
    ("true", "true|yes"),
    ("false", "false|no"),
)


def _meaning(words: str) -> str:
    return next((name for name, said in _MEANINGS if re.fullmatch(said, words)), words)


_CHOICES = re.compile(r"[A-H](?:(?:[,;\s]|and)*[A-H]){1,7}")


def choices(text: str) -> str | None:
    r"""Return the letters of several choices in their order; None for any other text.

    >>> choices(r"\text{A, C and D}"), choices("ACD"), choices("CA"), choices("A")
    ('ACD', 'ACD', None, None)
    """
    text = TEXT_COMMAND.sub("", text).replace("{", "").replace("}", "").strip()
    letters = re.sub("[^A-H]", "", text) if _CHOICES.fullmatch(text) else ""
    return letters if letters and list(letters) == sorted(set(letters)) else None


_CHOICE_LABEL = re.compile(
    r"\s*(?:\\(?:text|textbf|mathrm|mathbf|textrm|mbox|bf)\s*\{?\s*)*(?:\(\s*([A-H])\s*\)|([A-H])\s*[).:])"
    r"\s*\}*(?:(?:\\[ ,;:!]|~|\\quad|\\qquad|:|\s)+|(?<=\))(?=[0-9$]|[A-Za-z]{2}))"
    r"(?=[^\s.,;:!']*[\w\\])"
)
_ANY_CHOICE = re.compile(r"\(\s*([A-H])\s*\)")


def choice_label(text: str) -> tuple[str, str] | None:
    r"""Return the letter and value of `\textbf{(C)}\ 42`; None for any other text.

    >>> choice_label(r"\textbf{(C)}\ 42"), choice_label("42")
    (('C', '42'), None)
    """
    if "\\left" in text:
        text = text.replace("\\left(", "(").replace("\\right)", ")")
    match = _CHOICE_LABEL.match(text)
    if match is None or len(set(_ANY_CHOICE.findall(text))) > 1:
        return None
    return match[1] or match[2], text[match.end() :].strip()


def choice_behind(text: str) -> str | None:
    """Return the letter of a choice that stands behind its value; None for any other text.

    >>> choice_behind("78 (C)"), choice_behind("neither B nor (C)"), choice_behind("78")
    ('C', None, None)
    """
    found = _CHOICE_BEHIND.fullmatch(_unwrapped(text))
    if found is None or _DENIAL.search(text):
        return None
    return found.group(1) or found.group(2)


def choice(text: str) -> str | None:
    r"""Return the letter of a choice, with or without its value; None for any other text.

    >>> choice(r"\textbf{(C)}\ 42"), choice("(B)"), choice("42"), choice("x")
    ('C', 'B', None, None)
    """
    labelled, letter = choice_label(text), _CHOICE_GOLD.fullmatch(_unwrapped(text))
    if labelled:
        return labelled[0]
    return letter[1] if letter and letter[1] <= "H" else None


def _unwrapped(text: str) -> str:
    return re.sub(r"[{}$*]", "", TEXT_COMMAND.sub("", text))


_SENTENCE_NUMBER = re.compile(
    r"[-−]?\\?\$?\s?(?:\\[dt]?frac\s*\{-?[0-9]+\}\s*\{[0-9]+\}"
    r"|[0-9]+\s?:\s?[0-9]+|[0-9]{1,3}(?:(?:,|\{,\}|,?\\!)[0-9]{3})+(?:\.[0-9]+)?|[0-9]*\.?[0-9]+(?:\s?/\s?[0-9]+)?)"
    r"(?:\s?\\?%|\s?\^\s?\{?\\circ\}?|\s?°)?"
)
_MAX_WORDS = 20
# Relations, alternatives, bounds and denials: such a sentence does not just state a number.
_MORE_THAN_A_NUMBER = re.compile(
    r"[=<>^_+*]|\b(?:not|no|or|at least|at most|up to|(?:more|less|fewer|greater) than"
    r"|wrong|incorrect|false)\b|n't\b|[0-9][a-z]"
)
_CHANCE = re.compile(
    r"\s*\$?\s*(?:P|Pr|E|\\Pr|\\mathbb\s*\{?[PE]\}?|\\mathrm\{[PE]r?\})\s*\([^()]*\)\s*"
)
# Words that may come before a colon: `lambda: 0` and `error: 0` do not state 0.
_LABELLED = (
    r"\W*(?:the\s+)?(?:final\s+|correct\s+)?(?:ans|answers?|results?|solutions?|value|total|output|sum"
    r"|area|perimeter|volume|probability|ratio|therefore|thus|so|hence|conclusion)(?:\s+is)?\W*:"
)
_KNOWN_LABEL = re.compile(rf"{_LABELLED}|[^:]*[0-9]\s*:\s*[0-9]")
_STATED = (
    r"\W*(?:the\s+)?(?:final\s+|correct\s+|only\s+)?(?:answers?|solutions?|roots?|zeros?|results?|values?)"
    r"\s+(?:is|are)\b\s*:?"
)
_LABEL_BEFORE = re.compile(
    rf"(?:\\text(?:bf)?\s*\{{)?(?:{_LABELLED}|{_STATED})[\s}}*]*(?=\S)", re.I
)
# A digit or a command next to the number: `\\sqrt{5}` and `\\frac{1}{x}` are no plain numbers.
_FORMULA = re.compile(r"[0-9]|\\(?!(?:text|mbox|textbf|textit|mathrm)\b)[A-Za-z]")
_PLAIN_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}(?![A-Za-z])")
_VERBS = frozenset(("is", "are", "equals", "was"))


def is_sentence(answer: str) -> bool:
    """Return True if the text holds a verb or two words.

    >>> is_sentence("x is 5"), is_sentence("5 of them"), is_sentence("2xy")
    (True, True, False)
    """
    words = _PLAIN_WORD.findall(answer)
    return len(words) > 1 or bool(_VERBS.intersection(words))


def without_label(text: str) -> str:
    """Return the text behind `Answer:` and its like; any other text as it is.

    >>> without_label("Answer: 5"), without_label("lambda: 5")
    ('5', 'lambda: 5')
    """
    label = _LABEL_BEFORE.match(text) if ":" in text or " " in text else None
    return text[label.end() :] if label else text


_NO_CHAIN = re.compile(r"[<>!≤≥≠≈]|\\(?:leq?|geq?|neq?|lt|gt|approx)(?![a-z])")
_LONGEST_LABEL = 40
# A name that no grammar reads: `\det(A)`, `\Pr(A \cap B)`, `\text{Area}`.
_LABEL = re.compile(r"(?:[A-Za-z\s\\{}()\[\]|,_']|\\cap|\\cup|\\mid)+")
_DENIAL = re.compile(r"\b(?:not|no|never|if|neither|nor|or)\b")


def chain_end(text: str) -> str:
    r"""Return the last member of a chain of equalities that no grammar reads; else nothing.

    >>> chain_end(r"1 = \zzz = x = 0"), chain_end(r"\det(A) = 5"), chain_end(r"2\zzz = 5")
    ('0', '5', '')
    """
    left, equals, value = text.rpartition("=")
    if not equals or _NO_CHAIN.search(text):
        return ""
    if "=" in left:
        return "" if _PLAIN_WORD.search(left) or "\\text" in left else value.strip(" $")
    named = len(left) < _LONGEST_LABEL and _LABEL.fullmatch(left) and not _DENIAL.search(left)
    return value.strip(" $") if named else ""


_ORDINAL = re.compile(r"(?<=[0-9])(?:st|nd|rd|th)\b")
_TENS_AND_ONES = re.compile(r"\b([A-Za-z]{5,7}y)[- ]([A-Za-z]{3,5})\b")


def _joined(match: re.Match[str]) -> str:
    tens = number_word(match.group(1))
    number = None if tens is None else joined_number(tens, match.group(2))
    return match.group() if number is None else str(number)


def readings(answer: str) -> list[str]:
    """Return the values that a text may state: all after `=`, or a sentence's only number."""
    found: list[str] = []
    answer = _TENS_AND_ONES.sub(_joined, _ORDINAL.sub("", answer))
    text = plain_text(answer)
    label, equals, value = answer.rpartition("=")
    if equals and not (re.search(r"[0-9]|\\frac|=", label) or _DENIAL.search(label)):
        found.append(value)
    if equals and _CHANCE.fullmatch(label):
        found.append(value)
    if not found and (end := chain_end(answer)):
        found.append(end)
    words = re.findall(r"[a-z]{2,}", re.sub(r"\\[a-z]+", " ", text))
    if not words or len(words) > _MAX_WORDS or _MORE_THAN_A_NUMBER.search(text):
        return found
    if ":" in text and not _KNOWN_LABEL.match(text):
        return found
    numbers = _SENTENCE_NUMBER.findall(answer)
    written = [word for word in words if (number_word(word) or 0) > 1]
    rest = answer.replace(numbers[0], "", 1) if numbers else answer
    if _FORMULA.search(rest):
        return found
    if len(numbers) == 1 and not written:
        found.append(numbers[0])
    elif not numbers and len(written) == 1:
        found.append(str(number_word(written[0])))
    return found
