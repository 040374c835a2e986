"""A model's loss on a text: the negative log-likelihood of its tokens. Used by stage bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from mathtune.engines.transformers.top_p import refuse_not_finite

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH_TOKENS = 8192
BATCH_LOGITS = 2**26


class Span(NamedTuple):
    """Consecutive tokens, of which those from `start` on are predicted."""

    ids: list[int]
    start: int


@torch.inference_mode()
def surprise(model: PreTrainedModel, spans: Sequence[Span]) -> float:
    """Return sum -log p (nats) over the predicted tokens of all spans, each read separately.

    A span's first token cannot be predicted: `start` is at least 1.
    """
    total = 0.0
    for batch in _batches(spans, _room(model)):
        width = max(len(span.ids) for span in batch)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        read = torch.zeros(len(batch), width, dtype=torch.long)
        wanted = torch.zeros(len(batch), width, dtype=torch.bool)
        for row, span in enumerate(batch):
            ids[row, : len(span.ids)] = torch.tensor(span.ids)
            read[row, : len(span.ids)] = 1
            wanted[row, span.start : len(span.ids)] = True
        ids, read, wanted = (part.to(model.device) for part in (ids, read, wanted))
        logits = model(input_ids=ids, attention_mask=read, use_cache=False).logits[:, :-1]
        each = functional.cross_entropy(
            logits[wanted[:, 1:]].float(), ids[:, 1:][wanted[:, 1:]], reduction="none"
        )
        refuse_not_finite(each)
        total += float(each.double().sum())
    return total


def windows(ids: list[int], size: int) -> list[Span]:
    """Cut a long text into spans of at most `size` tokens; all tokens but the first are predicted
    once.

    From the second window on, half of a window is context.

    Example:
        >>> windows([1, 2, 3, 4, 5], 4)
        [Span(ids=[1, 2, 3, 4], start=1), Span(ids=[3, 4, 5], start=2)]
    """
    half = size // 2
    spans = [Span(ids[:size], 1)]
    for end in range(size, len(ids), size - half):
        spans.append(Span(ids[end - half : end + size - half], half))
    return spans


def _room(model: PreTrainedModel) -> int:
    """Return the number of tokens per batch."""
    return max(1, min(BATCH_TOKENS, BATCH_LOGITS // model.config.get_text_config().vocab_size))


def _batches(spans: Sequence[Span], tokens: int) -> Iterator[list[Span]]:
    """Yield batches of spans of similar length."""
    batch: list[Span] = []
    for span in sorted(spans, key=lambda span: len(span.ids)):
        if batch and (len(batch) + 1) * len(span.ids) > tokens:
            yield batch
            batch = []
        batch.append(span)
    if batch:
        yield batch
