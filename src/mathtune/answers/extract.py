r"""Find the final answer in a solution's text, and say by which rule. First step of grading.

Only the visible part of a text counts: see `visible`. In it the answer is what the last mark shows,
whatever its kind:

    boxed        `\boxed{...}` or `\fbox{...}`; joined by commas, "and", "or" they are one list
    hashes       GSM8K's `#### x`
    tag          `<answer>x</answer>`
    section      a heading `# Answer` or `**Final Answer**` and what follows it
    key          `{"answer": "x"}`
    minerva      `Final Answer: The final answer is $x$. I hope it is correct.`
    phrase       `The answer is x`, `Answer: x`, and the same in other languages
    label        `A: x` at the start of a line

If nothing is marked there is no answer, unless the caller asks for one of these rules:

    last-number  (rules last-number, auto) the last number of the text, with its percent sign; auto:
                 of the last sentence that has a number or a formula, and if this sentence holds the
                 result of the text's last equation, that: `18 + 3 = 21. So he is 21 in 3 years.`
    last-formula (rule auto) the last formula of that sentence, or a text that is a formula alone;
                 the values of several unknowns that end the text: `x = 3, y = 4`
    last-word    (rule auto) the choice in `the correct option is (C)` or `option C is correct`; in
                 a text without numbers, the yes, no, true or false that a sentence begins with

Guessing moves results by tens of points, so training and RFT use `explicit`. Files of other
programs are read with `auto`, and both numbers are shown if they differ.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from mathtune.answers import marks
from mathtune.answers.last_sentence import last_sentence_value
from mathtune.answers.marks import Mark
from mathtune.answers.phrases import with_percent
from mathtune.answers.visible import visible

ExtractRule = Literal["explicit", "auto", "last-number"]
_RULES = get_args(ExtractRule)

GUESSED = ("last-number", "last-formula", "last-word")
"""The rules that guess an answer from an unmarked text."""

# Answers are at the end. The bound makes a runaway sample of megabytes as cheap as any other.
TAIL = 100_000


@dataclass(frozen=True, slots=True)
class Answer:
    """The final expression of a solution, and the rule that found it.

    >>> Answer("42", "boxed").text
    '42'
    """

    text: str
    rule: str


def extract(solution: str, *, rule: ExtractRule = "explicit") -> Answer | None:
    r"""Return the final answer of `solution`, or None if no rule matches.

    `rule="explicit"` accepts only answers that the text marks as such. If nothing is marked,
    `rule="auto"` takes the last number, formula or choice of the last sentence and
    `rule="last-number"` the last number. Never raises on any string.

    >>> extract(r"So $x = \boxed{\frac{1}{2}}$.")
    Answer(text='\\frac{1}{2}', rule='boxed')
    >>> extract("3 + 4 = 7\n#### 7")
    Answer(text='7', rule='hashes')
    >>> extract("I count 7 of them.") is None
    True
    >>> extract("I count 7 of them.", rule="auto")
    Answer(text='7', rule='last-number')
    """
    if rule not in _RULES:
        raise ValueError(f"extract: rule is {rule!r}, expected one of {_RULES}")
    require_text("solution", solution)
    if "<|begin_of_box|>" in solution:
        solution = _TOKEN_BOX.sub(r"\\boxed{\1}", solution)
    if "\b" in solution:  # a box that was written into JSON with one backslash
        solution = solution.replace("\boxed", "\\boxed").replace("\frac", "\\frac")
    tail = visible(solution)[-TAIL:]
    found = _marked(tail)
    if found is not None:
        name, mark = found
        return Answer(mark.answer, name) if mark.answer else None
    if rule == "explicit":
        return None
    if rule == "auto":
        value = last_sentence_value(tail)
        return Answer(*value) if value else None
    text = _last_number(tail)
    return Answer(text, "last-number") if text else None


def require_text(name: str, value: object) -> None:
    """Raise TypeError if an answer, a gold or a solution is anything but a text."""
    if not isinstance(value, str):
        raise TypeError(f"the {name} is no text but {value!r}")


_EXPLICIT = (
    ("boxed", marks.boxed),
    ("hashes", marks.hashes),
    ("tag", marks.tagged),
    ("section", marks.section),
    ("key", marks.keyed),
    ("minerva", marks.minerva),
    ("phrase", marks.phrase),
    ("label", marks.label),
)
_IN_WORDS = ("phrase", "label")
_TOKEN_BOX = re.compile(r"<\|begin_of_box\|>(.*?)<\|end_of_box\|>", re.S)
_EMPTY_BOX = re.compile(r"[\s$]*\\(?:boxed|fbox)\s*\{\s*\}[\s$]*")


def _marked(text: str) -> tuple[str, Mark] | None:
    """Return the last mark of the text, with its rule.

    A sentence counts after another mark only if what it calls the answer looks like one.
    """
    found: tuple[str, Mark] | None = None
    for name, find in _EXPLICIT:
        mark = find(text)
        if mark is None or (mark.answer is not None and _EMPTY_BOX.fullmatch(mark.answer)):
            continue
        if mark.answer == "" or (found is not None and mark.start <= found[1].start):
            continue
        if found is None or name not in _IN_WORDS or marks.plain(mark.answer or ""):
            found = name, mark
    return found


_HEADING = re.compile(r"\A\s*#{1,3}\s+(?=\S)")


def gold_answer(text: str) -> str:
    r"""Return the answer that a gold solution marks; any other gold unchanged.

    >>> gold_answer("6 * 3 = 18\n#### 18"), gold_answer("18"), gold_answer("# 18")
    ('18', '18', '18')
    >>> gold_answer("It takes 180 days. Therefore, the answer is: 180.")
    '180'
    """
    marked = "####" in text or "\\boxed" in text or "\\fbox" in text
    if not marked and len(text.split()) < 3:
        return _HEADING.sub("", text) or text
    answer = extract(text)
    return answer.text if answer else text


def _last_number(text: str) -> str | None:
    for length in (200, 5_000):
        tail = text[-length:]
        if len(text) > length:
            tail = tail[tail.find(" ") + 1 :]  # never half a number
        numbers = with_percent(tail)
        if numbers:
            return numbers[-1]
    return None
