# ruff: noqa: F722 (jaxtyping's dimension names)
"""The training objectives of Liu et al. 2023: one equation, one pure function.

Used by training and, for the score, by engines.

All arguments named `log_...`, `right` and `wrong` are natural logarithms of probabilities, so at
most 0. Every term is a sum divided by a count that the caller gives, since a batch may reach the
model in several micro-batches: the count is that of the whole accumulated batch, so that the
micro-batches' losses add up to the loss of the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from torch import Tensor

    Count: TypeAlias = float | Tensor


def token_log_p(logits: Float[Tensor, "R V"], tokens: Int[Tensor, " R"]) -> Float[Tensor, " R"]:
    """log p of one token per row of logits, over the full vocabulary, in float32.

        log p(t) = z_t - log sum_v exp z_v

    `logits[r]` must come from the position before `tokens[r]`. bfloat16 logits are widened before
    the softmax, so that neither large logits nor a large vocabulary overflows or loses the small p.

    Example:
        >>> token_log_p(torch.zeros(1, 4), torch.tensor([2])).exp().item()
        0.25
    """
    return -F.cross_entropy(logits.float(), tokens, reduction="none")


def text_log_p(
    log_p: Float[Tensor, " R"], texts: Int[Tensor, " R"], *, count: int
) -> Float[Tensor, " T"]:
    """log p of whole texts (Liu et al. 2023, in Eq. 3): the sum over a text's tokens.

        log p(X_t) = sum_{r: texts[r] = t} log_p[r]

    `count` is the number of texts T; a text without tokens gets log 1 = 0.

    Example:
        >>> text_log_p(torch.tensor([-1.0, -2.0, -4.0]), torch.tensor([0, 0, 1]), count=2).tolist()
        [-3.0, -4.0]
    """
    return log_p.new_zeros(count).index_add(0, texts, log_p)


def mle(log_p: Float[Tensor, " T"], *, tokens: Count) -> Float[Tensor, ""]:
    """Negative log-likelihood of solutions given their problems (Liu et al. 2023, Eq. 3).

        L_mle = -sum_t log p(X_t | P_t) / tokens

    `log_p` is per text; `tokens` counts the target tokens, end tokens included. The paper writes
    the sum over one solution's tokens; we divide by the tokens of the batch, as its successors do.

    Example:
        >>> mle(torch.tensor([-3.0, -4.0]), tokens=7).item()
        1.0
    """
    return -log_p.sum() / tokens


def log_score(
    log_correct: Float[Tensor, " C"], log_incorrect: Float[Tensor, " C"]
) -> Float[Tensor, " C"]:
    """log of the evaluator's score S (Liu et al. 2023, Eq. 5-7).

        S = p("correct" | T) / (p("correct" | T) + p("incorrect" | T))

    T is the evaluator prompt of Eq. 5; each p is that of the whole label word (Eq. 6), the product
    over its tokens. Written as log sigmoid(log p(correct) - log p(incorrect)), which neither
    overflows nor divides 0 by 0 where both words are improbable.

    Example:
        >>> log_score(torch.tensor([0.3]).log(), torch.tensor([0.1]).log()).exp().item()
        0.75
    """
    return F.logsigmoid(log_correct.float() - log_incorrect.float())


def cls_margin(
    right: Float[Tensor, " P"], wrong: Float[Tensor, " P"], *, margin: float, pairs: Count
) -> Float[Tensor, ""]:
    """Pairwise margin loss of the evaluator (Liu et al. 2023, Eq. 8).

        L_cls-margin = sum_p max(0, log S(wrong_p) - log S(right_p) + margin) / pairs

    `right` and `wrong` are log S, one pair per row. The paper does not publish its margin (lambda).

    Example:
        >>> cls_margin(torch.tensor([-1.0]), torch.tensor([-0.5]), margin=1.0, pairs=1).item()
        1.5
    """
    return _hinge(wrong - right + margin) / pairs


def cls_xent(
    log_correct: Float[Tensor, " C"],
    log_incorrect: Float[Tensor, " C"],
    correct: Bool[Tensor, " C"],
    *,
    labelled: Count,
) -> Float[Tensor, ""]:
    """Cross-entropy of the evaluator's label words (Liu et al. 2023, Eq. 9).

        L_cls-xent = -sum_c (1{correct_c} log p("correct") + 1{not correct_c} log p("incorrect")) /
        labelled

    The p are those of the full vocabulary (Eq. 6), not the two-way S of Eq. 7. Departure: the paper
    prints a single leading minus sign, which would reward a wrong verdict on wrong solutions; the
    minus belongs to both terms.

    Example:
        >>> log_p = torch.tensor([0.5]).log(), torch.tensor([0.25]).log()
        >>> round(cls_xent(*log_p, torch.tensor([False]), labelled=1).exp().item(), 4)
        4.0
    """
    return -torch.where(correct, log_correct, log_incorrect).sum() / labelled


def ctr_margin(
    right: Float[Tensor, " P"], wrong: Float[Tensor, " P"], *, margin: float, pairs: Count
) -> Float[Tensor, ""]:
    """Margin loss between a right and a wrong solution's own likelihood (Liu et al. 2023, Eq. 10).

        L = sum_p max(0, log p(wrong_p | P) - log p(right_p | P) + margin) / pairs

    `right` and `wrong` are whole solutions' log p under the solver prompt: summed over tokens as
    printed, or divided by their number of tokens, which is the caller's choice.

    Example:
        >>> ctr_margin(torch.tensor([-9.0]), torch.tensor([-7.0]), margin=1.0, pairs=1).item()
        3.0
    """
    return _hinge(wrong - right + margin) / pairs


def joint(
    loss: Float[Tensor, ""], mle_loss: Float[Tensor, ""], *, alpha: float
) -> Float[Tensor, ""]:
    """An objective joined with Eq. 3 (Liu et al. 2023, Eq. 11, 12 and 13, which share this form).

        L_ctr        = ctr_margin + alpha L_mle     (Eq. 11; alpha_1 in the paper)
        L_mul-margin = L_cls-margin + alpha L_mle   (Eq. 12; alpha_2)
        L_mul-xent   = L_cls-xent + alpha L_mle     (Eq. 13; alpha_3)

    L_mle is taken over the right solutions. The paper publishes none of its alphas, and found Eq.
    12 and 13 hard to balance: the mle term over-fits first.

    Example:
        >>> joint(torch.tensor(2.0), torch.tensor(3.0), alpha=0.5).item()
        3.5
    """
    return loss + alpha * mle_loss


def _hinge(x: Float[Tensor, " P"]) -> Float[Tensor, ""]:
    return F.relu(x).sum()
