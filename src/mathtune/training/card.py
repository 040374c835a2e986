"""A model's card: what it was trained on, how often it is right, and the command. Above rows.

The train stage writes one beside its model, the report one that has the accuracies that a run
measured; `mathtune push_to_hub` sends it along as README.md.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from mathtune.data.declared import OnHub
from mathtune.errors import InputError
from mathtune.rows.metrics import TrainMetrics
from mathtune.run import settings
from mathtune.training.settings import SOLVERS

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

CARD = "README.md"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
AUC = "AUC within problems"
METRICS = {
    "mean": "one sample, on average",
    "Pass@1 (greedy)": "one solution, by always the likeliest token",
    "Maj1@": "the most frequent answer of the samples (votes)",
    "calculator": "votes in which a sample that states a false equation weighs a tenth",
    "RR.All": "the sample that the judge scores highest",
    "W.RR": "votes weighted by the judge's scores",
    "W.RR.MajK": "the same among the most frequent answers",
    "W.RR.calculator": "votes weighted by the judge and the calculator",
    "Pass@": "at least one sample is right (an oracle)",
    AUC: "how often a right sample is scored above a wrong one of its problem",
}
"""What a metric in a card's table is, by its name or by its name up to the @."""


@dataclass(frozen=True)
class Accuracy:
    """A measured share with its 95 % interval. `hub`: its data as the hub names it; None: unknown.

    `how`: the metric as the report names it, with n and sampling if it has them. `single`:
    the share of one solution per problem, which is what benchmarks list; not of what was chosen
    among samples. `date`: the day on which it was measured. `for_comparison`: no result of the
    model, but a baseline, or an AUC instead of a share.
    """

    row: str
    metric: str
    value: float
    low: float
    high: float
    problems: int
    data: str
    date: str
    hub: OnHub | None = None
    how: str = ""
    single: bool = True
    for_comparison: bool = False

    @property
    def text(self) -> str:
        """The share as people read it.

        Example:
            >>> Accuracy("ssft", "Pass@1", 0.433, 0.385, 0.481, 400, "gsm8k", "2026-01-01").text
            '43.3 % [38.5, 48.1]'
        """
        if self.metric == AUC:
            return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Trained:
    """The facts about a training. `settings`: all of the train stage's, as JSON; `defaults`: its
    settings that have one; `local`: the base is a path, even if it looks like a hub's id;
    `sources`: the data, as it was named; `before`: earlier trainings of the same run, first one
    first.
    """

    base: str
    settings: Mapping[str, Any]
    metrics: TrainMetrics
    defaults: Mapping[str, Any]
    local: bool = False
    sources: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def base_id(self) -> str | None:
        """The base model's id on the hub; None: it has none."""
        return self.base if HUB_ID.fullmatch(self.base) and not self.local else None

    @property
    def examples(self) -> list[str]:
        """The files that it learned from."""
        return [short(path) for path in self.settings["examples"]]


def command(facts: Trained) -> str:
    """Return the command that trains so: the settings that are not the defaults."""
    files = [shlex.quote(path) for path in facts.examples]
    chosen = [_assigned("model", short(str(facts.settings["model"])))]
    if len(files) > 1:
        chosen, files = [_assigned("examples", facts.examples), *chosen], []
    for name, default in facts.defaults.items():
        value = facts.settings.get(name, default)  # a setting may be newer than the run
        if value != default:
            chosen.append(_assigned(name, _shortened(name, value)))
    return " ".join(["mathtune train", *files, *chosen, "--out trained"])


def short(path: str) -> str:
    """Return a path without the folders of an absolute one, which say where somebody's files are.
    A model keeps its step's name.

    Example:
        >>> short("/home/me/gold.jsonl"), short("/home/me/runs/ssft/model"), short("ssft/model")
        ('gold.jsonl', 'ssft/model', 'ssft/model')
    """
    pure = PurePath(path)
    if not pure.is_absolute() and not {"..", "~"} & {part[:2].rstrip("/") for part in pure.parts}:
        return path
    return "/".join(pure.parts[-2:]) if pure.name in ("model", "adapter") else pure.name


def _shortened(name: str, value: Any) -> Any:
    """Return a setting's value, without folders if it names files."""
    if name == "validation":
        return [short(path) for path in value]
    return short(value) if name == "equal_updates_to" else value


