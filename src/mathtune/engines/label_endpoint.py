"""A server's endpoint for the probability of label tokens, without a list of likeliest ones.

vLLM has /generative_scoring next to /v1, SGLang has /v1/score: S = p(correct) / (p(correct) +
p(incorrect)) of all candidates of a problem in one request. Prompts are sent as token ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mathtune.engines import prompts
from mathtune.engines.protocol import Candidates
from mathtune.engines.served import ROUNDING
from mathtune.engines.server import CONTEXT, AbsentError, Client, RefusedError
from mathtune.errors import InputError


class _ItemScore(msgspec.Struct):
    index: int
    score: float


class _LabelScores(msgspec.Struct):
    """The probability of the first label token among the labels, per item: `data` from vLLM's
    /generative_scoring, `scores` from SGLang's /v1/score.
    """

    data: list[_ItemScore] | None = None
    scores: list[list[float]] | None = None

    def values(self, count: int, server: str) -> list[float]:
        """Return S of each of `count` items, in order.

        Raises:
            InputError: an item has no score or two, or one is not a probability among the labels.
        """
        if self.data is not None:
            rows = sorted((one.index, [one.score, 1 - one.score]) for one in self.data)
        else:
            rows = list(enumerate(self.scores or []))
        good = [
            both[0]
            for at, (index, both) in enumerate(rows)
            if index == at and both and 0 <= both[0] <= 1 and abs(sum(both) - 1) < ROUNDING
        ]
        if not len(good) == len(rows) == count:
            raise InputError(
                f"{server}: gives {len(rows)} scores for {count} candidates ({rows[:3]}); expected "
                "one each, with the probability of each label, which add up to 1."
            )
        return good


class LabelEndpoint:
    """The endpoint of one server; call `find` before `score`."""

    def __init__(
        self, client: Client, model: str, form: prompts.AnyForm, tokenizer: prompts.ChatTokenizer
    ) -> None:
        self._client, self._model, self._form, self._tokenizer = client, model, form, tokenizer
        self._path = ""
        self.tokens = 0
        """The number of tokens sent so far."""

    def find(self, groups: Sequence[Candidates]) -> bool:
        """Return whether the server scores a candidate, and the labels are one token each."""
        first = next((group for group in groups if group.solutions), None)
        if first is None:
            return False
        one = Candidates(first.problem, first.solutions[:1])
        for path in (f"{self._client.root}/generative_scoring", "/score"):
            self._path = path
            try:
                return self._asked(one) is not None
            except (AbsentError, RefusedError):
                continue
        return False

    def score(self, group: Candidates) -> list[float | None] | None:
        """Return S of each candidate; None: one of them, or all together, are too long, or a label
        is not one token.

        Raises:
            InputError: the server refuses for another reason, or returns no probabilities.
        """
        try:
            return self._asked(group)
        except RefusedError as error:
            if CONTEXT.search(str(error)):
                return None
            raise InputError(f"{self._client}: refuses to score: {error}.") from None

    def _asked(self, group: Candidates) -> list[float | None] | None:
        """Return the server's scores; None: the labels are not one token each."""
        texts = list(dict.fromkeys(group.solutions))
        rows, labels = [], set()
        for text in texts:
            prompt = prompts.evaluator(
                group.problem, text, form=self._form, tokenizer=self._tokenizer
            )
            start, right, wrong = prompts.labelled(
                prompt, form=self._form, tokenizer=self._tokenizer
            )
            rows.append(right[:start])
            labels.add((len(right) - start, len(wrong) - start, right[-1], wrong[-1]))
        if len(labels) > 1 or min(labels)[:2] != (1, 1):
            return None
        shared = min(len(row) for row in rows) - 1
        while any(row[:shared] != rows[0][:shared] for row in rows):
            shared -= 1
        body = {
            "model": self._model,
            "query": rows[0][:shared],
            "items": [row[shared:] for row in rows],
            "label_token_ids": list(min(labels)[2:]),
            "apply_softmax": True,
            "item_first": False,
        }
        answer = self._client.post(self._path, body, _LabelScores)
        self.tokens += sum(map(len, rows))
        found = dict(zip(texts, answer.values(len(texts), str(self._client)), strict=True))
        return [found[text] for text in group.solutions]
