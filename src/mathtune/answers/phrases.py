r"""Read the answer that a sentence states: "the answer is 42, not 41." Under `marks`."""

from __future__ import annotations

import re

_LIMIT = 10_000
_MAX_MARKS = 50
DOLLARS = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)

_ENGLISH = (
    r"(?:(?<![^\W_])answer|\bthe\s+(?:final\s+|correct\s+)?answers)(?:\s+to\s+[^.\n]{1,100}?)?"
    r"\s*(?:\*\*)?\s*(?:(?:is|are|=)(?![A-Za-z])|would\s+be(?=\s+[-−$\\(*0-9])|[:：])"
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
    r"|[故应應该該以此](?:选|選)[项項择擇]?(?=\s*[:：]?\s*[$(（]?[A-H])"
    r"|(?:정답|답)\s*(?:\*\*)?\s*(?:[은는]|[:：=])"
    r"|(?:đáp\s+(?:án|số)|jibu|উত্তর|उत्तर|సమాధానం|คำตอบ|الجواب|الإجابة)(?:\s+cuối\s+cùng|\s+النهائية)?"
    r"\s*(?:\*\*)?\s*(?:(?:là|ni|হল|हो?ै|คือ|هو|هي)(?!\w)|[:=])"
)
_AFTER = r"\s*(?:\*\*|__)?\s*[:：]?\s*(?:\*\*)?\s*"
_PHRASE = re.compile(f"(?:{_ENGLISH}){_AFTER}", re.I)
_WORLD = re.compile(f"(?:{_LATIN}|{_OTHER}){_AFTER}", re.I)
# A pattern of its own that begins with a letter: as a part of the other it made both slow.
_ANS = re.compile(
    r"[Aa][Nn][Ss](?<![^\W_]...)\s*(?:\*\*)?\s*(?:[:：=]|\.(?=\s*[-−$\\0-9]))" + _AFTER
)
_WORLDWORDS = (
    "ponse", "ntwort", "espuesta", "esposta", "isposta", "твет", "ТВЕТ", "答", "답", "选", "選",
    "áp", "jibu", "Jibu", "উত্তর", "उत्तर", "సమాధానం", "คำตอบ", "جواب", "إجابة",
)  # fmt: skip
_ASKED = re.compile(r"[^.!?\n]{0,200}\?")
_CHECKED = re.compile(r"\b(?:check|verify|confirm|test)(?:ing)?\s+\w{0,8}\s*answer\W*\Z", re.I)
_DENIED = re.compile(r"(?:not|n't|never|nicht|pas|no)\s", re.I)


def last_phrase(text: str) -> tuple[int, str] | None:
    """Return the position of the last phrase that states an answer, and the answer."""
    matches = list(_ANS.finditer(text))[-_MAX_MARKS:]
    if "nswer" in text or "NSWER" in text:
        matches += list(_PHRASE.finditer(text))[-_MAX_MARKS:]
    if any(word in text for word in _WORLDWORDS):
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
    r"\n|[.;!?](?=\s|\*|_|\"|<|\Z)|[。．！？；]|</"
    rf"|,\s+(?:{_REASON})\b|\s+(?:because|since|rather\s+than|instead\s+of|weil|porque|car)\b"
    r"|\s+\((?=(?:since|because|as|for|note|i\.e|that\s+is|rounded|approximately|from|by|see|which"
    r"|not|check)\b)|，"
)
CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Chinese, Japanese and Korean letters, as a range of a regular expression."""
_BEFORE_CJK = re.compile(
    rf"([-+−]?[0-9][0-9.,/]*(?:\s*[%％])?)\s*(?![十百千万萬亿億半点點천백십만억])[{CJK}].*", re.S
)
_POLITE = re.compile(r"(?:です|である|となります|になります|だ|입니다|이다|이에요|예요)\s*\Z")


def sentence(text: str) -> str | None:
    """Return the formula that `text` starts with, else its first sentence."""
    math = DOLLARS.match(text)
    if math and is_formula(math):
        after = text[math.end() :]
        if re.match(rf"\s*(?:\Z|[.,;:!?*_\n\"'。．，；（(]|[{CJK}])", after):
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
        text = text.removesuffix(".").removesuffix("。").removesuffix("．").rstrip()
        if len(text) > 2 and text[0] == "_":
            text = text[1:]
        math = DOLLARS.fullmatch(text)
        if math:
            text = next(group for group in math.groups() if group is not None).strip()
        if text == before:
            return text


DIGITS = r"[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?"
NUMBER = re.compile(rf"(?<![\w.)}}])[-−]?\.?{DIGITS}|{DIGITS}")
_PERCENT = re.compile(r"\s{0,2}\\?%|\s{1,2}per\s?cent\b")


def with_percent(text: str) -> list[str]:
    """Return the numbers of a text, each with the percent sign that follows it.

    >>> with_percent("Of 40 pupils, 50 % or 20 are here, 12.5 percent more than 7.")
    ['40', '50%', '20', '12.5%', '7']
    """
    return [match.group() + percent_at(text, match.end()) for match in NUMBER.finditer(text)]


def percent_at(text: str, end: int) -> str:
    """Return "%" if a percent sign, or the word, follows what ends there; else "".

    >>> percent_at("12 percent", 2), percent_at("12 pens", 2)
    ('%', '')
    """
    return "%" if _PERCENT.match(text, end) else ""


WORDS = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2,}")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}\s+[A-Za-z]{2,}")


def prose_value(text: str) -> str | None:
    """Return the only formula or number of a prose sentence; None for any other text.

    >>> prose_value("Tom has 42 apples left."), prose_value("x = 3"), prose_value("3 and 4")
    ('42', None, None)
    """
    if len(WORDS.findall(DOLLARS.sub(" ", text))) < 3:
        return None
    formulas = [match for match in DOLLARS.finditer(text) if is_formula(match)]
    if len(formulas) == 1:
        return trim(formulas[0].group())
    numbers = NUMBER.findall(text)
    return numbers[0] if len(numbers) == 1 and not formulas else None


def is_formula(match: re.Match[str]) -> bool:
    """Return whether a match of `DOLLARS` is a formula: "$5 a day, so $" is money."""
    inside = next(group for group in match.groups() if group is not None)
    return _PROSE.search(re.sub(r"\\(?:text|mathrm|mbox)\s*\{[^{}]*\}", "", inside)) is None
