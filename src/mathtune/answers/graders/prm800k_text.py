r"""The two normal forms of an answer that the PRM800K grader compares. For `prm800k`.

The original (openai/prm800k, `grading/`) first compares a string form that comes from the MATH
release, then a plainer one in which LaTeX has become text. Both are written anew here and keep the
original's oddities: a root loses its index, `\mbox{...}` disappears, a matrix becomes a bracketed
line, `1\,000` becomes `1+000`.
"""

import re
from functools import lru_cache

from mathtune.answers.latex.units import names

_WHOLE_TEXT = re.compile(r"^\\text\{(.+?)\}$")


class UnreadableError(ValueError):
    """The original stops with an error here and falls back to the text before the failing step."""


@lru_cache(maxsize=20_000)
def release_form(answer: str) -> str:
    r"""Return the MATH release's string form.

    >>> release_form(r"\dfrac12"), release_form("k = 0.5")
    ('\\frac{1}{2}', '\\frac{1}{2}')
    """
    text = answer.strip()
    match = _WHOLE_TEXT.search(text)
    if match:
        text = match.group(1).strip()
    try:
        return _release(text)
    except UnreadableError:
        return text


def _release(text: str) -> str:
    if "\\" in text or "\n" in text:
        for old, new in (
            ("\n", ""), ("\\!", ""), ("\\\\", "\\"), ("tfrac", "frac"), ("dfrac", "frac"),
            ("\\left", ""), ("\\right", ""), ("^{\\circ}", ""), ("^\\circ", ""), ("\\$", ""),
        ):  # fmt: skip
            text = text.replace(old, new)
        if "\\text{ " in text:
            text, _, unit = text.partition("\\text{ ")
            if "\\text{ " in unit:
                raise UnreadableError("two units")
        text = text.replace("\\%", "")
    elif "frac" in text:
        text = text.replace("tfrac", "frac").replace("dfrac", "frac")
    text = text.replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    if text[0] == ".":
        text = "0" + text
    if text.count("=") == 1:
        label, _, value = text.partition("=")
        text = value if len(label) <= 2 else text
    if "\\sqrt" in text:
        text = _braced_roots(text)
    text = text.replace(" ", "")
    if "\\frac" in text:
        text = _braced_fractions(text)
    if text == "0.5":
        return "\\frac{1}{2}"
    return _slash_fraction(text) if text.count("/") == 1 else text


def _braced_roots(text: str) -> str:
    first, *rest = text.split("\\sqrt")
    if "" in rest:
        raise UnreadableError("a root without an argument")
    return first + "".join(
        "\\sqrt" + (part if part[0] == "{" else f"{{{part[0]}}}{part[1:]}") for part in rest
    )


def _braced_fractions(text: str) -> str:
    first, *rest = text.split("\\frac")
    done = [first]
    for part in rest:
        if not part:
            raise UnreadableError("a fraction without arguments")
        if part[0] != "{":
            if len(part) < 2:
                return text
            top, bottom = part[0], part[1]
            part = f"{{{top}}}{part[1:]}" if bottom == "{" else f"{{{top}}}{{{bottom}}}{part[2:]}"
        done.append("\\frac" + part)
    return "".join(done)


def _slash_fraction(text: str) -> str:
    top, bottom = text.split("/")
    try:
        same = text == f"{int(top)}/{int(bottom)}"
    except ValueError:
        return text
    return f"\\frac{{{top}}}{{{bottom}}}" if same else text


# The order matters: `cm` is taken out before `centimeter` is looked for.
_UNITS = (
    "degree", "cm", "centimeter", "meter", "mile", "second", "minute", "hour", "day", "week",
    "month", "year", "foot", "feet", "inch", "yard",
)  # fmt: skip
_UNIT_PATTERNS = tuple((unit, re.compile(rf"{unit}(?:es)?s? *(?:\^[0-9]+)?")) for unit in _UNITS)
_ANY_UNIT = re.compile("|".join(_UNITS))
_CIRCLE = re.compile(r"\^ *\\circ")
_SPACED_COMMA = re.compile(r",\\! *")
_MINUS = re.compile("- *")
_DIGITS_APART = re.compile("([0-9]) +([0-9])")
_GROUPED = re.compile(r"(\d)(,)(\d\d\d)($|\D)")


