"""Prompts: the texts for solvers and evaluators. For training, sampling and scoring.

plain   for base models; what the embedded model was pre-trained on
alpaca  the instruction form of Yuan et al. 2023 (their section 2.6)
minerva the layout of Minerva's few-shot prompts (Liu et al. 2023, section 4.2), for base models
chat    the tokenizer's own template, with a system message and an instruction if these are set
auto    chat if the tokenizer has a template, else plain
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Protocol

from mathtune.answers.visible import after_thoughts, opening, thoughts_end
from mathtune.engines import chat_template
from mathtune.engines.assistant_turn import EndingTokenizer, Turn, learned
from mathtune.engines.token_ids import all_token_ids, puts_space, token_ids
from mathtune.errors import InputError

Form = Literal["auto", "plain", "alpaca", "minerva", "chat"]
Thoughts = Literal["learn", "read", "drop"]

CORRECT = " correct"
INCORRECT = " incorrect"

FIXED = {
    "plain": "Problem: {problem}\nSolution:\n",
    "alpaca": (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\n{problem}\n\n### Response:"
    ),
    "minerva": "Problem:\n{problem}\n\nSolution:\n",
}
"""The solver's forms that need no tokenizer."""
_CANDIDATE = "Here is a math problem: {problem}\nHere is a candidate solution: {solution}"
_VERDICT = "The above candidate solution is"
INSTRUCTION = "Reason step by step, and put the final answer in \\boxed{}."
"""The instruction after a problem in chat form, unless another is set."""
THOUGHT_START, THOUGHT_END = "<think>", "</think>"
"""The marks around the thoughts of thinking models (Qwen3, DeepSeek-R1 and kin)."""


