"""How many samples early stopping saves on real samples, and what it costs in accuracy.

    python benchmarks/stopping.py samples/*.jsonl.gz [--scores scores] [--json]

Each file has a row per problem: its samples and its gold answer, perhaps scores. Answers are
clustered and graded once. Then the rule of `solve` and `serve` (`early_stopping.next_wave` and
`ended`) is played over random orders of each problem's samples: it sees the first wave, then the
next, and so on, and picks among what it has seen. Beside it: all samples, picked the same way. The
difference is paired by problem; its 95 % interval is over problems.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mathtune.answers import cluster, compare_many, extract
from mathtune.cli.serving.waves import LEAST
from mathtune.metrics import early_stopping, strategies
from mathtune.metrics.intervals import paired
from mathtune.metrics.strategies import Clusters, part
from mathtune.rows import jsonl
from mathtune.rows.records import Verdict

LIMITS = (0.9, 0.95, 0.99)
ORDERS = 8
"""Random orders of each problem's samples."""


@dataclass(frozen=True)
class Played:
    """A problem under one rule: samples used, waves, and how often its pick was right."""

    used: float
    waves: float
    right: float
    all_right: float


def main() -> int:
    """Play the rule on every file and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--scores", help="the field of scores, or scores_by_model/NAME")
    parser.add_argument("--rows", type=int, help="only so many problems of each file")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    for path in args.files:
        problems = list(_problems(path, args.scores, args.rows))
        rows += [_row(path, problems, limit, least) for limit in LIMITS for least in (1, LEAST)]
        if any(problem.scores is not None for problem in problems):
            unscored = [replace(problem, scores=None) for problem in problems]
            rows += [_row(path, unscored, 0.95, LEAST)]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    print(
        f"{'samples':<34} {'picks by':<9} {'stop':>5} {'least':>5} {'used':>6} {'of':>3} "
        f"{'fewer':>6} {'waves':>6} {'right':>6} {'all':>6}  difference, points"
    )
    for row in rows:
        print(
            f"{row['file'][:34]:<34} {row['strategy']:<9} {row['stop']:>5} {row['least']:>5} "
            f"{row['used']:>6.2f} {row['of']:>3} {row['of'] / row['used']:>5.1f}x "
            f"{row['waves']:>6.2f} {row['right']:>6.1%} {row['all']:>6.1%}  "
            f"{row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"
        )
    return 0


def _problems(path: Path, field: str | None, most: int | None) -> Iterator[Clusters]:
    """Yield the clusters of each problem, with their verdicts and, if there are any, scores."""
    for number, (_, line) in enumerate(jsonl.lines(path)):
        if number == most:
            return
        row = json.loads(line)
        texts = [one if isinstance(one, str) else one["text"] for one in row["samples"]]
        yield _clusters(texts, str(row["gold_answer"]), _scores(row, field))


def _scores(row: dict[str, Any], field: str | None) -> np.ndarray | None:
    if field is None:
        return None
    found: Any = row
    for name in field.split("/"):
        found = found[name]
    return np.clip(np.array(found, dtype=np.float64), 0.0, 1.0)


def _clusters(texts: Sequence[str], gold: str, scores: np.ndarray | None) -> Clusters:
    answers = []
    for text in texts:
        found = extract(text, rule="auto")
        answers.append(None if found is None else found.text)
    groups = cluster(answers)
    of = np.full(len(answers), -1)
    for number, members in enumerate(groups):
        of[list(members)] = number
    firsts = [str(answers[members[0]]) for members in groups]
    pairs = [(first, gold) for first in firsts]
    correct = [verdict is Verdict.correct for verdict in compare_many(pairs)]
    return Clusters(of, np.array(correct, dtype=bool), scores)


def _row(path: Path, problems: Sequence[Clusters], limit: float, least: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    played = [_played(problem, limit, least, rng) for problem in problems]
    right = np.array([one.right for one in played])
    whole = np.array([one.all_right for one in played])
    (found,) = paired(right[:, None], whole[:, None], resamples=2000, seed=0)
    return {
        "file": path.name,
        "strategy": "W.RR" if problems[0].scores is not None else "Maj1",
        "stop": limit,
        "least": least,
        "problems": len(problems),
        "of": len(problems[0].of),
        "used": float(np.mean([one.used for one in played])),
        "waves": float(np.mean([one.waves for one in played])),
        "right": float(right.mean()),
        "all": float(whole.mean()),
        "difference": 100 * found.difference,
        "low": 100 * found.low,
        "high": 100 * found.high,
    }


def _played(problem: Clusters, limit: float, least: int, rng: np.random.Generator) -> Played:
    """Play the rule over random orders of a problem's samples."""
    most = len(problem.of)
    used = waves = right = whole = 0
    for _ in range(ORDERS):
        order = rng.permutation(most)
        seen = 0
        while True:
            found = part(problem, order[:seen])
            if seen and early_stopping.ended(found, most=most, stop_at=limit):
                break
            seen += early_stopping.next_wave(found, most=most, stop_at=limit, least=least)
            waves += 1
        used += seen
        right += _right(found)
        whole += _right(part(problem, order))
    return Played(used / ORDERS, waves / ORDERS, right / ORDERS, whole / ORDERS)


def _right(clusters: Clusters) -> bool:
    position = strategies.pick(clusters, "Maj1" if clusters.scores is None else "W.RR")
    return position is not None and bool(clusters.correct[clusters.of[position]])


if __name__ == "__main__":
    sys.exit(main())
