"""Build the tokenizer that a GGUF file holds. Below models.

transformers' own builder splits texts as GPT-2 does wherever it does not know the file's
`tokenizer.ggml.pre`, adds no start token, and gives some special tokens ids that the model does not
have: other token ids, without a warning. Here every key is read, or the file is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

from mathtune.engines.transformers.gguf_file import MERGES, TOKENS, GgufFile
from mathtune.engines.transformers.sentencepiece_tokenizer import SPACE, merged_letters
from mathtune.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CONTROL, USER_DEFINED = 3, 4
"""The types of tokens that are found in a text as they are written."""


@dataclass(frozen=True)
class Words:
    """The way from a text to the words that byte-level merges are made in.

    `patterns` split the text one after the other, `gpt2` then splits as GPT-2 does, and `pieces`
    what this gave. `composed`: an accent and its letter become one character (NFC). `whole`: a word
    that is a token is never made by merges. `start`: a start token is added unless the file says
    otherwise.
    """

    patterns: tuple[str, ...] = ()
    gpt2: bool = False
    pieces: tuple[str, ...] = ()
    composed: bool = False
    whole: bool = False
    start: bool = False


DIGIT = r"\p{N}"
IDEOGRAPHS = r"[一-龥ࠀ-一가-퟿]+"
DEEPSEEK_V3 = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = (
    *("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
    "jina-v5-nano",
)
"""The files whose tokenizers look a word up before they merge, and begin with a start token."""
COMPOSED = ("qwen2", "qwen35", "deepseek-r1-qwen")
WORDS = {
    **{name: Words((split,)) for name, split in GGUF_PRE_TOKENIZER_SPLITS.items()},
    **{
        name: Words((split,), whole=True, start=True)
        for name, split in GGUF_PRE_TOKENIZER_SPLITS.items()
        if name in (*LLAMA3, "tekken")
    },
    **{name: Words((GGUF_PRE_TOKENIZER_SPLITS[name],), composed=True) for name in COMPOSED},
    "stablelm2": Words((GGUF_PRE_TOKENIZER_SPLITS["qwen2"],)),
    **{name: Words(gpt2=True) for name in ("gpt-2", "phi-2")},
    **{name: Words(gpt2=True, composed=True) for name in ("mpt", "olmo")},
    **{name: Words((DIGIT,), gpt2=True) for name in ("starcoder", "refact", "smollm", "codeshell")},
    "command-r": Words((DIGIT,), gpt2=True, composed=True),
    "falcon": Words((r"[\p{P}$+<=>^~|`]+",), gpt2=True, pieces=("[0-9][0-9][0-9]",)),
    "bloom": Words((r" ?[^(\s|.,!?…。，、।۔،)]+",)),
    "deepseek-llm": Words(
        (
            *(r"[\r\n]", r"\s?[\p{Lu}\p{Ll}\p{Lt}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$"),
            *(IDEOGRAPHS, r"\p{N}+"),
        )
    ),
    "deepseek-coder": Words((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", IDEOGRAPHS, DIGIT)),
    "deepseek-v3": Words((r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+", DEEPSEEK_V3)),
}
"""How texts become words, by `tokenizer.ggml.pre`: the families' published tokenizers."""


