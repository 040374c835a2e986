"""A decode loop that takes prompts while it runs: waves of different questions share its batches.

`decode.DecodeLoop` knows all prompts beforehand. A wave is some samples of one prompt. Its draws
depend only on the wave's seeds, not on the other waves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mathtune.engines import prompts
from mathtune.engines.protocol import TOO_LONG, Draft, Sampling
from mathtune.engines.thought_budget import opened, text_of
from mathtune.engines.transformers.decode import READ_TOKENS, Sampler, stream
from mathtune.engines.transformers.flight import Flight
from mathtune.engines.transformers.top_p import draw

TURNS = 8
"""Turns between two admissions: each admits a cohort, which costs its own products.
"""
AT_ONCE = 16
"""The most samples of one wave that enter together: a large wave leaves room for others."""


@dataclass
class Wave:
    """`sampling.n` samples of one prompt, numbered from `first` on.

    `done` is called once, with the drafts in order or an error, from the loop's thread; never after
    `cancelled` was set.
    """

    prompt: list[int]
    sampling: Sampling
    seed: int
    first: int
    done: Callable[[list[Draft] | Exception], None]
    cancelled: bool = False
    entered: int = 0
    drafts: dict[int, Draft] = field(default_factory=dict)


class ContinuousLoop:
    """Up to `capacity` samples of up to `longest` tokens, with `turn` as the step of the loop.

    Only `add` and `Wave.cancelled` may be used from other threads.
    """

    def __init__(self, sampler: Sampler, *, longest: int) -> None:
        most = Sampling(n=1, temperature=1, top_p=1, max_tokens=longest)
        self._sampler, self._longest = sampler, longest
        device = sampler.model.device
        self.capacity = sampler.rows_for(longest, most)
        self._flight = Flight(sampler.forward, self.capacity, longest, sampler.arena, device)
        self._waiting: deque[Wave] = deque()
        self._free = list(range(self.capacity))
        self._waves: dict[int, Wave] = {}  # the wave of each slot in use
        self._ends = set(sampler._ends.tolist())
        # One row per slot: a sample's random numbers, its tokens, and the number of its settings.
        self._uniforms = torch.zeros(self.capacity, longest, device=device)
        self._tokens = torch.zeros(self.capacity, longest, dtype=torch.long, device=device)
        self._kind = torch.zeros(self.capacity, dtype=torch.long, device=device)
        self._index = [0] * self.capacity
        self._kinds: list[Sampling] = []
        self._turns = 0

    def add(self, wave: Wave) -> None:
        """Let a wave wait for its admission."""
        self._waiting.append(wave)

    @property
    def waiting(self) -> int:
        """The number of waves that have not entered as a whole."""
        return len(self._waiting)

    def fail(self, error: Exception) -> None:
        """Hand an error to every wave; the loop must not be used again."""
        for wave in {id(one): one for one in (*self._waiting, *self._waves.values())}.values():
            if not wave.cancelled:
                wave.done(error)

    @torch.inference_mode()
    def turn(self) -> bool:
        """Draw a token per sample in flight, or the first of new prompts; False: nothing to do."""
        flight = self._flight
        self._turns += 1
        admits = self._waiting and self._free and (not flight.rows or self._turns >= TURNS)
        row, sample = (flight.rows, len(flight.samples)) if admits else (0, 0)
        logits = self._admit() if admits else None
        if logits is None and flight.rows:
            row, sample = 0, 0
            logits = flight.forward()
        if logits is None:
            return bool(self._waiting)
        slots, follows = flight.samples[sample:], flight.follows[sample:]
        count, room = flight.table[2:4, follows]
        token = self._draw(logits, follows - row, slots, self._uniforms[slots, count])
        self._tokens[slots, count] = token
        on = self._end(slots, token, count + 1, room)
        flight.part(on, token[on], row=row, sample=sample)
        return True

    def _draw(self, logits: Tensor, of: Tensor, slots: Tensor, uniforms: Tensor) -> Tensor:
        """Draw one token per sample, with the settings of its wave."""
        kinds = self._kind[slots]
        token = torch.empty_like(slots)
        for kind in kinds.unique().tolist():
            mine = (kinds == kind).nonzero()[:, 0]
            rows, within = of[mine].unique(return_inverse=True)
            token[mine] = draw(logits[rows], within, uniforms[mine], self._kinds[kind])
        return token

    def _admit(self) -> Tensor | None:
        """Read waiting prompts; return the logits after each, None if none could enter."""
        self._turns = 0
        chosen = self._choose()
        if not chosen:
            return None
        samples, rooms = [], []
        for wave, slots in chosen:
            room = self.room(wave)
            for slot in slots:
                number = wave.first + wave.entered
                generator = torch.Generator().manual_seed(stream((wave.seed, number)))
                self._uniforms[slot, :room] = torch.rand(room, generator=generator)
                self._index[slot], self._waves[slot] = wave.entered, wave
                wave.entered += 1
            samples.append(torch.tensor(slots))
            rooms.append(room)
            self._kind[samples[-1]] = self._number_of(wave.sampling)
        return self._flight.enter([wave.prompt for wave, _ in chosen], rooms, samples)

    def _choose(self) -> list[tuple[Wave, list[int]]]:
        """Choose waves in turn, at most `AT_ONCE` samples of each, and give them slots."""
        chosen: list[tuple[Wave, list[int]]] = []
        longest, most = 0, READ_TOKENS[self._tokens.device.type]
        for _ in range(len(self._waiting)):
            wave = self._waiting.popleft()
            if wave.cancelled:
                continue
            if self.room(wave) < 1:
                wave.done([TOO_LONG] * wave.sampling.n)
                continue
            longest = max(longest, len(wave.prompt))
            if not self._free or (chosen and longest * (len(chosen) + 1) > most):
                self._waiting.appendleft(wave)
                break
            left = wave.sampling.n - wave.entered
            many = min(left, AT_ONCE, len(self._free))
            chosen.append((wave, [self._free.pop() for _ in range(many)]))
            if many < left:
                self._waiting.append(wave)
        return chosen

    def room(self, wave: Wave) -> int:
        """Return the most tokens of a sample of the wave; below 1: its prompt is too long."""
        context = self._sampler.context or 2**62
        return min(wave.sampling.max_tokens, self._longest, context - len(wave.prompt))

    def _number_of(self, sampling: Sampling) -> int:
        """Return the index of the settings of a draw; forget those that no sample uses."""
        kind = replace(sampling, n=1, max_tokens=1)
        if kind not in self._kinds:
            if not self._flight.rows and not self._waves:
                self._kinds = []
            self._kinds.append(kind)
        return self._kinds.index(kind)

    def _end(self, slots: Tensor, token: Tensor, length: Tensor, room: Tensor) -> Tensor:
        """Hand over finished waves, free their slots; return the indices of samples that go on."""
        ended = torch.isin(token, self._sampler._ends)
        gone = torch.tensor([self._waves[slot].cancelled for slot in slots.tolist()])
        over = ended | (length >= room) | gone.to(ended.device)
        out, on = over.nonzero()[:, 0], (~over).nonzero()[:, 0]
        for slot, many, stopped in zip(
            slots[out].tolist(), length[out].tolist(), ended[out].tolist(), strict=True
        ):
            wave = self._waves.pop(slot)
            self._free.append(slot)
            if not wave.cancelled:
                wave.drafts[self._index[slot]] = self._draft(slot, many, stopped)
                if len(wave.drafts) == wave.sampling.n:
                    wave.done([wave.drafts[index] for index in range(wave.sampling.n)])
        return on

    def _draft(self, slot: int, many: int, stopped: bool) -> Draft:
        ids = self._tokens[slot, :many].tolist()
        count = many - int(ids[-1] in self._ends)
        text = text_of(ids[:count], self._sampler.tokenizer)
        return Draft(text, "stop" if stopped else "length", count)


def wave_of(
    sampler: Sampler,
    text: str,
    sampling: Sampling,
    *,
    seed: int,
    first: int,
    done: Callable[[list[Draft] | Exception], None],
) -> Wave:
    """Return the wave of a prompt's text."""
    ids = prompts.encode(text, form=sampler.form, tokenizer=sampler.tokenizer)

    def deliver(found: list[Draft] | Exception) -> None:
        done(found if isinstance(found, Exception) else opened(found, text))

    return Wave(ids, sampling, seed, first, deliver)
