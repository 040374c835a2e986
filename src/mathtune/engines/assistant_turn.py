"""How a chat template writes an assistant's turn, learned by rendering some. Under prompts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from mathtune.answers.visible import (
    begins_thought,
    closing,
    ends_thoughts,
    final_thought,
    opening,
    parted,
    thoughts_end,
    thoughts_start,
)
from mathtune.engines import chat_template

REPLY = "a reply to find"
THOUGHT = "a thought to find"
FIELDS = ("reasoning_content", "reasoning", "thinking")
"""The fields in which templates look for the thoughts of a turn."""


@runtime_checkable
class EndingTokenizer(chat_template.ChatTokenizer, Protocol):
    """The part of a Hugging Face tokenizer that tells which token ends a turn."""

    name_or_path: str
    eos_token_id: int | None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...

    def decode(self, token_ids: Any) -> str: ...

    def get_added_vocab(self) -> dict[str, int]: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Turn:
    """The texts and the token that a template puts around an assistant's answer.

    `lead`: between the prompt and an answer without thoughts. `before_thoughts`: spaces between the
    prompt and thoughts. `around`: the texts before and behind thoughts; None: unknown. `channel`:
    the mark of the answer behind thoughts, if there is one apart from their end. `tail`: between
    the answer and `end`, the token that ends the turn; None: the template ends it with no token.
    `ends_thoughts`: that token ends thoughts too, and the prompt does not.
    """

    lead: str = ""
    before_thoughts: str = ""
    around: tuple[str, str] | None = None
    channel: str = ""
    tail: str = ""
    end: int | None = None
    ends_thoughts: bool = False

    def written(self, solution: str, prompt: str) -> str:
        """Return the text that the model writes after the prompt, so that `solution` is there.

        A prompt that opens a thought holds the mark that the solution begins with. Thoughts in
        other marks than the template's get the template's.

        Example:
            >>> turn = Turn(lead="</think>")
            >>> turn.written("<think>1, 2.</think>2", "<think>"), turn.written("2", "<think>")
            ('1, 2.</think>2', '</think>2')
            >>> turn.written("[THINK]1, 2.[/THINK]2", "<think>")
            '1, 2.</think>2'
        """
        solution = self._marked(solution, prompt)
        start, bare = opening(prompt), solution.lstrip()
        mark = start.rstrip()
        if mark and bare.startswith(mark):
            whole = solution.startswith(start)
            return self._in_channel(
                solution.removeprefix(start) if whole else bare.removeprefix(mark)
            )
        if thoughts_end(solution):
            apart = self.before_thoughts and not mark and begins_thought(bare)
            return self._in_channel(self.before_thoughts + bare if apart else solution)
        if begins_thought(bare) or not self.lead or solution.startswith(self.lead):
            return solution  # a thought without end, or as the template writes it
        return self.lead + bare

    def _marked(self, solution: str, prompt: str) -> str:
        """Return the solution with the template's own marks around its thoughts, as far as they are
        known; without thoughts, if they are empty and the prompt ends them, or in other marks.
        """
        mark, ended = opening(prompt), ends_thoughts(prompt)
        before, behind = (mark, self.lead) if mark else self.around or ("", "")
        known = begins_thought(before.lstrip()) and bool(thoughts_end(behind))
        found = None if solution.startswith(self.lead or "\0") else parted(solution)
        if found is None or not (known or ended):
            return solution
        start, thoughts, end, answer = found
        if ended:
            return solution if thoughts.strip() else answer
        own = behind[thoughts_start(behind) : thoughts_end(behind)] == end
        if own and (before.lstrip().startswith(start) if start else mark):
            return solution
        return f"{before}{thoughts.strip()}{behind}{answer}" if thoughts.strip() else answer

    def _in_channel(self, text: str) -> str:
        """Return a text with thoughts, and the mark of the answer behind them."""
        end = thoughts_end(text)
        answer = text[end:].lstrip()
        if not end or not self.channel or answer.startswith(self.channel.strip()):
            return text
        return text[:end] + self.channel + answer


def learned(
    tokenizer: EndingTokenizer, user: Sequence[Mapping[str, Any]], variables: Mapping[str, Any]
) -> Turn:
    """Return how the tokenizer's template writes the turn after a user's, the last of `user`.

    Raises:
        InputError: the template takes too much time or memory.
    """

    def shown(turns: Sequence[Mapping[str, Any]], *, prompt: bool = False) -> str | None:
        try:
            return chat_template.filled(turns, variables, tokenizer, add_generation_prompt=prompt)
        except chat_template.UnrenderedError:
            raise  # the template may well end a turn
        except chat_template.InputError:
            return None

    reply = {"role": "assistant", "content": REPLY}
    prompt, whole = shown(user, prompt=True), shown([*user, reply])
    if prompt is None:
        return Turn()
    if whole is None or REPLY not in whole:
        return Turn(lead=_lead(prompt, None, None))
    before, _, after = whole.rpartition(REPLY)
    thoughts = _thoughts(shown([*user, {**reply, **dict.fromkeys(FIELDS, THOUGHT)}]), prompt)
    lead = _lead(prompt, before, thoughts[1] if thoughts else None)
    spaces = not lead.strip() or begins_thought(lead.lstrip())
    opens, between = thoughts or (lead if spaces else "", None)
    channel = between if between is not None else lead
    channel = channel[thoughts_end(channel) :]
    later = shown([*user, reply, *user[-1:]])
    said = user[-1]["content"]
    tail, end = _end(
        tokenizer,
        after,
        (later or "").partition(REPLY)[2].rpartition(said)[0],
        prompt.rpartition(said)[0],
        flag=prompt != shown(user),
    )
    return Turn(
        lead=lead,
        before_thoughts=opens[: len(opens) - len(opens.lstrip())],
        around=thoughts,
        channel=channel if channel.strip() else "",
        tail=tail,
        end=end,
        ends_thoughts=thoughts is not None
        and end is not None
        and tokenizer.decode([end]) in thoughts[1]
        and not ends_thoughts(prompt),
    )


def _lead(prompt: str, before: str | None, between: str | None) -> str:
    """Return what follows the prompt, up to an answer without thoughts.

    `before` is what the template writes up to the answer, `between` what it writes between thoughts
    and an answer; None: unknown. A template may leave out of a finished turn the thought with which
    the prompt ends.
    """
    mark = opening(prompt).rstrip()
    if before is not None and before.startswith(prompt):
        rest = before[len(prompt) :]
        if not mark or thoughts_end(rest):
            return rest
    begun = prompt[: final_thought(prompt)]
    rest = before[len(begun) :] if before is not None and before.startswith(begun) else ""
    if not mark:
        return rest[thoughts_end(rest) :] if len(begun) < len(prompt) else ""
    if thoughts_end(rest):
        return rest[thoughts_start(rest) :]
    if between is not None:
        return between
    rest = rest.removeprefix(mark)
    return closing(mark) + rest if rest.strip() else f"\n{closing(mark)}\n\n"


def _thoughts(whole: str | None, prompt: str) -> tuple[str, str] | None:
    """Return what a template writes between a prompt and thoughts, and between thoughts and an
    answer; None if it shows no thoughts in marks.
    """
    before, found, between = (whole or "").rpartition(REPLY)[0].partition(THOUGHT)
    if not found or THOUGHT in between or not thoughts_end(between):
        return None
    return before.removeprefix(prompt) if before.startswith(prompt) else "", between


def _end(
    tokenizer: EndingTokenizer, last: str, later: str, head: str, *, flag: bool
) -> tuple[str, int | None]:
    """Return the text between an answer and the token that ends its turn, and that token.

    `last` and `later` follow the answer at the end of a conversation and before a user's text,
    `head` stands before the first one. What `last` and `later` share ends the turn: with the
    tokenizer's end token if it is among that, else with the last token; the first one, if the
    template opens a turn even unasked (not `flag`). A template that leaves the last turn open ends
    it in `later`, before what opens a user's turn.
    """
    eos = tokenizer.eos_token_id
    special = dict(tokenizer.get_added_vocab())
    if eos is not None:
        special[tokenizer.decode([eos])] = eos
    # Gemma's line breaks are added tokens, too.
    names = sorted((name for name in special if name.strip()), key=len, reverse=True)
    if not names:
        return "", None
    mark = re.compile("(" + "|".join(map(re.escape, names)) + ")")
    parts, others, heads = mark.split(last), mark.split(later), mark.split(head)
    alike = _alike(parts, others)
    found = [at for at in range(1, len(parts), 2) if at < alike] or [*range(1, len(parts), 2)][:1]
    if not found:
        parts = others[: len(others) - _alike(others[::-1], heads[::-1])]
        found = [*range(1, len(parts), 2)]
    if not found:
        return "", None
    at = found[-1] if flag else found[0]
    at = next((one for one in found if special[parts[one]] == eos), at)
    return "".join(parts[:at]), special[parts[at]]


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the parts with which both lists begin."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
