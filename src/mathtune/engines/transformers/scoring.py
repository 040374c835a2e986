"""Read candidates with a model: the evaluator's S, and a solution's likelihood. Used by the score
stage.

The beginning that all candidates of a problem share is read once and kept. Then they are read in
alphabetical order, each from the token at which it differs from the one before it, many in one
forward call and without padding. Logits are computed only at the wanted positions.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from mathtune.engines import prompts
from mathtune.engines.protocol import share
from mathtune.engines.transformers import line_attention, memory, models
from mathtune.engines.transformers.decode import AnyForward, alone_of, forward_of, refuse_empty
from mathtune.engines.transformers.one_by_one import apart
from mathtune.engines.transformers.shared_attention import Forward
from mathtune.engines.transformers.top_p import refuse_not_finite
from mathtune.errors import InputError
from mathtune.run.progress import Heartbeat, say

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHARED_TOKENS = 8192
"""The most tokens of beginnings read in one forward call and kept."""
TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 32768}
"""The most tokens of candidates read in one forward call: a CPU is fastest if they stay in its
caches. A beginning that candidates of two calls share is read in both.
"""
LOGITS = {"cpu": 2**26, "mps": 2**26, "cuda": 2**28}
"""The most logits computed in one forward call; limits the batch if every position's are wanted."""
HEAD_ROWS = 2**13
"""The number of rows of the output layer that are widened to float32 at a time."""

Word = tuple[tuple[int, int], ...]
"""(position, token) per token of a word: the token that would follow that position's."""


@dataclass(frozen=True)
class Query:
    """One row to read, and the words whose probability is wanted at its end."""

    tokens: tuple[int, ...]
    words: tuple[Word, ...]

    @property
    def first(self) -> int:
        """The first position whose logits are wanted."""
        return min(position for word in self.words for position, _ in word)


@dataclass(frozen=True)
class _Family:
    """A group's rows in alphabetical order, and the slice of the kept tokens they share."""

    group: int
    rows: list[Query]
    shared: range


_New = tuple[_Family, Query, int]
"""A row, and the number of its tokens that its family or the row before has already read."""


