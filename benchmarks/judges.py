"""What each judge of a public sample file is worth, beside votes and the calculator.

    python benchmarks/judges.py samples.jsonl.gz scores_by_model.qwen_prm.min scores_by_model...
    python benchmarks/judges.py samples.jsonl qwen.prod --problems math500.jsonl

Each field is measured by `mathtune measure FILE --score FIELD --json`; one row of a Markdown table
each, in points over votes with 95 % intervals over problems (docs/public_samples.md). The first
rows need no judge: the calculator, the form of a solution, and its shortness.

    python benchmarks/judges.py samples.jsonl --problems math500.jsonl --keep results/public-pools/x
    python benchmarks/judges.py results/public-pools/*

Without a field: one row about the calculator; `--keep` writes the problems' outcomes, without
texts. Folders of outcomes alone: what the calculator gives over votes in each, and their mean with
Student's t over the folders, which stand for all pools of samples.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mathtune.metrics.baselines import BOTH
from mathtune.metrics.distributions import t_quantile
from mathtune.stages.measure import read_outcomes

SHOWN = ("W.RR", "Maj1.Top8", "RR.All")


def measured(file: str, field: str, options: list[str]) -> dict[str, Any]:
    """Return the document of the file's samples with one field of scores."""
    command = [sys.executable, "-m", "mathtune", "measure", file, "--score", field, "--json"]
    command += options
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


def pool_row(file: str, keep: Path | None, options: list[str]) -> list[str]:
    """Return the cells about the calculator; keep the outcomes of votes and calculator alone."""
    with tempfile.TemporaryDirectory() as folder:
        found = measured(file, "calculator", [*options, "--out", f"{folder}/measure"])
        outcomes = read_outcomes(Path(folder) / "measure")
    n = found["n"]
    if keep is not None:
        names = ("mean", f"Pass@{n}", f"Maj1@{n}", "calculator")
        keep.mkdir(parents=True)
        with (keep / "outcomes.jsonl").open("w", encoding="utf-8") as out:
            for number, one in enumerate(outcomes.values()):
                values = {name: one.values[name] for name in names}
                kept = {"problem_id": str(number), "values": values, "picks": {}}
                out.write(json.dumps(kept, separators=(",", ":")) + "\n")
    values = [f"{100 * found['metrics'][name]['value']:.1f}" for name in ("mean", f"Maj1@{n}")]
    values.append(f"{100 * found['metrics'][f'Pass@{n}']['value']:.1f}")
    curve = found["evaluator"]["roc"]
    wrong, right = curve[1] if len(curve) == 3 else (1.0, 1.0)
    stopped = next(one for one in found["early_stopping"] if one["stop"] == 0.95)
    return [
        f"{found['problems']:,} x {n}",
        *values,
        points(found["over_maj1"]["calculator"]),
        f"{100 * (1 - wrong):.1f}",
        f"{100 * (1 - right):.1f}",
        f"{stopped['samples']:.1f}: {points(stopped['over_maj1'])}",
    ]


def over_pools(folders: list[str]) -> str:
    """Return what the calculator gives over votes in the mean of the folders, each of weight 1.

    mean(d) -+ t_quantile(k - 1) * stdev(d) / sqrt(k),  d: the folders' differences in points
    """
    gains = []
    for folder in folders:
        values = [one.values for one in read_outcomes(Path(folder)).values()]
        votes = next(name for name in values[0] if name.startswith("Maj1@"))
        gains.append(100 * mean(one["calculator"] - one[votes] for one in values))
        print(f"{gains[-1]:+.2f} {folder}")
    half = t_quantile(len(gains) - 1) * stdev(gains) / sqrt(len(gains))
    low, high = mean(gains) - half, mean(gains) + half
    return f"{len(gains)} pools: {mean(gains):+.2f} [{low:+.2f}, {high:+.2f}]"


def main() -> None:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file")
    parser.add_argument("fields", nargs="*")
    parser.add_argument("--problems", help="a file with the golds, if the samples' own are no good")
    parser.add_argument("--read", help="fields of the file by role, as measure's --fields")
    parser.add_argument("--keep", type=Path, help="a folder for the outcomes of a pool")
    arguments = parser.parse_args()
    if Path(arguments.file).is_dir():
        print(over_pools([arguments.file, *arguments.fields]))
        return
    options = ["--problems", arguments.problems] if arguments.problems else []
    options += ["--fields", arguments.read] if arguments.read else []
    if not arguments.fields:
        print("| " + " | ".join(pool_row(arguments.file, arguments.keep, options)) + " |")
        return
    first = measured(arguments.file, "calculator", options)
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
        found = measured(arguments.file, field, options)
        print("| " + " | ".join(row(field, found)) + " |", flush=True)


if __name__ == "__main__":
    main()
