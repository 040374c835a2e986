"""Paths of many samples: how long `collect keep=paths` takes, and how much memory.

    python benchmarks/collecting.py PROBLEMS.jsonl         # 100 samples of each problem
    python benchmarks/collecting.py PROBLEMS.jsonl --limit 500 --samples 20 --json

PROBLEMS: JSON Lines of problems with `id`, `problem`, `answer` and `solution`, as `prepare` writes
(also .gz). Samples are the gold solution reworded at random: words dropped, operands turned round,
a result changed; 60 % are graded right.

Expect at most 180 seconds on two cores for the training problems of GSM8K x 100. CPU seconds are
of this process and its workers; memory is the largest of any one of them.
"""

import argparse
import gzip
import json
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mathtune.rows import jsonl
from mathtune.rows.records import Graded, Problem, Sample, Verdict
from mathtune.stages.collect import Collect

RIGHT = 0.6


def read(path: Path, limit: int | None) -> list[Problem]:
    """Return the first `limit` problems that have a solution."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt") as stream:
        rows = [json.loads(line) for line in stream]
    fields = ("id", "problem", "answer", "solution")
    found = [Problem(**{name: row[name] for name in fields}) for row in rows if row["solution"]]
    return found[:limit]


def reworded(solution: str, rng: random.Random) -> str:
    """The solution with words dropped, products turned round, and sometimes a false result."""

    def turned(match: re.Match[str]) -> str:
        left, right, result = match.groups()
        if rng.random() < 0.3:
            left, right = right, left
        return f"<<{left}*{right}={result}{'1' * (rng.random() < 0.02)}>>"

    turned_round = re.sub(r"<<([\d.]+)\*([\d.]+)=([\d.]+)>>", turned, solution)
    return " ".join(word for word in turned_round.split(" ") if rng.random() < 0.97)


def graded(problems: list[Problem], samples: int) -> tuple[Iterator[Sample], Iterator[Graded]]:
    """Yield rows of samples and of their grades."""
    keys = [(problem, index) for problem in problems for index in range(samples)]

    def texts() -> Iterator[Sample]:
        for problem, index in keys:
            rng = random.Random(f"{problem.id} {index}")
            text = reworded(problem.solution or "", rng)
            yield Sample(
                problem_id=problem.id, index=index, text=text, finish_reason="stop", tokens=1
            )

    def grades() -> Iterator[Graded]:
        for problem, index in keys:
            right = random.Random(f"grade {problem.id} {index}").random() < RIGHT
            yield Graded(
                problem_id=problem.id,
                index=index,
                answer=problem.answer if right else "wrong",
                rule=None,
                verdict=Verdict.correct if right else Verdict.wrong,
                cluster=0 if right else 1,
            )

    return texts(), grades()


def main() -> None:
    """Make the samples, collect, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("problems", type=Path)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rule", choices=["default", "published"], default="default")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    asked = parser.parse_args()
    problems = read(asked.problems, asked.limit)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jsonl.write(folder / "train.jsonl", problems)
        texts, grades = graded(problems, asked.samples)
        jsonl.write(folder / "samples.jsonl", texts)
        jsonl.write(folder / "grades.jsonl", grades)
        stage = Collect(
            problems=folder / "train.jsonl",
            samples=((folder / "samples.jsonl", folder / "grades.jsonl"),),
            keep="paths",
            rule=asked.rule,
        )
        wall, cpu = time.monotonic(), cpu_seconds()
        counts = stage.run(folder)
        wall, cpu = time.monotonic() - wall, cpu_seconds() - cpu
    memory = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    found = {
        "samples": counts.samples,
        "rows": counts.rows,
        "paths_per_problem": counts.paths_per_problem,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "memory_mb": round(memory / (2**20 if sys.platform == "darwin" else 2**10)),
    }
    print(json.dumps(found) if asked.json else "  ".join(f"{k} {v}" for k, v in found.items()))


def cpu_seconds() -> float:
    """Of this process and of its workers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
