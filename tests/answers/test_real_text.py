"""The graders on real samples and golds: published figures, spellings, and near misses."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mathtune.answers import cluster, compare, extract
from mathtune.answers.graders.table import Grader
from mathtune.answers.reward import reward
from mathtune.errors import InputError


def accuracy(path: Path, grader: Grader) -> tuple[float, float, float]:
    """Mean sample accuracy, Maj1@n and Pass@n, in per cent, with the last number as answer."""
    right = total = majority = some = problems = 0
    with gzip.open(path, "rt") as stream:
        for line in stream:
            row = json.loads(line)
            found = [extract(text, rule="last-number") for text in row["samples"]]
            answers = [answer.text if answer else None for answer in found]
            correct = [compare(a, row["gold_answer"], grader=grader) == "correct" for a in answers]
            right, total = right + sum(correct), total + len(correct)
            problems, some = problems + 1, some + any(correct)
            majority += correct[max(cluster(answers), key=len)[0]]
    return 100 * right / total, 100 * majority / problems, 100 * some / problems


def test_figures_of_qwen_on_gsm8k(shared_data: Path) -> None:
    path = shared_data / "samples" / "gsm8k_qwen_n32_prm.jsonl.gz"
    assert [round(x, 1) for x in accuracy(path, "prm800k")] == [87.0, 88.8, 97.4]
    assert [round(x, 1) for x in accuracy(path, "math")] == [87.0, 88.8, 97.4]


@pytest.fixture(scope="module")
def golds(shared_data: Path) -> list[str]:
    found = []
    for split in ("test", "train"):
        with gzip.open(shared_data / "problems" / f"math_{split}.jsonl.gz", "rt") as stream:
            found += [json.loads(line)["answer"] for line in stream]
    assert len(found) == 12_500
    return [gold for gold in dict.fromkeys(found) if gold.strip()]


SPELLINGS: dict[str, Callable[[str], str]] = {
    "itself": lambda gold: gold,
    "dfrac": lambda gold: gold.replace(r"\frac", r"\dfrac"),
    "in dollars": lambda gold: f"${gold}$",
    "boxed": lambda gold: rf"\boxed{{{gold}}}",
    "spaces": lambda gold: f"  {gold} ",
    "no left and right": lambda gold: gold.replace(r"\left", "").replace(r"\right", ""),
    "Unicode minus": lambda gold: gold.replace("-", "−"),
    "degree sign": lambda gold: gold.replace(r"^\circ", "°"),
    "mbox": lambda gold: gold.replace(r"\text{", r"\mbox{"),
    "no percent": lambda gold: gold.replace(r"\%", "") if "=" not in gold else gold,
    "no degree": lambda gold: gold.replace(r"^\circ", ""),
    "no currency": lambda gold: gold.replace(r"\$", ""),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_golds_in_other_spellings(name: str, golds: list[str]) -> None:
    wrong = [g for g in golds if compare(SPELLINGS[name](g), g) != "correct"]
    assert wrong == []


def next_digit(gold: str) -> str:
    """The last digit raised by one, except behind `\\approx`, where nothing is compared."""
    if r"\approx" in gold:
        return gold
    return re.sub(r"(\d)(?=\D*$)", lambda m: str((int(m[1]) + 1) % 10), gold)


def swapped(gold: str) -> str:
    pair = re.fullmatch(r"\((-?\d+), *(-?\d+)\)", gold)
    return f"({pair[2]},{pair[1]})" if pair and pair[1] != pair[2] else gold


NEAR_MISSES: dict[str, Callable[[str], str]] = {
    "next digit": next_digit,
    "first sign": lambda gold: gold.replace("+", "-", 1) if r"\pm" not in gold else gold,
    "bracket": lambda gold: re.sub(r"^(\\left)?\((?=[^()]*,[^()]*\)$)", r"\1[", gold),
    "order": swapped,
    "one less": lambda gold: re.sub(r"^(-?\d+(?:, *-?\d+)*), *-?\d{1,2}$", r"\1", gold),
    "one more": lambda gold: gold + ", 7919" if re.fullmatch(r"-?\d+(, *-?\d+)*", gold) else gold,
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_near_misses_stay_wrong(name: str, golds: list[str]) -> None:
    changed = [(NEAR_MISSES[name](gold), gold) for gold in golds]
    changed = [(near, gold) for near, gold in changed if near != gold and "text" not in gold]
    assert len(changed) > 10
    assert [pair for pair in changed if compare(*pair) == "correct"] == []


def test_reward_takes_texts_and_chats() -> None:
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": r"\boxed{1/2}"}]
    assert reward([r"\boxed{0.5}", "0.5"], solution=["1/2", "1/2"], prompts=["", ""]) == [1.0, 0.0]
    assert reward([chat, chat], ["0.5", ""]) == [1.0, None]
    assert reward([chat], answer=["so $\\boxed{\\frac12}$"]) == [1.0]
    with pytest.raises(InputError, match="no column"):
        reward([chat])


def test_reward_is_called_as_trl_calls_it() -> None:
    """All columns, ids and hooks as keywords; messages whose text comes in parts, or not at all."""
    parts = [{"role": "assistant", "content": [{"type": "text", "text": "#### 5"}]}]
    empty = [{"role": "assistant", "content": None}]
    rewards = reward(
        prompts=[[{"role": "user", "content": "?"}]] * 4,
        completions=[parts, empty, [], parts],
        completion_ids=[[1], [2], [3], [4]],
        answer=[5, 5, 5, None],
        trainer_state=None,
        log_extra=print,
        log_metric=print,
    )
    assert rewards == [1.0, 0.0, 0.0, None]
