"""The decode loop (`DecodeLoop.run`) and the `Sampler` that calls it. The sampling half of the
transformers engine.

The beginning that all prompts share (the exemplars of few-shot prompts) is read once. Each prompt
is read once, and its n samples share its keys and values. Samples that have drawn the same tokens
so far are one row, until they draw different ones. Hundreds of rows are in flight at once: one
forward call gives the next token's logits for all of them. Rows that end leave, and waiting prompts
enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
from torch import Tensor

from mathtune.engines import prompts
from mathtune.engines.protocol import TOO_LONG, Draft, Sampling
from mathtune.engines.thought_budget import opened, text_of, thought_end
from mathtune.engines.transformers import memory, models, probe, shared_attention
from mathtune.engines.transformers.flight import Flight, read_beginning
from mathtune.engines.transformers.kv_cache import Arena
from mathtune.engines.transformers.llama_forward import FusedForward, fits
from mathtune.engines.transformers.one_by_one import OneByOne, StopWatch, Thoughts, apart
from mathtune.engines.transformers.stops import Stops
from mathtune.engines.transformers.top_p import draw
from mathtune.errors import InputError
from mathtune.run.progress import Heartbeat, say

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ROWS = {"cpu": 1024, "mps": 1024, "cuda": 8192}
"""The most samples in flight: at this number a turn's fixed cost is already small."""
AnyForward = shared_attention.Forward | OneByOne
"""How a model reads rows: with shared attention, or one by one."""
READ_TOKENS = {"cpu": 8192, "mps": 8192, "cuda": 32768}
"""The number of prompt tokens read in one forward call."""