@lru_cache(maxsize=20_000)
def plain_form(answer: str) -> str:
    r"""Return the form that is split into elements and given to algebra.

    >>> plain_form(r"7 \frac{3}{4}"), plain_form(r"\left( 3, \frac{\pi}{2} \right)")
    ('7+3/4', '(3,pi/2)')
    """
    match = _WHOLE_TEXT.search(answer)
    text = match.group(1) if match else answer
    text = text.replace("\\%", "%").replace("\\$", "$").replace("$", "").replace("%", "")
    if " " in text:
        text = text.replace(" or ", " , ").replace(" and ", " , ")
    if "illion" in text:
        for word, power in (("million", 6), ("billion", 9), ("trillion", 12)):
            text = text.replace(word, f"*10^{power}")
    if _ANY_UNIT.search(text):
        for unit, pattern in _UNIT_PATTERNS:
            if unit in text:
                text = pattern.sub("", text)
    if "\\" in text:
        text = _CIRCLE.sub("", text)
    if text and text[0] == "{" and text[-1] == "}":
        text = text[1:-1]
    if "\\" in text:
        text = _SPACED_COMMA.sub("", text)
    whole = _whole_float(text)
    if whole is not None:
        text = str(round(whole))
    if "\\" in text:
        text = latex_text(text)
    if " " in text:
        text = _DIGITS_APART.sub(r"\1+\2", _MINUS.sub("-", text)).replace(" ", "")
    text = text.replace("{", "").replace("}", "").lower()
    whole = _whole_float(without_grouping(text))
    # The original drops every comma here, and rounds towards zero.
    return str(int(float(text.replace(",", "")))) if whole is not None else text


def _whole_float(text: str) -> float | None:
    """Return the value of a text that reads as a float within 1e-7 of an integer."""
    try:
        value = float(text)
        return value if abs(value - round(value)) <= 1e-7 else None
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=20_000)
def reads_as_integer(text: str) -> bool:
    """Return True if `text` is within 1e-7 of an integer, thousands commas allowed."""
    return _whole_float(without_grouping(text)) is not None


def without_grouping(text: str) -> str:
    """Remove the commas before exactly three digits from `text`.

    >>> without_grouping("1,234,567"), without_grouping("1,2345")
    ('1234567', '1,2345')
    """
    if "," not in text:
        return text
    while True:
        shorter = _GROUPED.sub(r"\1\3\4", text)
        if shorter == text:
            return text
        text = shorter


# -- LaTeX to text --------------------------------------------------------------------------------

_SIGN_TABLE = (
    "alpha:α beta:β gamma:γ delta:δ epsilon:ϵ varepsilon:ε zeta:ζ eta:η theta:θ vartheta:ϑ "
    "iota:ι kappa:κ lambda:λ mu:μ nu:ν xi:ξ omicron:ο pi:pi varpi:ϖ rho:ρ varrho:ϱ sigma:σ "
    "varsigma:ς tau:τ upsilon:υ phi:ϕ varphi:φ chi:χ psi:ψ omega:ω Gamma:Γ Delta:Δ Theta:Θ "
    "Lambda:Λ Xi:Ξ Pi:Π Sigma:Σ Upsilon:Υ Phi:Φ Psi:Ψ Omega:Ω le:≤ ge:≥ leq:≤ geq:≥ neq:≠ "
    "approx:≈ sim:∼ simeq:≃ cong:≅ equiv:≡ pm:± mp:∓ times:* cdot:* div:÷ ast:∗ star:⋆ "
    "circ:∘ bullet:∙ infty:inf cup:U cap:∩ in:∈ notin:∉ ni:∋ subset:⊂ subseteq:⊆ supset:⊃ "
    "setminus:∖ emptyset:∅ varnothing:∅ forall:∀ exists:∃ wedge:∧ vee:∨ to:→ rightarrow:→ "
    "leftarrow:← Rightarrow:⇒ Leftrightarrow:⇔ mapsto:↦ ldots:… dots:… cdots:⋯ vdots:⋮ "
    "angle:∠ square:□ perp:⊥ parallel:∥ mid:| vert:| Vert:‖ lvert:| rvert:| langle:⟨ "
    "rangle:⟩ lfloor:⌊ rfloor:⌋ lceil:⌈ rceil:⌉ lbrace:{ rbrace:} backslash:\\ prime:' "
    "partial:∂ nabla:∇ sum:∑ prod:∏ int:∫ oint:∮ ell:ℓ hbar:ħ aleph:ℵ therefore:∴ because:∵ "
    "dagger:† leqslant:⩽ geqslant:⩾ triangleq:≜ propto:∝ otimes:⊗ oplus:⊕ odot:⊙ "
    "blacksquare:▪ diamond:♢"
)
_SIGNS = dict(pair.split(":", 1) for pair in _SIGN_TABLE.split())
_SPELLED = names("sin cos tan log ln exp max min lim sup inf arcsin arccos arctan sinh cosh tanh")
_DROPPED_ARGUMENT = names("mbox textsf texttt phantomsection")
_ACCENTS = {"vec": "\u20d7", "hat": "\u0302", "bar": "\u0305", "tilde": "\u0303", "dot": "\u0307"}
_ALPHABETS = {"mathbf": 0x1D400, "mathit": 0x1D434, "mathcal": 0x1D49C, "mathsf": 0x1D5A0,
              "mathbb": 0x1D538}  # fmt: skip
