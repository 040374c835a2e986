"""Inequalities solved by hand, and against a check of many places on the line."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathtune.answers import equivalent
from mathtune.answers.latex.parse import parse
from mathtune.answers.values import numbers
from mathtune.answers.values.inequalities import solve
from mathtune.answers.values.real_sets import Interval


def solved(text: str) -> list[Interval] | None:
    with numbers.metered():
        found = solve(parse(text))
    return None if found is None else found[1]


@pytest.mark.parametrize(
    ("inequality", "region"),
    [
        ("2x - 1 < 5", r"x \in (-\infty, 3)"),
        ("x^2 < 4", r"x \in (-2, 2)"),
        (r"x^2 \ge 2", r"x \in (-\infty, -\sqrt2] \cup [\sqrt2, \infty)"),
        (r"x^2 - 5x + 6 \le 0", r"x \in [2, 3]"),
        (r"0 < g(x) < 1", r"g(x) > 0 \text{ and } g(x) < 1"),
        ("(x-1)^2 (x+3) > 0", r"x \in (-3, 1) \cup (1, \infty)"),
        (r"(x-1)^2 (x+3) \ge 0", r"x \in [-3, \infty)"),
        (r"(x-2)^2 (x+3) \le 0", r"x \in (-\infty, -3] \cup \{2\}"),
        ("x^3 < 2", r"x \in (-\infty, \sqrt[3]{2})"),
        ("x^4 - 5x^2 + 6 < 0", r"x \in (-\sqrt3, -\sqrt2) \cup (\sqrt2, \sqrt3)"),
        (r"\frac{x-1}{x-2} \ge 0", r"x \in (-\infty, 1] \cup (2, \infty)"),
        (r"\frac{1}{x} > 2", r"x \in (0, \frac12)"),
        (r"|x - 3| \le 2", r"x \in [1, 5]"),
        (r"1 \le |x| < 3", r"x \in (-3, -1] \cup [1, 3)"),
        (r"|x-1| + |x+1| \le 4", r"x \in [-2, 2]"),
        ("||x| - 2| < 1", r"x \in (-3, -1) \cup (1, 3)"),
        (r"x^2 \ne 4", r"x \in (-\infty, -2) \cup (-2, 2) \cup (2, \infty)"),
        (r"x^2 < 2\pi", r"x \in (-\sqrt{2\pi}, \sqrt{2\pi})"),
    ],
)
def test_solved_by_hand(inequality: str, region: str) -> None:
    assert equivalent(inequality, region)


@pytest.mark.parametrize("text", [r"\sin x > 0", "x^5 > 1", "xy > 1", "2^x > 8", "9^{999} x^2 > 1"])
def test_what_is_not_solved(text: str) -> None:
    assert solved(text) is None


_COEFFICIENTS = st.lists(st.integers(-6, 6), min_size=2, max_size=5)


@settings(max_examples=150, deadline=None)
@given(_COEFFICIENTS, _COEFFICIENTS.map(lambda c: c[:2]), st.sampled_from(["<", r"\le", ">"]))
def test_the_region_is_where_it_holds(top: list[int], bottom: list[int], operator: str) -> None:
    """At every quarter from -8 to 8 the region says what the numbers say."""
    p, q = ("+".join(f"({c})x^{{{i}}}" for i, c in enumerate(cs) if c) for cs in (top, bottom))
    if not p or not q or not any(top[1:] + bottom[1:]):
        return
    region = solved(rf"\frac{{{p}}}{{{q}}} {operator} 0")
    if region is None:
        return
    for quarter in range(-32, 33):
        place = Fraction(quarter, 4)
        over = sum(c * place**i for i, c in enumerate(top))
        under = sum(c * place**i for i, c in enumerate(bottom))
        holds = under != 0 and {
            "<": over * under < 0, r"\le": over * under <= 0, ">": over * under > 0
        }[operator]  # fmt: skip
        with numbers.metered():
            inside = any(_contains(part, place) for part in region)
        assert inside == holds, (place, region)


def _contains(part: Interval, place: Fraction) -> bool:
    point = Interval.point(("num", place)).low
    above = part.low < point or (part.low == point and part.closed_low)
    return above and (point < part.high or (point == part.high and part.closed_high))
