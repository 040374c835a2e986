"""Waves that share a decode loop draw as if alone; those that leave free their slots."""

from __future__ import annotations

from typing import Any

import pytest

from mathtune.engines.protocol import Draft, Sampling
from mathtune.engines.transformers.continuous import ContinuousLoop, Wave, wave_of
from mathtune.engines.transformers.decode import Sampler

TEXTS = ("Problem: What is 12 + 30?\nSolution:\n", "Tom has 5", "12 + 30 = 12 apples and buys 7")


@pytest.fixture
def sampler(make_model: Any, make_tokenizer: Any) -> Sampler:
    tokenizer = make_tokenizer()
    model = make_model("llama", len(tokenizer), context=64)
    return Sampler(model, tokenizer, form="plain", rows=24)


def how(n: int, temperature: float = 1.0, top_p: float = 1.0, room: int = 12) -> Sampling:
    return Sampling(n=n, temperature=temperature, top_p=top_p, max_tokens=room)


class Asked:
    """Waves on their way, and their drafts."""

    def __init__(self, loop: ContinuousLoop, sampler: Sampler) -> None:
        self.loop, self.sampler = loop, sampler
        self.found: dict[int, list[Draft]] = {}

    def add(self, text: str, sampling: Sampling, *, seed: int, first: int = 0) -> Wave:
        number = len(self.found)
        self.found[number] = []

        def done(drafts: list[Draft] | Exception) -> None:
            assert isinstance(drafts, list)
            self.found[number].extend(drafts)

        wave = wave_of(self.sampler, text, sampling, seed=seed, first=first, done=done)
        self.loop.add(wave)
        return wave

    def run(self, turns: int = 10_000) -> None:
        for _ in range(turns):
            if not self.loop.turn():
                return


def alone(sampler: Sampler, text: str, sampling: Sampling, *, seed: int, first: int = 0) -> Any:
    asked = Asked(ContinuousLoop(sampler, longest=16), sampler)
    asked.add(text, sampling, seed=seed, first=first)
    asked.run()
    return asked.found[0]


def test_waves_that_arrive_at_any_time_draw_as_if_alone(sampler: Sampler) -> None:
    wanted = [
        (TEXTS[0], how(5), 1),
        (TEXTS[1], how(4, temperature=0.5, top_p=0.9), 2),
        (TEXTS[2], how(3, temperature=0.0), 3),
        (TEXTS[0], how(20, room=7), 4),  # more than may enter at once
        (TEXTS[1], how(9), 5),
    ]
    asked = Asked(ContinuousLoop(sampler, longest=16), sampler)
    for text, sampling, seed in wanted:
        asked.add(text, sampling, seed=seed)
        asked.run(turns=3)
    asked.run()
    for number, (text, sampling, seed) in enumerate(wanted):
        assert asked.found[number] == alone(sampler, text, sampling, seed=seed)
        assert len(asked.found[number]) == sampling.n
        assert all(draft.tokens <= sampling.max_tokens for draft in asked.found[number])
    assert asked.loop.waiting == 0
    assert len({draft.text for draft in asked.found[0]}) > 1


def test_two_waves_of_a_seed_are_one_larger_wave(sampler: Sampler) -> None:
    whole = alone(sampler, TEXTS[0], how(6), seed=7)
    parts = alone(sampler, TEXTS[0], how(4), seed=7)
    parts += alone(sampler, TEXTS[0], how(2), seed=7, first=4)
    assert whole == parts


def test_the_likeliest_token_is_that_of_the_other_loop(sampler: Sampler) -> None:
    mine = alone(sampler, TEXTS[0], how(1, temperature=0.0), seed=0)
    assert [mine] == sampler.sample([TEXTS[0]], how(1, temperature=0.0), seed=(0, 0))


def test_a_cancelled_wave_frees_its_slots_and_is_never_told(sampler: Sampler) -> None:
    asked = Asked(ContinuousLoop(sampler, longest=16), sampler)
    first = asked.add(TEXTS[0], how(16), seed=1)
    waits = asked.add(TEXTS[1], how(30), seed=2)
    other = asked.add(TEXTS[2], how(5), seed=3)
    asked.run(turns=2)
    assert len(asked.loop._free) < 8 < asked.loop.capacity == 24
    first.cancelled = waits.cancelled = True
    asked.run()
    assert other.drafts
    assert asked.found[0] == asked.found[1] == []
    assert asked.found[2] == alone(sampler, TEXTS[2], how(5), seed=3)
    assert len(asked.loop._free) == 24
    assert asked.loop.waiting == 0


def test_a_large_wave_holds_no_other_up(sampler: Sampler) -> None:
    asked = Asked(ContinuousLoop(sampler, longest=16), sampler)
    asked.add(TEXTS[0], how(200, room=16), seed=1)
    asked.run(turns=3)
    asked.add(TEXTS[1], how(4), seed=2)
    # At worst all slots are taken for 16 tokens; then it enters within 8 turns, and draws 12.
    asked.run(turns=16 + 8 + 12)
    assert len(asked.found[1]) == 4
    assert asked.found[0] == []
    asked.run()
    assert len(asked.found[0]) == 200


def test_a_prompt_beyond_the_context_is_told_so(sampler: Sampler) -> None:
    found = alone(sampler, "one two three " * 40, how(2), seed=0)
    assert [draft.finish_reason for draft in found] == ["prompt_too_long"] * 2
