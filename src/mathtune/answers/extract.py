"""Find the final answer in a solution's text, and say by which rule. First step of grading.

The rules, strongest first:

    boxed        the last `\\boxed{...}` or `\\fbox{...}` with balanced braces
    hashes       GSM8K's `#### x`
    section      PRM800K's `# Answer` heading and what follows it
    minerva      `Final Answer: The final answer is $x$. I hope it is correct.`
    phrase       `The answer is x`, `Answer: x`
    label        `A: x` at the start of a line
    last-number  the last number of the text, only where asked for

A text that matches no rule has no answer: guessing one moves results by tens of points.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

ExtractRule = Literal["explicit", "last-number"]
_RULES = get_args(ExtractRule)

# Answers stand at the end. The bound keeps a runaway sample of megabytes as cheap as any other.
TAIL = 100_000
_ANSWER_LIMIT = 10_000
# So many marks of one kind are looked at, from the end of the text.
_MAX_MARKS = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """The final expression of a solution, and the rule that found it.

    >>> Answer("42", "boxed").text
    '42'
    """

    text: str
    rule: str


def extract(solution: str, *, rule: ExtractRule = "explicit") -> Answer | None:
    r"""Return the final answer of `solution`, or None where no rule matches.

    `rule="explicit"` accepts only answers that the text marks as such; `rule="last-number"` takes
    the last number of the text where nothing is marked. Never raises on any string.

    >>> extract(r"So $x = \boxed{\frac{1}{2}}$.")
    Answer(text='\\frac{1}{2}', rule='boxed')
    >>> extract("3 + 4 = 7\n#### 7")
    Answer(text='7', rule='hashes')
    >>> extract("I count 7 of them.") is None
    True
    >>> extract("I count 7 of them.", rule="last-number")
    Answer(text='7', rule='last-number')
    """
    if rule not in _RULES:
        raise ValueError(f"extract: rule is {rule!r}, expected one of {_RULES}")
    tail = solution[-TAIL:]
    for name, find in _EXPLICIT:
        text = find(tail)
        if text and not _EMPTY_BOX.fullmatch(text):
            return Answer(text, name)
    if rule == "last-number":
        text = _last_number(tail)
        if text:
            return Answer(text, "last-number")
    return None


def gold_answer(text: str) -> str:
    r"""A gold as it stands; of a gold solution, marked by `####` or `\boxed`, its answer.

    >>> gold_answer("6 * 3 = 18\n#### 18"), gold_answer("18")
    ('18', '18')
    """
    answer = extract(text) if "####" in text or "\\boxed" in text else None
    return answer.text if answer else text


_EMPTY_BOX = re.compile(r"[\s$]*\\(?:boxed|fbox)\s*\{\s*\}[\s$]*")
_BOX_TOKEN = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])|\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"\s*((?:[^${}\n]|\{[^${}\n]*\})+?)\s*(?:\$|\n|\\\)|\\\]|\Z)")
_BARE_TOKEN = re.compile(
    r"\s*(-?[0-9.,]*[0-9]|[A-Za-z]|-?\\[A-Za-z]+(?:\s*(?:\{[^{}]{0,80}\}|[0-9])){0,2})"
)


def _boxed(text: str) -> str | None:
    """Content of the last outermost box that closes and is not empty."""
    starts = [at for at in (text.find("\\boxed"), text.find("\\fbox")) if at >= 0]
    if not starts:
        return None
    found: str | None = None
    groups: list[int] = []  # start of the content for a box, -1 for any other group
    boxes = 0  # how many of them are boxes
    opens_box = False
    previous_end = 0
    for token in _BOX_TOKEN.finditer(text, min(starts)):
        word = token.group()
        if word == "{":
            opens_box = opens_box and not text[previous_end : token.start()].strip()
            groups.append(token.end() if opens_box else -1)
            boxes += opens_box
            opens_box = False
        elif word == "}":
            start = groups.pop() if groups else -1
            boxes -= start >= 0
            if start >= 0 and not boxes:
                found = text[start : token.start()].strip()[:_ANSWER_LIMIT] or found
            opens_box = False
        else:
            opens_box = word.startswith(("\\boxed", "\\fbox"))
            if opens_box and not boxes:
                found = _unbraced_box(text, token.end()) or found
        previous_end = token.end()
    return found


def _unbraced_box(text: str, start: int) -> str | None:
    r"""`\boxed 2$`: everything up to the closing dollar, else one token."""
    ahead = text[start : start + 200]
    if ahead.lstrip().startswith("{"):
        return None
    match = _BARE_BOX.match(ahead) if "$" in ahead else _BARE_TOKEN.match(ahead)
    return match.group(1).strip() if match else None


_NUMBER_LINE = re.compile(r"[-−+]?\s*\\?\$?\s*[-−]?[0-9.,]*[0-9](?:\s*/\s*[0-9]+)?\s*(?:\\?%)?\.?")


def _hashes(text: str) -> str | None:
    """GSM8K's last line. Markdown headings (`#### Step 2`) are not answers."""
    at = text.rfind("####")
    for _ in range(_MAX_MARKS):
        if at < 0:
            return None
        line_start = at == 0 or text[at - 1] != "#"
        line, _, rest = text[at + 4 :].partition("\n")
        content = _trim(line)
        closes = not rest.strip() or _NUMBER_LINE.fullmatch(content) is not None
        if line_start and content and closes and not content.startswith("#"):
            return content
        at = text.rfind("####", 0, at)
    return None


