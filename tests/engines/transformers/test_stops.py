"""Where a stop text ends a sample, token by token."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mathtune.engines.transformers.stops import Stops


@pytest.fixture
def byte_by_byte() -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token per byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_alone = Tokenizer(models.BPE({letter: at for at, letter in enumerate(letters)}, []))
    bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_alone.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=bytes_alone)


@pytest.mark.parametrize("stop", ["##", "\n", "é", "题", "\n\n问题：", "🙂"])
def test_a_sample_ends_with_the_last_byte_of_its_stop(
    stop: str, byte_by_byte: PreTrainedTokenizerFast
) -> None:
    ids = byte_by_byte.encode(f"2 + 2 = 4 § {stop}", add_special_tokens=False)
    stops, row = Stops(byte_by_byte, stop), torch.tensor([ids])
    found = [
        bool(stops.reached(row, torch.tensor([count]), row[:, count - 1]))
        for count in range(1, len(ids) + 1)
    ]
    assert found == [False] * (len(ids) - 1) + [True]
