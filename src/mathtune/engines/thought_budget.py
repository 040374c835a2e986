"""Thoughts of thinking models: their tokens, the token that ends them, their budgets. Over prompts.

Where a server draws the tokens, a first request draws at most the thoughts, and a second one
continues an unfinished text from the end of its thoughts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

from mathtune.answers.visible import (
    closes_thoughts,
    ends_thoughts,
    marks_thoughts,
    opening,
    thoughts_end,
)
from mathtune.engines import prompts
from mathtune.engines.assistant_turn import EndingTokenizer
from mathtune.engines.protocol import TOO_LONG, Draft, Sampling
from mathtune.engines.token_ids import token_ids
from mathtune.errors import InputError

CHANNELS = (
    ("<|channel|>", "<|message|>", "<|constrain|>", "<|start|>", "<|end|>"),
    ("<|channel>", "<channel|>"),
    ("<|begin|>", "<|think|>", "<|content|>", "<|end|>"),
    ("<|close|>", "<|open|>", "<|sep|>"),
    ("<|eom|>", "<|start|>", "<|message|>"),
)
"""The tokens around the parts of an answer, of which one is the thoughts: gpt-oss's, Gemma 4's,
Solar's, Kimi's, Muse's. A tokenizer that has the first has them all.
"""
ENDS = (
    *(prompts.THOUGHT_END, "[/THINK]", "<channel|>", "</seed:think>", "<|END_THINKING|>"),
    *("<|end_of_thought|>", "◁/think▷"),
)
"""The usual tokens that end thoughts; a tokenizer has one of them at most."""


def thought_tokens(solution: str, ids: Sequence[int], *, tokenizer: prompts.ChatTokenizer) -> int:
    """Count the tokens of a solution's `ids` that belong to its thoughts."""
    end = thoughts_end(solution)
    return prompts.first_difference(token_ids(solution[:end], tokenizer), ids) if end else 0


def opened(drafts: Iterable[Draft], prompt: str) -> list[Draft]:
    """Return the drafts of a prompt with the mark of the thought that the prompt opens, if any.

    Without it, thoughts that are not finished would look like a solution.
    """
    mark = opening(prompt)
    if not mark:
        return list(drafts)
    return [
        draft if draft is TOO_LONG else replace(draft, text=mark + draft.text) for draft in drafts
    ]


def text_of(ids: Sequence[int], tokenizer: Any) -> str:
    """Return the text of sampled tokens: without special tokens, but with the marks of thoughts."""
    marks, text, start = _special_marks(tokenizer), "", 0
    for at in [at for at, token in enumerate(ids) if token in marks] if marks else ():
        text += tokenizer.decode(ids[start:at], skip_special_tokens=True) + marks[ids[at]]
        start = at + 1
    return text + str(tokenizer.decode(ids[start:], skip_special_tokens=True))


@lru_cache(maxsize=8)
def _special_marks(tokenizer: Any) -> dict[int, str]:
    """Return the marks of thoughts, and their parts, among a tokenizer's special tokens, by id."""
    added = tokenizer.added_tokens_decoder.items()
    special = {number: str(token) for number, token in added if token.special}
    parts = {part for whole in CHANNELS if whole[0] in special.values() for part in whole}
    return {
        number: text for number, text in special.items() if text in parts or marks_thoughts(text)
    }


def thought_end(tokenizer: prompts.ChatTokenizer) -> int:
    """Return the token that ends the thoughts.

    Raises:
        InputError: the tokenizer has no such token.
    """
    ids = token_ids(thought_mark(tokenizer), tokenizer)
    if len(ids) != 1:
        raise InputError(
            f"thought_tokens: the tokenizer has no token {prompts.THOUGHT_END!r}, nor another that "
            "ends thoughts; expected a thinking model, or max_tokens alone."
        )
    return ids[0]


def thought_mark(tokenizer: prompts.ChatTokenizer) -> str:
    """Return the text of the token that ends the thoughts, a usual one or another of the model's
    own; without one, `THOUGHT_END`.
    """
    single = (mark for mark in ENDS if len(token_ids(mark, tokenizer)) == 1)
    added = tokenizer.get_added_vocab() if isinstance(tokenizer, EndingTokenizer) else ()
    return next(chain(single, filter(closes_thoughts, added)), prompts.THOUGHT_END)


def refuse_ended(texts: Iterable[str]) -> None:
    """Raise InputError if a prompt ends its thoughts: a model that does not think has no budget."""
    if any(map(ends_thoughts, texts)):
        raise InputError(
            "thought_tokens: found a number with a chat template that ends the thoughts in the "
            "prompt, since thinking is switched off; expected max_tokens alone, or a template "
            "setting that switches it on."
        )


@dataclass(frozen=True)
class Begun:
    """An unfinished draft of `tokens` tokens; the second request adds at most `room` to `text`."""

    text: str
    tokens: int
    room: int

    def joined(self, rest: Draft) -> Draft:
        """Return the whole draft; `rest` is what the second request drew."""
        reason = "length" if rest.finish_reason == "prompt_too_long" else rest.finish_reason
        return Draft(self.text + rest.text, reason, self.tokens + rest.tokens)


def first(sampling: Sampling) -> Sampling:
    """Return the settings of the first request; the thoughts' end is the budget's last token."""
    return replace(sampling, max_tokens=sampling.thought_tokens - 1, thought_tokens=0)


def after_thoughts(
    draft: Draft, sampling: Sampling, tokenizer: prompts.EndingTokenizer
) -> Draft | Begun:
    """Return the first request's draft if it is finished, else what the second one continues.

    Thoughts that used up the budget are ended. An unfinished solution keeps its tokens, at most
    `max_tokens` of them.
    """
    end = thought_mark(tokenizer)
    thoughts, mark, solution = draft.text.rpartition(end)
    if not mark:
        if draft.finish_reason != "length":
            return draft
        return Begun(draft.text + end, draft.tokens + 1, sampling.max_tokens)
    ids = token_ids(solution, tokenizer)
    over = len(ids) - sampling.max_tokens
    if over > 0:
        text = thoughts + mark + tokenizer.decode(ids[: sampling.max_tokens])
        return Draft(text, "length", draft.tokens - over)
    if draft.finish_reason != "length":
        return draft
    return Begun(draft.text, draft.tokens, -over) if over else draft