_SPACES = {",": " ", ";": " ", ":": " ", " ": " ", "~": " ", "\n": " ", "\\": "\n", "quad": "  ",
           "qquad": "    "}  # fmt: skip
_PLAIN = {"&": "     ", "}": "", "~": "\u00a0"}
_WRITTEN = str.maketrans({"√": "sqrt", "π": "pi", "∞": "inf", "∪": "U", "·": "*", "×": "*"})
_MATRICES = names("pmatrix bmatrix matrix vmatrix Bmatrix Vmatrix smallmatrix array psmallmatrix")
_PIECE = re.compile(r"\\(?P<command>[A-Za-z]+|.|)|(?P<mark>[{}\[\]&~])|[^\\{}\[\]&~]+", re.DOTALL)
_NAMED_END = re.compile(r"\s*\{[^{}]*\}")
_MAX_DEPTH = 60


def latex_text(text: str) -> str:
    """Write LaTeX as plain text, as the original does; return `text` itself if that fails."""
    text = text.replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac")
    text = text.replace("\\frac", " \\frac")
    try:
        reader = _LatexText(text)
        return reader.until("").translate(_WRITTEN).strip()
    except UnreadableError:
        return text


class _LatexText:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def until(self, closer: str) -> str:
        """Return the text up to `closer` (`}` or `]`), or to the end."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise UnreadableError("nested too deeply")
        parts: list[str] = []
        while self.at < len(self.text):
            match = _PIECE.match(self.text, self.at)
            assert match is not None
            self.at = match.end()
            word = match.group()
            if word == closer == "\\end" and not _NAMED_END.match(self.text, self.at):
                parts.append(word)
            elif word == closer:
                if closer == "\\end":
                    self.argument()
                break
            elif match["command"] is not None:
                parts.append(self.command(match["command"]))
            elif word == "{":
                parts.append(self.until("}"))
            elif word == "&" and closer == "\\end":
                parts.append("\t")
            else:
                parts.append(_PLAIN.get(word, word))
        self.depth -= 1
        return "".join(parts)

    def skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def argument(self) -> str:
        """Return a group, a command, or one character."""
        self.skip_space()
        if self.at >= len(self.text):
            raise UnreadableError("an argument is missing")
        if self.text[self.at] == "{":
            self.at += 1
            return self.until("}")
        if self.text[self.at] == "\\":
            match = _PIECE.match(self.text, self.at)
            assert match is not None
            self.at = match.end()
            if match["command"] in ("", "frac", "sqrt"):
                raise UnreadableError("a bare command that wants arguments of its own")
            return self.command(match["command"])
        self.at += 1
        return self.text[self.at - 1]

    def command(self, name: str) -> str:
        if name.isalpha():
            self.skip_space()
        if name == "frac":
            top = self.argument()
            return f"{top}/{self.argument()}"
        if name == "sqrt":
            if self.text.startswith("[", self.at):
                self.at += 1
                self.until("]")
            return f"sqrt({self.argument()})"
        if name in _SIGNS:
            return _SIGNS[name]
        if name in _SPELLED:
            return name
        if name in _SPACES:
            return _SPACES[name]
        if name in _ACCENTS:
            return self.argument() + _ACCENTS[name]
        if name in _ALPHABETS:
            return _alphabet(self.argument(), _ALPHABETS[name])
        if name in _DROPPED_ARGUMENT:
            self.argument()
            return ""
        if name == "begin":
            return self.environment()
        return name if name in "{}%$&#_" else ""

    def environment(self) -> str:
        name = self.argument()
        if name == "array":
            self.argument()
        body = self.until("\\end")
        if name not in _MATRICES:
            return body.replace("\t", "     ")
        rows = [" ".join(cell.strip() for cell in row.split("\t")) for row in body.split("\n")]
        return "[ " + "; ".join(row for row in rows if row.strip()) + " ]"


def _alphabet(text: str, start: int) -> str:
    """Return the letters of a mathematical alphabet, which differ from the plain ones."""
    return "".join(
        chr(start + ord(c) - ord("A") - (6 if c.islower() else 0))
        if c.isascii() and c.isalpha()
        else c
        for c in text
    )
