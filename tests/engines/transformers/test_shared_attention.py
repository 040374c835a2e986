"""Attention of prompts side by side, by hand: with queries of 0 each token is a plain mean."""

from __future__ import annotations

from math import tanh

import pytest
import torch

from mathtune.engines.transformers.shared_attention import Prompts, Rule


def attended(
    prompts: Prompts, rule: Rule, values: list[list[float]], *, layer: int = 0
) -> list[list[float]]:
    """The attention of one head of width 1, whose queries and keys are 0."""
    value = torch.tensor(values)[:, None, :, None]
    zeros = torch.zeros_like(value)
    found: list[list[float]] = prompts.attend(layer, zeros, zeros, value, rule)[..., 0, 0].tolist()
    return found


@pytest.mark.parametrize(
    ("window", "expected"),
    [(None, [1.0, 1.5, 3.0]), (3, [1.0, 1.5, 3.0]), (2, [1.0, 1.5, 4.0]), (1, [1.0, 2.0, 6.0])],
)
def test_a_token_sees_itself_and_those_before_it_in_the_window(
    window: int | None, expected: list[float]
) -> None:
    prompts = Prompts(torch.tensor([3]), 3)
    assert attended(prompts, Rule(1.0, window=window), [[1.0, 2.0, 6.0]]) == [
        pytest.approx(expected)
    ]
    assert not prompts.padded


def test_padding_is_not_seen() -> None:
    prompts = Prompts(torch.tensor([3, 2]), 3)
    found = attended(prompts, Rule(1.0), [[1.0, 2.0, 6.0], [9.0, 2.0, 6.0]])
    assert found == [pytest.approx([1.0, 1.5, 3.0]), pytest.approx([9.0, 2.0, 4.0])]
    assert prompts.padded
    assert prompts.real.tolist() == [[True, True, True], [False, True, True]]


def test_all_of_a_beginning_is_seen() -> None:
    beginning = Prompts(torch.tensor([2]), 2)
    attended(beginning, Rule(1.0), [[1.0, 3.0]])
    prompts = Prompts(torch.tensor([2, 1]), 2, beginning)
    found = attended(prompts, Rule(1.0), [[5.0, 7.0], [0.0, 8.0]])
    assert found[0] == pytest.approx([3.0, 4.0])  # (1 + 3 + 5) / 3, (1 + 3 + 5 + 7) / 4
    assert found[1][1] == pytest.approx(4.0)  # (1 + 3 + 8) / 3


def test_the_shortest_window_of_the_layers_is_kept() -> None:
    prompts = Prompts(torch.tensor([1]), 1)
    assert prompts.window is None
    for layer, (window, shortest) in enumerate([(None, None), (5, 5), (3, 3), (4, 3)]):
        attended(prompts, Rule(1.0, window=window), [[1.0]], layer=layer)
        assert prompts.window == shortest


def test_a_cap_bends_scores_towards_it() -> None:
    """Scores 0 and 6, capped at 3: 0 and 3 tanh(2)."""
    query, key = torch.tensor([0.0, 1.0]), torch.tensor([0.0, 6.0])
    values = torch.tensor([0.0, 1.0])
    query, key, value = (one[None, None, :, None] for one in (query, key, values))
    found = Prompts(torch.tensor([2]), 2).attend(0, query, key, value, Rule(1.0, cap=3.0))
    expected = 1 / (1 + torch.tensor(-3 * tanh(2.0)).exp().item())
    assert found[0, 1, 0, 0].item() == pytest.approx(expected)


def test_only_the_chosen_prompts_are_kept() -> None:
    prompts = Prompts(torch.tensor([2, 1, 2]), 2)
    attended(prompts, Rule(1.0), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    prompts.select(torch.tensor([2, 1]))
    assert prompts.values[0][:, 0, :, 0].tolist() == [[5.0, 6.0], [3.0, 4.0]]
    assert prompts.keys[0].shape == prompts.values[0].shape
    assert prompts.real.tolist() == [[True, True], [False, True]]