class ChatTokenizer(chat_template.ChatTokenizer, Protocol):
    """The part of a Hugging Face tokenizer that prompts need."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Wording:
    """The form of the prompts, and everything else that is said to the model.

    `instruction` holds `{problem}` where the problem belongs, or follows the problem; None: in chat
    form `INSTRUCTION`, else nothing. `template`: further variables of the chat template.
    `thoughts`: what becomes of a solution's thoughts; they stay, except with drop.
    """

    form: Form = "auto"
    system: str | None = None
    instruction: str | None = None
    template: Mapping[str, Any] = field(default_factory=dict)
    thoughts: Thoughts = "learn"

    def without(self, solution: str) -> str:
        """Return the solution that the model reads: with its thoughts, or without, also if they
        never end.

        Example:
            >>> Wording(thoughts="drop").without("<think>1, 2, 3.</think>\\n\\n#### 3")
            '#### 3'
        """
        kept = after_thoughts(solution) if self.thoughts == "drop" else solution
        return solution if kept == solution else kept.lstrip()

    def asked(self, problem: str, form: Form) -> str:
        """Return the problem with the instruction.

        Example:
            >>> Wording(instruction="Solve {problem} quickly.").asked("1 + 1 = ?", "plain")
            'Solve 1 + 1 = ? quickly.'
        """
        default = INSTRUCTION if form == "chat" else ""
        instruction = default if self.instruction is None else self.instruction
        if "{problem}" in instruction:
            return instruction.replace("{problem}", problem)
        return f"{problem}\n{instruction}" if instruction else problem


AnyForm = Form | Wording
"""A form alone, or a whole wording."""


def worded(form: AnyForm) -> Wording:
    """Return the wording; a form alone becomes one without further words."""
    return form if isinstance(form, Wording) else Wording(form)


def resolve(form: AnyForm, tokenizer: ChatTokenizer) -> Form:
    """Return the form that `auto` means with this tokenizer.

    Example:
        >>> class Plain:
        ...     chat_template = None
        >>> resolve("auto", Plain())
        'plain'
    """
    form = worded(form).form
    if form != "auto":
        return form
    return "chat" if tokenizer.chat_template else "plain"


def solver(problem: str, *, form: AnyForm, tokenizer: ChatTokenizer) -> str:
    """Return the text after which the model writes a solution (P in Liu et al. 2023, Eq. 3).

    Example:
        >>> class Plain:
        ...     chat_template = None
        >>> solver("What is 1 + 1?", form="auto", tokenizer=Plain())
        'Problem: What is 1 + 1?\\nSolution:\\n'
    """
    wording, resolved = worded(form), resolve(form, tokenizer)
    asked = wording.asked(problem, resolved)
    if resolved == "chat":
        return chat_prompt(asked, wording, tokenizer)
    if wording.system is not None:
        raise InputError(
            f"system: found a text with the form {resolved}, which has no system message; expected "
            "prompt=chat and a model with a chat template, or no system."
        )
    if wording.template:
        raise InputError(
            f"template: found {min(wording.template)!r} with the form {resolved}, which has no "
            "variables; expected prompt=chat and a model with a chat template, or no template."
        )
    return FIXED[resolved].replace("{problem}", asked)


def exemplar(problem: str, solution: str, *, form: Literal["plain", "minerva"]) -> str:
    """Return a solved problem and a blank line, to put before the problem to solve (few-shot).

    Example:
        >>> exemplar("What is 1 + 1?", "#### 2", form="plain")
        'Problem: What is 1 + 1?\\nSolution:\\n#### 2\\n\\n'
    """
    return FIXED[form].replace("{problem}", problem) + solution + "\n\n"


def minerva_solution(solution: str, answer: str) -> str:
    """Return the solution with the last sentence of Minerva's exemplars.

    Example:
        >>> minerva_solution("One and one.", "2").splitlines()[1]
        'Final Answer: The final answer is $2$. I hope it is correct.'
    """
    return f"{solution}\nFinal Answer: The final answer is ${answer}$. I hope it is correct."


def evaluator(problem: str, solution: str, *, form: AnyForm, tokenizer: ChatTokenizer) -> str:
    """Return the text that ` correct` or ` incorrect` follows (the T of Liu et al. 2023, 3.2).

    It ends in the word `is`. In chat form the last sentence begins the assistant's answer.
    Candidates of one problem share the text up to their solution.

    Example:
        >>> class Plain:
        ...     chat_template = None
        >>> print(evaluator("What is 1 + 1?", "It is 2.", form="plain", tokenizer=Plain()))
        Here is a math problem: What is 1 + 1?
        Here is a candidate solution: It is 2.
        The above candidate solution is
    """
    # Two replaces in this order: a problem that contains "{solution}" must not be filled in.
    solution = worded(form).without(solution)
    before, after = _CANDIDATE.split("{solution}")
    candidate = before.replace("{problem}", problem) + solution + after
    if resolve(form, tokenizer) == "chat":
        assert isinstance(tokenizer, EndingTokenizer)  # a server's stand-in has no evaluator's chat
        prompt = chat_prompt(candidate, worded(form), tokenizer)
        return prompt + _turn(form, tokenizer, text="1 + 1").written(_VERDICT, prompt)
    return f"{candidate}\n{_VERDICT}"


def encode(prompt: str, *, form: AnyForm, tokenizer: ChatTokenizer) -> list[int]:
    """Return the token ids of a prompt; the chat template or the tokenizer adds special tokens.

    A token that the tokenizer puts behind a text is removed, since the text continues. The text
    after a prompt is encoded without special tokens: a solution by itself, as it is sampled, and an
    evaluator's label together with its prompt.
    """
    return _encoded([prompt], form, tokenizer)[0]


def _encoded(texts: Sequence[str], form: AnyForm, tokenizer: ChatTokenizer) -> list[list[int]]:
    """Return the token ids of every prompt, as `encode` does."""
    if resolve(form, tokenizer) == "chat":
        return all_token_ids(texts, tokenizer)
    behind = _appended(tokenizer)
    found = all_token_ids(texts, tokenizer, special_tokens=True)
    return [ids[: len(ids) - behind] for ids in found]


def labelled(
    prompt: str, *, form: AnyForm, tokenizer: ChatTokenizer
) -> tuple[int, list[int], list[int]]:
    """Tokenise the prompt with ` correct` and with ` incorrect`, and find where they first differ.

    Prompt and label are tokenised together. Tokens that both texts begin with belong to neither
    word; they would not change S.

    Returns:
        The position of the first token that differs, and both texts' token ids.
    """
    return all_labelled([prompt], form=form, tokenizer=tokenizer)[0]


def all_labelled(
    prompts: Sequence[str], *, form: AnyForm, tokenizer: ChatTokenizer
) -> list[tuple[int, list[int], list[int]]]:
    """Return what `labelled` returns of every prompt, tokenised together: faster for many."""
    texts = [prompt + label for prompt in prompts for label in (CORRECT, INCORRECT)]
    ids = _encoded(texts, form, tokenizer)
    pairs = zip(ids[::2], ids[1::2], strict=True)
    return [(first_difference(*pair), *pair) for pair in pairs]


def first_difference(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the first position at which two lists of token ids differ.

    Example:
        >>> first_difference([1, 2, 3], [1, 2, 4]), first_difference([1, 2, 3], [1, 2])
        (2, 2)
    """
    differing = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))


