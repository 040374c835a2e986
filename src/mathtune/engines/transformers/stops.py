"""Stop texts: a sample ends when it writes one, such as the next problem of a few-shot prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


BYTES = "\ufffd"
"""What a tokenizer writes for bytes that are only a part of a character."""


class Stops:
    """Watches sampled tokens for the text `stop`.

    Only rows whose newest token holds the stop's last character, or bytes that may end it, are
    decoded, and only as many of their tokens as could hold the stop: a token has at least one byte,
    and the stop may end within one.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: str) -> None:
        self._tokenizer, self._stop = tokenizer, stop
        last = {stop[-1]} if stop[-1].isascii() else {stop[-1], BYTES}
        self._reach = 2 * len(stop.encode())
        self._ending = torch.tensor(
            [not last.isdisjoint(tokenizer.decode([token])) for token in range(len(tokenizer))]
        )

    def reached(self, rows: Tensor, counts: Tensor, newest: Tensor) -> Tensor:
        """Return which rows [B] have the stop in their text; the first `counts` tokens of `rows`
        [B, T] are sampled.
        """
        known = newest.clamp(max=len(self._ending) - 1).cpu()
        found = torch.zeros(len(rows), dtype=torch.bool)
        for row in self._ending[known].nonzero()[:, 0].tolist():
            count = int(counts[row])
            tail = rows[row, max(0, count - self._reach) : count].tolist()
            found[row] = self._stop in self._tokenizer.decode(tail)
        return found.to(rows.device)
