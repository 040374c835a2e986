r"""Read the answer that a sentence states: "the answer is 42, not 41." Under `marks`."""

from __future__ import annotations

import re

_LIMIT = 10_000
_MAX_MARKS = 50
DOLLARS = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)

_ENGLISH = (
    r"(?:(?<![^\W_])answer|\bthe\s+(?:final\s+|correct\s+)?answers)(?:\s+to\s+[^.\n]{1,100}?)?"
    r"\s*(?:\*\*)?\s*(?:(?:is|are|=)(?![A-Za-z])|[:：])"
)
_LATIN = (
    r"\br[ée]ponse(?:\s+(?:finale|correcte))?\s*(?:\*\*)?\s*(?:est(?:\s+donc)?\b|[:=])"
    r"|\bantwort\s*(?:\*\*)?\s*(?:(?:ist|lautet|beträgt)(?:\s+(?:also|daher|somit))?\b|[:=])"
    r"|\brespuesta(?:\s+(?:final|correcta))?\s*(?:\*\*)?\s*(?:(?:es|será|sería)\b|[:=])"
    r"|\bresposta(?:\s+(?:final|correta))?\s*(?:\*\*)?\s*(?:é\b|[:=])"
    r"|\brisposta(?:\s+(?:finale|corretta))?\s*(?:\*\*)?\s*(?:è\b|[:=])"
)
_OTHER = (
    r"\bответ(?:ом)?\s*(?:\*\*)?\s*(?:(?:равен|есть|будет|является|составляет)\b|[:=—–-])"
    r"|答案(?:应该|應該|应|就)?\s*(?:\*\*)?\s*(?:[是为為選选]|等于|等於|[:：=])"
    r"|(?:答え|解答|答)\s*(?:\*\*)?\s*(?:は|[:：=])"
    r"|(?:정답|답)\s*(?:\*\*)?\s*(?:[은는]|[:：=])"
)
_AFTER = r"\s*(?:\*\*|__)?\s*[:：]?\s*(?:\*\*)?\s*"
_PHRASE = re.compile(f"(?:{_ENGLISH}){_AFTER}", re.I)
_WORLD = re.compile(f"(?:{_LATIN}|{_OTHER}){_AFTER}", re.I)
_WORLD_WORDS = ("ponse", "ntwort", "espuesta", "esposta", "isposta", "твет", "ТВЕТ", "答", "답")
_ASKED = re.compile(r"[^.!?\n]{0,200}\?")
_CHECKED = re.compile(r"\b(?:check|verify|confirm|test)(?:ing)?\s+\w{0,8}\s*answer\W*\Z", re.I)
_DENIED = re.compile(r"(?:not|n't|never|nicht|pas|no)\s", re.I)


def last_phrase(text: str) -> tuple[int, str] | None:
    """Return the position of the last phrase that states an answer, and the answer."""
    matches = []
    if "nswer" in text or "NSWER" in text:
        matches += list(_PHRASE.finditer(text))[-_MAX_MARKS:]
    if any(word in text for word in _WORLD_WORDS):
        matches += list(_WORLD.finditer(text))[-_MAX_MARKS:]
    for match in sorted(matches, key=lambda found: -found.start()):
        ahead = text[match.end() : match.end() + 1_000]
        if _DENIED.match(ahead) or _CHECKED.search(text, max(0, match.start() - 40), match.end()):
            continue
        if _ASKED.match(ahead):
            continue
        found = _in_formula(ahead) if ahead.startswith("}") else sentence(ahead)
        if found:
            return match.start(), found
    return None


def _in_formula(ahead: str) -> str:
    r"""Return the rest of the formula after `\text{Answer: }`."""
    return trim(re.split(r"\$|\\\)|\\\]|\n", ahead[1:], maxsplit=1)[0])


_REASON = (
    r"because|since|as\s+(?:we|the|it|there|required|desired|shown)|so|which|where\s+we|not|rather"
    r"\s+than|instead\s+of|but|car|parce\s+que|puisque|weil|denn|da\s|porque|pues|perché|так\s+как"
    r"|потому|поскольку|а\s+не|nicht|pas|no\s"
)
_SENTENCE_END = re.compile(
    r"\n|[.;!?](?=\s|\*|_|\"|<|\Z)|[。！？；]|</"
    rf"|,\s+(?:{_REASON})\b|\s+(?:because|since|rather\s+than|instead\s+of|weil|porque|car)\b"
    r"|\s+\((?=(?:since|because|as|for|note|i\.e|that\s+is|rounded|approximately|from|by|see|which"
    r"|not|check)\b)|，"
)
_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_BEFORE_CJK = re.compile(rf"([-+−]?[0-9][0-9.,/]*(?:\s*[%％])?)\s*[{_CJK}].*", re.S)
_POLITE = re.compile(r"(?:です|である|となります|になります|だ|입니다|이다|이에요|예요)\s*\Z")


def sentence(text: str) -> str | None:
    """Return the formula that `text` starts with, else its first sentence."""
    math = DOLLARS.match(text)
    if math and _is_formula(math):
        after = text[math.end() :]
        if re.match(rf"\s*(?:\Z|[.,;:!?*_\n\"'。，；（(]|[{_CJK}])", after):
            rest = _SENTENCE_END.split(after, maxsplit=1)[0]
            if not re.search(r"[$\\]", rest) and not re.match(r"\s*,\s*[0-9\w]+\s*\Z", rest):
                return trim(math.group())
    found = trim(_SENTENCE_END.split(text, maxsplit=1)[0])
    counted = _BEFORE_CJK.fullmatch(found)
    return _POLITE.sub("", counted.group(1) if counted else found)


