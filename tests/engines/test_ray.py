"""Sampling, scoring and grading on a local Ray cluster of two workers, of which one is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="make ray-env")
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings

from ray.cluster_utils import Cluster

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem, Sample
from mathtune.run.step import execute
from mathtune.stages.grade import Grade
from mathtune.stages.sample import Sample as SampleStage
from mathtune.stages.score import Score

PROBLEMS = [
    Problem(id=f"p{number}", problem=f"Tom has {number} apples and buys 3. How many?", answer="1")
    for number in range(24)
]
ON_RAY = {"actors": 2, "batch": 2}


@pytest.fixture
def workers() -> Iterator[tuple[Cluster, list[Any]]]:
    """A head that does no work, and two workers of one CPU each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    jsonl.write(path, PROBLEMS)
    return path


def stages(problems: Path, folder: Path, **settings: Any) -> list[bytes]:
    """Sample greedily, score and grade; what the three files hold."""
    model: dict[str, Any] = {"model": "embedded", "device": "cpu", **settings}
    if "ray" not in settings:
        model["workers"] = 1
    execute(
        SampleStage(problems=problems, greedy=True, max_tokens=120, **model),
        folder / "samples",
        name="samples",
    )
    samples = (folder / "samples/samples.jsonl",)
    execute(Score(problems=problems, samples=samples, **model), folder / "scores", name="scores")
    grade = Grade(problems=problems, samples=samples, ray=settings.get("ray"))
    execute(grade, folder / "grades", name="grades")
    names = ("samples/samples.jsonl", "scores/scores.jsonl", "grades/grades.jsonl")
    return [(folder / name).read_bytes() for name in names]


def test_a_killed_worker_costs_nothing(
    workers: tuple[Cluster, list[Any]], problems: Path, tmp_path: Path
) -> None:
    cluster, nodes = workers
    written = tmp_path / "there/samples/samples.jsonl"
    killed: list[int] = []

    def kill() -> None:
        while not written.exists() or not written.stat().st_size:
            time.sleep(0.01)
        killed.append(len(written.read_bytes().splitlines()))
        cluster.remove_node(nodes[0], allow_graceful=False)

    watching = threading.Thread(target=kill)
    watching.start()
    there = stages(problems, tmp_path / "there", ray=ON_RAY)
    watching.join()
    assert killed[0] < len(PROBLEMS)  # in mid-run
    here = stages(problems, tmp_path / "here")
    assert there[0] == here[0]
    assert there[2] == here[2]
    scores = [
        [float(row.split(b":")[-1][:-1]) for row in rows[1].splitlines()] for rows in (there, here)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


@pytest.mark.usefixtures("workers")
def test_what_is_there_is_not_sampled_again_and_more_is_added(
    problems: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"model": "embedded", "device": "cpu", "max_tokens": 12}

    def run(n: int) -> list[Sample]:
        stage = SampleStage(problems=problems, n=n, ray=ON_RAY, **settings)
        execute(stage, tmp_path / "out", name="out")
        return list(jsonl.read(tmp_path / "out/samples.jsonl", Sample))

    few, many = run(2), run(5)
    expected = [(problem.id, index) for problem in PROBLEMS for index in range(5)]
    assert [(row.problem_id, row.index) for row in many] == expected
    assert [row for row in many if row.index < 2] == few


@pytest.mark.usefixtures("workers")
def test_a_fault_of_the_user_is_told_as_such(problems: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    with pytest.raises(InputError, match=r"adapter_config\.json; expected a LoRA adapter"):
        stages(problems, tmp_path / "out", ray=ON_RAY, adapter=adapter)
    with pytest.raises(InputError, match="ray: found with engine openai"):
        stages(problems, tmp_path / "other", ray=ON_RAY, engine="openai", prompt="plain")
