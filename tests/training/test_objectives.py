"""Every equation against numbers worked out by hand, a second writing of it, or an invariant."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import jaxtyping
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from mathtune.training import objectives

LOGS = st.floats(-50, 0, allow_nan=False, width=32)


def logs(*p: float) -> Any:
    return torch.tensor(p, dtype=torch.float64).log()


@pytest.mark.parametrize("name", ["cls_margin", "ctr_margin"])
def test_shapes_that_would_broadcast_are_refused_in_tests(name: str) -> None:
    """Scores of shape (3,) and (4, 1) give 12 pairs, not the 3 of one pair per row."""
    loss = getattr(objectives, name)
    assert loss(torch.zeros(3), torch.zeros(3), margin=1.0, pairs=3).item() == 1.0
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'wrong'"):
        loss(torch.zeros(3), torch.zeros(4, 1), margin=1.0, pairs=3)
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'wrong'"):
        loss(torch.zeros(3), torch.zeros(4), margin=1.0, pairs=3)
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'right'"):
        loss(torch.zeros(3, dtype=torch.int64), torch.zeros(3), margin=1.0, pairs=3)


def test_shapes_cost_nothing_outside_of_tests() -> None:
    code = (
        "import sys, torch; from mathtune.training import objectives\n"
        "loss = objectives.cls_margin(torch.zeros(3), torch.zeros(4, 1), margin=1.0, pairs=3)\n"
        "print(loss.item(), 'jaxtyping' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.stdout == "4.0 False\n", shown.stderr


def test_token_log_p_is_the_softmax_of_the_row_before_the_token() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(4.0), 0.0]])
    found = objectives.token_log_p(logits, torch.tensor([1, 1])).exp()
    assert found.tolist() == pytest.approx([3 / 4, 1 / 5])


def test_token_log_p_survives_bfloat16_logits_beyond_the_range_of_exp() -> None:
    logits = torch.tensor([[3e38, 0.0], [-3e38, 0.0]], dtype=torch.bfloat16)
    found = objectives.token_log_p(logits, torch.tensor([0, 1]))
    assert found.dtype == torch.float32
    assert found.tolist() == [0.0, 0.0]


def test_text_log_p_sums_a_text_and_gives_an_empty_one_probability_1() -> None:
    found = objectives.text_log_p(
        torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([2, 2, 0]), count=3
    )
    assert found.tolist() == [-0.5, 0.0, -3.0]


def test_mle_by_hand() -> None:
    # Two solutions of 2 and 3 tokens, p = 1/8 and 1/32: (3 + 5) ln 2 / 5 tokens.
    loss = objectives.mle(logs(1 / 8, 1 / 32), tokens=5)
    assert loss.item() == pytest.approx(8 * math.log(2) / 5)


def test_score_by_hand() -> None:
    score = objectives.log_score(logs(0.3, 0.02), logs(0.1, 0.08)).exp()
    assert score.tolist() == pytest.approx([0.75, 0.2])


def test_score_of_two_improbable_words_is_still_their_share() -> None:
    # p = e^-1000 is 0 in any float: p / (p + q) would be 0 / 0.
    found = objectives.log_score(torch.tensor([-1000.0]), torch.tensor([-1001.0]))
    assert found.exp().item() == pytest.approx(1 / (1 + math.exp(-1)))


@given(LOGS, LOGS)
def test_scores_of_exchanged_words_sum_to_1(a: float, b: float) -> None:
    one, other = torch.tensor([a]), torch.tensor([b])
    total = objectives.log_score(one, other).exp() + objectives.log_score(other, one).exp()
    assert total.item() == pytest.approx(1, abs=1e-5)


def test_cls_margin_by_hand() -> None:
    # Pair 1: ln(1/4) - ln(1/2) + 1 = 1 - ln 2. Pair 2: ln(1/8) - ln(1/2) + 1 < 0, so 0. Pair 3:
    # wrong above right, ln(1/2) - ln(1/4) + 1 = 1 + ln 2. Together 2, over three pairs.
    right, wrong = logs(1 / 2, 1 / 2, 1 / 4), logs(1 / 4, 1 / 8, 1 / 2)
    loss = objectives.cls_margin(right, wrong, margin=1.0, pairs=3)
    assert loss.item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("loss", [objectives.cls_margin, objectives.ctr_margin])
def test_a_margin_loss_pulls_right_up_and_wrong_down(loss) -> None:  # type: ignore[no-untyped-def]
    right, wrong = logs(0.5).requires_grad_(), logs(0.5).requires_grad_()
    loss(right, wrong, margin=0.1, pairs=1).backward()
    assert (right.grad.item(), wrong.grad.item()) == (-1, 1)


def test_cls_xent_by_hand() -> None:
    # A correct one with p(correct) = 1/2, a wrong one with p(incorrect) = 1/8: (1 + 3) ln 2 / 2.
    loss = objectives.cls_xent(
        logs(1 / 2, 1 / 16), logs(1 / 4, 1 / 8), torch.tensor([True, False]), labelled=2
    )
    assert loss.item() == pytest.approx(2 * math.log(2))


def test_cls_xent_falls_when_either_true_label_gets_likelier() -> None:
    # The sign that the paper prints would make the second derivative positive.
    correct, incorrect = logs(0.25, 0.25).requires_grad_(), logs(0.25, 0.25).requires_grad_()
    label = torch.tensor([True, False])
    objectives.cls_xent(correct, incorrect, label, labelled=1).backward()
    assert correct.grad.tolist() == [-1, 0]
    assert incorrect.grad.tolist() == [0, -1]


def test_ctr_margin_by_hand() -> None:
    # Sums of log p of whole solutions: -5 - (-4) + 2 = 1 and -9 - (-3) + 2 < 0, over two pairs.
    loss = objectives.ctr_margin(
        torch.tensor([-4.0, -3.0]), torch.tensor([-5.0, -9.0]), margin=2.0, pairs=2
    )
    assert loss.item() == 0.5


def test_joint_weighs_the_mle_term_alone() -> None:
    assert objectives.joint(torch.tensor(2.0), torch.tensor(3.0), alpha=0.25).item() == 2.75


@given(st.lists(st.tuples(LOGS, LOGS), min_size=2, max_size=6), st.integers(1, 5))
def test_losses_of_micro_batches_add_up_to_that_of_the_batch(
    pairs: list[tuple[float, float]], cut: int
) -> None:
    right, wrong = torch.tensor(pairs, dtype=torch.float64).T
    label = torch.arange(len(pairs)) % 2 == 0
    n = len(pairs)

    def losses(part: slice) -> Any:
        r, w = right[part], wrong[part]
        return torch.stack(
            [
                objectives.mle(r, tokens=n),
                objectives.cls_margin(r, w, margin=1.0, pairs=n),
                objectives.cls_xent(r, w, label[part], labelled=n),
                objectives.ctr_margin(r, w, margin=1.0, pairs=n),
            ]
        )

    parts = losses(slice(cut)) + losses(slice(cut, None))
    assert torch.allclose(parts, losses(slice(None)))


@pytest.mark.parametrize("name", ["mle", "cls-margin", "cls-xent", "ctr"])
def test_losses_and_gradients_of_bfloat16_logits_are_finite(name: str) -> None:
    """From a model's bfloat16 logits, far beyond the range of exp, to the loss and back."""
    torch.manual_seed(0)
    logits = (torch.randn(8, 50) * 1e4).to(torch.bfloat16).requires_grad_()
    words = objectives.text_log_p(
        objectives.token_log_p(logits, torch.arange(8)),
        torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]),
        count=4,
    )
    assert words.dtype == torch.float32
    correct, incorrect = words[::2], words[1::2]
    score = objectives.log_score(correct, incorrect)
    loss = {
        "mle": lambda: objectives.mle(words, tokens=8),
        "cls-margin": lambda: objectives.cls_margin(score[:1], score[1:], margin=1.0, pairs=1),
        "cls-xent": lambda: objectives.cls_xent(
            correct, incorrect, torch.tensor([True, False]), labelled=2
        ),
        "ctr": lambda: objectives.ctr_margin(words[:2], words[2:], margin=1.0, pairs=2),
    }[name]()
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.dtype == torch.bfloat16
    assert logits.grad.isfinite().all()
