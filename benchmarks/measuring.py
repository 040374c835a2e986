"""Memory and CPU of `mathtune measure FILE` and `mathtune grade FILE` on a large made-up file.

    python benchmarks/measuring.py                              # 1,000,000 rows of 250 characters
    python benchmarks/measuring.py --rows 200000 --n 8 --json   # smaller; last line: figures
    python benchmarks/measuring.py --command grade

Rows are JSON Lines, one sample per row, `--n` samples per problem, each with a score. The texts are
seeded: most answers are plain numbers, a tenth are LaTeX. The command runs in a child process with
one thread, and its CPU-seconds and its largest resident set are reported. Expect `measure` and
`grade` below 300 MB for a million rows.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = (
    "so", "we", "add", "the", "nuts", "of", "each", "bag", "and", "find", "that", "there", "are",
    "more", "than", "before",
)  # fmt: skip


def write_rows(path: Path, rows: int, n: int, characters: int) -> None:
    """Write `rows` samples of about `characters` characters, `n` per problem."""
    draw = random.Random(0)
    filler = " ".join(draw.choice(WORDS) for _ in range(characters))
    with path.open("w", encoding="utf-8") as stream:
        for number in range(rows):
            problem = number // n
            gold = problem % 997
            answer = gold if draw.random() < 0.6 else gold + draw.randrange(1, 4)
            end = f"#### {answer}" if number % 10 else rf"\boxed{{\frac{{{2 * answer}}}{{2}}}}"
            start = draw.randrange(characters)
            text = f"{filler[start : start + characters - len(end) - 1]}\n{end}"
            row = {
                "problem_id": f"p{problem}",
                "gold_answer": str(gold),
                "sample": text,
                "score": round(draw.random() * (0.7 if answer != gold else 1.0), 4),
            }
            stream.write(json.dumps(row) + "\n")


def measured(command: str, path: Path) -> dict[str, float]:
    """The command's CPU-seconds (its children included) and its largest resident set, in MB."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "mathtune",
            command,
            str(path),
            *(["--json"] * (command != "grade")),
        ],
        check=True,
        env={**os.environ, **threads},
        stdout=subprocess.DEVNULL,
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss * unit / 1e6, 1),
    }


def main() -> None:
    """Write the file, run the command, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--n", type=int, default=32, help="samples per problem")
    parser.add_argument("--characters", type=int, default=250)
    parser.add_argument("--command", choices=("measure", "grade"), default="measure")
    parser.add_argument("--json", action="store_true", help="last line: the figures as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.jsonl"
        write_rows(path, given.rows, given.n, given.characters)
        found = measured(given.command, path)
    print(
        f"{given.command} {given.rows:,} rows of {given.characters} characters, "
        f"{given.n} per problem: {found['cpu_seconds']} CPU-seconds, {found['peak_mb']} MB"
    )
    if given.json:
        print(json.dumps({"rows": given.rows, "n": given.n, **found}))


if __name__ == "__main__":
    main()
