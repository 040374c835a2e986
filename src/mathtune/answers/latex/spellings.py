r"""The table of spellings: one sign per character, thousands, superscripts, repeating decimals.

Both readers of mathematics use it: the lexer of answers, and `paths.tokens`, which reads equations
in running text. Two readings differ on purpose, because a text is not an answer: in a text `20% of
50` is a product, and an x between two numbers is a times sign.
"""

import re
from fractions import Fraction

SIGNS = {
    "−": "-", "–": "-", "﹣": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ",
    "÷": r"\div ", "∕": "/", "⁄": "/", "∗": "*", "π": r"\pi ", "∞": r"\infty ", "√": r"\sqrt ",
    "∛": r"\sqrt[3]", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ",
    "≈": r"\approx ", "±": r"\pm ", "∓": r"\mp ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
    "∅": r"\emptyset ", "ℝ": r"\mathbb{R}", "°": r"^\circ ", "∘": r"\circ ", "º": r"^\circ ",
    "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "λ": r"\lambda ",
    "φ": r"\phi ", "ω": r"\omega ", "μ": r"\mu ", "\u00a0": " ", "\u2009": " ", "\u202f": " ",
    "\u2002": " ", "\u2003": " ", "\u2061": "", "\u200b": "", "⟨": r"\langle ", "⟩": r"\rangle ",
    "′": "'", "％": "%", "∖": r"\setminus ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ",
    "⌉": r"\rceil ", "½": r"\frac12 ", "⅓": r"\frac13 ", "⅔": r"\frac23 ", "¼": r"\frac14 ",
    "¾": r"\frac34 ", "⅕": r"\frac15 ", "⅖": r"\frac25 ", "⅗": r"\frac35 ", "⅘": r"\frac45 ",
    "⅙": r"\frac16 ", "⅚": r"\frac56 ", "⅛": r"\frac18 ", "⅜": r"\frac38 ", "⅝": r"\frac58 ",
    "⅞": r"\frac78 ", "⅐": r"\frac17 ", "⅑": r"\frac19 ", "⅒": r"\frac1{10} ",
    "✕": r"\times ", "✖": r"\times ", "⨯": r"\times ", "＋": "+", "－": "-", "＊": "*", "／": "/",
    "＝": "=", "＜": "<", "＞": ">", "（": "(", "）": ")", "，": ", ", "；": "; ",
}  # fmt: skip
"""One character and its LaTeX, the same for both readers."""

MONEY = {"£": "pounds", "€": "euros", "¢": "cents"}
"""Signs of money. In an answer they are words; the reader of equations keeps only cents."""

GROUPED = r"(?:,|\{,\}|,\\!|\{,\}\\!|\\,|\\!|\\;|\\:)"
r"""A separator of thousands: 1,200 1{,}200 1,\!200 1\,200."""

REPEATING = re.compile(r"\\(?:overline|bar|dot)\s*(?:\{([0-9]+)\}|([0-9]))")
"""The repeating digits of a decimal, after those that do not repeat."""

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ"
_PLAIN = str.maketrans(_RAISED, "0123456789+-()n")
_SUPERSCRIPT = re.compile(f"[{_RAISED}]+")
_TRANSLATION = str.maketrans(SIGNS)
_SPACED_GROUPS = re.compile(r"(?<=[0-9]) ?\{, \} ?(?=[0-9]{3}(?![0-9]))")
_ROOT_OF_NUMBER = re.compile(r"([√∛])\s*([0-9]+(?:\.[0-9]+)?)")


def plain_signs(text: str) -> str:
    r"""Write Unicode signs, superscripts and thousands in one way, as LaTeX does.

    >>> plain_signs("2½ − 5² ÷ √16"), plain_signs("10⁻³"), plain_signs("1{, }200")
    ('2\\frac12  - 5^{2} \\div  \\sqrt{16}', '10^{-3}', '1{,}200')
    """
    if not text.isascii():
        text = _ROOT_OF_NUMBER.sub(_root, text)
        text = _SUPERSCRIPT.sub(_raised, text).translate(_TRANSLATION)
    return _SPACED_GROUPS.sub("{,}", text) if "{, }" in text else text


def _root(match: re.Match[str]) -> str:
    return f"{SIGNS[match.group(1)].strip()}{{{match.group(2)}}}"


def repeated(digits: str, period: str) -> Fraction:
    """Return the value of a decimal such as 0.8 with the digits `period` repeated after it.

    >>> repeated("0.8", "3")
    Fraction(5, 6)
    """
    whole, _, decimals = digits.partition(".")
    scale = 10 ** len(decimals)
    return Fraction(int(whole + decimals or "0"), scale) + Fraction(
        int(period), scale * (10 ** len(period) - 1)
    )


def _raised(match: re.Match[str]) -> str:
    return "^{" + match.group().translate(_PLAIN) + "}"
