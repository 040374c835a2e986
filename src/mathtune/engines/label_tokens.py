"""The label tokens among the likeliest ones that a server returns. For openai.

Servers name tokens by their texts. vLLM names them by their ids if a request asks for it: those of
sentencepiece lose the space before them in their texts, so that no label would be found.
"""

from __future__ import annotations

from typing import Any

from mathtune.engines import prompts
from mathtune.engines.served import Answer, likeliest_of
from mathtune.errors import InputError

ID = "token_id:{}"
"""A token's name by its id."""


class Labels:
    """Both labels of an evaluator's prompt, by their texts, and by their ids if the model's
    `tokenizer` is here and has one token for each.
    """

    def __init__(
        self, text: str, form: prompts.AnyForm, tokenizer: prompts.ChatTokenizer | None
    ) -> None:
        self.prompt: list[int] | None = None
        """The token ids behind which the labels differ; None: the server tokenises the prompt."""
        self.fields: dict[str, Any] = {}
        """What a request says besides, for names by ids."""
        self._ids: list[str] = []
        if tokenizer is None:
            return
        start, right, wrong = prompts.labelled(text, form=form, tokenizer=tokenizer)
        if len(right) == len(wrong) == start + 1:
            self.prompt = right[:start]
            self.fields = {"return_tokens_as_token_ids": True}
            self._ids = [ID.format(ids[-1]) for ids in (right, wrong)]

    def found(self, answer: Answer, server: str, asked: int) -> tuple[float, float]:
        """Return log p of both labels, ` correct` first. `asked`: the number of tokens asked for.

        Raises:
            InputError: a label is not among the tokens that the server returned.
        """
        likeliest = likeliest_of(answer)
        texts = [prompts.CORRECT, prompts.INCORRECT]
        by_id = bool(self._ids) and any(name.startswith(ID.format("")) for name in likeliest)
        names = self._ids if by_id else texts
        for name, label in zip(names, texts, strict=True):
            if name not in likeliest:
                raise InputError(
                    f"{server}: the label {label!r} is not among the {len(likeliest)} likeliest "
                    f"next tokens that it returned ({asked} were asked for), so there is no score; "
                    "expected both labels, one token each: set server.top_logprobs higher (vLLM "
                    "gives more than 20 when started with --max-logprobs), or use engine=vllm or "
                    "engine=transformers, which need no such list."
                )
        right, wrong = (likeliest[name] for name in names)
        return right, wrong
