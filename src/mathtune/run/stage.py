"""The class of all stages: a frozen config and one function that turns files into files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from mathtune.errors import SettingError, split
from mathtune.rows.metrics import Metrics

STRICT = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
"""The configuration of every group of settings; a setting's docstring is its help."""


class Input:
    """The mark of a field that names an input: its content is fingerprinted, not its path."""

    def located(self, name: str | Path) -> str | Path:
        """Return the path that `name` means, or the name itself."""
        return name

    def check(self, name: str | Path) -> None:
        """Raise InputError if `name` is known to be unusable, before any work begins."""


class Large(Input):
    """An input that may be too large to be read whole: for a file above `fingerprint.LARGE` bytes,
    only the size and some blocks are fingerprinted.
    """


class Free:
    """The mark of a field that cannot change results (a place, a speed): not in fingerprints."""


def _as_tuple(value: Any) -> Any:
    """Split a text at its commas, unless it is a path that exists."""
    if isinstance(value, str):
        return (value,) if _exists(value) else split(value)
    return (value,) if isinstance(value, Path) else value


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:  # a list too long for a path
        return False


File = Annotated[Path, Input()]
"""A file or folder that a stage reads."""
Columns = Annotated[tuple[Path, ...], BeforeValidator(_as_tuple), Input()]
"""Files read together; `a.jsonl,b.jsonl` on the command line."""
Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""Names, or paths, of anything; `a,b` on the command line."""

Handle = TypeVar("Handle", covariant=True)


class Stage(BaseModel, Generic[Handle]):
    """A frozen config and one function that turns the files it names into files of its own folder.

    A subclass sets `revision` (raised when its results change), names the files that it will write
    in `outputs`, and does its work in `run`, which returns the content of `metrics.json`. If `run`
    finds the files of an interrupted run with the same fingerprint, it continues from there.
    """

    model_config = STRICT
    revision: ClassVar[int] = 1
    grows: ClassVar[str | None] = None
    """A setting that may be raised later: the step continues instead of being refused."""
    costly: ClassVar[bool] = False
    """Whether only `--redo` makes it again, also when what it reads has grown."""
    gathers: ClassVar[tuple[str, ...] | None] = None
    """Set for cheap stages that only gather what other steps wrote: in a recipe they are made again
    when they read other files. The settings named here say what the files are, and may differ."""

    @property
    def on_device(self) -> bool:
        """True if it takes an accelerator's memory: a run gives it its own process there."""
        return False

    def outputs(self, folder: Path) -> Handle:
        """Return the handle to the files that `run` writes into `folder`; known before it runs."""
        raise NotImplementedError

    def run(self, folder: Path) -> Metrics | dict[str, Any] | None:
        """Do the work; return the metrics.

        Of several processes launched together only the first returns them; the others return None.
        """
        raise NotImplementedError

    def check(self, made_by_run: Callable[[str | Path], bool]) -> None:
        """Check the inputs that exist already: those for which `made_by_run` is false.

        Raises:
            InputError: an input cannot be used.
        """
        for mark, name in marked_inputs(self):
            if not made_by_run(name):
                mark.check(name)

    def leaves_cores(self) -> bool:
        """Return whether the stage leaves cores free, so that a run may go on with other steps."""
        return False

    @classmethod
    def kind(cls) -> str:
        """Return the stage's name: `train` for `Train`."""
        return cls.__name__.partition("[")[0].lower()

    def replaced(self, changes: Mapping[str, Any], *, where: str) -> Self:
        """Return a validated copy with some fields set; mappings are merged into nested configs.

        Raises:
            SettingError: an unknown field or a value of the wrong type, named as `where.field`.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        for name, value in changes.items():
            nested = values.get(name)
            if isinstance(nested, BaseModel) and isinstance(value, Mapping):
                value = {**nested.model_dump(), **value}
            values[name] = value
        return validated(type(self), values, where=where)

    def changed(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults."""
        return {
            name: value
            for name, field in type(self).model_fields.items()
            if (value := getattr(self, name)) != field.get_default(call_default_factory=True)
        }

    def described(self, *, relative_to: Path) -> dict[str, Any]:
        """Return the config as JSON values: input paths absolute, inside `relative_to` relative."""
        prefix = f"{relative_to}{os.sep}"
        paths = {str(name) for _, name in marked_inputs(self) if Path(name).exists()}

        def shown(value: Any) -> Any:
            if isinstance(value, str) and value in paths:
                value = os.path.abspath(value)
            if isinstance(value, str) and value.startswith(prefix):
                return value.removeprefix(prefix).replace(os.sep, "/")
            if isinstance(value, dict):
                return {key: shown(item) for key, item in value.items()}
            return [shown(item) for item in value] if isinstance(value, list) else value

        return shown(self.model_dump(mode="json"))


