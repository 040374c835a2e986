"""Splits never share a problem, draws have their size, a small limit takes a part of a larger."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathtune.data.rows import normalized
from mathtune.data.splits import apart, draw_out, limited
from mathtune.errors import InputError
from mathtune.rows.records import Problem


def problems(*texts: str) -> list[Problem]:
    return [Problem(id=f"{n}", problem=text, answer="1") for n, text in enumerate(texts)]


def texts(rows: list[Problem]) -> list[str]:
    return [row.problem for row in rows]


def test_what_is_shared_leaves_train_first_and_test_never() -> None:
    splits = apart(problems("a", "b", "c", "d"), problems("B ", "e", "f"), problems("C", "f", "g"))
    assert texts(splits.train) == ["a", "d"]
    assert texts(splits.validation) == ["B ", "e"]
    assert texts(splits.test) == ["C", "f", "g"]
    assert splits.dropped == {"train": 2, "validation": 1}


@given(st.lists(st.sampled_from("abcdefgh"), min_size=4), st.integers(0, 3), st.integers(0, 5))
def test_a_draw_keeps_equal_texts_together(letters: list[str], count: int, seed: int) -> None:
    rows = problems(*letters)
    stay, drawn = draw_out(rows, count, seed=seed, what="validation")
    assert len(drawn) <= count
    assert sorted(texts(stay) + texts(drawn)) == sorted(letters)
    assert not {normalized(p.problem) for p in stay} & {normalized(p.problem) for p in drawn}


def test_a_draw_has_its_size_and_its_seed() -> None:
    rows = problems(*(f"{n}?" for n in range(50)))
    stay, drawn = draw_out(rows, 20, seed=1, what="test")
    assert (len(stay), len(drawn)) == (30, 20)
    assert drawn == draw_out(rows, 20, seed=1, what="test")[1]
    assert drawn != draw_out(rows, 20, seed=2, what="test")[1]
    assert drawn == sorted(drawn, key=lambda p: int(p.id))


def test_a_draw_that_would_take_everything_is_refused() -> None:
    with pytest.raises(InputError, match="validation: 3 problems were to be drawn from 3"):
        draw_out(problems("a", "b", "c"), 3, seed=0, what="validation")


def test_limits_are_nested_and_ordered() -> None:
    rows = problems(*(f"{n}?" for n in range(40)))
    small, large = limited(rows, 5, seed=0), limited(rows, 12, seed=0)
    assert (len(small), len(large)) == (5, 12)
    assert set(texts(small)) < set(texts(large))
    assert large == sorted(large, key=lambda p: int(p.id))
    assert limited(rows, None, seed=0) == limited(rows, 99, seed=0) == rows
