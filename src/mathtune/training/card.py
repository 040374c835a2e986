"""A model's card: what it was trained on, how often it is right, and the command. Above rows.

The train stage writes one beside its model, the report one that has the accuracies that a run
measured; `mathtune push_to_hub` sends it along as README.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from mathtune.rows.metrics import TrainMetrics
from mathtune.training.settings import SOLVERS, TrainingSettings

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

CARD = "README.md"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Accuracy:
    """A measured share with its 95 % interval. `dataset`: its id on the hub, None: not from there.

    `how`: the metric as the report names it, with n and sampling where it has them.
    """

    row: str
    metric: str
    value: float
    low: float
    high: float
    problems: int
    data: str
    dataset: str | None = None
    subset: str | None = None
    how: str = ""

    @property
    def text(self) -> str:
        """The share as people read it.

        Example:
            >>> Accuracy("ssft", "Pass@1", 0.433, 0.385, 0.481, 400, "gsm8k").text
            '43.3 % [38.5, 48.1]'
        """
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Trained:
    """The facts about a training. `sources`: the data, as it was named; `before`: earlier trainings
    of the same run, first one first.
    """

    base: str
    settings: dict[str, Any]
    metrics: TrainMetrics
    examples: tuple[str, ...]
    sources: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


def command(facts: Trained) -> str:
    """Return the command that trains so: the settings that are not the defaults.

    Folders are left out of paths: they say where somebody's files are.
    """
    files = " ".join(facts.examples[:1])
    chosen = [_assigned("model", _shown(str(facts.settings["model"])))]
    if len(facts.examples) > 1:
        chosen, files = [_assigned("examples", list(facts.examples)), *chosen], ""
    for name, default in TrainingSettings().model_dump(mode="json").items():
        if facts.settings.get(name, default) != default:  # a setting may be newer than the run
            chosen.append(_assigned(name, facts.settings[name]))
    return " ".join(filter(None, ["mathtune train", files, *chosen, "--out trained"]))


def text(facts: Trained, accuracies: Sequence[Accuracy] = (), *, name: str | None = None) -> str:
    """Return the card as the hub reads it: metadata, then Markdown. None: named by what it does."""
    from huggingface_hub import ModelCardData

    kind, title, does = (
        ("solver", "Solver of math problems", "solves math problems")
        if facts.metrics.objective in SOLVERS
        else ("judge", "Judge of solutions", "judges solutions of math problems")
    )
    name = name or title
    metadata = ModelCardData(
        base_model=_hub_id(facts.base),
        library_name="peft" if _adapters(facts) else "transformers",
        pipeline_tag="text-generation",
        tags=["mathtune", "math", kind],
        model_name=name if accuracies else None,
        eval_results=[_result(one) for one in accuracies] or None,
    )
    parts = [
        f"---\n{metadata.to_yaml()}\n---",
        f"# {name}",
        f"A language model that {does}, trained with mathtune from {_named(facts.base)}.",
        "## What it was trained on",
        _learned(facts),
        "## How often it is right",
        _table(accuracies),
        "## How it was made",
        f"```sh\n{command(facts)}\n```",
        "Base model and data have their own licences, which hold for this model too.",
    ]
    return "\n\n".join(parts) + "\n"


def results_files(accuracies: Sequence[Accuracy]) -> dict[str, str]:
    """Return the hub's files of evaluation results, by path: one per data set of the hub."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    files: dict[str, list[Any]] = {}
    for one in accuracies:
        if one.dataset is not None:
            entry = EvalResultEntry(
                dataset_id=one.dataset,
                task_id=one.subset or "default",
                value=round(100 * one.value, 2),
                notes=f"{one.metric}{one.how}, {one.problems} problems: percent with 95 % interval "
                f"{one.text}",
            )
            files.setdefault(f".eval_results/{one.data}.yaml", []).append(entry)
    return {
        path: yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False)
        for path, entries in files.items()
    }


def _learned(facts: Trained) -> str:
    metrics = facts.metrics
    lines = [
        f"- Objective {metrics.objective}: {metrics.examples:,} examples"
        + (f", {metrics.target_tokens:,} target tokens" if metrics.target_tokens else "")
        + f", {metrics.updates:,} updates of {facts.settings['batch_size']}",
        f"- Files: {', '.join(facts.examples)}",
    ]
    lines += [f"- Data: {', '.join(facts.sources)}"] if facts.sources else []
    lines += [f"- After: {', then '.join(facts.before)}"] if facts.before else []
    lines.append(f"- Loss at the end: {metrics.final_loss:.4g}")
    if metrics.truncated or metrics.left_out:
        lines.append(f"- {metrics.truncated} examples were cut, {metrics.left_out} left out")
    return "\n".join(lines)


def _table(accuracies: Sequence[Accuracy]) -> str:
    if not accuracies:
        return "Not measured."
    rows = ["| data | problems | metric | correct, with 95 % interval |", "|---|---|---|---|"]
    rows += [
        f"| {_cell(one.data)} ({_cell(one.row)}) | {one.problems} | {one.metric}{one.how} | "
        f"{one.text} |"
        for one in accuracies
    ]
    return "\n".join(rows)


def _result(one: Accuracy) -> EvalResult:
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type="text-generation",
        task_name="Math word problems",
        dataset_type=one.dataset or one.data,
        dataset_name=one.data,
        dataset_config=one.subset,
        dataset_split="test",
        metric_type="accuracy",
        metric_name=f"{one.metric}{one.how} ({one.row})",
        metric_value=round(100 * one.value, 2),
        metric_args={
            "low": round(100 * one.low, 2),
            "high": round(100 * one.high, 2),
            "level": 0.95,
            "problems": one.problems,
        },
    )


def _adapters(facts: Trained) -> bool:
    lora = facts.settings.get("lora") or {"merge": True}
    return not lora["merge"]


def _hub_id(base: str) -> str | None:
    """Return the base model's id on the hub; None: it is no such id.

    Example:
        >>> _hub_id("Qwen/Qwen2.5-1.5B"), _hub_id("./Qwen/Qwen2.5"), _hub_id("embedded")
        ('Qwen/Qwen2.5-1.5B', None, None)
    """
    here = Path(base).expanduser().exists() or base.startswith(".")
    return base if HUB_ID.fullmatch(base) and not here else None


def _shown(base: str) -> str:
    """Return the base model's name without the folders before it."""
    return base if _hub_id(base) or "/" not in base else PurePath(base).name


def _named(base: str) -> str:
    shown = _shown(base)
    return "the base model that ships with mathtune" if base == "embedded" else f"`{shown}`"


def _assigned(name: str, value: Any) -> str:
    """Return a setting as the command line reads it.

    Example:
        >>> _assigned("lora", {"rank": 8, "merge": True}), _assigned("system", "Be brief.")
        ("'lora={rank: 8, merge: true}'", "'system=Be brief.'")
    """
    import shlex

    import yaml

    inline = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    told = value if isinstance(value, str) else inline.removesuffix("\n").removesuffix("\n...")
    return shlex.quote(f"{name}={told}")


def _cell(name: str) -> str:
    return name.replace("|", "\\|")
