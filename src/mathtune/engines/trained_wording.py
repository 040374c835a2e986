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
    taught, asked = taught_to(weights, role=role), prompts.worded(wording)
    if taught is None or shown(taught, tokenizer, role) == shown(asked, tokenizer, role):
        return
    record = Path(weights).parent / STEP
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


def taught_to(weights: str | Path, *, role: Role) -> prompts.Wording | None:
    """Return the words in which the train step that made `weights` taught this role; None if no
    record says so.

    Example:
        >>> taught_to("embedded", role="evaluator")  # no train step's folder
    """
    try:
        config = jsonl.read_json(Path(weights).parent / STEP, TrainRecord).config
    except InputError:
        return None
    judges = config.objective.startswith("cls") == (role == "evaluator")
    if not judges and not config.objective.startswith("mul"):
        return None
    return prompts.Wording(
        config.prompt, config.system, config.instruction, config.template, config.thoughts
    )


def shown(wording: prompts.Wording, tokenizer: prompts.ChatTokenizer, role: Role) -> str:
    """Return what the role reads of a problem that shows every part of the wording.

    Raises:
        InputError: the model's chat template refuses the wording.
    """
    if role == "solver":
        return prompts.solver("1 + 1", form=wording, tokenizer=tokenizer)
    return prompts.evaluator("1 + 1", THOUGHTFUL, form=wording, tokenizer=tokenizer)
