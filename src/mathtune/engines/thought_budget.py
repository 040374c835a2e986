"""Budgets of thoughts where a server draws the tokens: how a text that was begun goes on.

Between engines.openai and prompts. A first request draws at most the thoughts; what is unfinished
then goes on in a second one, from the thoughts' end on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mathtune.engines import prompts
from mathtune.engines.protocol import Draft, Sampling
from mathtune.engines.token_ids import token_ids


@dataclass(frozen=True)
class Begun:
    """A draft of the first request that goes on after `text`, with at most `room` tokens; `tokens`:
    those it has.
    """

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
    """Return a draft of the first request if it is finished, else how it goes on.

    Thoughts that used up the budget are ended. A solution that was begun keeps its tokens, at most
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
