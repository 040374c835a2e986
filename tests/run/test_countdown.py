"""Times in words, the place of a step in its run, and lines that are printed once."""

from __future__ import annotations

import pytest

from mathtune.run import progress
from mathtune.run.progress import Countdown, duration, say_once


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "under 1 s"), (99, "99 s"), (100, "1.7 min"), (4499, "75 min"), (4500, "1.2 hours")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


class Clock:
    """A time that a test sets."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_the_time_left_is_corrected_by_what_steps_took(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, finished = Clock(), {"old"}
    monkeypatch.setattr(progress, "time", clock)
    expected = {"old": 500.0, "a": 10.0, "b": 20.0, "c": 30.0}
    countdown = Countdown(expected, finished.__contains__)
    assert countdown.at("a") == "step 2 of 4, about 60 s left"  # as foreseen: nothing is known
    finished.add("a")
    clock.now += 20.0  # twice as long as foreseen
    assert countdown.at("b") == "step 3 of 4, about 1.7 min left"
    finished.add("b")
    clock.now += 10.0  # 30 s for 30: as foreseen
    assert countdown.at("c") == "step 4 of 4, about 30 s left"


def test_an_unknown_time_is_not_guessed() -> None:
    countdown = Countdown({"a": 1.0, "b": None}, set[str]().__contains__)
    assert countdown.at("a") == "step 1 of 2"


def test_a_line_of_a_kind_is_printed_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_said", set())
    for kind, line in (("solver", "first"), ("solver", "second"), ("evaluator", "third")):
        say_once(kind, line)
    assert capsys.readouterr().err.split() == ["first", "third"]