_SECTION = re.compile(
    r"^[ \t]{0,3}#{1,6}[ \t]*(?:final[ \t]+)?answer[ \t]*:?[ \t]*#*[ \t\r]*$", re.I | re.M
)


def _section(text: str) -> str | None:
    """What stands under the last `# Answer` heading, up to a blank line."""
    if "#" not in text:
        return None
    headings = list(_SECTION.finditer(text))
    if not headings:
        return None
    below = text[headings[-1].end() :].strip()
    paragraph = re.split(r"\n\s*\n", below, maxsplit=1)[0]
    return _trim(paragraph)


_MINERVA = re.compile(r"final answer is\s*:?\s*(.{1,2000}?)\.?\s*I hope it is correct", re.I | re.S)


def _minerva(text: str) -> str | None:
    if "I hope it is correct" not in text:
        return None
    at = text.lower().rfind("final answer is")
    match = _MINERVA.match(text, at) if at >= 0 else None
    return _trim(match.group(1)) if match else None


_PHRASE = re.compile(
    r"(?:\banswer|\bthe\s+(?:final\s+|correct\s+)?answers)(?:\s+to\s+[^.\n]{1,100}?)?\s*(?:\*\*)?\s*(?:is|are|:|=)(?![A-Za-z])"
    r"\s*(?:\*\*)?\s*:?\s*",
    re.I,
)


def _phrase(text: str) -> str | None:
    """The sentence after the last `answer is` or `Answer:`."""
    if "nswer" not in text and "NSWER" not in text:
        return None
    matches = list(_PHRASE.finditer(text))[-_MAX_MARKS:]
    for match in reversed(matches):
        if not text.startswith(("not ", "n't "), match.end()):
            found = _sentence(text[match.end() : match.end() + 1_000])
            if found:
                return found
    return None


_DOLLARS = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)
_SENTENCE_END = re.compile(r"\n|[.;!?](?=\s|\*|\Z)|,\s+(?:so|which)\b|,?\s+(?:because|since)\b")


def _sentence(text: str) -> str | None:
    """The formula that `text` starts with, else its first sentence."""
    math = _DOLLARS.match(text)
    if math:
        ends = text[math.end() : math.end() + 1]
        if not ends or ends in ".,;:!?*\n" or ends.isspace():
            after = _SENTENCE_END.split(text[math.end() :], maxsplit=1)[0]
            if not re.search(r"[\w$\\]", after):
                return _trim(math.group())
    return _trim(_SENTENCE_END.split(text, maxsplit=1)[0])


_LABEL = re.compile(r"^[ \t]*A:[ \t]*(\S.*)$", re.M)
_OPTION = re.compile(r"^[ \t]*B:", re.M)


def _label(text: str) -> str | None:
    """`A: x`, unless it opens a list of choices."""
    if "A:" not in text:
        return None
    lines = list(_LABEL.finditer(text))
    if not lines or _OPTION.search(text, lines[-1].end()):
        return None
    return _trim(lines[-1].group(1))


_NUMBER = re.compile(
    r"(?<![\w.)}])[-−]?\.?[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?|[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?"
)


def _last_number(text: str) -> str | None:
    for length in (200, 5_000):
        tail = text[-length:]
        if len(text) > length:
            tail = tail[tail.find(" ") + 1 :]  # never half a number
        numbers = _NUMBER.findall(tail)
        if numbers:
            return numbers[-1]
    return None


def _trim(text: str) -> str:
    """Strip spaces, emphasis, formula marks around the whole, and a final full stop."""
    text = text.strip()[:_ANSWER_LIMIT].replace("**", "")
    while True:
        before = text
        text = text.removeprefix("`").removesuffix("`").strip().removesuffix(".").rstrip()
        math = _DOLLARS.fullmatch(text)
        if math:
            text = next(group for group in math.groups() if group is not None).strip()
        if text == before:
            return text


_EXPLICIT = (
    ("boxed", _boxed),
    ("hashes", _hashes),
    ("section", _section),
    ("minerva", _minerva),
    ("phrase", _phrase),
    ("label", _label),
)
