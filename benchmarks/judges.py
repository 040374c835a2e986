"""What each judge of a public sample file is worth, beside votes and the calculator.

    python benchmarks/judges.py samples.jsonl.gz scores_by_model.qwen_prm.min scores_by_model...

Each field is measured by `mathtune measure FILE --score FIELD --json`; one row of a Markdown table
each, in points over votes with 95 % intervals over problems (docs/public_samples.md).
"""

import argparse
import json
import subprocess
import sys
from typing import Any

from mathtune.metrics.baselines import BOTH

SHOWN = ("W.RR", "Maj1.Top8", "RR.All")


def measured(file: str, field: str) -> dict[str, Any]:
    """Return the document of the file's samples with one field of scores."""
    command = [sys.executable, "-m", "mathtune", "measure", file, "--score", field, "--json"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    document: dict[str, Any] = json.loads(found.stdout)
    return document


def points(found: dict[str, float], name: str = "difference") -> str:
    """Return a difference and its interval in points."""
    return f"{100 * found[name]:+.1f} [{100 * found['low']:+.1f}, {100 * found['high']:+.1f}]"


def row(name: str, found: dict[str, Any]) -> list[str]:
    """Return the cells of a judge."""
    within = found["evaluator"]["within_auc"]
    over = [points(found["over_maj1"][metric]) for metric in SHOWN]
    over_calculator = found["over_calculator"]
    beside = points(over_calculator["W.RR"])
    both = points(over_calculator[BOTH]) if BOTH in over_calculator else ""
    area = f"{within['value']:.3f} [{within['low']:.3f}, {within['high']:.3f}]"
    return [name, found["weights"], area, *over, beside, both]


def main() -> None:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file")
    parser.add_argument("fields", nargs="+")
    arguments = parser.parse_args()
    first = measured(arguments.file, "calculator")
    size = f"{first['problems']} problems x {first['n']} samples"
    votes = first["metrics"][f"Maj1@{first['n']}"]
    print(f"{size}; votes {100 * votes['value']:.1f}", flush=True)
    heads = ["judge", "weights", "AUC within problems", *(f"{name} - votes" for name in SHOWN)]
    for cells in (
        [*heads, "W.RR - calculator", f"{BOTH} - calculator"],
        ["---"] * 8,
        row("calculator", first),
    ):
        print("| " + " | ".join(cells) + " |", flush=True)
    for field in arguments.fields:
        print("| " + " | ".join(row(field, measured(arguments.file, field))) + " |", flush=True)


if __name__ == "__main__":
    main()
