"""Engines in several processes: every problem is answered, at its own place."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from mathtune.engines.opener import open_here
from mathtune.engines.protocol import Candidates, Sampling, Want
from mathtune.engines.replicas import Replicas
from mathtune.engines.transformers.engine import TransformersEngine, load
from mathtune.errors import InputError
from mathtune.stages.sample import Sample

pytestmark = pytest.mark.slow


def replicas() -> Replicas:
    asked = Sample(model="embedded", problems=Path("none"), device="cpu")
    return Replicas(partial(open_here, asked, "plain", seed=0), ["", ""])


def test_two_engines_answer_as_one_does() -> None:
    model, tokenizer = load("embedded", None, device="cpu", dtype="float32")
    one = TransformersEngine(model, tokenizer, form="plain")
    how = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=12)
    wants = [Want(f"Problem: What is {a} + 3?\nSolution:\n", 1) for a in range(37)]
    several = dict(replicas().sample(wants, how, seed=(0,)))
    assert several == dict(one.sample(wants, how, seed=(0,)))
    groups = [Candidates(f"What is {a} + 3?", (f"#### {a}", "#### 3")) for a in range(5)]
    engine = replicas()
    found, expected = dict(engine.score(groups, "evaluator")), dict(one.score(groups, "evaluator"))
    assert set(found) == set(expected)
    for place, scores in expected.items():
        assert found[place] == pytest.approx(scores, abs=1e-5)
    assert engine.tokens > 0


def test_a_fault_of_the_user_is_told_as_such() -> None:
    asked = Sample(model="./no/such/folder", problems=Path("none"), device="cpu")
    several = Replicas(partial(open_here, asked, "plain", seed=0), ["", ""])
    how = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=2)
    with pytest.raises(InputError, match="no such file or folder"):
        list(several.sample([Want("2 + 2 =", 1)], how, seed=(0,)))