def trim(text: str) -> str:
    """Strip spaces, emphasis, formula marks around the whole, and a final full stop."""
    text = text.strip()[:_LIMIT].replace("**", "").replace("__", "")
    while True:
        before = text
        text = text.strip("`").strip().rstrip("*_").lstrip("*").strip()
        text = text.removesuffix(".").removesuffix("。").rstrip()
        if len(text) > 2 and text[0] == "_":
            text = text[1:]
        math = DOLLARS.fullmatch(text)
        if math:
            text = next(group for group in math.groups() if group is not None).strip()
        if text == before:
            return text


NUMBER = re.compile(
    r"(?<![\w.)}])[-−]?\.?[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?|[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?"
)
_PERCENT = re.compile(r"\s{0,2}\\?%|\s{1,2}per\s?cent\b")


def with_percent(text: str) -> list[str]:
    """Return the numbers of a text, each with the percent sign that follows it.

    >>> with_percent("Of 40 pupils, 50 % or 20 are here, 12.5 percent more than 7.")
    ['40', '50%', '20', '12.5%', '7']
    """
    return [
        match.group() + ("%" if _PERCENT.match(text, match.end()) else "")
        for match in NUMBER.finditer(text)
    ]


_WORDS = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2,}")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}\s+[A-Za-z]{2,}")


def prose_value(text: str) -> str | None:
    """Return the only formula or number of a prose sentence; None for any other text.

    >>> prose_value("Tom has 42 apples left."), prose_value("x = 3"), prose_value("3 and 4")
    ('42', None, None)
    """
    if len(_WORDS.findall(DOLLARS.sub(" ", text))) < 3:
        return None
    formulas = [match for match in DOLLARS.finditer(text) if _is_formula(match)]
    if len(formulas) == 1:
        return trim(formulas[0].group())
    numbers = NUMBER.findall(text)
    return numbers[0] if len(numbers) == 1 and not formulas else None


def _is_formula(match: re.Match[str]) -> bool:
    """Return whether a match of `DOLLARS` is a formula: "$5 a day, so $" is money."""
    inside = next(group for group in match.groups() if group is not None)
    return _PROSE.search(re.sub(r"\\(?:text|mathrm|mbox)\s*\{[^{}]*\}", "", inside)) is None


_LAST_SENTENCES = 5_000
_BETWEEN = re.compile(r"\n+|(?<=[.!?])\s+|(?<=[。！？])")
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
    if whole and len(whole) <= _WHOLE and "\n" not in whole and not _WORDS.search(whole):
        number = NUMBER.fullmatch(whole.removesuffix("."))
        return trim(whole), "last-number" if number else "last-formula"
    displayed = re.sub(r"\\\[\s*(.+?)\s*\\\]|\$\$\s*(.+?)\s*\$\$", _on_one_line, tail, flags=re.S)
    system = _unknowns(displayed)
    if system is not None:
        return system, "last-formula"
    parts = _BETWEEN.split(displayed)
    results = _RESULT.findall(displayed)
    for part in reversed(parts):
        found = _value(part, results[-1] if results else None)
        if found is not None:
            return found
    word = _stated_word(parts)
    return (word, "last-word") if word else None


_UNKNOWN = (
    r"(?<![\w.])\\?[A-Za-z](?:_\w)?\s*=\s*[-−]?\s*"
    r"(?:\\d?frac\{\d+\}\{\d+\}|[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?(?:/[0-9]+)?)"
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
    r"=\s*(?:<<[^>]*>>)?[\s\\$*]*([-−]?[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?)(?![0-9])(?!\s*[-+*/×÷=^])"
)


def _stated_result(part: str, result: str | None) -> str | None:
    """Return the number of a sentence that is the last equation's result, if not its last."""
    if result is None:
        return None
    wanted = result.replace(",", "").removesuffix(".00")
    numbers = with_percent(part)
    if numbers and numbers[-1].rstrip("%").replace(",", "").removesuffix(".00") == wanted:
        return None
    for number in reversed(numbers):
        if number.rstrip("%").replace(",", "").removesuffix(".00") == wanted:
            return number
    return None


def _value(part: str, result: str | None = None) -> tuple[str, str] | None:
    choice = _choice(part)
    if choice is not None:
        return choice, "last-word"
    stated = _stated_result(part, result) if "=" not in part else None
    if stated is not None:
        return stated, "last-number"
    formulas = [match for match in DOLLARS.finditer(part) if _is_formula(match)]
    end = formulas[-1].end() if formulas else 0
    numbers = with_percent(part[end:])
    if numbers:
        return numbers[-1], "last-number"
    if not formulas:
        return None
    content = trim(formulas[-1].group())
    left, equals, right = content.rpartition("=")
    if equals and right.strip() and not re.fullmatch(r"\s*\\?[A-Za-z](?:_\w)?\s*", left):
        content = trim(right)
    percent = "%" if _PERCENT.match(part, end) else ""
    return (content + percent, "last-formula") if content else None