class Scorer:
    """A loaded model that reads candidates. `forward` as `decode.Sampler` takes it."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        form: prompts.AnyForm,
        forward: AnyForward | None = None,
    ) -> None:
        self.model, self.tokenizer, self.form = model, tokenizer, form
        self.context, self.steady = models.context_length(model), models.steady_length(model)
        found = forward_of(model) if forward is None else forward
        self._forward, self._alone = cast(Forward, found), alone_of(model, found)
        self._parts = 1  # the divisor of the tokens read at once, after memory ran out
        self.tokens = 0
        """The number of tokens read so far; shared beginnings count once."""

    def evaluate(self, groups: Sequence[Sequence[str]]) -> list[list[float | None]]:
        """Compute the evaluator's score of every prompt, in groups that share a beginning (Liu et
        al. 2023, 3.2).

            S = p(correct) / (p(correct) + p(incorrect))

        p(word) is the product over all the word's tokens. Prompt and word are tokenised together; a
        word's tokens are those after the common beginning of both texts. None: the prompt does not
        fit the context.
        """
        texts = list(dict.fromkeys(chain.from_iterable(groups)))
        labels = prompts.all_labelled(texts, form=self.form, tokenizer=self.tokenizer)
        judged = {text: _judged(*found) for text, found in zip(texts, labels, strict=True)}
        rows = [[judged[text] for text in texts] for texts in groups]
        found = self._read_groups(rows)
        return [[None if logs is None else share(*logs) for logs in group] for group in found]

    def log_likelihoods(
        self, texts: Sequence[str], solutions: Sequence[Sequence[str]]
    ) -> list[list[float | None]]:
        """Compute log p of each solution of each prompt, its end token included (Liu et al. 2023,
        Eq. 10).

            sum_t log p(solution_t | prompt, solution_<t)      natural log

        None: it exceeds the context.

        Raises:
            InputError: the tokenizer has no end token, or a prompt no token.
        """
        rows = []
        for text, group in zip(texts, solutions, strict=True):
            prompt = prompts.encode(text, form=self.form, tokenizer=self.tokenizer)
            refuse_empty([prompt])
            rows.append([[self._solved(prompt, solution, text)] for solution in group])
        found = self._read_groups(rows)
        return [[None if logs is None else logs[0] for logs in group] for group in found]

    def _solved(self, prompt: list[int], solution: str, text: str) -> Query:
        target = prompts.target(solution, form=self.form, tokenizer=self.tokenizer, prompt=text)
        ids = (*prompt, *target)
        word = tuple((at - 1, ids[at]) for at in range(len(prompt), len(ids)))
        return Query(ids[:-1], (word,))

    def _read_groups(
        self, groups: Sequence[Sequence[Sequence[Query]]]
    ) -> list[list[list[float] | None]]:
        """Return log p of each candidate's words (one or two rows), by group; None: too long."""
        distinct = [list(dict.fromkeys(row for rows in group for row in rows)) for group in groups]
        ids = [row.tokens for rows in distinct for row in rows]
        models.refuse_unknown(self.model, self.tokenizer, ids)
        logs: list[dict[Query, list[float]]] = [{} for _ in groups]
        fitting = [[row for row in rows if self._fits(row)] for rows in distinct]
        with memory.keeping(self.model.device):
            self._read_all(fitting, logs)
        return [
            [
                [log for row in rows for log in known[row]]
                if all(row in known for row in rows)
                else None
                for rows in group
            ]
            for group, known in zip(groups, logs, strict=True)
        ]

    def _read_all(self, groups: list[list[Query]], logs: list[dict[Query, list[float]]]) -> None:
        """Write every row's values into its group's `logs`, as memory allows."""
        heartbeat, total = Heartbeat(), sum(map(len, groups))

        def news(_: float) -> str:
            read = sum(map(len, logs))
            return f"  scoring: {read:,} of {total:,} distinct texts of this block are read"

        while any(left := list(map(_without, groups, logs))):
            try:
                for group, rows in enumerate(left):
                    for row in filter(self._apart, rows):
                        logs[group][row] = self._read_alone(row)
                        heartbeat.beat(news)
                for chunk in self._chunks(list(map(_without, groups, logs))):
                    for group, row, values in self._read_chunk(chunk):
                        logs[group][row] = values
                        heartbeat.beat(news)
            except RuntimeError as error:
                self._halve(error)

    def _halve(self, error: RuntimeError) -> None:
        """Halve the tokens that are read at once, if memory ran out.

        Raises:
            InputError: only one token is read at once already.
        """
        if not memory.ran_out(error):
            raise error
        if self._at_once == 1:
            raise InputError(
                "out of memory with a single candidate read at once; expected a smaller model or "
                "workers."
            ) from None
        self._parts *= 2
        say(f"  out of memory: continuing with {self._at_once} tokens read at once")

    @property
    def _at_once(self) -> int:
        """The number of candidates' tokens read in one forward call."""
        return max(1, TOKENS[self.model.device.type] // self._parts)

    def _fits(self, row: Query) -> bool:
        return self.context is None or len(row.tokens) <= self.context

    def _chunks(self, groups: list[list[Query]]) -> Iterator[list[_Family]]:
        """Yield families whose beginnings are kept together."""
        chunk: list[_Family] = []
        kept = 0
        for group, rows in enumerate(groups):
            if not rows:
                continue
            shared = _shared(rows)
            if chunk and kept + shared > SHARED_TOKENS // self._parts:
                yield chunk
                chunk, kept = [], 0
            rows = sorted(rows, key=lambda row: row.tokens)
            chunk.append(_Family(group, rows, range(kept, kept + shared)))
            kept += shared
        if chunk:
            yield chunk

    @torch.inference_mode()
    def _read_chunk(self, chunk: list[_Family]) -> Iterator[tuple[int, Query, list[float]]]:
        """Read the beginning that each family shares, then the rest of its rows."""
        kept = self._keep(chunk)
        for batch in self._batches(chunk):
            for (family, row, _), values in zip(batch, self._read_batch(batch, kept), strict=True):
                yield family.group, row, values

    def _apart(self, row: Query) -> bool:
        """Return whether a row must be read by itself."""
        return apart(self._forward, self.steady, len(row.tokens), "long candidates are scored")

    def _read_alone(self, row: Query) -> list[float]:
        """Compute log p of every word of one row, in a separate forward call."""
        self.tokens += len(row.tokens)
        wanted = sorted({position for word in row.words for position, _ in word})
        with float32_logits(self.model.get_output_embeddings()):
            logits = self._alone.logits(row.tokens, wanted)
        return _log_p(logits, [[list(word) for word in row.words]])[0]

    def _keep(self, chunk: list[_Family]) -> line_attention.Kept | None:
        """Read the beginning that each family shares; None: no family has one."""
        line = line_attention.Line(0)
        for family in chunk:
            if family.shared:
                line.add((), family.rows[0].tokens[: len(family.shared)])
        if not line.tokens:
            return None
        reader = line_attention.Packed(line, {len(line.tokens) - 1}, None, self.model.device)
        self._read(line, reader, 1)
        return reader.kept

    def _batches(self, chunk: list[_Family]) -> Iterator[list[_New]]:
        """Cut rows into batches bounded in tokens and in logits."""
        most = self._at_once
        logits = LOGITS[self.model.device.type] // self._parts
        most_wanted = logits // self.model.config.get_text_config().vocab_size
        batch: list[_New] = []
        read = wanted = 0
        for family in chunk:
            before: tuple[int, ...] = ()
            for row in family.rows:
                length, last = len(row.tokens), len(row.tokens) - row.first
                shared = max(len(family.shared), _common((before, row.tokens)))
                if batch and (read + length - shared > most or wanted + last > most_wanted):
                    yield batch
                    batch, read, wanted, shared = [], 0, 0, len(family.shared)
                batch.append((family, row, shared))
                read, wanted, before = read + length - shared, wanted + last, row.tokens
        if batch:
            yield batch

    def _read_batch(self, batch: list[_New], kept: line_attention.Kept | None) -> list[list[float]]:
        """Compute log p of every word of every row, in one forward call."""
        start, stop = batch[0][0].shared.start, batch[-1][0].shared.stop
        line = line_attention.Line(stop - start)
        path: list[int] = []
        words: list[list[list[tuple[int, int]]]] = []
        for family, row, shared in batch:
            if shared == len(family.shared):
                path = [at - start for at in family.shared]
            path = line.add(path[:shared], row.tokens[shared:])
            words.append([[(path[at], token) for at, token in word] for word in row.words])
        wanted = {number for row in words for word in row for number, _ in word}
        before = None if kept is None else kept.between(start, stop)
        reader = line_attention.Packed(line, wanted, before, self.model.device)
        logits = self._read(line, reader, len(wanted))
        return _log_p(logits, words)

    def _read(
        self, line: line_attention.Line, reader: line_attention.Packed, wanted: int
    ) -> Tensor:
        """Return logits [wanted, vocabulary]."""
        self.tokens += len(line.tokens)
        with float32_logits(self.model.get_output_embeddings()):
            return self._forward(reader.ids, reader.positions, reader, kept=wanted)[0]


@contextmanager
def float32_logits(head: nn.Module, rows: Tensor | None = None) -> Iterator[None]:
    """Let an output layer multiply in float32, whatever its weights and autocast are.

    A bfloat16 logit near 20 is a multiple of 1/8: the difference of two of them, and so S, would
    have a handful of values. `rows`, bool [R], chooses among hidden states [R, D]; the others are
    multiplied as before. A layer that is no plain one (adapters, 8-bit weights) stays as it is.
    """
    if type(head) is not nn.Linear:
        yield
        return
    as_before = head.forward

    def exact(hidden: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            if head.weight.dtype == torch.float32:
                return linear(hidden.float(), head.weight, head.bias)
            # In parts: the whole widened layer may not fit next to the model.
            parts = [linear(hidden.float(), rows.float()) for rows in head.weight.split(HEAD_ROWS)]
            logits = torch.cat(parts, -1)
            return logits if head.bias is None else logits + head.bias.float()

    def mixed(hidden: Tensor) -> Tensor:
        logits = as_before(hidden).float()
        logits[rows] = exact(hidden[rows])
        return logits

    head.forward = exact if rows is None or bool(rows.all()) else mixed
    try:
        yield
    finally:
        del head.forward


def _judged(start: int, correct: list[int], incorrect: list[int]) -> list[Query]:
    """Return the rows that give log p of both words: one row for both, or one per word."""
    refuse_empty([correct[:start]])
    right, wrong = tuple(correct), tuple(incorrect)
    words = [tuple((at - 1, ids[at]) for at in range(start, len(ids))) for ids in (right, wrong)]
    short, long = sorted((right[:-1], wrong[:-1]), key=len)
    if long[: len(short)] == short:
        return [Query(long, tuple(words))]
    return [Query(right[:-1], (words[0],)), Query(wrong[:-1], (words[1],))]


def _log_p(logits: Tensor, words: list[list[list[tuple[int, int]]]]) -> list[list[float]]:
    """Sum log p over each word's tokens, each given with the number of the token before it. The
    logits [wanted, vocabulary] are those of all these numbers, in order.
    """
    pairs = [pair for row in words for word in row for pair in word]
    rank = {number: rank for rank, number in enumerate(sorted({number for number, _ in pairs}))}
    at, token = torch.tensor([(rank[number], token) for number, token in pairs]).to(logits.device).T
    log_p = logits.float().log_softmax(-1)[at, token].double()
    refuse_not_finite(log_p.clamp(min=-1e300))  # minus infinity: an impossible token
    found = iter(log_p.tolist())
    return [[math.fsum(next(found) for _ in word) for word in row] for row in words]


def _without(rows: list[Query], known: Container[Query]) -> list[Query]:
    return [row for row in rows if row not in known]


def _shared(rows: Sequence[Query]) -> int:
    """Count the tokens that all rows begin with, up to the first position with wanted logits."""
    return min(_common([row.tokens for row in rows]), min(row.first for row in rows))


def _common(rows: Sequence[tuple[int, ...]]) -> int:
    """Return the length of the longest common beginning."""
    return prompts.first_difference(min(rows), max(rows))
