"""Antiderivatives whose constants have different names, and what only looks like one."""

import pytest

from mathtune.answers import Verdict, cluster, compare

GOLD = "x^2 + C"


@pytest.mark.parametrize(
    "answer",
    [
        "x^2 + c",
        "x^2 + K",
        "x^2+k",
        r"x^{2}+C_1",
        r"x^2+c_{0}",
        r"x^2+\text{const}",
        r"x^2 + \mathrm{const.}",
        "x^2 + constant",
        "c + x^2",
        r"$x^2 + c$",
        r"F(x) = x^2 + K",
        r"x^2 + c, c \in \mathbb{R}",
        r"x^2 + k, \text{ where } k \text{ is a constant}",
    ],
)
def test_another_name_is_the_same_constant(answer: str) -> None:
    assert compare(answer, GOLD) is Verdict.correct
    assert compare(GOLD, "x^2 + c") is Verdict.correct


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\frac{1}{3}x^3 + c", r"\frac{x^3}{3} + C"),
        (r"e^{ax}/a + K", r"\frac{e^{ax}}{a} + C"),
        (r"\sin x + C", r"\sin x + \text{constant}"),
        (r"y = x^2 + k", "y = x^2 + C"),
    ],
)
def test_the_rest_is_compared_as_ever(answer: str, gold: str) -> None:
    assert compare(answer, gold) is Verdict.correct


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("2x^2 + K", GOLD),
        ("x^2", GOLD),
        ("x^2 - c", GOLD),
        ("x^2 + 2c", GOLD),
        ("x^2 + c^2", GOLD),
        ("x^2 + D", GOLD),
        ("x^2 + y", GOLD),
        ("x^2 + C", "x^2"),
        ("x^2 + K", "x^2 + 3"),
        ("kx + k", "kx + C"),
        ("a + b + k", "a + b + c"),
        ("A + B + K", "A + B + C"),
        ("mx + k", "mx + c"),
        ("x + k", "x + c"),
        ("x^2 + c", "x^2 + k"),
        ("x^2 + bx + k", "x^2 + bx + c"),
        ("3 + K", "3 + C"),
        ("K", "C"),
        ("C_1e^x + K", "C_1e^x + C_2"),
        ("x < y + K", "x < y + C"),
    ],
)
def test_nothing_else_becomes_equal(answer: str, gold: str) -> None:
    assert compare(answer, gold) is Verdict.wrong


def test_clusters() -> None:
    assert cluster(["x^2 + C", "x^2", "x^2 + K", "c + x^2"]) == [[0, 2, 3], [1]]
