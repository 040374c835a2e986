"""Use an installed mathtune as its first user does: `python release/try_install.py core|train`.

core: no torch is there; samples are graded, measured, compared and reported. train: a question is
solved too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROWS = [
    {"problem_id": "a", "gold_answer": "7", "samples": ["#### 7", "#### 8", "#### 7"]},
    {"problem_id": "b", "gold_answer": "1/2", "samples": ["\\boxed{0.5}", "#### 2", "#### 2"]},
]
QUESTION = "For 4 days Hugo works 6 hours a day. Hugo is paid $10 an hour. How much does he earn?"


def main(extra: str) -> None:
    """Run the commands in a folder of their own; raise if a number is not as expected."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        text = "".join(json.dumps(row) + "\n" for row in ROWS)
        (here / "outputs.jsonl").write_text(text, encoding="utf-8")
        found = json.loads(run(here, "measure", "outputs.jsonl", "--json", "--report", "page.html"))
        assert abs(found["metrics"]["mean"]["value"] - 0.5) < 1e-9, found["metrics"]
        assert found["metrics"]["Maj1@3"]["value"] == 0.5, found["metrics"]
        assert (here / "page.html").stat().st_size > 10_000
        run(here, "measure", "outputs.jsonl", "--out", "measured")
        run(here, "compare", "measured", "outputs.jsonl")
        if extra == "core":
            assert find_spec("torch") is None, "torch came along"
        else:
            solved = json.loads(run(here, "solve", QUESTION, "-n", "8", "--json"))
            assert solved["answer"] == "240", solved
    print(f"{extra}: as expected")


def run(folder: Path, *words: str) -> str:
    """What a command prints on standard output."""
    command = [sys.executable, "-m", "mathtune", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main(sys.argv[1])
