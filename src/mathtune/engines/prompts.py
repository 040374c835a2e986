"""Prompts: the texts for solvers and evaluators. For training, sampling and scoring.

plain   for base models; what the embedded model was pre-trained on
alpaca  the instruction form of Yuan et al. 2023 (their section 2.6)
minerva the layout of Minerva's few-shot prompts (Liu et al. 2023, section 4.2), for base models
chat    the tokenizer's own template
auto    chat if the tokenizer has a template, else plain
"""

from __future__ import annotations

from typing import Literal, Protocol

from mathtune.errors import InputError

Form = Literal["auto", "plain", "alpaca", "minerva", "chat"]

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


class ChatTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that prompts need."""

    chat_template: str | None

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: bool) -> str: ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...


class EndingTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that `end_token` needs."""

    name_or_path: str
    eos_token_id: int | None


def resolve(form: Form, tokenizer: ChatTokenizer) -> Form:
    """Return the form that `auto` means with this tokenizer.

    Example:
        >>> class Plain:
        ...     chat_template = None
        >>> resolve("auto", Plain())
        'plain'
    """
    if form != "auto":
        return form
    return "chat" if tokenizer.chat_template else "plain"


def solver(problem: str, *, form: Form, tokenizer: ChatTokenizer) -> str:
    """Return the text after which the model writes a solution (the P of Liu et al. 2023, Eq. 3).

    Example:
        >>> class Plain:
        ...     chat_template = None
        >>> solver("What is 1 + 1?", form="auto", tokenizer=Plain())
        'Problem: What is 1 + 1?\\nSolution:\\n'
    """
    form = resolve(form, tokenizer)
    if form == "chat":
        return _chat(problem, tokenizer)
    return FIXED[form].replace("{problem}", problem)


def exemplar(problem: str, solution: str, *, form: Literal["plain", "minerva"]) -> str:
    """Return a solved problem to put before the one to solve (few-shot), with a blank line after
    it.

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


def evaluator(problem: str, solution: str, *, form: Form, tokenizer: ChatTokenizer) -> str:
    """Return the text that ` correct` or ` incorrect` follows (the T of Liu et al. 2023, 3.2).

    It ends in the word `is`. In chat form the last sentence opens the assistant's turn.
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
    before, after = _CANDIDATE.split("{solution}")
    candidate = before.replace("{problem}", problem) + solution + after
    if resolve(form, tokenizer) == "chat":
        return _chat(candidate, tokenizer) + _VERDICT
    return f"{candidate}\n{_VERDICT}"


def encode(prompt: str, *, form: Form, tokenizer: ChatTokenizer) -> list[int]:
    """Return the token ids of a prompt; the chat template or the tokenizer adds special tokens.

    The text after a prompt (a solution, a label) is encoded without special tokens: a solution by
    itself, as it is sampled, and an evaluator's label together with its prompt.
    """
    special = resolve(form, tokenizer) != "chat"
    return tokenizer.encode(prompt, add_special_tokens=special)


def labelled(
    prompt: str, *, form: Form, tokenizer: ChatTokenizer
) -> tuple[int, list[int], list[int]]:
    """Tokenise the prompt with ` correct` and with ` incorrect`, and find where they first differ.

    Prompt and label are tokenised together. Tokens that both texts begin with belong to neither
    word: they would not change S.

    Returns:
        The position of the first token that differs, and both texts' token ids.
    """
    correct, incorrect = (
        encode(prompt + label, form=form, tokenizer=tokenizer) for label in (CORRECT, INCORRECT)
    )
    differing = (at for at, (a, b) in enumerate(zip(correct, incorrect, strict=False)) if a != b)
    return next(differing, min(len(correct), len(incorrect))), correct, incorrect


def end_token(tokenizer: EndingTokenizer) -> int:
    """Return the token that ends a solution: the last one to learn, and part of the likelihood.

    Raises:
        InputError: the tokenizer has none.
    """
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"model {tokenizer.name_or_path!r}: its tokenizer has no end token, so a solution has "
            "no end; expected an eos_token in tokenizer_config.json."
        )
    return tokenizer.eos_token_id


def _chat(text: str, tokenizer: ChatTokenizer) -> str:
    conversation = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
