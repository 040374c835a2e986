"""Texts to token ids with a stranger's tokenizer, in bounded time and memory. Under prompts.

A tokenizer.json may hold regular expressions and replacements. The library that runs them gives up
a match after ten million steps with its own error and cannot be interrupted before: a thread
watches the CPU time and ends the process. Finished rows are always on disk.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Protocol, TypeVar

from mathtune.errors import InputError, one_line
from mathtune.run.progress import visible

SECONDS = 20.0
"""The most CPU seconds for one text; a usual one takes a millisecond."""
CHARACTERS_PER_SECOND = 10_000
"""A long text gets another second per this many characters; usual tokenizers need a fiftieth.
"""
GROWTH = 1000
"""The most times by which a tokenizer's replacements may lengthen a text."""


T = TypeVar("T")


class Encoding(Protocol):
    """The part of a Hugging Face tokenizer that makes token ids."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...


def token_ids(text: str, tokenizer: Encoding, *, special_tokens: bool = False) -> list[int]:
    """Return the token ids of a text, with or without the tokenizer's special tokens around it.

    A text that takes longer than its limit ends the process with one sentence and exit code 2.

    Raises:
        InputError: the tokenizer fails at the text.
    """
    return _guarded(
        lambda: tokenizer.encode(text, add_special_tokens=special_tokens), [text], tokenizer
    )


def all_token_ids(
    texts: Sequence[str], tokenizer: Encoding, *, special_tokens: bool = False
) -> list[list[int]]:
    """Return the token ids of many texts, which a fast tokenizer reads side by side on all cores.

    Raises:
        InputError: as `token_ids`.
    """
    # One text by the public way: it also switches off what a tokenizer.json cuts or pads.
    found = [token_ids(text, tokenizer, special_tokens=special_tokens) for text in texts[:1]]
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None and len(texts) > 1:
        encode = partial(backend.encode_batch_fast, list(texts), add_special_tokens=special_tokens)
        ids = [one.ids for one in _guarded(encode, texts, tokenizer)]
        if ids[:1] == found:
            return ids
    return found + [token_ids(text, tokenizer, special_tokens=special_tokens) for text in texts[1:]]


def _guarded(encode: Callable[[], T], texts: Sequence[str], tokenizer: Encoding) -> T:
    """Call `encode` in bounded time; its panic becomes an InputError."""
    with _watch.limited(SECONDS + sum(map(len, texts)) / CHARACTERS_PER_SECOND, tokenizer):
        try:
            return encode()
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # the library's panic is not an Exception
                raise
            raise InputError(
                f"{_named(tokenizer)} fails at a text ({one_line(error)}); {EXPECTED}"
            ) from None


@lru_cache(maxsize=8)
def puts_space(tokenizer: Encoding) -> bool:
    """Return whether the tokenizer puts a space before a text, as those converted from
    sentencepiece do.
    """
    return token_ids("1 1", tokenizer)[len(token_ids("1", tokenizer)) :] == token_ids(
        "1", tokenizer
    )


def start_text(tokenizer: Any) -> str:
    """Return the start token that the tokenizer puts before a text; empty: none."""
    start = tokenizer.bos_token
    if not start:
        return ""
    first = tokenizer.encode("", add_special_tokens=True)[:1]
    return str(start) if first == [tokenizer.bos_token_id] else ""


def completed(text: str, tokenizer: Any) -> str | list[int]:
    """Return a rendered chat as a server is to read it: without the start token, which the server
    adds itself; as token ids if it would read other tokens then.

    It would if the template has no start token and the tokenizer adds one, or if the tokenizer puts
    a space before a text, as those converted from sentencepiece do, though not behind that token.
    """
    bare, ids = text.removeprefix(start_text(tokenizer)), token_ids(text, tokenizer)
    return bare if token_ids(bare, tokenizer, special_tokens=True) == ids else ids


EXPECTED = "expected a tokenizer.json whose regular expressions do not backtrack without end."


def refuse_growth(tokenizer: Any) -> None:
    """Raise InputError if the tokenizer's replacements can make a text many times longer."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or backend.normalizer is None:
        return
    growth = _growth(json.loads(backend.normalizer.__getstate__()))
    if growth > GROWTH:
        raise InputError(
            f"{_named(tokenizer)} may make a text {growth:.0f} times as long by its replacements; "
            f"expected at most {GROWTH} times."
        )


def _growth(normalizer: dict[str, Any]) -> float:
    """Return the most times by which a normalizer's replacements may lengthen a text.

    Example:
        >>> tens = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
        >>> _growth({"type": "Sequence", "normalizers": [tens, {"type": "NFC"}, tens]})
        100.0
    """
    if normalizer["type"] == "Sequence":
        return math.prod(_growth(one) for one in normalizer["normalizers"])
    content = normalizer["content"] if normalizer["type"] == "Replace" else ""
    shortest = len(normalizer["pattern"].get("String", "")) if content else 1
    return float(max(1.0, len(content) / max(1, shortest)))


def _named(tokenizer: Any) -> str:
    return f"model {getattr(tokenizer, 'name_or_path', '')!r}: its tokenizer"


class _Watch:
    """A thread that ends the process when a text takes too long; one per process."""

    def __init__(self) -> None:
        self._owner = 0
        self._limits: dict[int, tuple[float, Any]] = {}

    def limited(self, seconds: float, tokenizer: Any) -> _Watch:
        """Time a text of this thread; it ends with the block."""
        if self._owner != os.getpid():  # threads do not survive a fork
            self._owner, self._limits = os.getpid(), {}
            threading.Thread(target=self._end_late, daemon=True).start()
        self._limits[threading.get_ident()] = (time.process_time() + seconds, tokenizer)
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._limits.pop(threading.get_ident(), None)

    def _end_late(self) -> None:
        while True:
            time.sleep(1)
            for end, tokenizer in list(self._limits.values()):
                if time.process_time() > end:
                    sentence = f"error: {_named(tokenizer)} did not end in time with a text"
                    os.write(2, f"{visible(sentence)} ({SECONDS:g} CPU-s); {EXPECTED}\n".encode())
                    os._exit(2)


_watch = _Watch()
