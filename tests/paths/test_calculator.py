"""The scorer without a model: what a false equation costs a solution."""

from __future__ import annotations

from mathtune.paths.calculator import FALSE, states_false, weight


def test_a_false_equation_costs_most_of_the_vote_and_not_all() -> None:
    assert weight("He pays 18 * 7 = 126.") == 1.0
    assert weight("He pays 18 * 7 = 136.") == FALSE == 0.1
    assert weight("<<18*7=136>>136") == FALSE
    assert weight("") == weight("I cannot tell.") == 1.0


def test_what_cannot_be_checked_is_not_called_false() -> None:
    assert not states_false("Let x = 3, then x + 1 = 4")
    assert not states_false("Day 2 = 3 * 4")
