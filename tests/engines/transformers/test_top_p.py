"""Drawing tokens, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from mathtune.engines.transformers import top_p as sampling
from mathtune.engines.transformers.top_p import draw

# probabilities .1, .5, .4 and 0
LOGITS = torch.tensor([0.1, 0.5, 0.4, 0.0]).log()


def drawn(uniforms: list[float], *, temperature: float = 1.0, top_p: float = 1.0) -> list[int]:
    of = torch.zeros(len(uniforms), dtype=torch.long)
    numbers = torch.tensor(uniforms)
    return draw(LOGITS[None], of, numbers, temperature=temperature, top_p=top_p).tolist()


def test_the_cumulative_distribution_is_inverted() -> None:
    assert drawn([0.0, 0.09, 0.11, 0.59, 0.61, 0.999]) == [0, 0, 1, 1, 2, 2]


def test_a_token_without_probability_is_never_drawn() -> None:
    almost_one = 1 - 2**-24
    assert drawn([almost_one] * 3) == [2, 2, 2]
    first = torch.tensor([[-torch.inf, 0.0]])
    assert draw(
        first, torch.tensor([0]), torch.tensor([0.0]), temperature=1.0, top_p=1.0
    ).tolist() == [1]


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
    whole = draw(logits, of, uniforms, temperature=1.0, top_p=0.9)
    monkeypatch.setattr(sampling, "LIKELIEST", 3)
    assert draw(logits, of, uniforms, temperature=1.0, top_p=0.9).equal(whole)
