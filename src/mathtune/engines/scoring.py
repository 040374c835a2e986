"""Read candidates with a model: the evaluator's S, and a solution's likelihood. Used by the score
stage.

What the candidates of a problem share is read once; the rest is read in batches of rows of similar
length, and logits are made at the wanted positions only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mathtune import prompts
from mathtune.engines import allocator, attention, models
from mathtune.engines.embedded import forward_of, left_padded, read, refuse_empty
from mathtune.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHARED_TOKENS = 8192
"""Tokens of beginnings read in one forward call."""
TOKENS = {"cpu": 768, "mps": 8192, "cuda": 32768}
"""Tokens of candidates read in one forward call: a CPU is fastest where they stay in its caches."""
LOGITS = 2**26
"""Logits made in one forward call; bounds the batch where every position's are wanted."""

Word = tuple[tuple[int, int], ...]
"""(position, token) for each token of a word: the token that would follow that position's."""


@dataclass(frozen=True)
class Reading:
    """One row to read, and the words whose probability is wanted at its end."""

    tokens: tuple[int, ...]
    words: tuple[Word, ...]

    @property
    def first(self) -> int:
        """The first position whose logits are wanted."""
        return min(position for word in self.words for position, _ in word)


class Scorer:
    """A loaded model that reads candidates. `forward` as `embedded.Embedded` takes it.

    Raises:
        InputError: the model's attention cannot be replaced.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        form: prompts.Form,
        forward: attention.Forward | None = None,
    ) -> None:
        self.model, self.tokenizer, self.form = model, tokenizer, form
        self.context = models.context_length(model)
        self._forward = forward or forward_of(model)
        self.tokens = 0
        """Tokens read so far, what candidates share counted once."""

    def evaluate(self, groups: Sequence[Sequence[str]]) -> list[list[float | None]]:
        """The evaluator's score of every prompt, in groups that share a beginning (Liu et al. 2023,
        3.2).

            S = p(correct) / (p(correct) + p(incorrect))

        p(word) is the product over all the word's tokens. Prompt and word are tokenised together; a
        word's tokens are those after what both texts have in common. None: it does not fit the
        context.
        """
        rows = [[self._judged(text) for text in texts] for texts in groups]
        return [[_share(found) for found in group] for group in self._read_groups(rows)]

    def log_likelihoods(
        self, texts: Sequence[str], solutions: Sequence[Sequence[str]]
    ) -> list[list[float | None]]:
        """Log-probability of each solution of each prompt, its end token included (Liu et al. 2023,
        Eq. 10).

            sum_t log p(solution_t | prompt, solution_<t)      natural log

        None: it does not fit the context.

        Raises:
            InputError: the tokenizer has no end token, or a prompt no token.
        """
        if self.tokenizer.eos_token_id is None:
            raise InputError(
                f"model {self.model.name_or_path!r}: its tokenizer has no end token, so a "
                "solution's likelihood has no end; expected an eos_token in tokenizer_config.json."
            )
        rows = []
        for text, own in zip(texts, solutions, strict=True):
            prompt = prompts.encode(text, form=self.form, tokenizer=self.tokenizer)
            refuse_empty([prompt])
            rows.append([[self._solved(prompt, solution)] for solution in own])
        found = self._read_groups(rows)
        return [[None if logs is None else logs[0] for logs in group] for group in found]

    def _judged(self, text: str) -> list[Reading]:
        """Rows that give log p of both words: one where a row holds both, else one a word."""
        right, wrong = (
            tuple(prompts.encode(text + label, form=self.form, tokenizer=self.tokenizer))
            for label in (prompts.CORRECT, prompts.INCORRECT)
        )
        start = _common((right, wrong))
        refuse_empty([list(right[:start])])
        words = [
            tuple((at - 1, ids[at]) for at in range(start, len(ids))) for ids in (right, wrong)
        ]
        short, long = sorted((right[:-1], wrong[:-1]), key=len)
        if long[: len(short)] == short:
            return [Reading(long, tuple(words))]
        return [Reading(right[:-1], (words[0],)), Reading(wrong[:-1], (words[1],))]

    def _solved(self, prompt: list[int], solution: str) -> Reading:
        target = self.tokenizer.encode(solution, add_special_tokens=False)
        ids = (*prompt, *target, self.tokenizer.eos_token_id)
        word = tuple((at - 1, ids[at]) for at in range(len(prompt), len(ids)))
        return Reading(ids[:-1], (word,))

    def _read_groups(
        self, groups: Sequence[Sequence[Sequence[Reading]]]
    ) -> list[list[list[float] | None]]:
        """Log p of the words of each candidate (one or two rows) of each group; None: too long."""
        distinct = [list(dict.fromkeys(row for rows in group for row in rows)) for group in groups]
        logs: list[dict[Reading, list[float]]] = [{} for _ in groups]
        fitting = [[row for row in rows if self._fits(row)] for rows in distinct]
        with allocator.keeping(self.model.device):
            for chunk in self._chunks(fitting):
                for (group, row), values in self._read_chunk(fitting, chunk):
                    logs[group][row] = values
        return [
            [
                [log for row in rows for log in known[row]]
                if all(row in known for row in rows)
                else None
                for rows in group
            ]
            for group, known in zip(groups, logs, strict=True)
        ]

    def _fits(self, row: Reading) -> bool:
        return self.context is None or len(row.tokens) <= self.context

    def _chunks(self, groups: list[list[Reading]]) -> Iterator[list[tuple[int, int]]]:
        """Groups whose shared beginnings are read side by side, each with that length."""
        shared = [(group, _shared(rows)) for group, rows in enumerate(groups) if rows]
        chunk: list[tuple[int, int]] = []
        for group, length in sorted(shared, key=lambda pair: pair[1]):
            if chunk and length * (len(chunk) + 1) > SHARED_TOKENS:
                yield chunk
                chunk = []
            chunk.append((group, length))
        if chunk:
            yield chunk

    @torch.inference_mode()
    def _read_chunk(
        self, groups: list[list[Reading]], chunk: list[tuple[int, int]]
    ) -> Iterator[tuple[tuple[int, Reading], list[float]]]:
        """Read the beginnings once, then the rest of every row."""
        beginnings = [list(groups[group][0].tokens[:length]) for group, length in chunk]
        shared, _ = read(self._forward, self.model.device, beginnings)
        self.tokens += sum(map(len, beginnings))
        rows = [(place, row) for place, (group, _) in enumerate(chunk) for row in groups[group]]
        rows.sort(key=lambda pair: len(pair[1].tokens) - chunk[pair[0]][1])
        for batch in self._batches(rows, chunk):
            for (place, row), values in zip(
                batch, self._read_batch(shared, batch, chunk), strict=True
            ):
                yield (chunk[place][0], row), values

    def _batches(
        self, rows: list[tuple[int, Reading]], chunk: list[tuple[int, int]]
    ) -> Iterator[list[tuple[int, Reading]]]:
        """Cut rows, shortest rest first, into batches bounded in tokens and in logits."""
        vocabulary = self.model.config.get_text_config().vocab_size
        most = TOKENS[self.model.device.type]
        batch: list[tuple[int, Reading]] = []
        kept = 0
        for place, row in rows:
            length = len(row.tokens) - chunk[place][1]
            kept = max(kept, len(row.tokens) - row.first)
            many = len(batch) + 1
            if batch and (many * length > most or many * kept * vocabulary > LOGITS):
                yield batch
                batch, kept = [], len(row.tokens) - row.first
            batch.append((place, row))
        if batch:
            yield batch

    def _read_batch(
        self,
        shared: attention.Prompts,
        batch: list[tuple[int, Reading]],
        chunk: list[tuple[int, int]],
    ) -> list[list[float]]:
        """One forward call: log p of every word of every row."""
        device = self.model.device
        rests = [list(row.tokens[chunk[place][1] :]) for place, row in batch]
        self.tokens += sum(map(len, rests))
        longest = max(map(len, rests))
        ids, positions = left_padded(rests, longest)
        groups = torch.tensor([place for place, _ in batch])
        positions += torch.tensor([chunk[place][1] for place, _ in batch])[:, None]
        lengths = torch.tensor([len(rest) for rest in rests])
        kept = max(len(row.tokens) - row.first for _, row in batch)
        reader = attention.Continuing(shared, groups.to(device), lengths.to(device), longest)
        logits = self._forward(ids.to(device), positions.to(device), reader, kept=kept)
        return _words(logits, [row for _, row in batch])


def _words(logits: Tensor, rows: list[Reading]) -> list[list[float]]:
    """Sum log p over each word's tokens; logits [rows, kept, vocabulary] are those of the last
    positions.
    """
    logs = logits.float().log_softmax(-1)
    kept = logs.shape[1]
    wanted = [
        (number, kept - len(row.tokens) + position, token)
        for number, row in enumerate(rows)
        for word in row.words
        for position, token in word
    ]
    number, column, token = torch.tensor(wanted, device=logs.device).T
    found = iter(logs[number, column, token].double().tolist())
    return [[math.fsum(next(found) for _ in word) for word in row.words] for row in rows]


def _shared(rows: Sequence[Reading]) -> int:
    """How many tokens all rows begin with, short of the first position whose logits are wanted."""
    return min(_common([row.tokens for row in rows]), min(row.first for row in rows))


def _common(rows: Sequence[tuple[int, ...]]) -> int:
    """The length of the longest common beginning."""
    low, high = min(rows), max(rows)
    differing = (at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b)
    return next(differing, min(len(low), len(high)))


def _share(logs: list[float] | None) -> float | None:
    """S from log p(correct) and log p(incorrect), without overflow."""
    if logs is None:
        return None
    correct, incorrect = logs
    return 0.5 * (1 + math.tanh((correct - incorrect) / 2))
