"""A short row of tokens, by which a model is checked before it is used. Above models; for decode
and training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mathtune.engines.transformers import line_attention, memory, models
from mathtune.engines.transformers.shared_attention import ModelForward, UnsharedError
from mathtune.errors import InputError, one_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS = 12
"""The length of the row."""
ALIKE = {torch.float32: 1e-3}
"""The largest difference at a usual token, as a part of the largest logit; `ROUNDED` for others."""
ROUNDED = 5e-2
FAULTS = (
    *(TypeError, AttributeError, KeyError, IndexError),
    *(ValueError, AssertionError, RuntimeError),
)
"""The errors of a model that expects something else than a row of tokens."""


@torch.inference_mode()
def checked_logits(model: PreTrainedModel) -> Tensor:
    """Return a model's logits [tokens, vocabulary] of the row, by its own forward call.

    Raises:
        InputError: it fails at the row, or reads ahead: the logits after a token change with the
            tokens after it, so that it can neither be trained nor scored as it writes.
    """
    row = _row(model)[None]
    try:
        whole = model(input_ids=row, use_cache=False).logits[0]
        begun = model(input_ids=row[:, : TOKENS // 2], use_cache=False).logits[0]
        limit = ROUNDED if models.quantised(model) else _limit(whole)
        ahead = len(whole) != TOKENS or _apart(begun, whole[: TOKENS // 2], limit)
    except FAULTS as error:
        if isinstance(error, RuntimeError) and memory.ran_out(error):
            raise
        raise InputError(
            f"model {model.name_or_path!r}: fails at reading a row of tokens "
            f"({one_line(error, most=200)}); expected a model that runs on "
            f"{model.device.type} in {str(model.dtype).removeprefix('torch.')}."
        ) from error
    if ahead:
        raise InputError(
            f"model {model.name_or_path!r}: its probabilities of a token change with the tokens "
            f"after it ({type(model).__name__}); expected a causal language model, which reads "
            "from left to right."
        )
    return whole


@torch.inference_mode()
def refuse_others(forward: ModelForward, expected: Tensor, model: PreTrainedModel) -> None:
    """Raise UnsharedError if the forward call gives other logits than the model's own attention:
    its positions or its masks differ from what readers expect. So too if a library rounds the
    tokens of a call together, as bitsandbytes does in 8 bits: texts would change each other's.
    """
    row = _row(model)
    if models.quantised(model):
        begun = model(input_ids=row[None, : TOKENS // 2], use_cache=False).logits[0]
        if _apart(begun, expected[: TOKENS // 2], _limit(expected)):
            raise UnsharedError("its library rounds all tokens that are read together")
    ids = row.tolist()
    line = line_attention.Line(0)
    line.add((), ids)
    reader = line_attention.Packed(line, set(range(len(ids))), None, model.device)
    found = forward(reader.ids, reader.positions, reader, kept=len(ids))[0]
    if _apart(found, expected, _limit(expected)):
        raise UnsharedError("with shared attention its logits would be others")


def _limit(logits: Tensor) -> float:
    return ALIKE.get(logits.dtype, ROUNDED)


def _apart(found: Tensor, expected: Tensor, limit: float) -> bool:
    """Return whether logits [tokens, vocabulary] differ by more than the limit at most tokens.

    At a token or two, one expert more or less may have been chosen.
    """
    apart = (found - expected).abs().amax(-1) / expected.abs().max().clamp(min=1e-6)
    return bool(apart.median() > limit)


def _row(model: PreTrainedModel) -> Tensor:
    """Return ids of different tokens, spread over the vocabulary but for the special ones."""
    many = model.get_input_embeddings().num_embeddings
    return torch.linspace(many // 10, many - many // 10 - 1, TOKENS, device=model.device).long()
