"""What each judge of a public sample file is worth, beside votes and the calculator.

    python benchmarks/judges.py samples.jsonl.gz scores_by_model.qwen_prm.min scores_by_model...
    python benchmarks/judges.py samples.jsonl qwen.prod --problems math500.jsonl

Each field is measured by `mathtune measure FILE --score FIELD --json`; one row of a Markdown table
each, in points over votes with 95 % intervals over problems (docs/public_samples.md). The first
rows need no judge: the calculator, the form of a solution, and its shortness.
"""

import argparse
import json
import subprocess
import sys
from typing import Any

from mathtune.metrics.baselines import BOTH

SHOWN = ("W.RR", "Maj1.Top8", "RR.All")


def measured(file: str, field: str, problems: str | None = None) -> dict[str, Any]:
    """Return the document of the file's samples with one field of scores; golds of `problems`."""
    command = [sys.executable, "-m", "mathtune", "measure", file, "--score", field, "--json"]
    if problems is not None:
        command += ["--problems", problems]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    document: dict[str, Any] = json.loads(found.stdout)
    return document


def points(found: dict[str, float], name: str = "difference") -> str:
    """Return a difference and its interval in points."""
    return f"{100 * found[name]:+.1f} [{100 * found['low']:+.1f}, {100 * found['high']:+.1f}]"


def fraction(found: dict[str, float]) -> str:
    """Return a value and its interval."""
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def plain_row(name: str, alone: str, found: dict[str, Any]) -> list[str]:
    """Return the cells of weights that need no judge."""
    area = fraction(found["evaluator"][alone]["within_auc"])
    return [name, "", area, points(found["over_maj1"][name]), "", "", "", ""]


def row(name: str, found: dict[str, Any]) -> list[str]:
    """Return the cells of a judge."""
    over = [points(found["over_maj1"][metric]) for metric in SHOWN]
    over_calculator = found["over_calculator"]
    beside = points(over_calculator["W.RR"])
    both = points(over_calculator[BOTH]) if BOTH in over_calculator else ""
    area = fraction(found["evaluator"]["within_auc"])
    return [name, found["weights"], area, *over, beside, both]


def main() -> None:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file")
    parser.add_argument("fields", nargs="+")
    parser.add_argument("--problems", help="a file with the golds, if the samples' own are no good")
    arguments = parser.parse_args()
    first = measured(arguments.file, "calculator", arguments.problems)
    size = f"{first['problems']} problems x {first['n']} samples"
    votes = first["metrics"][f"Maj1@{first['n']}"]
    print(f"{size}; votes {100 * votes['value']:.1f}", flush=True)
    heads = ["judge", "weights", "AUC within problems", *(f"{name} - votes" for name in SHOWN)]
    for cells in (
        [*heads, "W.RR - calculator", f"{BOTH} - calculator"],
        ["---"] * 8,
        row("calculator", first),
        plain_row("form", "formatting_alone", first),
        plain_row("shortness", "shorter_alone", first),
    ):
        print("| " + " | ".join(cells) + " |", flush=True)
    for field in arguments.fields:
        found = measured(arguments.file, field, arguments.problems)
        print("| " + " | ".join(row(field, found)) + " |", flush=True)


if __name__ == "__main__":
    main()
