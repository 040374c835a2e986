"""Build the embedded model's tokenizer: one token a word, one a digit, bytes for all the rest.

Text is cut into words (each with the space before it), single digits, the signs `<<`, `>>` and
`####`, and single characters. What the vocabulary lacks is spelled in bytes, so every text comes
back from `decode(encode(text))` as it was.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PIECES = r" ?[A-Za-z]+|\d| ?<<|>>|####| ?\$|\s|[^A-Za-z\d\s]"
END, PADDING = "<|end|>", "<|pad|>"
SIGNS = ("<<", " <<", ">>", "####", " $")


def collect(texts: Iterable[str]) -> list[str]:
    """The words of texts, the most frequent first, words of equal frequency in alphabetical order.

    Example:
        >>> collect(["a cat", "one cat 12"])
        [' cat', 'one']
    """
    counts = Counter(
        piece for text in texts for piece in re.findall(PIECES, text) if len(piece) > 1
    )
    ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))
    return [piece for piece in ranked if piece not in SIGNS]


def build(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose vocabulary is every byte, the signs and the words.

    Longest match first inside a piece, so an unknown word falls into known parts and, at worst,
    bytes.
    """
    # The byte-level sign Ġ stands for a space.
    byte_of = pre_tokenizers.ByteLevel.alphabet()
    spelled = [piece.replace(" ", "Ġ") for piece in (*SIGNS, *words)]
    vocabulary = {
        piece: index for index, piece in enumerate([END, PADDING, *sorted(byte_of), *spelled])
    }
    core = Tokenizer(
        models.WordPiece(
            vocabulary,
            unk_token=PADDING,  # never met: every byte is in the vocabulary
            continuing_subword_prefix="",
            max_input_chars_per_word=1_000_000,
        )
    )
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=END,
        pad_token=PADDING,
        clean_up_tokenization_spaces=False,
        padding_side="left",
        model_max_length=512,
    )