def marked_inputs(stage: Stage) -> Iterator[tuple[Input, str | Path]]:
    """Yield all inputs of the stage with their marks: paths, and names that may be paths."""
    for field, mark in input_fields(type(stage)).items():
        for name in _leaves(getattr(stage, field)):
            yield mark, name


@cache
def input_fields(kind: type[Stage]) -> Mapping[str, Input]:
    """Return the fields that name inputs, and their marks."""
    marks = {name: _mark(field) for name, field in kind.model_fields.items()}
    return {name: mark for name, mark in marks.items() if mark is not None}


def _mark(field: FieldInfo | Any) -> Input | None:
    if isinstance(field, FieldInfo):
        found = [mark for mark in field.metadata if isinstance(mark, Input)]
        return found[0] if found else _mark(field.annotation)
    if get_origin(field) is Annotated:
        found = [mark for mark in get_args(field)[1:] if isinstance(mark, Input)]
        if found:
            return found[0]
    parts = (_mark(part) for part in get_args(field) if part is not Ellipsis)
    return next((mark for mark in parts if mark is not None), None)


def _leaves(value: Any) -> Iterator[str | Path]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield value


Config = TypeVar("Config", bound=BaseModel)


def validated(kind: type[Config], values: Mapping[str, Any], *, where: str = "") -> Config:
    """Make a config of `kind`; explain its first fault in one sentence.

    Raises:
        SettingError: an unknown or missing key, or a value of the wrong type.

    Example:
        >>> class Point(BaseModel, extra="forbid"):
        ...     x: int
        >>> validated(Point, {"x": [1]}, where="point")
        Traceback (most recent call last):
        mathtune.errors.SettingError: point.x: found [1]; input should be a valid integer.
    """
    try:
        config = kind.model_validate(dict(values))
    except ValidationError as error:
        raise fault(error, kind, where=where) from None
    _refuse_yes_and_no(config, values, where=where)
    return config


def fault(
    error: ValidationError, kind: type[BaseModel] | None = None, *, where: str = ""
) -> SettingError:
    """Explain the first fault that pydantic found in a config of `kind`, in one sentence.

    A config's own check of several fields raises ValueError("field: what is wrong").
    """
    errors = error.errors()
    unknown = (e for e in errors if e["type"] == "extra_forbidden" and len(e["loc"]) == 1)
    start = next(unknown, errors[0])["loc"][:1]
    first = max(errors, key=lambda e: len(e["loc"]) if e["loc"][:1] == start else 0)
    parts = ((where,) if where else ()) + tuple(filter(_named, first["loc"]))
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" and not first["loc"]:
        name, _, reason = reason.partition(": ")
        return SettingError(".".join((*map(str, parts), name)), f"{reason}.")
    key = ".".join(map(str, parts))
    if first["type"] == "extra_forbidden":
        known = ", ".join(_inside(kind, first["loc"][:-1]))
        return SettingError(key, f"no such setting; settings are {known}.")
    if first["type"] == "missing":
        return SettingError(key, "missing; this setting has no default.")
    if first["type"] == "tuple_type":
        reason = "input should be a list, such as [A, B]"
    return SettingError(key, f"found {first['input']!r}; {reason[0].lower()}{reason[1:]}.")


def _inside(kind: Any, parts: tuple[int | str, ...]) -> list[str]:
    """Return the names of the settings in the config that `parts` lead to."""
    for part in parts:
        if part not in kind.model_fields:
            break  # a part that names a type of a union
        annotation = kind.model_fields[part].annotation
        types = (annotation, *get_args(annotation))
        kind = next((inner for inner in types if hasattr(inner, "model_fields")), kind)
    return list(kind.model_fields)


def _named(part: int | str) -> bool:
    """Return whether a part of pydantic's path is a setting's name, and not a type of a union."""
    return isinstance(part, int) or (part.isidentifier() and part not in ("int", "float", "str"))


def _refuse_yes_and_no(config: BaseModel, values: Mapping[str, Any], *, where: str) -> None:
    """Raise SettingError for true or false instead of a number: pydantic takes them for 1 and 0."""
    for name, value in values.items():
        found = getattr(config, name, None)
        key = f"{where}.{name}" if where else name
        if isinstance(value, bool) and isinstance(found, int | float) and found is not value:
            raise SettingError(key, f"found {str(value).lower()}; input should be a number.")
        if isinstance(value, Mapping) and isinstance(found, BaseModel):
            _refuse_yes_and_no(found, value, where=key)
