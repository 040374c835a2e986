"""A judge as a reward: each completion's S, whatever the order, and as TRL calls it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mathtune.engines.judge_reward import judge_reward, judged_by
from mathtune.engines.protocol import Candidates, Scores
from mathtune.errors import InputError


class Lengths:
    """An engine whose score of a solution is its length over that of its problem."""

    tokens = 0

    def sample(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def score(self, groups: Sequence[Candidates], scorer: Any) -> Iterator[Scores]:
        assert scorer == "evaluator"
        for number, group in reversed(list(enumerate(groups))):  # engines finish in any order
            yield number, [len(text) / len(group.problem) for text in group.solutions]


def test_every_completion_gets_its_own_score() -> None:
    reward = judged_by(Lengths())
    found = reward(prompts=["long", "ab", "long"], completions=["x", "x", "xx"])
    assert found == [0.25, 0.5, 0.5]
    chats = [[{"role": "user", "content": "long"}]]
    assert reward(prompts=chats, completions=[[{"content": "xxx"}]]) == [0.75]
    assert reward(prompts=["?"], completions=["x"], problem=["abcde"]) == [0.2]
    with pytest.raises(InputError, match="1 problems for 2 completions"):
        reward(prompts=["a"], completions=["x", "y"])


@pytest.mark.slow
def test_the_embedded_judge_prefers_the_right_solution() -> None:
    reward = judge_reward("embedded", device="cpu")
    problem = "Ann has 24 pens and gives away 7. How many pens are left?"
    right, wrong = "Left <<24-7=17>>17\n#### 17", "Left <<24+7=31>>31\n#### 31"
    good, bad = reward(prompts=[problem] * 2, completions=[right, wrong])
    assert good is not None
    assert bad is not None
    assert good > 0.9 > 0.1 > bad
    assert reward.__name__ == "judge_reward"  # type: ignore[attr-defined] # TRL names its column so


def test_the_file_for_verl_gives_a_number_for_verls_arguments() -> None:
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    (text,) = (one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def " in one)
    names: dict[str, Any] = {}
    exec(text, names)
    score = names["compute_score"]
    given = {"data_source": "gsm8k", "ground_truth": "17", "extra_info": {"index": 3}}
    assert score(solution_str="24 - 7 = 17\n#### 17", **given) == 1.0
    assert score(solution_str="#### 31", **given) == 0.0
    assert score(solution_str="no idea", **given) == 0.0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_trl_trains_with_both_rewards(tmp_path: Any) -> None:
    trl = pytest.importorskip("trl", reason="TRL is not installed (mathtune[bench])")
    datasets = pytest.importorskip("datasets")

    from mathtune.answers import reward
    from mathtune.engines.embedded_model import path

    problem = "Ann has 24 pens and gives away 7. How many pens are left?"
    rows = [{"prompt": f"Problem: {problem}\nSolution:\n", "problem": problem, "answer": "17"}] * 4
    settings = trl.GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=1,
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=32,
        report_to=[],
        use_cpu=True,
        bf16=False,
        save_strategy="no",
    )
    trainer = trl.GRPOTrainer(
        model=str(path()),
        reward_funcs=[reward, judge_reward("embedded", device="cpu")],
        args=settings,
        train_dataset=datasets.Dataset.from_list(rows),
    )
    trainer.train()
    (log,) = [one for one in trainer.state.log_history if "reward" in one]
    assert 0 <= log["rewards/reward/mean"] <= 1
    assert 0 < log["rewards/judge_reward/mean"] < 1