def lacks_thoughts(solution: str, prompt: str) -> bool:
    """Return whether a solution has no thoughts, although its prompt opens a thought."""
    mark = opening(prompt).rstrip()
    begins = solution.lstrip().startswith(mark)
    return bool(mark) and not begins and not thoughts_end(solution)


def target(
    solution: str, *, form: AnyForm, tokenizer: EndingTokenizer, prompt: str = ""
) -> list[int]:
    """Return the token ids of a solution after its prompt, with the end token exactly once."""
    text = reply(solution, form=form, tokenizer=tokenizer, prompt=prompt)
    return ended(text, form=form, tokenizer=tokenizer)


def ended(text: str, *, form: AnyForm, tokenizer: EndingTokenizer) -> list[int]:
    """Return the token ids of what `reply` returned, with the end token exactly once."""
    end, marks, tail = _ending(form, tokenizer)
    while (bare := text.rstrip()).endswith(marks):
        text = next(bare.removesuffix(mark) for mark in marks if bare.endswith(mark))
    if not text.endswith(tail):
        text = text.rstrip() + tail
    return [*token_ids(text, tokenizer), end]


def reply(solution: str, *, form: AnyForm, tokenizer: EndingTokenizer, prompt: str) -> str:
    """Return the text that the model writes after the prompt, with what its template puts around
    thoughts and before an answer: gpt-oss's final channel, an empty thought of Qwen3, the end of a
    thought that the prompt opens.
    """
    solution = worded(form).without(solution)
    text = _turn(form, tokenizer).written(solution, prompt)
    led = text.startswith(" ") and not solution.startswith(" ")
    return text[1:] if led and puts_space(tokenizer) else text


def refuse_shared_end(tokenizer: EndingTokenizer, *, form: AnyForm) -> None:
    """Raise InputError if the token that ends a turn ends thoughts too, which the prompt leaves to
    the model: a sample would end before its answer.
    """
    turn = _turn(form, tokenizer)
    if turn.ends_thoughts and turn.end is not None:
        raise InputError(
            f"model {tokenizer.name_or_path!r}: its chat template ends thoughts with "
            f"{tokenizer.decode([turn.end])!r}, which also ends an answer, so that a sample would "
            "end with its thoughts; expected a template setting that switches thinking off."
        )


def end_token(tokenizer: EndingTokenizer, *, form: AnyForm = "plain") -> int:
    """Return the token that ends a solution: the last one to learn, and part of the likelihood.

    In chat form it is the one that the template puts behind an assistant's turn.

    Raises:
        InputError: the tokenizer has none.
    """
    return _ending(form, tokenizer)[0]


