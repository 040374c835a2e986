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

PROBLEM = "Ann has 24 pens and gives away 7. How many pens are left?"
RIGHT, WRONG = "Left <<24-7=17>>17\n#### 17", "Left <<24+7=31>>31\n#### 31"


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
    with pytest.raises(InputError, match="1 problem for 2 completions"):
        reward(prompts=["a"], completions=["x", "y"])


@pytest.mark.slow
def test_the_embedded_judge_prefers_the_right_solution() -> None:
    reward = judge_reward("embedded", device="cpu")
    good, bad = reward(prompts=[PROBLEM] * 2, completions=[RIGHT, WRONG])
    assert good is not None
    assert bad is not None
    assert good > 0.9 > 0.1 > bad
    assert reward.__name__ == "judge_reward"  # type: ignore[attr-defined] # TRL names its column so


def documented(function: str) -> str:
    """The file that docs/serve.md gives for verl."""
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (text,) = (one for one in blocks if f"def {function}(" in one)
    return str(text)


def scores(score: Any) -> list[float]:
    given = {"data_source": "gsm8k", "ground_truth": "17", "extra_info": {"question": PROBLEM}}
    return [score(solution_str=text, **given) for text in (RIGHT, WRONG, "no idea")]


def test_the_files_for_verl_give_a_number_for_verls_arguments(serve: Any) -> None:
    names: dict[str, Any] = {}
    exec(documented("compute_score"), names)
    assert scores(names["compute_score"]) == [1.0, 0.0, 0.0]
    text = documented("compute_judged").replace("http://127.0.0.1:9001/v1", serve().url)
    exec(text.replace('"judge",', '"tiny", top_logprobs=888,'), names)
    right, wrong, _ = scores(names["compute_judged"])
    assert right > 0.9 > 0.1 > wrong


@pytest.mark.slow
def test_verl_loads_and_calls_the_file(tmp_path: Path) -> None:
    loading = pytest.importorskip("verl.trainer.ppo.reward", reason="verl is not installed")
    omegaconf = pytest.importorskip("omegaconf")
    path = tmp_path / "mathtune_reward.py"
    path.write_text(documented("compute_score"))
    settings = {"reward": {"custom_reward_function": {"path": str(path), "name": "compute_score"}}}
    score = loading.get_custom_reward_fn(omegaconf.OmegaConf.create(settings))
    assert scores(score) == [1.0, 0.0, 0.0]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_trl_trains_with_both_rewards(tmp_path: Any) -> None:
    trl = pytest.importorskip("trl", reason="TRL is not installed (mathtune[bench])")
    datasets = pytest.importorskip("datasets")

    from mathtune.answers import reward
    from mathtune.engines.embedded_model import path

    rows = [{"prompt": f"Problem: {PROBLEM}\nSolution:\n", "problem": PROBLEM, "answer": "17"}] * 4
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
