"""Thoughts of thinking models: their tokens, the token that ends them, their budgets. Over prompts.

Where a server draws the tokens, a first request draws at most the thoughts, and a second one
continues an unfinished text from the end of its thoughts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from mathtune.answers.visible import marks_thoughts, opening
from mathtune.engines import prompts
from mathtune.engines.protocol import TOO_LONG, Draft, Sampling
from mathtune.engines.token_ids import token_ids
from mathtune.errors import InputError


def thought_tokens(solution: str, ids: Sequence[int], *, tokenizer: prompts.ChatTokenizer) -> int:
    """Count the tokens of a solution's `ids` that belong to its thoughts."""
    before, mark, _ = solution.rpartition(prompts.THOUGHT_END)
    if not mark:
        return 0
    return prompts.first_difference(token_ids(before + mark, tokenizer), ids)


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
    """Return the marks of thoughts among a tokenizer's special tokens, by id."""
    added = tokenizer.added_tokens_decoder.items()
    special = {number: str(token) for number, token in added if token.special}
    return {number: text for number, text in special.items() if marks_thoughts(text)}


def thought_end(tokenizer: prompts.ChatTokenizer) -> int:
    """Return the token that ends the thoughts.

    Raises:
        InputError: the tokenizer has no such token.
    """
    ids = token_ids(prompts.THOUGHT_END, tokenizer)
    if len(ids) != 1:
        raise InputError(
            f"thought_tokens: the tokenizer has no token {prompts.THOUGHT_END!r}; expected a "
            "thinking model, or max_tokens alone."
        )
    return ids[0]


def refuse_ended(texts: Iterable[str]) -> None:
    """Raise InputError if a prompt ends its thoughts: a model that does not think has no budget."""
    if any(text.rstrip().endswith(prompts.THOUGHT_END) for text in texts):
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
    thoughts, mark, solution = draft.text.rpartition(prompts.THOUGHT_END)
    if not mark:
        if draft.finish_reason != "length":
            return draft
        return Begun(draft.text + prompts.THOUGHT_END, draft.tokens + 1, sampling.max_tokens)
    ids = token_ids(solution, tokenizer)
    over = len(ids) - sampling.max_tokens
    if over > 0:
        text = thoughts + mark + tokenizer.decode(ids[: sampling.max_tokens])
        return Draft(text, "length", draft.tokens - over)
    if draft.finish_reason != "length":
        return draft
    return Begun(draft.text, draft.tokens, -over) if over else draft