def _ending(form: AnyForm, tokenizer: EndingTokenizer) -> tuple[int, tuple[str, ...], str]:
    """Return the end token, the texts of tokens that end a solution, and the text before one."""
    turn, eos = _turn(form, tokenizer), tokenizer.eos_token_id
    end = eos if turn.end is None else turn.end
    if end is None:
        raise InputError(
            f"model {tokenizer.name_or_path!r}: its tokenizer has no end token, so a solution has "
            "no end; expected an eos_token in tokenizer_config.json."
        )
    both = [end] if eos is None else [eos, end]
    return end, tuple(filter(None, (tokenizer.decode([token]) for token in both))), turn.tail


def _turn(form: AnyForm, tokenizer: EndingTokenizer, text: str | None = None) -> Turn:
    """Return how the template writes the answer to `text`; None: to a problem with the instruction,
    which may hold a switch. Other forms have no marks.
    """
    if resolve(form, tokenizer) != "chat":
        return Turn()
    wording = worded(form)
    user = turns(wording.asked("1 + 1", "chat") if text is None else text, wording)
    said = json.dumps([user, dict(wording.template)], sort_keys=True)
    return _learned(tokenizer, said, str(tokenizer.chat_template))


@lru_cache(maxsize=32)
def _learned(tokenizer: EndingTokenizer, said: str, template: str) -> Turn:  # noqa: ARG001
    """Learn a turn; `template` is a key of the cache, since it may be set anew."""
    user, variables = json.loads(said)
    return learned(tokenizer, user, variables)


@lru_cache(maxsize=32)
def _appended(tokenizer: ChatTokenizer) -> int:
    """Count the tokens that the tokenizer puts behind a text."""
    alone = token_ids("1", tokenizer)
    whole = token_ids("1", tokenizer, special_tokens=True)
    behind = len(whole) - len(alone)
    while behind and whole[len(whole) - behind - len(alone) : len(whole) - behind] != alone:
        behind -= 1
    return behind


def turns(text: str, wording: Wording) -> list[dict[str, str]]:
    """Return the conversation in which the user says `text`, after the system message if any."""
    system = [] if wording.system is None else [{"role": "system", "content": wording.system}]
    return [*system, {"role": "user", "content": text}]


def chat(messages: Sequence[Mapping[str, str]], wording: Wording) -> list[dict[str, str]]:
    """Return a conversation that ends with a problem, with what the wording adds to it.

    Example:
        >>> brief = Wording(system="Be brief.", instruction="")
        >>> [turn["content"] for turn in chat([{"role": "user", "content": "1 + 1"}], brief)]
        ['Be brief.', '1 + 1']
    """
    *before, last = messages
    has_system = any(one["role"] == "system" for one in before)
    system = [] if has_system or wording.system is None else [("system", wording.system)]
    earlier = [(one["role"], one["content"]) for one in before]
    asked = [*system, *earlier, ("user", wording.asked(last["content"], "chat"))]
    return [{"role": role, "content": content} for role, content in asked]


def continued(
    messages: Sequence[Mapping[str, str]], wording: Wording, tokenizer: ChatTokenizer
) -> str:
    """Return the text after which the model writes, for a conversation that ends with a problem.

    Raises:
        InputError: the template refuses the conversation.
    """
    conversation = chat(messages, wording)
    return chat_template.filled(
        conversation, wording.template, tokenizer, add_generation_prompt=True
    )


def chat_prompt(text: str, wording: Wording, tokenizer: ChatTokenizer) -> str:
    """Return the text after which the model answers a user who says `text`.

    Raises:
        InputError: the template refuses the conversation.
    """
    return chat_template.filled(
        turns(text, wording), wording.template, tokenizer, add_generation_prompt=True
    )
