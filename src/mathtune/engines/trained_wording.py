"""The words of the prompts that a model was trained on, from the record of its train step. Above
prompts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from mathtune.engines import prompts
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.names import STEP
from mathtune.run.progress import say_once

Role = Literal["solver", "evaluator"]

READ_BY: dict[Role, tuple[str, ...]] = {
    "solver": ("form", "system", "instruction", "template"),
    "evaluator": ("form", "system", "template", "thoughts"),
}
"""The parts of a wording that change the prompts of a role."""
THOUGHTFUL = "<think>Two.</think>\n\n#### 2"


class TrainConfig(msgspec.Struct):
    """The part of a train step's settings that words its prompts."""

    objective: str
    prompt: prompts.Form
    system: str | None = None
    instruction: str | None = None
    template: dict[str, Any] = {}
    thoughts: prompts.Thoughts = "learn"


class TrainRecord(msgspec.Struct):
    """The part of a train step's step.json that is read."""

    stage: Literal["train"]
    config: TrainConfig


def warn(
    weights: str | Path, wording: prompts.AnyForm, tokenizer: prompts.ChatTokenizer, *, role: Role
) -> None:
    """Print a warning if the train step that made `weights` taught this role other prompts.

    A file of that name which is no record of a train step says nothing, as does none.

    Example:
        >>> warn("embedded", "plain", None, role="solver")  # no train step's folder
    """
    record = Path(weights).parent / STEP
    try:
        config = jsonl.read_json(record, TrainRecord).config
    except InputError:
        return
    taught = prompts.Wording(
        config.prompt, config.system, config.instruction, config.template, config.thoughts
    )
    asked = prompts.worded(wording)
    learns = config.objective.startswith("mul") or (
        config.objective.startswith("cls") == (role == "evaluator")
    )
    if not learns or _prompt(taught, tokenizer, role) == _prompt(asked, tokenizer, role):
        return
    then, now = (
        ", ".join(
            f"{'prompt' if name == 'form' else name}={getattr(one, name)!r}"
            for name in READ_BY[role]
            if getattr(taught, name) != getattr(asked, name)
        )
        for one in (taught, asked)
    )
    say_once(
        f"taught {weights} {role}",
        f"  warning: {weights} was trained on other prompts, with {then} ({record}); found {now}; "
        "expected the same",
    )


def _prompt(wording: prompts.Wording, tokenizer: prompts.ChatTokenizer, role: Role) -> str:
    """Return what the role reads of a problem that shows every part of the wording."""
    if role == "solver":
        return prompts.solver("1 + 1", form=wording, tokenizer=tokenizer)
    return prompts.evaluator("1 + 1", THOUGHTFUL, form=wording, tokenizer=tokenizer)