class Sampler:
    """A loaded model that samples.

    `rows`: the most samples in flight; None: as memory allows. `forward`: the result of
    `forward_of` for the model; None: made here.

    Example:
        >>> model, tokenizer = models.load("embedded")                            # doctest: +SKIP
        >>> sampler = Sampler(model, tokenizer, form="plain")                     # doctest: +SKIP
        >>> sampling = Sampling(n=4, temperature=0.7, top_p=1.0, max_tokens=256)  # doctest: +SKIP
        >>> drafts = sampler.sample(["2 + 2 ="], sampling, seed=(0, 0))           # doctest: +SKIP

    Raises:
        InputError: its tokenizer has no end token.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        form: prompts.AnyForm,
        rows: int | None = None,
        forward: AnyForward | None = None,
    ) -> None:
        self.model, self.tokenizer, self.form = model, tokenizer, form
        self.context = models.context_length(model)
        self.steady = models.steady_length(model)
        self._ends = torch.tensor(models.end_tokens(model, tokenizer, form), device=model.device)
        self._rows, self._memory = rows, memory.for_samples(model.device)
        self.arena = Arena()
        found = forward_of(model) if forward is None else forward
        self.forward = cast(shared_attention.Forward, found)
        self.stops = cache(partial(Stops, tokenizer))  # reading it takes a pass over the vocabulary

    def sample(
        self, texts: Sequence[str], sampling: Sampling, *, seed: tuple[int, ...]
    ) -> list[list[Draft]]:
        """Return `sampling.n` drafts per prompt, in the order of the prompts.

        Raises:
            InputError: a prompt has no tokens, or memory ran out with a single sample in flight.

        All randomness is one table of uniform numbers, one row per sample, from a generator seeded
        by `seed` (the config's seed, the block): a draw does not depend on the rows that run
        together.
        """
        encoded = self._encoded(texts)
        if self._apart(encoded, sampling):
            alone = alone_of(self.model, self.forward)
            with memory.keeping(self.model.device):
                found = self._one_by_one(alone, encoded, sampling, seed)
        else:
            found = self.decode(encoded, sampling, seed=seed).drafts()
        return [opened(drafts, text) for drafts, text in zip(found, texts, strict=True)]

    def _apart(self, encoded: list[list[int]], sampling: Sampling) -> bool:
        """Return whether these prompts must be sampled one by one."""
        longest = max((len(ids) + self._room(ids, sampling) for ids in encoded), default=0)
        return apart(self.forward, self.steady, longest, "prompts are sampled")

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = [prompts.encode(text, form=self.form, tokenizer=self.tokenizer) for text in texts]
        refuse_empty(encoded)
        models.refuse_unknown(self.model, self.tokenizer, encoded)
        return encoded

    def _room(self, ids: list[int], sampling: Sampling) -> int:
        """Return the most tokens of a sample after this prompt."""
        return max(0, min(sampling.most, (self.context or 2**62) - len(ids)))

    def _one_by_one(
        self, forward: OneByOne, encoded: list[list[int]], sampling: Sampling, seed: tuple[int, ...]
    ) -> list[list[Draft]]:
        """Sample each prompt by itself, with the random numbers that `DecodeLoop` would draw."""
        rooms = [self._room(ids, sampling) for ids in encoded]
        uniforms = _uniforms(len(encoded) * sampling.n, rooms, seed).to(self.model.device)
        stops = self.stops(sampling.stop) if sampling.stop else None
        drafts = []
        for number, (ids, room) in enumerate(zip(encoded, rooms, strict=True)):
            if not room:
                drafts.append([TOO_LONG] * sampling.n)
                continue
            drawn_with = uniforms[number * sampling.n : (number + 1) * sampling.n, :room]
            watch = StopWatch(drawn_with, self._ends, stops, prompt=len(ids))
            if sampling.thought_tokens:
                watch.thoughts = Thoughts(sampling, thought_end(self.tokenizer), self._ends)
            rows = forward.sample(ids, sampling, watch)
            drafts.append(self.drafts(rows, watch.lengths, watch.ended, sampling))
        return drafts

    def drafts(
        self, rows: Tensor, lengths: Tensor, ended: Tensor, sampling: Sampling
    ) -> list[Draft]:
        """Return the drafts of sampled tokens [samples, T]; the first `lengths` of a row count."""
        ends, drafts = set(self._ends.tolist()), []
        for row, length, stopped in zip(
            rows.cpu().numpy(), lengths.tolist(), ended.tolist(), strict=True
        ):
            count = length - int(row[length - 1] in ends)
            text = text_of(row[:count], self.tokenizer)
            reason: Literal["stop", "length"] = "stop" if stopped else "length"
            drafts.append(Draft(sampling.cut(text), reason, count))
        return drafts

    @torch.inference_mode()
    def decode(
        self, encoded: list[list[int]], sampling: Sampling, *, seed: tuple[int, ...]
    ) -> DecodeLoop:
        """Sample after prompts' tokens; return the finished loop, which holds the tokens."""
        while True:
            loop = DecodeLoop(self, encoded, sampling, seed)
            try:
                with memory.keeping(self.model.device):
                    loop.run()
            except RuntimeError as error:
                if not memory.ran_out(error):
                    raise
                if loop.capacity == 1:
                    raise InputError(
                        "out of memory with a single sample in flight; expected a smaller model, "
                        "max_tokens or workers."
                    ) from None
                self._rows, self.arena = loop.capacity // 2, Arena()
                del loop  # frees its memory before the next one takes its own
                say(f"  out of memory: continuing with {self._rows} rows in flight")
                continue
            return loop

    def rows_for(self, longest: int, sampling: Sampling) -> int:
        """Return the most rows in flight if prompts have up to `longest` tokens of their own."""
        if self._rows is not None:
            return self._rows
        config = self.model.config.get_text_config()
        heads = config.num_attention_heads
        kv_heads = getattr(config, "num_key_value_heads", None) or heads
        head = getattr(config, "head_dim", None) or config.hidden_size // heads
        token = 2 * config.num_hidden_layers * kv_heads * head * self.model.dtype.itemsize
        # In addition: logits and the arrays of the draw, in float32.
        row = token * (sampling.most + longest / sampling.n) + 16 * config.vocab_size
        return int(min(ROWS[self.model.device.type], max(1, self._memory // row)))


class DecodeLoop:
    """One call's samples, from the first prompt to the last end token; `run` is the decode loop.

    Samples of a prompt that have drawn the same tokens follow one row. Each sample draws its next
    token with its own random number; samples that draw different tokens follow different rows from
    then on.

    Attributes:
        tokens: [samples, most tokens], a prompt's samples side by side; noise after an end token.
        capacity: most samples in flight.
    """

    def __init__(
        self, sampler: Sampler, encoded: list[list[int]], sampling: Sampling, seed: tuple[int, ...]
    ) -> None:
        self._sampler, self._sampling = sampler, sampling
        device = sampler.model.device
        lengths = [len(ids) for ids in encoded]
        self._room = [sampler._room(ids, sampling) for ids in encoded]
        by_length = sorted(range(len(encoded)), key=lambda prompt: lengths[prompt])
        self._waiting = [(p, sampling.n) for p in by_length if self._room[p]]
        total, limit = len(encoded) * sampling.n, max(1, max(self._room))
        forward = sampler.forward
        fitting = [ids for ids, room in zip(encoded, self._room, strict=True) if room]
        beginning = read_beginning(forward, device, fitting, limit)
        shared = 0 if beginning is None else beginning.longest
        self._encoded = [ids[shared:] for ids in encoded]
        self.capacity = sampler.rows_for(max(lengths) - shared, sampling)
        self._flight = Flight(forward, self.capacity, limit, sampler.arena, device, beginning)
        self._uniforms = _uniforms(total, self._room, seed).to(device)
        self.tokens = torch.zeros(total, limit, dtype=torch.long, device=device)
        self._lengths = torch.zeros(total, dtype=torch.long, device=device)
        self._ended = torch.zeros(total, dtype=torch.bool, device=device)
        self._taken = [0] * len(encoded)
        self._stops = sampler.stops(sampling.stop) if sampling.stop else None
        self._thought_end = thought_end(sampler.tokenizer) if sampling.thought_tokens else -1

    def run(self) -> None:
        """Sample everything: the decode loop. Each turn draws one token per sample in its part.

        A turn's part is the samples from number `sample` on, which follow the rows from `row` on:
        those of new prompts after phase 1, all of them after phase 2.
        """
        flight, heartbeat = self._flight, Heartbeat()
        while self._waiting or flight.rows:
            heartbeat.beat(self._news)
            if self._waiting and len(flight.samples) <= self.capacity // 2:
                # 1. Admit: read waiting prompts; each begins as one row.
                row, sample = flight.rows, len(flight.samples)
                logits = self._admit()
            else:
                # 2. Forward: read the last token of every row.
                row, sample = 0, 0
                logits = flight.forward()
            samples, follows = flight.samples[sample:], flight.follows[sample:]
            count, room, thinking = flight.table[2:, follows]
            # 3. Draw: one token per sample, with the sample's own random number.
            token = draw(
                logits,
                follows - row,
                self._uniforms[samples, count],
                self._sampling,
            )
            if self._sampling.thought_tokens:
                due = (thinking > 0) & (count + 1 >= self._sampling.thought_tokens)
                due &= ~torch.isin(token, self._sampler._ends)
                token = token.masked_fill(due, self._thought_end)
            del logits  # frees its memory before the next ones are computed
            self.tokens[samples, count] = token
            # 4. End: samples with an end token, a stop text or no room left leave.
            on = self._end(samples, token, count + 1, room)
            # 5. Part: a row becomes one row per different token; the samples follow theirs.
            flight.part(on, token[on], row=row, sample=sample)
            if self._sampling.thought_tokens:
                self._end_thoughts()

    def _news(self, seconds: float) -> str:
        """Return a line that says how far the samples are."""
        drawn = int(self._lengths.sum() + self._flight.lengths.sum())
        ended = int((self._lengths > 0).sum())
        return (
            f"  sampling: {ended:,} of {len(self.tokens):,} samples of this block are complete; "
            f"{drawn / seconds:,.0f} tokens/s"
        )

    def _admit(self) -> Tensor:
        """Read the next prompts; return the logits after each, [prompts, vocabulary]."""
        chosen = self._choose()
        samples = []
        for prompt, count in chosen:
            start = prompt * self._sampling.n + self._taken[prompt]
            samples.append(torch.arange(start, start + count))
            self._taken[prompt] += count
        return self._flight.enter(
            [self._encoded[prompt] for prompt, _ in chosen],
            [self._room[prompt] for prompt, _ in chosen],
            samples,
            thinking=self._sampling.thought_tokens > 0,
        )

    def _choose(self) -> list[tuple[int, int]]:
        """Choose the prompts to read next, and the number of samples of each that fit."""
        chosen: list[tuple[int, int]] = []
        free, longest = self.capacity - len(self._flight.samples), 0
        most = READ_TOKENS[self.tokens.device.type]
        while self._waiting and free:
            prompt, wanted = self._waiting[0]
            longest = max(longest, len(self._encoded[prompt]))
            if chosen and longest * (len(chosen) + 1) > most:
                break
            count = min(wanted, free)
            chosen.append((prompt, count))
            free -= count
            if count == wanted:
                self._waiting.pop(0)
            else:
                self._waiting[0] = (prompt, wanted - count)
        return chosen

    def _end(self, samples: Tensor, token: Tensor, length: Tensor, room: Tensor) -> Tensor:
        """Note which samples end, and why; return the indices of those that continue.

        Args:
            token, length, room: of each of `samples`, its new token, its number of tokens, and the
            most that it may have.
        """
        ended = torch.isin(token, self._sampler._ends)
        if self._stops is not None:
            ended |= self._stops.reached(self.tokens[samples], length, token)
        over = ended | (length >= room)
        # As indices: a mask would make an accelerator wait at each use.
        out, on = over.nonzero()[:, 0], (~over).nonzero()[:, 0]
        self._lengths[samples[out]] = length[out]
        self._ended[samples[out]] = ended[out]
        return on

    def _end_thoughts(self) -> None:
        """Give rows that have just ended their thoughts `max_tokens` for the solution."""
        table = self._flight.table[:, : self._flight.rows]
        ended = ((table[0] == self._thought_end) & (table[4] > 0)).nonzero()[:, 0]
        table[4, ended] = 0
        left = table[2, ended] + self._sampling.max_tokens
        table[3, ended] = torch.minimum(table[3, ended], left)

    def drafts(self) -> list[list[Draft]]:
        """Return the drafts of each prompt, in the order of the prompts."""
        n = self._sampling.n
        drafts = self._sampler.drafts(self.tokens, self._lengths, self._ended, self._sampling)
        return [
            drafts[number * n : (number + 1) * n] if room else [TOO_LONG] * n
            for number, room in enumerate(self._room)
        ]


def forward_of(model: PreTrainedModel) -> shared_attention.Forward:
    """Return the fastest forward call for this model, or its stand-in, a `OneByOne`.

    Raises:
        InputError: the model itself cannot read a row of tokens, or reads ahead.
    """
    if fits(model):
        return FusedForward(model)
    usual = model.config._attn_implementation
    if usual == shared_attention.NAME:  # another reader of this model has compared it
        return shared_attention.ModelForward(model)
    logits = probe.checked_logits(model)
    try:
        forward = shared_attention.ModelForward(model)
        probe.refuse_others(forward, logits, model)
        return forward
    except (shared_attention.UnsharedError, *probe.FAULTS) as error:
        model.set_attn_implementation(usual)
        reason = str(error) if isinstance(error, shared_attention.UnsharedError) else repr(error)
        say(
            f"  {type(model).__name__}: sampled with `generate` and scored one candidate at a "
            f"time, which is slower ({reason[:200]}); engine=vllm may be faster"
        )
        return cast(shared_attention.Forward, OneByOne(model))  # it cannot take a reader


def alone_of(model: PreTrainedModel, forward: AnyForward) -> OneByOne:
    """Return the reader, one row at a time, of a model that also has this forward call."""
    if isinstance(forward, OneByOne):
        return forward
    usual = forward.usual if isinstance(forward, shared_attention.ModelForward) else None
    return OneByOne(model, usual)


def _uniforms(samples: int, rooms: Sequence[int], seed: tuple[int, ...]) -> Tensor:
    """Return the random numbers, one row per sample and one column per token."""
    generator = torch.Generator().manual_seed(stream(seed))
    return torch.rand(samples, max(1, *rooms), generator=generator)


def refuse_empty(encoded: Sequence[list[int]]) -> None:
    """Raise InputError if a prompt has no tokens: a model needs one to predict the first token."""
    if [] in encoded:
        raise InputError(
            f"prompt {encoded.index([])}: empty, and the tokenizer puts no token before a text; "
            "expected a text."
        )


def stream(seed: tuple[int, ...]) -> int:
    """Make one 64-bit seed of (seed, block), so that neighbouring streams are independent."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
