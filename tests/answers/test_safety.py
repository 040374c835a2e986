"""Hostile texts: no call raises, none hangs, none runs what it reads."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mathtune.answers import cluster, compare, equivalent, explain, extract, grade
from mathtune.answers.graders import mathematical, prm800k
from mathtune.rows.records import Verdict

from .hostile_texts import HOSTILE as NEWER

HOSTILE = {
    "tower": "9**9**9",
    "tower-latex": "9^{9^{9^{9}}}",
    "tower-mixed": "2^{3^{4^{5^{6^{7}}}}}",
    "expansion": "(1+x)**100000",
    "expansion-deep": "((((1+x)^{99})^{99})^{99})^{99}",
    "megabyte": "7" * 1_000_000,
    "megabyte-words": "answer is " * 100_000,
    "braces": "{" * 10_000,
    "braces-closed": "{" * 10_000 + "}" * 10_000,
    "box-and-words": "\\boxed{5} " + "consequently " * 40 + "(",
    "box-and-rules": "\\boxed{5} " + "*" * 400 + "(",
    "boxes": "\\boxed{" * 10_000,
    "boxes-closed": "\\boxed{" * 10_000 + "5" + "}" * 10_000,
    "brackets": "(" * 900 + "1" + ")" * 900,
    "factorials": "9" + "!" * 500,
    "factorial-tower": "((((9!)!)!)!)!",
    "fractions": "\\frac" * 200_000,
    "fractions-short": "\\frac" * 300,
    "roots": "\\sqrt" * 300 + "2",
    "signs": "-" * 1_900 + "1",
    "powers": "^".join("9" * 300),
    "commas": ",".join("1" * 900),
    "equals": "=".join("x" * 300),
    "bars": "|" * 500,
    "sum-of-powers": "+".join(f"2^{{{9_000 + i}}}/3^{{{5_000 + i}}}" for i in range(90)),
    "product-of-factorials": "*".join(["999!"] * 300),
    "gammas": "+".join(["(x/7)!"] * 120),
    "binomials": "+".join(["\\binom{40000}{3000}"] * 60),
    "trigonometry": "+".join(f"\\sin({i}x)" for i in range(90)),
    "unions": "\\cup".join(f"({i},{i + 1})" for i in range(150)),
    "pm": ",".join(["\\pm x"] * 200),
    "pm-nested": "(" * 20 + "1\\pm 2" + ")" * 20,
    "scientific": "9e9999",
    "scientific-short": "1e400 + 1e-400",
    "decimals": "0." + "1" * 390,
    "superscripts": "2" + "²" * 100,
    "nul": "5\x00",
    "surrogate": "\ud800 5",
    "surrogate-boxed": "\\boxed{\udfff}",
    "control": "\x01\x02\x1b[31m5",
    "import": "__import__('os').system('touch /tmp/mathtune-was-here')",
    "lambda": "(lambda: 1)()",
    "attribute": "x.__class__.__mro__",
    "format": "{0.__class__}%s%n",
    "matrix": "\\begin{pmatrix}" + "1&" * 150 + "1\\end{pmatrix}",
    "environments": "\\begin{pmatrix}" * 100,
    "hashes": "#### " * 20_000,
    "sections": "# Answer\n\n" * 10_000,
    "dollars": "$" * 1_999,
    "million": "million" * 200,
    "units": "centimeters " * 150,
    "underscores": "1_0" * 300,
    "sequence": "x_{" * 300,
    "nested-sets": "\\{" * 200,
    "e": "e^{e^{e^{e^{e}}}}",
    "log": "\\log" * 200 + "2",
    "choose": "{9 \\choose " * 50,
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", NEWER)
def test_newer_hostile_text_is_survived(name: str) -> None:
    text = NEWER[name]
    calls = {
        "compare": lambda: compare(text, "\\sqrt{2}"),
        "compare gold": lambda: compare("x+1", text),
        "compare other": lambda: compare(text, text + "1"),
        "explain": lambda: explain(text, "5 m"),
        "cluster": lambda: cluster([text, None, "1", text + "1", "x+1"]),
    }
    for run in calls.values():
        run()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_survived(name: str) -> None:
    text = HOSTILE[name]
    calls = {
        "extract": lambda: extract(text, rule="last-number"),
        "compare": lambda: compare(text, "\\sqrt{2}"),
        "compare gold": lambda: compare("x+1", text),
        "compare other": lambda: compare(text, text + "1"),
        "prm800k": lambda: compare(text, "1.5", grader="prm800k"),
        "prm800k gold": lambda: compare("x+1", text, grader="prm800k"),
        "grade": lambda: grade(f"\\boxed{{{text}}}", "2"),
        "equivalent": lambda: equivalent(text, "x"),
        "cluster": lambda: cluster([text, None, "1", text]),
    }
    for run in calls.values():
        run()


@pytest.mark.parametrize(
    "text", ["9**9**9", "9^{9^{9}}", "((9!)!)!", "(1+x)^{100000}", "7" * 5_000]
)
def test_beyond_the_limits_is_undecided_never_wrong(text: str) -> None:
    assert compare(text, "1.5") is Verdict.undecided
    assert compare(text, text) is Verdict.correct
    assert compare(text, "1.5", grader="prm800k") is not Verdict.correct


def test_nothing_is_guessed_without_answer_or_gold() -> None:
    assert compare(None, "3") is Verdict.no_answer
    assert compare(" ", "3") is Verdict.no_answer
    assert compare("3", "") is Verdict.undecided
    assert compare("3", " \n", grader="prm800k") is Verdict.undecided


PIECES = (
    r"\frac \sqrt { } ( ) [ ] 1 2 12 0.5 x y , ; = < \le \pm ^ _ - + * / ! % \% \$ $ | \text{cm} "
    r"\text{ and } \cup \infty \begin{pmatrix} \end{pmatrix} & \\ \{ \} \left \right \pi e i ' : "
    r"\circ ^\circ \sin \log \binom \in \approx . \overline \mathbb{R} 1,000 or and apples \, \! "
    r"\choose \setminus \langle \rangle \lfloor \rfloor ** million \cdot \times 3/4 7 12_5"
)
_PIECES = st.lists(
    st.sampled_from(PIECES.split(" ")),
    max_size=14,
).map(lambda pieces: " ".join(pieces))  # fmt: skip
_TEXTS = st.one_of(_PIECES, _PIECES.map(lambda t: t.replace(" ", "")), st.text(max_size=40))


@settings(max_examples=300, deadline=None)
@given(_TEXTS, _TEXTS)
def test_no_text_raises(a: str, b: str) -> None:
    for judge in (mathematical.judge, prm800k.judge):
        assert judge(a, b) in Verdict
        assert judge(a, a) is Verdict.correct
    assert compare(a, b) in Verdict
    assert equivalent(a, a)
    assert equivalent(a, b) == equivalent(b, a)
    if a.strip() and b.strip() and equivalent(a, b):
        assert compare(a, b) is Verdict.correct
    extract(a, rule="last-number")
    grade(a, b)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None)
@example(r"\mathbb{R} \in \pi", r"\pi \in \pi")
@given(_TEXTS, _TEXTS)
def test_no_text_raises_at_length(a: str, b: str) -> None:
    for judge in (mathematical.judge, prm800k.judge):
        judge(a, b)
    extract(f"The answer is {a} {b}", rule="last-number")
