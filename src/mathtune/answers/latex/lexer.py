r"""Cut an answer's text into tokens: numbers, symbols, words, commands, marks. Before the parser.

Only ASCII digits are digits: a full-width 2 or a look-alike letter is never read as one (no Unicode
normalisation), so a text that holds them is compared as text. `clean` has written raised digits as
powers before.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from mathtune.answers.latex import spellings
from mathtune.answers.latex.limits import MAX_DIGITS, MAX_TOKENS, NotMathError, TooLargeError
from mathtune.answers.latex.units import ABBREVIATIONS, names

TokenKind = Literal["number", "symbol", "word", "command", "mark"]


@dataclass(slots=True)
class Token:
    r"""One token. `value` is a number's exact value; `spaced`: a space came before it.

    Commands have no backslash (`frac`), words come from `\text{...}` or runs of letters that are
    no product of variables.
    """

    kind: TokenKind
    text: str
    spaced: bool
    value: Fraction | int = 0


_ALIASES = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "geq": "ge", "neq": "ne",
    "leqslant": "le", "geqslant": "ge", "lt": "<", "gt": ">", "lbrace": "{", "rbrace": "}",
    "lbrack": "[", "rbrack": "]", "dbinom": "binom", "tbinom": "binom", "varnothing": "emptyset",
    "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "ast": "*", "colon": ":", "degree": "circ",
    "backslash": "setminus", "varphi": "phi", "varepsilon": "epsilon", "infinity": "infty",
    "land": "and", "lor": "or", "R": "reals", "Reals": "reals", "real": "reals",
    "lgroup": "(", "rgroup": ")", "lparen": "(", "rparen": ")", "lVert": "|", "rVert": "|",
    "Vert": "|", "ulcorner": "lceil", "urcorner": "rceil", "llcorner": "lfloor",
    "lrcorner": "rfloor", "nicefrac": "frac", "sfrac": "frac", "flatfrac": "frac",
    "xfrac": "frac", "rightarrow": "to", "longrightarrow": "to", "mod": "bmod", "dots": "ldots",
    "cdots": "ldots", "dotsc": "ldots", "dotsb": "ldots", "widehat": "hat", "widetilde": "tilde",
    "overline": "bar", "widebar": "bar", "overrightarrow": "vec", "arsinh": "arcsinh",
    "asinh": "arcsinh", "arcosh": "arccosh", "acosh": "arccosh", "artanh": "arctanh",
    "atanh": "arctanh", "arcoth": "arccoth", "acoth": "arccoth", "arsech": "arcsech",
    "arcsch": "arccsch", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "acot": "arccot",
    "asec": "arcsec", "acsc": "arccsc", "arctg": "arctan", "tg": "tan", "ctg": "cot",
    "cosec": "csc", "sh": "sinh", "ch": "cosh", "th": "tanh", "natnums": "naturals",
    "lfrac": "frac",
}  # fmt: skip
_FUNCTIONS = names(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log lg exp sqrt cbrt "
    "arccot arcsec arccsc asin acos atan coth sech csch floor ceil abs gcd lcm max min binom "
    "frac mod cis arcsinh arccosh arctanh arccoth arcsech arccsch arsinh arcosh artanh arcoth "
    "asinh acosh atanh"
)
_LETTERS = {"exponentialE": "e", "imaginaryI": "i", "imath": "i", "jmath": "j"}
_CURRENCY_COMMANDS = {"pounds": "sterling", "euro": "euros", "texteuro": "euros", "yen": "yen",
                      "textyen": "yen", "textdollar": "dollars", "textsterling": "sterling",
                      "textcent": "cents", "cent": "cents", "EUR": "euros"}  # fmt: skip
_TEXT_COMMANDS = names("text mbox textbf textit textrm textnormal textsf texttt textsc hbox mathrm")
_SPELLED_OUT = names(
    "pi theta alpha beta gamma delta epsilon zeta iota kappa lambda sigma upsilon omega "
    "Gamma Delta Theta Lambda Sigma Omega"
)
_NAMES = {name: name for name in _SPELLED_OUT} | dict.fromkeys(("inf", "infinity"), "infty")
_NAMES["infty"] = "infty"
_ACCENTS = names("bar overline vec hat tilde")  # before a brace: they lost their backslash
_SHORT_WORDS = names(
    "yes no odd all sq hrs lbs yds cm mm km kg mg ml ft yd am pm in lb oz hr min sec mph one two "
    "six ten and or non any day cup usd deg pct gal ans"
)
# Unit names that are read as products of variables unless a number and a space precede them.
_DOUBTFUL = names("ms ns pt ha pa ma kn re rs mo n j pint")

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
_APPLIED = re.compile("(sin|cos|tan|cot|sec|csc|ln|log)([a-z])")
_ORDINALS = frozenset(("st", "nd", "rd", "th"))
_BRACKETED_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
# Digits and commas that do not form one grouped number: 27,54,108 is a list.
_RUN = re.compile(r"[0-9]+(?:,[0-9]+)+")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")
_PERIOD = re.compile(r"\\(?:overline|bar|widebar)\s*(?:\{([0-9]+)\}|([0-9]))")
_DOTTED = re.compile(r"\\dot\s*(?:\{([0-9])\}|([0-9]))(?:([0-9]*)\\dot\s*(?:\{([0-9])\}|([0-9])))?")
_AND_SO_ON = re.compile(r"\s*(?:\\(?:ldots|dots|cdots|dotsc|dotsb)(?![A-Za-z])|\.{3})")
_REPEATED = re.compile(r"([0-9]+?)\1+$")
_WHOLE_PERIOD = re.compile(r"\(([0-9]+)\)\s*$")
_SPACING = re.compile(r"\\[,;:! ]|~")
_TEXT_GROUP = re.compile(r"\s*\{([^{}]*)\}")
_ENVIRONMENT = re.compile(r"\s*\{\s*([a-zA-Z]+\*?)\s*\}")
_COLUMNS = re.compile(r"\s*\{[clr|\s]*\}")


def tokenize(text: str) -> list[Token]:
    r"""Return the tokens of a cleaned text. Raises NotMathError at a character without a meaning
    here.

    >>> [token.text for token in tokenize(r"2\pi r")]
    ['2', 'pi', 'r']
    """
    tokens: list[Token] = []
    depth = count = 0  # open brackets; tokens
    at, end = 0, len(text)
    list_end = 0  # the end of digits and commas that are a list
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
            if text.startswith(",", at) or ("," in word and "\\" not in word and "{" not in word):
                list_end = max(list_end, _list_end(text, match.start()))
            if "," in word and (depth or match.start() < list_end) and "{" not in word:
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
            if word in _ACCENTS and text.startswith("{", at):
                tokens.append(Token("command", _ALIASES.get(word, word), spaced))
                continue
            glued = bool(tokens) and not spaced
            if word == "min" and tokens and tokens[-1].kind == "number" and _ends_unit(text, at):
                word = "minutes"
            tokens.extend(_letters(word, spaced, glued=glued, after=tokens[-1:]))
        else:
            tokens.append(Token("mark", "^" if word == "**" else word, spaced))
        spaced = False
        if len(tokens) == count:
            continue  # a command of layout
        count = len(tokens)
        last = tokens[-1].text
        depth += (last in ("(", "[", "\\{")) - (last in (")", "]", "\\}"))
        if count > MAX_TOKENS:
            raise TooLargeError(f"more than {MAX_TOKENS} tokens")
    return tokens


def _number(text: str, word: str, at: int, spaced: bool) -> tuple[Token, int]:
    digits = re.sub(r"[^0-9.]", "", word)
    if len(digits) > MAX_DIGITS:
        raise TooLargeError(f"a number of more than {MAX_DIGITS} digits")
    whole, _, decimals = digits.partition(".")
    value: Fraction | int
    value = Fraction(int(whole + decimals or "0"), 10 ** len(decimals)) if decimals else int(whole)
    if "." in digits and at < len(text) and text[at] in "\\(. ":
        recurring = _recurring(text, at, decimals)
        if recurring is not None:
            period, fixed, at = recurring
            value = spellings.repeated(f"{whole}.{fixed}", period)
            return Token("number", f"{whole}.{fixed}({period})", spaced, value), at
    if word.endswith(".") and at == len(text):
        digits = whole  # a final full stop
    return Token("number", digits, spaced, value), at


def _ends_unit(text: str, at: int) -> bool:
    """Return True if `min` behind a number means minutes, not a minimum."""
    return not text[at:].lstrip().startswith(("(", "{", "_", "\\"))


def _list_end(text: str, at: int) -> int:
    """Return the end of the digits and commas at `at` if they are a list, else `at`."""
    run = _RUN.match(text, at)
    if run is None or _GROUPED.fullmatch(run.group()):
        return at
    members = run.group().split(",")
    return at if any(len(m) == 3 and m[0] == "0" for m in members[1:]) else run.end()


def _recurring(text: str, at: int, decimals: str) -> tuple[str, str, int] | None:
    r"""Return a recurring decimal's period, the decimals before it, and its end; None for others.

    `0.1\overline{6}`, `0.\dot{1}4285\dot{7}`, `0.333\ldots`, `0.1(6)` as the whole text.
    """
    match = _PERIOD.match(text, at)
    if match:
        after = _AND_SO_ON.match(text, match.end())
        return match[1] or match[2], decimals, after.end() if after else match.end()
    match = _DOTTED.match(text, at)
    if match:
        first, middle, last = match[1] or match[2], match[3] or "", match[4] or match[5] or ""
        return first + middle + last, decimals, match.end()
    match = _WHOLE_PERIOD.match(text, at)
    if match and re.fullmatch(r"-?\s*[0-9]*\.[0-9]*", text[:at]):
        return match[1], decimals, match.end()
    match = _AND_SO_ON.match(text, at)
    repeated = _REPEATED.search(decimals) if match else None
    if match is None or repeated is None:
        return None
    return repeated[1], decimals[: repeated.start()], match.end()


def _is_scientific(match: re.Match[str], before: int, end: int) -> bool:
    """Return True for `3e4` and `4E-2`; for `4e+2` only by itself, since `e` may be a number."""
    capital = "E" in match.group()
    return match["exponent"].isdigit() or capital or (before <= 1 and match.end() == end)


def _scientific(mantissa: str, exponent: int, spaced: bool) -> Token:
    if abs(exponent) > MAX_DIGITS or len(mantissa) > MAX_DIGITS:
        raise TooLargeError(f"a power of ten beyond {MAX_DIGITS}")
    value = Fraction(mantissa) * Fraction(10) ** exponent
    return Token("number", mantissa, spaced, value.numerator if value.denominator == 1 else value)


def _command(text: str, name: str, at: int, spaced: bool, tokens: list[Token]) -> int:
    """Append the tokens of the command `name` that ends at `at`; return the position after it."""
    if name in ("{", "}"):
        tokens.append(Token("mark", "\\" + name, spaced))
        return at
    if name in (",", "!", ";", ":", "%", "$", "&", "\\", "|", "#", "_"):
        if name in ("%", "\\", "|"):
            tokens.append(Token("mark", "\\\\" if name == "\\" else name, spaced))
        elif name == "&":
            tokens.append(Token("word", "and", spaced))
        elif name == "$":
            tokens.append(Token("word", "dollars", spaced))
        return at
    if name in _TEXT_COMMANDS or name == "operatorname":
        return _text(text, name, at, spaced, tokens)
    if name in ("begin", "end"):
        return _environment(text, name, at, spaced, tokens)
    name = _ALIASES.get(name, name)
    if name in _CURRENCY_COMMANDS:
        tokens.append(Token("word", _CURRENCY_COMMANDS[name], spaced))
    elif name in _LETTERS:
        tokens.append(Token("symbol", _LETTERS[name], spaced))
    elif name in ("and", "or"):
        tokens.append(Token("word", name, spaced))
    elif not name.isalpha():
        if name.isspace() or not name.isascii():
            raise NotMathError(f"unknown command {name!r}")
        tokens.append(Token("mark", "\\" + name if name in "{}" else name, spaced))
    else:
        tokens.append(Token("command", name, spaced))
    return at


def _text(text: str, name: str, at: int, spaced: bool, tokens: list[Token]) -> int:
    r"""Append the words of `\text{...}`, or the function that it names; return the end."""
    group = _TEXT_GROUP.match(text, at)
    if group is None:
        return at
    content = _SPACING.sub(" ", group.group(1))
    if "\\" in content:
        return at  # mathematics inside: read it as a group
    function = content.strip()
    applied = name in ("mathrm", "operatorname") or text.startswith(("(", "{", " ("), group.end())
    if function in _FUNCTIONS and (applied or function in ("mod", "cis")):
        tokens.append(Token("command", _ALIASES.get(function, function), spaced))
    else:
        tokens.extend(_words(content, spaced))
    return group.end()


def _environment(text: str, name: str, at: int, spaced: bool, tokens: list[Token]) -> int:
    r"""Append `\begin{...}` or `\end{...}`; return the end, after the columns of an array."""
    environment = _ENVIRONMENT.match(text, at)
    if environment is None:
        raise NotMathError(f"\\{name} without a name")
    tokens.append(Token("command", f"{name} {environment.group(1)}", spaced))
    at = environment.end()
    columns = _COLUMNS.match(text, at) if name == "begin" else None
    return columns.end() if columns else at


_TEXT_TOKEN = re.compile(
    r"\s+|[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|(?P<clock>[AaPp]\.\s?[Mm]\.?)|[A-Za-z]{2,}\.?|[A-Za-z]|.",
    re.DOTALL,
)


def _words(content: str, spaced: bool) -> list[Token]:
    r"""Return the tokens inside `\text{...}`: letter runs are words, single capitals symbols."""
    tokens: list[Token] = []
    for match in _TEXT_TOKEN.finditer(content):
        word = match.group()
        if word.isspace():
            spaced = True
            continue
        if word == '"':
            continue
        if match["clock"]:
            tokens.append(Token("word", word[0].lower() + "m", spaced))
        elif word == "mod":
            tokens.append(Token("command", "bmod", spaced))
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


def _letters(run: str, spaced: bool, *, glued: bool, after: list[Token]) -> list[Token]:
    """Read letters outside `\\text`: a function, a name, a word, or a product of variables."""
    if run in _FUNCTIONS:
        return [Token("command", _ALIASES.get(run, run), spaced)]
    if run in _NAMES:
        return [Token("command", _NAMES[run], spaced)]
    applied = None if run == "secs" else _APPLIED.fullmatch(run)
    if applied:
        function = Token("command", applied.group(1), spaced)
        return [function, Token("symbol", applied.group(2), False)]
    if is_word(run, glued=glued) or _is_unit(run, spaced, after):
        return [Token("word", run, spaced)]
    return [Token("symbol", letter, spaced and i == 0) for i, letter in enumerate(run)]


def _is_unit(run: str, spaced: bool, after: list[Token]) -> bool:
    """Return True if the letters behind a number abbreviate a unit: `5 kW`, `3 mol`."""
    if len(run) < 2 or not after or after[0].kind != "number":
        return False
    return run.lower() in ABBREVIATIONS and (spaced or run.lower() not in _DOUBTFUL)


def is_word(run: str, *, glued: bool) -> bool:
    """Return True if plain letters are a word, not a product such as `xy` or `abcd`.

    >>> is_word("even", glued=False), is_word("xy", glued=False), is_word("abcd", glued=False)
    (True, False, False)
    """
    if len(run) == 1:
        return False
    if len(run) < 4:
        if run.isupper() and len(run) == 2 and run not in ("AM", "PM"):
            return False  # NO is a segment
        return run.lower() in _SHORT_WORDS and not (glued and run == "in")
    letters = [ord(letter) for letter in run]
    rising = all(after > before for before, after in pairwise(letters))
    return not rising
