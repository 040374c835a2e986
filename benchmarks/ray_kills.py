"""Kill one of two Ray workers at random moments of sample, score and grade; compare every row.

    .venv-ray/bin/python benchmarks/ray_kills.py             # make test-ray: 10 kills
    .venv-ray/bin/python benchmarks/ray_kills.py --kills 30 --seed 7

Each stage is first left alone on the cluster, for its rows and its duration. Then a worker dies
after a random part of this duration, and another joins once the stage has ended. Sampling is greedy
so that its texts can be compared; likelihoods may differ in the last bits, since a lost batch is
scored again in other company.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from mathtune.rows import jsonl
from mathtune.rows.records import Graded, Problem, Sample, Scored
from mathtune.run.stage import Stage
from mathtune.run.step import execute
from mathtune.stages.grade import PROBLEMS_AT_ONCE, Grade
from mathtune.stages.sample import Sample as SampleStage
from mathtune.stages.score import Score

ON_RAY = {"actors": 2, "batch": 2}
BLOCKS = 8
"""Tasks of the stage grade."""
CLOSE = 1e-5
"""How far two likelihoods of the same text may be apart."""


def stages(place: Path, problems: int) -> dict[str, Stage[Any]]:
    """Return the three stages. Texts of our own are scored and, many more of them, graded."""
    few, many = (_written(place, count) for count in (problems, BLOCKS * PROBLEMS_AT_ONCE))
    model = {"model": "embedded", "device": "cpu", "ray": ON_RAY}
    return {
        "sample": SampleStage(problems=few[0], **model, greedy=True, max_tokens=60),
        "score": Score(problems=few[0], samples=(few[1],), **model),
        "grade": Grade(problems=many[0], samples=(many[1],), ray=ON_RAY),
    }


def _written(place: Path, count: int) -> tuple[Path, Path]:
    """Write so many problems, and four samples of each."""
    problems, samples = place / f"problems-{count}.jsonl", place / f"samples-{count}.jsonl"
    asked = "Tom has {} apples and buys 3. How many?"
    rows = [Problem(id=f"p{n}", problem=asked.format(n), answer=str(n + 3)) for n in range(count)]
    jsonl.write(problems, rows)
    texts = [
        Sample(
            problem_id=f"p{n}",
            index=index,
            text=f"{n} + {index} = <<{n}+{index}={n + index}>>{n + index}. #### {n + index}",
            finish_reason="stop",
            tokens=12,
        )
        for n in range(count)
        for index in range(4)
    ]
    jsonl.write(samples, texts)
    return problems, samples


KINDS: dict[str, Any] = {"sample": Sample, "score": Scored, "grade": Graded}


def killed(cluster: Cluster, stage: Stage[Any], folder: Path, after_s: float) -> bool:
    """Run a stage; one worker dies after so many seconds. Return whether it was under way then."""
    node = next(iter(cluster.worker_nodes))
    ended = threading.Event()
    hit: list[bool] = []

    def kill() -> None:
        hit.append(not ended.wait(after_s))
        cluster.remove_node(node, allow_graceful=False)

    killing = threading.Thread(target=kill)
    killing.start()
    try:
        execute(stage, folder, name=folder.name)
    finally:
        ended.set()
        killing.join()
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
    return hit[0]


def same(name: str, folder: Path, other: Path) -> bool:
    """Return whether two folders hold the same rows, each once and in the same order."""
    file = f"{name}s.jsonl"
    found: list[Any] = list(jsonl.read(folder / file, KINDS[name]))
    expected: list[Any] = list(jsonl.read(other / file, KINDS[name]))
    if name != "score":
        return found == expected
    keys = [[(row.problem_id, row.index) for row in rows] for rows in (found, expected)]
    apart = max(abs(a.score - b.score) for a, b in zip(found, expected, strict=True))
    return keys[0] == keys[1] and apart <= CLOSE


def main() -> int:
    """Kill, compare, print the figures; 1 if a stage was not completed or differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--problems", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    lost = 0
    with tempfile.TemporaryDirectory(prefix="ray-kills-") as name:
        place = Path(name)
        work = stages(place, options.problems)
        took = {}
        for kind, stage in work.items():
            begun = time.monotonic()
            execute(stage, place / kind, name=kind)
            took[kind] = time.monotonic() - begun
        print("| stage | worker killed after | under way | rows |\n|---|---:|---|---|")
        for number in range(options.kills):
            kind = list(work)[number % len(work)]
            after_s = draw.uniform(0.02, 0.9) * took[kind]
            folder = place / f"{kind}-{number}"
            under_way = killed(cluster, work[kind], folder, after_s)
            equal = same(kind, folder, place / kind)
            lost += not equal
            said = "complete, each once, as without a kill" if equal else "DIFFER"
            row = (kind, f"{after_s:.1f} of {took[kind]:.1f} s", "yes" if under_way else "no", said)
            print(f"| {' | '.join(row)} |", flush=True)
    ray.shutdown()
    cluster.shutdown()
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