def load(gguf: GgufFile) -> PreTrainedTokenizerBase:
    """Return the tokenizer that a GGUF file holds.

    Raises:
        InputError: the file says something of its tokenizer that cannot be followed.
    """
    file = _File(gguf)
    kind = file.get("model")
    backend = _byte_level(file) if kind == "gpt2" else _sentencepiece(file)
    file.add_tokens(backend)
    start = WORDS[file.get("pre")].start if kind == "gpt2" else True
    special = {f"{name}_token": file.token(key) for name, key in SPECIAL.items()}
    add_start, add_end = file.get("add_bos_token", start), file.get("add_eos_token", False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        chat_template=file.metadata.get("tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
        add_bos_token=bool(add_start and special["bos_token"]),
        add_eos_token=bool(add_end and special["eos_token"]),
        **special,
    )
    tokenizer.name_or_path = str(gguf.path)  # as an argument, it would be looked up
    return tokenizer


SPECIAL = {
    "bos": "bos_token_id",
    "eos": "eos_token_id",
    "unk": "unknown_token_id",
    "pad": "padding_token_id",
}
"""The special tokens' names, and the keys of their ids."""


class _File:
    """A file's keys about its tokenizer."""

    def __init__(self, gguf: GgufFile) -> None:
        self.path, self.metadata = gguf.path, gguf.metadata
        self.tokens: list[str] = self.metadata[TOKENS]
        self.types: list[int] = self.get("token_type", [])
        self.vocabulary = {token: number for number, token in enumerate(self.tokens)}

    def get(self, key: str, default: Any = None) -> Any:
        return self.metadata.get(f"tokenizer.ggml.{key}", default)

    def token(self, key: str) -> str | None:
        """Return the token whose id a key says."""
        number = self.get(key)
        if number is not None and number >= len(self.tokens):
            self.refuse(key, f"but only {len(self.tokens)} tokens are there")
        return None if number is None else self.tokens[number]

    def add_tokens(self, backend: Tokenizer) -> None:
        """Let control tokens, and those that users defined, be found in texts as they are."""
        for kind in (CONTROL, USER_DEFINED):
            found = [
                AddedToken(token, normalized=False, special=kind == CONTROL, rstrip=rstrip)
                for token, rstrip in self._of(kind)
            ]
            (backend.add_special_tokens if kind == CONTROL else backend.add_tokens)(found)

    def _of(self, kind: int) -> list[tuple[str, bool]]:
        """Return the tokens of a type, and whether each takes the spaces behind it (Phi-3)."""
        phi3 = self.metadata["general.architecture"] == "phi3" and self.get("model") == "llama"
        bare = {self.token(key) for key in SPECIAL.values()}
        pairs = zip(self.tokens, self.types, strict=False)
        return [(token, phi3 and token not in bare) for token, found in pairs if found == kind]

    def refuse(self, key: str, reason: str) -> None:
        """Raise InputError about a key."""
        found = self.get(key)
        said = (
            f"does not say tokenizer.ggml.{key}"
            if found is None
            else f"says tokenizer.ggml.{key} {str(found)[:80]}"
        )
        raise InputError(
            f"model {str(self.path)!r}: its GGUF file {said}, {reason}, so its token ids would be "
            "wrong; expected a file whose tokenizer is known, or the model as a folder of "
            "safetensors."
        )


def _byte_level(file: _File) -> Tokenizer:
    """Build a tokenizer of merged bytes, in words."""
    name = file.get("pre")
    if name not in WORDS:
        lack = "how texts become words" if name is None else "which is not known here"
        file.refuse("pre", lack)
    words = WORDS[name]
    merges = [tuple(merge.split(" ")) for merge in file.metadata.get(MERGES, ())]
    if not merges:
        file.refuse("merges", "without which every byte would be a token")
    backend = Tokenizer(BPE(file.vocabulary, merges, ignore_merges=words.whole))
    if words.composed:
        backend.normalizer = normalizers.NFC()
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words.gpt2)
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [*_splits(words.patterns), as_bytes, *_splits(words.pieces)]
    )
    backend.decoder = decoders.ByteLevel()
    return backend


def _splits(patterns: tuple[str, ...]) -> list[pre_tokenizers.PreTokenizer]:
    return [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in patterns]


def _sentencepiece(file: _File) -> Tokenizer:
    """Build a tokenizer of merged letters, in which a space is a letter too."""
    if file.get("model") != "llama":
        file.refuse("model", "which is not known here")
    for key in ("remove_extra_whitespaces", "precompiled_charsmap"):
        if file.get(key):
            file.refuse(key, "which is not known here")
    tokens, scores = file.tokens, file.get("scores")
    if file.metadata["general.architecture"].startswith("gemma"):  # its scores have another order
        tokens = [SPACE * len(one) if one and not one.strip(" ") else one for one in tokens]
        scores = range(0, -len(tokens), -1)
    unknown, prefix = file.token("unknown_token_id"), file.get("add_space_prefix", True)
    return merged_letters(tokens, scores, unknown=unknown, prefix=prefix)
