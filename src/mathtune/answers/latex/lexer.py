r"""Cut an answer's text into tokens: numbers, symbols, words, commands, marks. Before the parser.

Only ASCII digits are digits: a superscript 2 is a power, and a full-width 2 or a look-alike letter
is never read as one (no Unicode normalisation), so a text that holds them is compared as text.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from mathtune.answers.latex import spellings
from mathtune.answers.latex.units import names

MAX_TEXT = 2_000
MAX_TOKENS = 400
MAX_DIGITS = 400

TokenKind = Literal["number", "symbol", "word", "command", "mark"]


class NotMathError(Exception):
    """The text is not an expression this parser reads: compare it as text."""


class TooLargeError(Exception):
    """A text or a value beyond the limits: what cannot be compared as text stays undecided."""


@dataclass(slots=True)
class Token:
    r"""One token. `value` is a number's exact value; `spaced` says that a space stood before it.

    Commands have no backslash (`frac`), words come from `\text{...}` or runs of letters that are
    no product of variables.
    """

    kind: TokenKind
    text: str
    spaced: bool
    value: Fraction | int = 0


_WORDS = {sign: rf"\text{{{word}}}" for sign, word in spellings.MONEY.items()}
_TRANSLATION = str.maketrans({**_WORDS, "“": "", "”": ""})

# Layout that changes nothing, and old spellings of one command.
_LAYOUT = re.compile(
    r"(?P<keep>\\[$,;:!]|\\\\(?=\s*\[)|\\\\)(?:(?<=\\\\)\s*\[[^\]\[]{0,9}(?:pt|ex|em|mm|cm)\])?"
    r"|\\(?:left|right|big|Big|bigg|Bigg|bigl|bigr|Bigl|Bigr|displaystyle|textstyle|scriptstyle"
    r"|limits|nolimits|phantom\s*(?:\{[^{}]*\}|-)|hspace\*?\{[^{}]*\}|quad|qquad|noindent|centering"
    r"|boldsymbol|mathbf|mathit|mathsf|bf|rm|it|boxed|fbox|bold|mathop|ensuremath)"
    r"(?![A-Za-z])\.?|\\[ ~>()\[\]]|~|\$"
)
_ALIASES = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "geq": "ge", "neq": "ne",
    "leqslant": "le", "geqslant": "ge", "lt": "<", "gt": ">", "lbrace": "{", "rbrace": "}",
    "lbrack": "[", "rbrack": "]", "dbinom": "binom", "tbinom": "binom", "varnothing": "emptyset",
    "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "ast": "*", "colon": ":", "degree": "circ",
    "backslash": "setminus", "varphi": "phi", "varepsilon": "epsilon", "infinity": "infty",
    "land": "and", "lor": "or", "R": "reals", "Reals": "reals", "real": "reals",
}  # fmt: skip
_FUNCTIONS = names(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log lg exp sqrt cbrt "
    "arccot arcsec arccsc asin acos atan coth sech csch floor ceil abs gcd lcm max min binom "
    "frac"
)
_TEXT_COMMANDS = names("text mbox textbf textit textrm textnormal hbox mathrm")
_NAMES = {"pi": "pi", "infty": "infty", "inf": "infty", "infinity": "infty", "theta": "theta"}
_SHORT_WORDS = names(
    "yes no odd all sq hrs lbs yds cm mm km kg mg ml ft yd am pm in lb oz hr min sec mph one two "
    "six ten and or non any day cup usd deg pct gal"
)

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    rf"|(?P<number>[0-9]{{1,3}}(?:{spellings.GROUPED}[0-9]{{3}})+(?![0-9])(?:\.[0-9]+)?"
    r"|[0-9]{1,3}(?:[ ][0-9]{3})+(?![0-9/])(?:\.[0-9]+)?"
    r"|(?P<mantissa>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE](?P<exponent>[-+]?[0-9]{1,4})(?![0-9A-Za-z.])"
    r"|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"|(?P<clock>[aApP]\.\s?[mM]\.?)(?![A-Za-z])"
    r"|\\(?P<command>[A-Za-z]+|.)"
    r"|(?P<letters>[A-Za-z]+)"
    r"|(?P<mark>\*\*|<=|>=|!=|==|->|[-+*/^_=<>(){}\[\]|,;:!%'&.])",
    re.DOTALL,
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_APPLIED = re.compile("(sin|cos|tan|cot|sec|csc|ln|log)([a-z])")
_ORDINALS = frozenset(("st", "nd", "rd", "th"))
_RAISED_ORDINAL = re.compile(
    r"\^\s*(?:\{\s*)?(?:\\(?:text|mathrm|textrm|mbox)\s*)?\{?\s*(?:st|nd|rd|th)\s*\}{0,2}(?![A-Za-z])"
)
_BRACKETED_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_SPACING = re.compile(r"\\[,;:! ]|~")
_TEXT_GROUP = re.compile(r"\s*\{([^{}]*)\}")
_ENVIRONMENT = re.compile(r"\s*\{\s*([a-zA-Z]+\*?)\s*\}")
_COLUMNS = re.compile(r"\s*\{[clr|\s]*\}")


def clean(text: str) -> str:
    r"""Write signs in one way and drop layout: Unicode minus, `\left`, spaces, `$` around.

    Raises TooLargeError beyond MAX_TEXT characters.

    >>> clean(r"$\left( −1 \right)$").strip()
    '( -1  )'
    """
    if len(text) > MAX_TEXT:
        raise TooLargeError(f"longer than {MAX_TEXT} characters")
    text = spellings.plain_signs(text)
    if not text.isascii():
        text = text.translate(_TRANSLATION)
    if "\\" in text or "$" in text or "~" in text:
        text = _LAYOUT.sub(_layout, text.replace("\\! ", "\\!"))
    if "^" in text:
        text = _RAISED_ORDINAL.sub("", text)
    text = text.strip()
    if text.startswith(("**", "`")) and text.endswith(("**", "`")):
        text = text.strip("*`").strip()
    text = text.removeprefix("\\mathrm") if text.startswith("\\mathrm{") else text
    while text.startswith("{") and "\\choose" not in text and _closes_at_end(text):
        text = text[1:-1].strip()
    return text


def _closes_at_end(text: str) -> bool:
    """Whether the brace that opens `text` is closed by its last character."""
    depth = 0
    for mark in _BRACE.finditer(text):
        depth += {"{": 1, "}": -1}.get(mark.group(), 0)
        if depth == 0:
            return mark.end() == len(text)
    return False


def _layout(match: re.Match[str]) -> str:
    # `1\,000` is one number: the spaces inside numbers are read by the number token itself.
    return match["keep"] or " "


def tokenize(text: str) -> list[Token]:
    r"""Tokens of a cleaned text. Raises NotMathError at a character without a meaning here.

    >>> [token.text for token in tokenize(r"2\pi r")]
    ['2', 'pi', 'r']
    """
    tokens: list[Token] = []
    depth = 0
    at, end = 0, len(text)
    spaced = False
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotMathError(f"unknown character {text[at]!r}")
        kind = match.lastgroup
        word = match.group()
        at = match.end()
        if kind == "space":
            spaced = True
            continue
        if match["exponent"] and _is_scientific(match, len(tokens), end):
            tokens.append(_scientific(match["mantissa"], int(match["exponent"]), spaced))
        elif kind == "number":
            if match["exponent"]:
                word, at = match["mantissa"], match.end("mantissa")
            if depth and "," in word and "\\" not in word and "{" not in word:
                # Inside brackets a bare comma separates: (1,200) is a pair.
                match = _BRACKETED_NUMBER.match(text, match.start())
                assert match is not None
                word, at = match.group(), match.end()
            token, at = _number(text, word, at, spaced)
            tokens.append(token)
        elif kind == "clock":
            tokens.append(Token("word", word[0].lower() + "m", spaced))
        elif kind == "command":
            at = _command(text, match["command"], at, spaced, tokens)
        elif kind == "letters":
            if word in _ORDINALS and tokens and tokens[-1].kind == "number" and not spaced:
                continue
            tokens.extend(_letters(word, spaced, glued=bool(tokens) and not spaced))
        else:
            tokens.append(Token("mark", "^" if word == "**" else word, spaced))
        last = tokens[-1].text if tokens else ""
        depth += (last in ("(", "[", "\\{")) - (last in (")", "]", "\\}"))
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise TooLargeError(f"more than {MAX_TOKENS} tokens")
    return tokens


def _number(text: str, word: str, at: int, spaced: bool) -> tuple[Token, int]:
    digits = re.sub(r"[^0-9.]", "", word)
    if len(digits) > MAX_DIGITS:
        raise TooLargeError(f"a number of more than {MAX_DIGITS} digits")
    whole, _, decimals = digits.partition(".")
    value: Fraction | int
    value = Fraction(int(whole + decimals or "0"), 10 ** len(decimals)) if decimals else int(whole)
    repeating = spellings.REPEATING.match(text, at) if "." in digits else None
    if repeating:
        period = repeating.group(1) or repeating.group(2)
        value = spellings.repeated(digits, period)
        return Token("number", f"{digits}({period})", spaced, value), repeating.end()
    if word.endswith(".") and at == len(text):
        digits = whole  # a final full stop
    return Token("number", digits, spaced, value), at


def _is_scientific(match: re.Match[str], before: int, end: int) -> bool:
    """`3e4` is a power of ten; `4e+2` is one only by itself, since `e` may be a variable."""
    return match["exponent"].isdigit() or (before <= 1 and match.end() == end)


def _scientific(mantissa: str, exponent: int, spaced: bool) -> Token:
    if abs(exponent) > MAX_DIGITS or len(mantissa) > MAX_DIGITS:
        raise TooLargeError(f"a power of ten beyond {MAX_DIGITS}")
    value = Fraction(mantissa) * Fraction(10) ** exponent
    return Token("number", mantissa, spaced, value.numerator if value.denominator == 1 else value)


def _command(text: str, name: str, at: int, spaced: bool, tokens: list[Token]) -> int:
    """Append the tokens of the command `name` that ends at `at`; return where to go on."""
    if name in ("{", "}"):
        tokens.append(Token("mark", "\\" + name, spaced))
        return at
    if name in (",", "!", ";", ":", "%", "$", "&", "\\", "|", "#", "_"):
        if name in ("%", "\\", "|"):
            tokens.append(Token("mark", "\\\\" if name == "\\" else name, spaced))
        elif name == "$":
            tokens.append(Token("word", "dollars", spaced))
        return at
    if name in _TEXT_COMMANDS or name == "operatorname":
        group = _TEXT_GROUP.match(text, at)
        if group is None:
            return at
        content = _SPACING.sub(" ", group.group(1))
        if "\\" in content:
            return at  # mathematics inside: read it as a group
        if name in ("mathrm", "operatorname") and content.strip() in _FUNCTIONS:
            tokens.append(Token("command", content.strip(), spaced))
        else:
            tokens.extend(_words(content, spaced))
        return group.end()
    if name in ("begin", "end"):
        environment = _ENVIRONMENT.match(text, at)
        if environment is None:
            raise NotMathError(f"\\{name} without a name")
        tokens.append(Token("command", f"{name} {environment.group(1)}", spaced))
        at = environment.end()
        columns = _COLUMNS.match(text, at) if name == "begin" else None
        return columns.end() if columns else at
    name = _ALIASES.get(name, name)
    if name in ("and", "or"):
        tokens.append(Token("word", name, spaced))
    elif not name.isalpha() or name in ("{", "}"):
        if name.isspace() or not name.isascii():
            raise NotMathError(f"unknown command {name!r}")
        tokens.append(Token("mark", "\\" + name if name in "{}" else name, spaced))
    else:
        tokens.append(Token("command", name, spaced))
    return at


_TEXT_TOKEN = re.compile(
    r"\s+|[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|(?P<clock>[AaPp]\.\s?[Mm]\.?)|[A-Za-z]{2,}\.?|[A-Za-z]|.",
    re.DOTALL,
)


def _words(content: str, spaced: bool) -> list[Token]:
    r"""Tokens of what stands in `\text{...}`: letter runs are words, single capitals symbols."""
    tokens: list[Token] = []
    for match in _TEXT_TOKEN.finditer(content):
        word = match.group()
        if word.isspace():
            spaced = True
            continue
        if match["clock"]:
            tokens.append(Token("word", word[0].lower() + "m", spaced))
        elif word[0].isascii() and word[0].isalpha():
            word = word.removesuffix(".")
            glued = bool(tokens) and tokens[-1].kind == "number" and not spaced
            lone = len(word) == 1 and (word.isupper() or len(content.strip()) == 1 or glued)
            tokens.append(Token("symbol" if lone else "word", word, spaced))
        elif word[0] in "0123456789":
            if len(word) > MAX_DIGITS:
                raise TooLargeError(f"a number of more than {MAX_DIGITS} digits")
            tokens.append(_number(word, word, 0, spaced)[0])
        elif word in "-+*/^_=<>()[]|,;:!%'.":
            tokens.append(Token("mark", word, spaced))
        else:
            raise NotMathError(f"unknown character {word!r} in text")
        spaced = False
    return tokens


def _letters(run: str, spaced: bool, *, glued: bool) -> list[Token]:
    """A run of letters outside `\\text`: a function, a name, a word, or a product of variables."""
    if run in _FUNCTIONS:
        return [Token("command", run, spaced)]
    if run in _NAMES:
        return [Token("command", _NAMES[run], spaced)]
    applied = _APPLIED.fullmatch(run)
    if applied:
        function = Token("command", applied.group(1), spaced)
        return [function, Token("symbol", applied.group(2), False)]
    if is_word(run, glued=glued):
        return [Token("word", run, spaced)]
    return [Token("symbol", letter, spaced and i == 0) for i, letter in enumerate(run)]


def is_word(run: str, *, glued: bool) -> bool:
    """Whether a run of plain letters is a word and no product such as `xy` or `abcd`.

    >>> is_word("even", glued=False), is_word("xy", glued=False), is_word("abcd", glued=False)
    (True, False, False)
    """
    if len(run) == 1:
        return False
    if len(run) < 4:
        return run.lower() in _SHORT_WORDS and not (glued and run == "in")
    letters = [ord(letter) for letter in run]
    rising = all(after > before for before, after in pairwise(letters))
    return not rising
