"""What a stage is: a frozen config and one function that turns files into files. See stages/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from mathtune.errors import InputError

PLAN = "plan.json"
"""The file that makes a folder a run: every step of the recipe, written before work starts."""


class Input:
    """Marks a field that names something read: its content, not its path, is fingerprinted."""


class Free:
    """Marks a field that says where or how fast work is done, not what: no fingerprint has it."""


def _as_tuple(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(value.split(","))
    return (value,) if isinstance(value, Path) else value


File = Annotated[Path, Input()]
"""A file or folder that a stage reads."""
Columns = Annotated[tuple[Path, ...], BeforeValidator(_as_tuple), Input()]
"""Files read together; `a.jsonl,b.jsonl` on the command line."""
ModelName = Annotated[str, Input()]
"""`embedded`, a hub id, a local folder or a .gguf file."""

Handle = TypeVar("Handle", covariant=True)


class Stage(BaseModel, Generic[Handle]):
    """A frozen config and one function that turns the files it names into files of its own folder.

    A subclass sets `revision` (raised when its results change), says in `outputs` which files it
    will have written, and does its work in `run`, which returns what `metrics.json` holds. `run`
    may find what an interrupted run of the same fingerprint left, and continues from there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    revision: ClassVar[int] = 1
    on_device: ClassVar[bool] = False
    """Whether it holds an accelerator's memory: a run gives it a process of its own there."""
    grows: ClassVar[str | None] = None
    """A number whose increase adds to what is there, instead of being refused."""
    costly: ClassVar[bool] = False
    """Whether it is made again only where `--redo` says so, also when what it reads has grown."""
    in_processes: ClassVar[bool] = False
    """Whether torchrun and accelerate may launch it as several processes."""

    def outputs(self, folder: Path) -> Handle:
        """The handle to what `run` writes into `folder`; known before it runs."""
        raise NotImplementedError

    def run(self, folder: Path) -> dict[str, Any]:
        """Do the work; return the metrics: numbers, texts, and lists and dicts of them."""
        raise NotImplementedError

    def grow(self, folder: Path, before: int) -> None:
        """Note that `folder` holds work, finished or not, done when `grows` was `before`."""

    @classmethod
    def kind(cls) -> str:
        """The stage's word: `train` for `Train`."""
        return cls.__name__.partition("[")[0].lower()

    def replaced(self, changes: Mapping[str, Any], *, where: str) -> Self:
        """A copy with some fields set, validated; a mapping is merged into a nested config.

        Raises:
            InputError: an unknown field or a value of the wrong type, named as `where.field`.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        for name, value in changes.items():
            nested = values.get(name)
            if isinstance(nested, BaseModel) and isinstance(value, Mapping):
                value = {**nested.model_dump(), **value}
            values[name] = value
        return validated(type(self), values, where=where)

    def described(self, *, relative_to: Path) -> dict[str, Any]:
        """The config as JSON values, paths inside `relative_to` shown relative to it."""
        prefix = f"{relative_to}/"

        def shown(value: Any) -> Any:
            if isinstance(value, str):
                return value.removeprefix(prefix)
            if isinstance(value, dict):
                return {key: shown(item) for key, item in value.items()}
            return [shown(item) for item in value] if isinstance(value, list) else value

        return shown(self.model_dump(mode="json"))


Config = TypeVar("Config", bound=BaseModel)


def validated(kind: type[Config], values: Mapping[str, Any], *, where: str = "") -> Config:
    """Make a config of `kind`, its first fault told in one sentence.

    Raises:
        InputError: an unknown or missing key, or a value of the wrong type.

    Example:
        >>> class Point(BaseModel, extra="forbid"):
        ...     x: int
        >>> validated(Point, {"x": [1]}, where="point")
        Traceback (most recent call last):
        mathtune.errors.InputError: point.x: found [1]; input should be a valid integer.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in ((where,) if where else ()) + fault["loc"])
        if fault["type"] == "extra_forbidden":
            fields = ", ".join(kind.model_fields)
            raise InputError(f"{key}: no such setting; settings are {fields}.") from None
        if fault["type"] == "missing":
            raise InputError(f"{key}: missing; this setting has no default.") from None
        reason = fault["msg"][0].lower() + fault["msg"][1:]
        raise InputError(f"{key}: found {fault['input']!r}; {reason}.") from None
