r"""Write an answer's text in one way: signs, layout, decoration, backslashes. For the lexer.

Nothing here changes what a reader sees: colour, size, spaces, quotes, markdown marks and the tokens
that end a model's turn go; Unicode signs become LaTeX commands.
"""

import re

from mathtune.answers.latex import money, spellings
from mathtune.answers.latex.limits import MAX_TEXT, TooLargeError
from mathtune.answers.latex.units import names

# Signs that occur only in answers; those that equations share are in `spellings`.
_SIGNS = {
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "∀": r"\forall ", "≡": r"\equiv ", "→": r"\to ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ",
    "δ": r"\delta ", "σ": r"\sigma ", "ρ": r"\rho ", "τ": r"\tau ", "Δ": r"\Delta ",
    "µ": r"\mu ", "Ω": r"\Omega ", "\u2126": r"\Omega ", "℃": r"^\circ C", "℉": r"^\circ F",
    "…": r"\ldots ", "“": '"', "”": '"', "‘": "'", "’": "'", "✓": "", "✔": "", "✅": "",
    "\u2005": " ", "\u200a": " ", "\u3000": " ", "\u2062": "", "\u2064": "", "\u2060": "",
    "\ufeff": "", "\u00ad": "", "\u200e": "", "\u200f": "", "\u202a": "", "\u202c": "",
}  # fmt: skip
_WORDS = {sign: rf"\text{{{word}}}" for sign, word in money.SIGNS.items()}
_TRANSLATION = str.maketrans({**_SIGNS, **_WORDS})

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉"
_DIGITS = str.maketrans(_RAISED + _LOWERED, 2 * "0123456789")
_SMALL_FRACTION = re.compile(rf"([{_RAISED}]+)\u2044([{_LOWERED}]+)")
_INDEX = re.compile(rf"(?<=[A-Za-z0-9α-ωΑ-Ω])[{_LOWERED}]+")
_OVERLINED = re.compile("((?:[0-9]\u0305)+)")
# Joiners are invisible, but between two digits or letters they keep them apart.
_JOINERS = re.compile("(?<![\\w])[\u200c\u200d]|[\u200c\u200d](?![\\w])")

