"""Grading speed against the peers: every contender on the same pairs, on one core, with ratios.

    python benchmarks/grading.py --data ../shared/data
    python benchmarks/grading.py --data ../shared/data --prm800k ~/prm800k   # a checkout of theirs
    python benchmarks/grading.py --data ../shared/data --workload bulk       # 480,000 samples
    python benchmarks/grading.py --data ../shared/data --json                # last line: ratios

Workloads:

    warm      answers of a real many-sample file in their order, duplicates included
    unique    every distinct real (answer, gold) once, called one by one
    unequal   random pairs of different MATH golds: nothing is shared, everything must be parsed
    bulk      7,500 problems x 64 answers, graded and clustered, on all usable cores (ours only)

Each measurement is a child process of its own, so that no cache survives. It counts CPU seconds,
so that a busy machine does not change the ratios. Expect `math` above 20x math-verify and `prm800k`
above 10x its original. math-verify comes with `pip install mathtune[bench]`.
"""

import argparse
import gzip
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from mathtune.answers import cluster, compare, compare_many, extract

Pair = tuple[str, str]
OURS = {"math": "math-verify", "prm800k": "prm800k-original"}
"""Our graders and the contender each is measured against."""
CONTENDERS = ("math", "prm800k", "math-verify", "prm800k-original", "string ==")
WORKLOADS = ("warm", "unique", "unequal")


def pairs_of(workload: str, data: Path, limit: int) -> list[Pair]:
    """Return the (answer, gold) pairs of a workload, the same for every contender."""
    if workload == "unequal":
        golds = [gold for gold in math_golds(data) if not gold.strip("-").isdigit()]
        draw = random.Random(0)
        return [(draw.choice(golds), draw.choice(golds)) for _ in range(limit)]
    pairs = []
    for line in open_text(data / "samples" / "gsm8k_qwen_n32_prm.jsonl.gz"):
        row = json.loads(line)
        for solution in row["samples"]:
            answer = extract(solution, rule="last-number")
            pairs.append((answer.text if answer else "", row["gold_answer"]))
    return pairs[: 16 * limit] if workload == "warm" else list(dict.fromkeys(pairs))[:limit]


def math_golds(data: Path) -> list[str]:
    """Return the distinct golds of MATH, test and train."""
    golds = []
    for split in ("test", "train"):
        for line in open_text(data / "problems" / f"math_{split}.jsonl.gz"):
            golds.append(json.loads(line)["answer"])
    return [gold for gold in dict.fromkeys(golds) if gold.strip()]


def open_text(path: Path) -> list[str]:
    """Return lines of a gzipped text file."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return stream.readlines()


def judge_of(contender: str, prm800k: Path | None) -> Callable[[str, str], object]:
    """Return the contender as a function of (answer, gold), its imports done."""
    if contender == "math":
        return lambda answer, gold: compare(answer, gold)
    if contender == "prm800k":
        return lambda answer, gold: compare(answer, gold, grader="prm800k")
    if contender == "string ==":
        return lambda answer, gold: answer == gold
    if contender == "math-verify":
        from math_verify import parse, verify

        def judge(answer: str, gold: str) -> bool:
            golds = parse(f"${gold}$", parsing_timeout=None)
            return verify(golds, parse(f"${answer}$", parsing_timeout=None), timeout_seconds=None)

        return judge
    # This replaces the script's folder, in which `grading` is this file.
    sys.path[0] = str(prm800k / "prm800k" if prm800k else "")
    return import_module("grading.grader").grade_answer


def measure(contender: str, workload: str, arguments: argparse.Namespace) -> float:
    """Return pairs per CPU second, in this process."""
    pairs = pairs_of(workload, arguments.data, arguments.limit)
    judge = judge_of(contender, arguments.prm800k)
    judge(r"\sqrt{2}", "x+1")
    began = time.process_time()
    for answer, gold in pairs:
        judge(answer, gold)
    return len(pairs) / (time.process_time() - began)


def bulk(data: Path) -> dict[str, float]:
    """Grade and cluster 480,000 answers: golds, other spellings of them, and wrong ones.

    Returns the wall seconds of both and of all.
    """
    golds = math_golds(data)[:7_500]
    golds = [golds[i % len(golds)] for i in range(7_500)]
    draw = random.Random(0)
    problems = []
    for gold in golds:
        wrong = draw.sample(golds, 7)
        spellings = [gold, gold.replace(r"\frac", r"\dfrac"), f"${gold}$"]
        problems.append(draw.choices(spellings, k=40) + draw.choices(wrong, k=24))
    began = time.perf_counter()
    compare_many((a, gold) for gold, answers in zip(golds, problems, strict=True) for a in answers)
    graded = time.perf_counter()
    groups = sum(len(cluster(answers)) for answers in problems)
    ended = time.perf_counter()
    print(f"bulk: 480,000 graded in {graded - began:.1f} s, clustered in {ended - graded:.1f} s")
    print(f"      {groups / len(problems):.1f} clusters per problem; {ended - began:.1f} s in all")
    return {"graded": graded - began, "clustered": ended - graded, "all": ended - began}


def main() -> None:
    """Measure every contender in its own child process and print rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with samples/ problems/")
    parser.add_argument("--prm800k", type=Path, help="a checkout of openai/prm800k")
    parser.add_argument("--limit", type=int, default=400, help="pairs per workload (warm: 16 x)")
    parser.add_argument("--workload", choices=(*WORKLOADS, "bulk"), help="only this one")
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON, last")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        print(measure(arguments.contender, arguments.workload, arguments))
        return
    if arguments.workload == "bulk":
        seconds = bulk(arguments.data)
        if arguments.json:
            print(json.dumps({"seconds": {name: round(s, 2) for name, s in seconds.items()}}))
        return
    rates = {
        workload: side_by_side(workload, arguments.prm800k)
        for workload in ([arguments.workload] if arguments.workload else WORKLOADS)
    }
    ratios: dict[str, float] = {}
    for workload, found in rates.items():
        for ours, peer in OURS.items():
            if ours in found and peer in found:
                ratio = found[ours] / found[peer]
                ratios[f"{workload}: {ours} vs {peer}"] = round(ratio, 1)
                print(f"{workload:8} {ours} is {ratio:.0f} x {peer}")
    if arguments.json:
        print(json.dumps({"ratios": ratios}))


def side_by_side(workload: str, prm800k: Path | None) -> dict[str, float]:
    """Return pairs per CPU second of every contender, each in a child of its own."""
    rates: dict[str, float] = {}
    for contender in CONTENDERS:
        if contender == "prm800k-original" and prm800k is None:
            continue
        command = [sys.executable, __file__, *sys.argv[1:], "--contender", contender]
        done = subprocess.run(
            [*command, "--workload", workload], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"{workload:8} {contender:18} failed: {done.stderr.strip()[-100:]}")
            continue
        rates[contender] = float(done.stdout.split()[-1])
        print(f"{workload:8} {contender:18} {rates[contender]:12,.0f} pairs/s", flush=True)
    return rates


if __name__ == "__main__":
    main()
