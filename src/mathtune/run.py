"""The run folder: steps with fingerprints, and the rule for each: skip, refuse, continue or execute.

    runs/quickstart/
      plan.json          every step of the recipe, written before work starts
      ssft/              one folder a step
        started.json     the fingerprint of the work under way
        ...              what the stage writes
        metrics.json     what it measured: no time, path or host
        step.json        written last, by rename: its existence means complete

A recipe is called twice: first to plan (configs are validated and listed, nothing runs), then to work.
Handles are paths inside the run folder, so a recipe cannot branch on a result.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict

import mathtune
from mathtune import jsonl
from mathtune.errors import InputError


class Input:
    """Marks a config field that names something read: its content, not its path, enters the fingerprint."""


def _as_tuple(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(value.split(","))
    return (value,) if isinstance(value, Path) else value


File = Annotated[Path, Input()]
"""A file that a stage reads."""
Columns = Annotated[tuple[Path, ...], BeforeValidator(_as_tuple), Input()]
"""Files read side by side, or one after the other; `a.jsonl,b.jsonl` on the command line."""
ModelName = Annotated[str, Input()]
"""`embedded`, a hub id, a local folder or a .gguf file."""

Handle = TypeVar("Handle")


class Stage(BaseModel, Generic[Handle]):
    """A frozen config and the one function that turns the files it names into files of its own folder.

    A subclass sets `revision` (raised when its results change), says in `outputs` which files it will
    have written, and does its work in `run`, which returns what `metrics.json` holds. `run` may find
    its folder holding what an interrupted run of the same fingerprint left, and continues from there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    revision: ClassVar[int] = 1
    on_device: ClassVar[bool] = False
    """Whether the stage holds an accelerator's memory, so that a run isolates it in a child process."""

    def outputs(self, folder: Path) -> Handle:
        """The handle to what `run` writes into `folder`; known before it runs."""
        raise NotImplementedError

    def run(self, folder: Path) -> dict[str, Any]:
        """Do the work; return the metrics (numbers, texts, lists and dicts of them)."""
        raise NotImplementedError