# Layout that changes nothing, and old spellings of one command.
_LAYOUT = re.compile(
    r"(?P<keep>\\[$,;:!]|\\\\(?=\s*\[)|\\\\)(?:(?<=\\\\)\s*\[[^\]\[]{0,9}(?:pt|ex|em|mm|cm)\])?"
    r"|\\(?:(?:m?left|m?right|middle|big|Big|bigg|Bigg|[bB]igg?[lrm]|displaystyle|textstyle"
    r"|scriptstyle|scriptscriptstyle|limits|nolimits|phantom\s*(?:\{[^{}]*\}|-)|hspace\*?\{[^{}]*\}"
    r"|vspace\*?\{[^{}]*\}|quad|qquad|enspace|enskip|thinspace|thickspace|medspace|hfill|newline"
    r"|noindent|centering|boldsymbol|bm|mathbf|mathit|mathsf|mathtt|mathstrut|strut|bf|rm|it|sf|tt"
    r"|boxed|fbox|bold|mathop|mathrel|mathbin|mathord|ensuremath|emph|overbrace|underbrace|framebox|fcolorbox\s*\{[^{}]*\}\s*\{[^{}]*\}|underline|uline|colorbox"
    r"\s*\{[^{}]*\}|textcolor\s*(?:\[[^\[\]]*\])?\s*\{[^{}]*\}|color\s*(?:\[[^\[\]]*\])?\s*\{[^{}]*\}"
    r"|color\s*[a-z]+|tag\*?\s*\{[^{}]*\}|label\s*\{[^{}]*\}|nonumber|notag|checkmark|tiny|small"
    r"|normalsize|footnotesize|large|Large|LARGE|huge|Huge|allowbreak|nobreak|null|relax|smash"
    r"|displaylines|variable|blacksquare|qed|Box|therefore|implies|hline|cline\{[^{}]*\})(?![A-Za-z])\.?"
    r"|[ ~>()\[\]/])|~|\$"
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_RAISED_ORDINAL = re.compile(
    r"\^\s*(?:\{\s*)?(?:\\(?:text|mathrm|textrm|mbox)\s*)?\{?\s*(?:st|nd|rd|th)\s*\}{0,2}(?![A-Za-z])"
)
_SYSTEM_BRACE = re.compile(r"\\left\s*\\(?:\{|lbrace)\s*(?=\\begin)|\\right\s*\.\s*$")
_LETTER_TIMES = re.compile(r"(?<=[0-9])(?:\s*[xX]\s*(?=10\s*(?:\^|\*\*))|\s+[xX]\s+(?=[0-9]))")
_RATIO_WORD = re.compile(r"(?<=[0-9])(?:\s+to\s+|\s*\\text\s*\{\s*to\s*\}\s*)(?=[0-9])")
_TURN_END = re.compile(
    r"(?:\s*(?:<[|｜][\w▁]{2,40}[|｜]>|</?(?:s|pad|eos|bos|answer|end_of_turn|think|solution)>"
    r"|\[/?INST\]))+\s*$"
)
_BARE_POINT = re.compile(r"(?<![0-9.])\.(?=\\(?:overline|bar|dot)(?![a-z]))")
_BRACED_PERIOD = re.compile(r"(?<=\.)\{(\\(?:overline|bar)\s*\{[0-9]+\})\}")
_END_SQUARE = re.compile(r"(?<=\S)\s*\\square\s*$")
_STRAY_BACKSLASH = re.compile(r"(?<!\\)\\\s*$")
_GLUED_QUAD = re.compile(r"\\q?quad(?=[A-Za-z])")
_DOTS = re.compile(r"(?<=[,\s+])\.{3}(?![A-Za-z])")
_TAGS = re.compile(r"<(b|i|u|em|strong|span)>([^<>]*)</\1>")
_BOLD_WORDS = re.compile(r"(?<![\w)\]}*])\*\*([A-Za-z][A-Za-z ]*:?)\*\*")
# `5'6"`, `1 h 30 min`, `10C3`: a few words in short.
_FEET = re.compile(r"""([0-9]+)\s*'\s*([0-9]+(?:\.[0-9]+)?)\s*(?:"|'')""")
_SHORT_UNIT = re.compile(r"(?<=[0-9])\s+([hm])\s+(?=[0-9]+\s*[a-z])")
_CHOICES = re.compile(r"(?<![\w{}^\\])([0-9]{1,3})([CP])([0-9]{1,3})(?![\w{^])")
_SLASHED_FRACTION = re.compile(r"\^\s*\{?\s*([0-9]+)\s*\}?\s*/\s*_\s*\{?\s*([0-9]+)\s*\}?")
_ANY_BACKSLASHES = re.compile(r"(?<!\\)(\\+)([A-Za-z]+|[%$&#{}()!]|[,;](?=[0-9\s]))")
_DOUBLED = names(
    "frac dfrac tfrac sqrt boxed text textbf mathrm mathbf left right pi le leq ge geq ne neq "
    "lt gt infty in cup cap cdot times div pm mp circ begin end sin cos tan log ln theta alpha "
    "beta gamma binom overline mathbb to angle degree quad equiv pmod bmod langle rangle "
    "setminus emptyset operatorname textcolor color colorbox underline nicefrac sfrac checkmark "
    "tag label boldsymbol textit mbox textrm displaystyle bar dot hat vec tilde ldots dots "
    "cdots approx mathbb mod choose sum prod int lim max min gcd sinh cosh tanh coth cot sec "
    "csc arcsin arccos arctan exp log lvert rvert vert lfloor rfloor lceil rceil mleft mright "
    "lbrace rbrace lbrack rbrack lgroup rgroup pounds euro yen cbrt therefore implies "
    "Rightarrow blacksquare fbox framebox ensuremath phantom hspace sigma delta phi omega "
    "lambda mu rho epsilon Delta Omega"
)


def clean(text: str) -> str:
    r"""Write signs in one way and drop layout: Unicode minus, `\left`, spaces, `$` around.

    Raises TooLargeError beyond MAX_TEXT characters.

    >>> clean(r"$\left( −1 \right)$").strip()
    '( -1  )'
    >>> clean(r"\textcolor{red}{5}"), clean("x²+1"), clean(r"\\frac{1}{2}")
    ('5', 'x^{2}+1', '\\frac{1}{2}')
    """
    if len(text) > MAX_TEXT:
        raise TooLargeError(f"longer than {MAX_TEXT} characters")
    if not text.isascii():
        text = _in_ascii(text)
    text = spellings.plain_signs(text)
    if ">" in text or "INST]" in text:
        text = _TURN_END.sub("", text)
    if "\\\\" in text:
        text = halved(text)
    text = money.in_words(text)
    if "\\" in text or "$" in text or "~" in text:
        if "\\left" in text:
            text = _SYSTEM_BRACE.sub("", text)
        if "\\square" in text:
            text = _END_SQUARE.sub("", text)
        if "quad" in text:
            text = _GLUED_QUAD.sub(" ", text)
        text = _LAYOUT.sub(_layout, text.replace("\\! ", "\\!"))
    if "^" in text:
        text = _SLASHED_FRACTION.sub(r"\\frac{\1}{\2}", _RAISED_ORDINAL.sub("", text))
    text = _STRAY_BACKSLASH.sub("", text).strip()
    if not text:
        return text
    if text[-1] == "." and text[-2:-1] not in (".", "M", "m"):
        text = text[:-1].rstrip() or text
    if "'" in text and (feet := _FEET.fullmatch(text)):
        return f"{feet[1]} ft {feet[2]} in"
    if "**" in text:
        text = _BOLD_WORDS.sub(r"\1", text)
    if text[0] in "\"'`*_" or text[-1] in "\"'`*" or text[:2] == '\\"':
        text = _unquoted(text)
    text = _in_long(text)
    if "</" in text:
        text = _TAGS.sub(r"\2", text)
    if text.startswith("\\mathrm{") and _closes_at_end(text[7:]):
        text = text[7:]
    if "\\overline" in text or "\\bar" in text or "\\dot" in text:
        text = _BARE_POINT.sub("0.", _BRACED_PERIOD.sub(r"\1", text))
    while text.startswith("{") and "\\choose" not in text and _closes_at_end(text):
        text = text[1:-1].strip()
    return text


def _in_long(text: str) -> str:
    """Write as LaTeX what a text says in short: `10C3`, `2 x 10^3`, `3 to 4`."""
    if "C" in text or "P" in text:
        text = _CHOICES.sub(r"{}_{\1}\2_{\3}", text)
    if " h " in text or " m " in text:
        text = _SHORT_UNIT.sub(lambda match: {"h": " hours ", "m": " meters "}[match[1]], text)
    if "x" in text or "X" in text:
        text = _LETTER_TIMES.sub(r"\\times ", text)
    if "..." in text:
        text = _DOTS.sub(r"\\ldots", text)
    if "to" in text:
        text = _RATIO_WORD.sub(":", text)
    return text.replace("{:}", ":") if "{:}" in text else text


def _in_ascii(text: str) -> str:
    text = _SMALL_FRACTION.sub(_small_fraction, text)
    text = _INDEX.sub(lambda m: f"_{{{m.group().translate(_DIGITS)}}}", text)
    text = _OVERLINED.sub(lambda m: f"\\overline{{{m.group().replace(chr(0x305), '')}}}", text)
    return _JOINERS.sub("", text).translate(_TRANSLATION)


def _small_fraction(match: re.Match[str]) -> str:
    top, bottom = (part.translate(_DIGITS) for part in match.groups())
    return f"\\frac{{{top}}}{{{bottom}}}"


def halved(text: str) -> str:
    r"""Write `\\frac{1}{2}` as `\frac{1}{2}`: the text went through JSON twice.

    Only if every backslash before a name is one of an even run, and a known command is among them:
    a matrix has single ones too.
    """
    for _ in range(3):
        found = _ANY_BACKSLASHES.findall(text)
        if not found:
            return text
        if any(len(run) % 2 for run, _ in found):
            return text if "\\begin" in text else _DOUBLED_NAME.sub(_single, text)
        if not any(name in _DOUBLED or not name.isalpha() for _, name in found):
            return text
        text = text.replace("\\\\", "\\")
    return text


def _single(match: re.Match[str]) -> str:
    return f"\\{match[1]}" if match[1] in _DOUBLED else match.group()


_DOUBLED_NAME = re.compile(r"(?<!\\)\\\\([A-Za-z]{2,})")
_WRAPS = (
    ("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"),
    ('"', '"'), ("“", "”"),
)  # fmt: skip
_WRAPPED = re.compile(r"[\s$*`\"“]|\\[(\[fb]")
_ENDS = (".", " ", "\n")
_MOST_WRAPS = 6
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?=\{)")


def unwrapped(text: str) -> str:
    r"""Remove the marks around a whole answer: dollars, a box, quotes, a full stop.

    >>> unwrapped(r"\(\boxed{(C) 42}\)."), unwrapped("$1$ and $2$")
    ('(C) 42', '$1$ and $2$')
    """
    if "\\\\" in text and len(text) <= MAX_TEXT:
        text = halved(text)
    if len(text) > MAX_TEXT or not (_WRAPPED.match(text) or text[-1:] in _ENDS):
        return text
    for _ in range(_MOST_WRAPS):
        before = text
        text = text.strip()
        if text.endswith(".") and not text.endswith(".."):
            text = text[:-1].rstrip()
        box = _BOX.match(text)
        if box and _closes_at_end(text[box.end() :]):
            text = text[box.end() + 1 : -1]
        for opener, closer in _WRAPS:
            if text.startswith(opener) and text.endswith(closer):
                inner = text[len(opener) : -len(closer)]
                text = inner if inner and closer not in inner else text
        if text == before or not text:
            return before
    return text


_MARKS = ("**", "__", "*", "_", "`", '"', "'")
_STRAY = ("**", "`", '\\"', '"', "''")


def _unquoted(text: str) -> str:
    """Return the text without quotation and markdown marks around it, or a stray one at an end."""
    while True:
        before = text
        for mark in _MARKS:
            if len(text) > 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
                text = text[len(mark) : -len(mark)].strip()
        for mark in _STRAY:
            if len(text) > len(mark):
                text = text.removeprefix(mark).removesuffix(mark).strip()
        if text.startswith("* "):
            text = text[2:].strip()
        if text == before:
            return text


def _closes_at_end(text: str) -> bool:
    """Return True if the brace that opens `text` is closed by its last character."""
    depth = 0
    for mark in _BRACE.finditer(text):
        depth += {"{": 1, "}": -1}.get(mark.group(), 0)
        if depth == 0:
            return mark.end() == len(text)
    return False


def _layout(match: re.Match[str]) -> str:
    # `1\,000` is one number: the spaces inside numbers are read by the number token itself.
    return match["keep"] or " "
