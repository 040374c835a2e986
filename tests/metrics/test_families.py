"""Groups of problems: values by hand, and the gain that few of them hold."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics.families import by_group, concentrated


def test_each_group_by_hand() -> None:
    values = {
        "mean": np.array([0.5, 0.5, 0.0, 1.0]),
        "Maj1@4": np.array([0.0, 1.0, 0.0, 1.0]),
        "W.RR": np.array([1.0, 1.0, 0.0, 1.0]),
        "cost.Maj8": np.ones(4),
    }
    found = by_group(values, ["b", "b", "a", "a"], 4, resamples=200, seed=0)
    assert list(found) == ["a", "b"]
    assert found["b"]["problems"] == 2
    assert found["b"]["metrics"]["W.RR"]["value"] == 1.0
    assert found["b"]["over_maj1"]["W.RR"]["difference"] == 0.5
    assert found["a"]["over_maj1"]["W.RR"]["difference"] == 0.0
    assert "cost.Maj8" not in found["a"]["metrics"]
    assert found["a"]["metrics"]["mean"]["low"] < 0.5 < found["a"]["metrics"]["mean"]["high"]


@pytest.mark.parametrize(
    ("gains", "named"),
    [
        ({"a": 0.5, "b": 0.0, "c": 0.0, "d": 0.0}, ["a"]),
        ({"a": 0.1, "b": 0.3, "c": 0.02, "d": 0.0, "e": 0.0, "f": 0.0, "g": 0.0}, ["b", "a"]),
        ({"a": -0.1, "b": 0.3, "c": 0.0, "d": 0.0}, ["b"]),  # what one loses, the others hold
        ({"a": 0.1, "b": 0.1, "c": 0.1, "d": 0.1}, []),
        ({"a": -0.4, "b": 0.0, "c": 0.0, "d": 0.0}, ["a"]),  # a loss is named likewise
        ({"a": 0.5, "b": 0.0}, []),
    ],
)
def test_few_groups_that_hold_the_gain(gains: dict[str, float], named: list[str]) -> None:
    assert concentrated({name: (10, gain) for name, gain in gains.items()}) == named


@pytest.mark.parametrize(
    ("gains", "named"),
    [
        ({"a": (10, 0.5), "b": (10, 0.0), "c": (10, 0.0)}, ["a"]),  # exactly a third
        ({"a": (10, 0.5), "b": (9, 0.0), "c": (10, 0.0)}, []),
        ({"a": (10, 0.5), "b": (90, 0.0)}, []),  # of two groups one always holds most
        ({"a": (10, 0.1), "b": (10, -0.1), "c": (80, 0.0)}, []),  # no gain in sum
    ],
)
def test_how_few_problems_a_third_is(gains: dict[str, tuple[int, float]], named: list[str]) -> None:
    assert concentrated(gains) == named


def test_no_group_holds_a_gain_that_is_rounding_alone() -> None:
    """3 x 0.1 - 1 x 0.3 is 5.6e-17 in floats."""
    assert concentrated({"a": (3, 0.1), "b": (1, -0.3), "c": (9, 0.0)}) == []
