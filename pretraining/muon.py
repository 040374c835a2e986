"""Muon: momentum whose matrices are orthogonalised, for the hidden weights in pre-training.

K. Jordan's optimizer of 2024 (Newton-Schulz iteration, quintic), with the matrices of one shape,
one per layer, in one batched product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor


def orthogonalised(matrices: Tensor, rounds: int = 5) -> Tensor:
    """Each matrix's singular values pushed near 1 (about 0.7 to 1.2), its singular vectors kept.

    `matrices` is (layers, rows, columns). Coefficients are those of the published iteration.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """One group of matrices. An update has root mean square of about 0.2 times `lr`."""

    def __init__(self, matrices: Iterable[Tensor], *, lr: float, momentum: float, decay: float):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override] # noqa: ARG002
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                by_shape[matrix.shape].append(matrix)
            for (rows, columns), matrices in by_shape.items():
                averages = [
                    self.state[m].setdefault("average", torch.zeros_like(m)) for m in matrices
                ]
                gradients = [m.grad for m in matrices]
                torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
                ahead = torch._foreach_lerp(gradients, averages, group["momentum"])
                changes = orthogonalised(torch.stack(ahead)).unbind()
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["decay"])
                size = 0.2 * max(rows, columns) ** 0.5
                torch._foreach_add_(matrices, changes, alpha=-group["lr"] * size)