def text(facts: Trained, accuracies: Sequence[Accuracy] = (), *, name: str | None = None) -> str:
    """Return the card as the hub reads it: metadata, then Markdown. None: named by what it does."""
    from huggingface_hub import ModelCardData

    kind, title, does = (
        ("solver", "Solver of math problems", "solves math problems")
        if facts.metrics.objective in SOLVERS
        else ("judge", "Judge of solutions", "judges solutions of math problems")
    )
    name = name or title
    results = [_result(one) for one in accuracies if not one.for_comparison]
    metadata = ModelCardData(
        base_model=facts.base_id,
        library_name="peft" if _adapters(facts) else "transformers",
        pipeline_tag="text-generation",
        tags=["mathtune", "math", kind],
        model_name=name if results else None,
        eval_results=results or None,
    )
    parts = [
        f"---\n{metadata.to_yaml()}\n---",
        f"# {name}",
        f"A language model that {does}, trained with mathtune from {_named(facts)}.",
        "## How to use it",
        _used(facts, judge=kind == "judge"),
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
    """Return the hub's files of evaluation results, by path: one per benchmark of the hub, with the
    model's own share.
    """
    import yaml

    files: dict[str, str] = {}
    for one in accuracies:
        if one.single and one.hub is not None and one.hub.task_id is not None:
            notes = f"{one.metric}{one.how}: percent with 95 % interval {one.text}"
            entry = one.hub.result(one.value, one.problems, notes=notes, date=one.date)
            content = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True)
            files.setdefault(f".eval_results/{one.data}.yaml", content)
    return files


def _used(facts: Trained, *, judge: bool) -> str:
    """Return the command that asks the model, with the wording of the prompts it was trained on."""
    wording = [
        _assigned(name, facts.settings[name])
        for name in ("prompt", "system", "instruction", "template")
        if facts.settings.get(name, facts.defaults.get(name)) != facts.defaults.get(name)
    ]
    how = " ".join(["model=FOLDER", *wording])
    if judge:
        return (
            f"```sh\nmathtune score samples.jsonl problems=problems.jsonl {how}\n```\n\n"
            "`FOLDER` is where this model lies. Its file `judge.json` has the prompt, and the "
            "tokens whose odds are the score."
        )
    return (
        f"```sh\nmathtune sample problems.jsonl {how} n=16 --out samples\n```\n\n"
        "`FOLDER` is where this model lies; `mathtune solve` asks it a single question."
    )


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
    return "\n".join(rows) + f"\n\n{_explained([one.metric for one in accuracies])}"


def _explained(metrics: Sequence[str]) -> str:
    """Say what each of the metrics is.

    Example:
        >>> _explained(["Maj1@8", "Maj1@8"])
        '- Maj1@8: the most frequent answer of the samples (votes)'
    """
    known = {}
    for metric in metrics:
        begun = metric[: metric.find("@") + 1]
        if metric in METRICS or begun in METRICS:
            known[metric] = METRICS.get(metric) or METRICS[begun]
    return "\n".join(f"- {metric}: {what}" for metric, what in known.items())


def _result(one: Accuracy) -> EvalResult:
    from huggingface_hub import EvalResult

    local = {"type": one.data, "name": one.data}
    dataset: dict[str, Any] = local if one.hub is None else one.hub.dataset()
    return EvalResult(
        task_type="text-generation",
        task_name="Math word problems",
        **{f"dataset_{key}": value for key, value in dataset.items()},
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


def _named(facts: Trained) -> str:
    if facts.base == "embedded":
        return "the base model that ships with mathtune"
    return f"`{short(facts.base)}`"


def _assigned(name: str, value: Any) -> str:
    """Return a setting as the command line reads it.

    Example:
        >>> _assigned("lora", {"rank": 8, "merge": True}), _assigned("system", "Be brief.")
        ("'lora={rank: 8, merge: true}'", "'system=Be brief.'")
        >>> print(_assigned("system", "Rule: be brief."))
        'system="Rule: be brief."'
    """
    import yaml

    inline = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    plain = value if isinstance(value, str) else inline.removesuffix("\n").removesuffix("\n...")
    same = _read_as(plain) == value
    return shlex.quote(f"{name}={plain if same else json.dumps(value, ensure_ascii=False)}")


def _read_as(text: str) -> Any:
    """Return the value that the command line reads; None: it refuses the text."""
    try:
        return settings.value_of(text, where="")
    except InputError:
        return None


def _cell(name: str) -> str:
    return name.replace("|", "\\|")
