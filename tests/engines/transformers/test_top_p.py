"""Drawing tokens, against numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mathtune.engines.protocol import Sampling
from mathtune.engines.transformers import top_p as sampling
from mathtune.engines.transformers.top_p import draw
from mathtune.errors import InputError

# probabilities .1, .5, .4 and 0
LOGITS = torch.tensor([0.1, 0.5, 0.4, 0.0]).log()


def how(temperature: float = 1.0, top_p: float = 1.0, **more: Any) -> Sampling:
    return Sampling(n=1, temperature=temperature, top_p=top_p, max_tokens=1, **more)


def drawn(uniforms: list[float], *, temperature: float = 1.0, top_p: float = 1.0) -> list[int]:
    of = torch.zeros(len(uniforms), dtype=torch.long)
    numbers = torch.tensor(uniforms)
    return draw(LOGITS[None], of, numbers, how(temperature, top_p)).tolist()


def test_the_cumulative_distribution_is_inverted() -> None:
    assert drawn([0.0, 0.09, 0.11, 0.59, 0.61, 0.999]) == [0, 0, 1, 1, 2, 2]


def test_a_token_without_probability_is_never_drawn() -> None:
    almost_one = 1 - 2**-24
    assert drawn([almost_one] * 3) == [2, 2, 2]
    first = torch.tensor([[-torch.inf, 0.0]])
    assert draw(first, torch.tensor([0]), torch.tensor([0.0]), how()).tolist() == [1]


@pytest.mark.parametrize(
    ("top_p", "uniforms", "tokens"),
    [
        (0.49, [0.0, 0.5, 0.99], [1, 1, 1]),  # .5 alone reaches it
        (0.51, [0.0, 0.55, 0.56, 0.99], [1, 1, 2, 2]),  # .5 and .4, renormalised: .556 and .444
        (0.95, [0.0, 0.51, 0.89, 0.91], [1, 2, 2, 0]),  # all three
    ],
)
def test_top_p_keeps_the_smallest_set_that_reaches_it(
    top_p: float, uniforms: list[float], tokens: list[int]
) -> None:
    assert drawn(uniforms, top_p=top_p) == tokens


def test_temperature_divides_the_logits() -> None:
    # squares of .1, .5, .4 over their sum .42: .024, .595, .381
    assert drawn([0.02, 0.03, 0.61, 0.63], temperature=0.5) == [0, 1, 1, 2]
    assert drawn([0.9, 0.1], temperature=0.0) == [1, 1]


def test_a_flat_distribution_needs_more_than_the_likeliest(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * 0.1
    uniforms = torch.rand(50, generator=torch.Generator().manual_seed(1))
    of = torch.randint(50, (50,), generator=torch.Generator().manual_seed(2))
    whole = draw(logits, of, uniforms, how(top_p=0.9))
    monkeypatch.setattr(sampling, "LIKELIEST", 3)
    assert draw(logits, of, uniforms, how(top_p=0.9)).equal(whole)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize(("temperature", "top_p"), [(0.0, 1.0), (1.0, 1.0), (0.7, 0.9)])
def test_one_logit_that_is_no_number_is_refused(
    broken: float, temperature: float, top_p: float
) -> None:
    logits = torch.stack((LOGITS, LOGITS))
    logits[1, 0] = broken
    of, numbers = torch.tensor([0, 1]), torch.tensor([0.5, 0.5])
    with pytest.raises(InputError, match="logits are not finite"):
        draw(logits, of, numbers, how(temperature, top_p))


@pytest.mark.parametrize(
    ("more", "uniforms", "tokens"),
    [
        ({"top_k": 1}, [0.0, 0.5, 0.99], [1, 1, 1]),
        ({"top_k": 2}, [0.0, 0.55, 0.56, 0.99], [1, 1, 2, 2]),  # .5 and .4: .556 and .444
        ({"top_k": 9}, [0.05, 0.2, 0.99], [0, 1, 2]),
        ({"min_p": 0.3}, [0.0, 0.55, 0.56, 0.99], [1, 1, 2, 2]),  # .1 is below .3 * .5
        ({"min_p": 0.1}, [0.05, 0.2, 0.99], [0, 1, 2]),
        ({"top_k": 2, "top_p": 0.55}, [0.0, 0.99], [1, 1]),  # of the two left, .556 is enough
    ],
)
def test_top_k_and_min_p_leave_the_likeliest(
    more: dict[str, Any], uniforms: list[float], tokens: list[int]
) -> None:
    of = torch.zeros(len(uniforms), dtype=torch.long)
    assert draw(LOGITS[None], of, torch.tensor(uniforms), how(**more)).tolist() == tokens
