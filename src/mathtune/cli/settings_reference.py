"""The settings of recipes and stages, generated from the code: docs/settings.md and JSON Schemas.

mathtune settings > docs/settings.md
mathtune schema quickstart > quickstart.schema.json
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema
from pydantic_core import to_jsonable_python
from rich.table import Table
from rich.text import Text

from mathtune import stages
from mathtune.errors import InputError
from mathtune.recipes import RECIPES
from mathtune.recipes.parts import SHORT
from mathtune.run import settings
from mathtune.run.recipe_run import Run
from mathtune.run.stage import Stage
from mathtune.stages.prepare import Prepare


def _stages() -> tuple[type[Stage[Any]], ...]:
    """Return the stage of every module in `mathtune.stages`, which has the module's name."""
    modules = [
        import_module(f"{stages.__name__}.{one.name}") for one in iter_modules(stages.__path__)
    ]
    return tuple(
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Stage)
        and value.__module__ == module.__name__
        and value.kind() == module.__name__.rpartition(".")[2]
    )


STAGES = _stages()

HEAD = """# Settings

Every setting of every recipe and stage, with its default. Generated from the code by
`mathtune settings > docs/settings.md` (`make docs`); a test checks that it is current.

A setting is given as `key=value` behind a command or as YAML in a file named by `--config`. In a
recipe, settings under a step's name reach that step (`ssft.learning_rate=3e-4`), those under a
stage's name every step of that stage (`train.batch_size=16`). `mathtune run RECIPE --dry-run` lists
the steps; `mathtune schema RECIPE` prints a JSON Schema with which an editor checks and completes
such a file.
"""


def shipped_table() -> Table:
    """Return a line per recipe and shipped settings, for the end of `mathtune run --help`."""
    table = Table("recipe or settings", "what it is", box=None, title="Recipes, settings")
    table.title_justify = "left"
    named: dict[str, list[tuple[str, str]]] = {name: [] for name in RECIPES}
    for name in settings.shipped("mathtune.recipes"):
        text = (files("mathtune.recipes") / f"{name}.yaml").read_text(encoding="utf-8")
        recipe = settings.parse(text, where=name)["recipe"]
        if name != recipe:
            named[recipe].append((name, _first_sentence(text)))
    for name, recipe in RECIPES.items():
        story = inspect.getdoc(inspect.getmodule(recipe.compose)) or ""
        table.add_row(name, Text(_joined(story.partition("\n\n")[0])))
        for inner, line in named[name]:
            table.add_row(f"  {inner}", Text(line))
    table.caption = "`mathtune run NAME --dry-run` lists the steps of each and their cost."
    table.caption_justify = "left"
    return table


def _first_sentence(text: str) -> str:
    """Return the first sentence of a shipped file's comment, after the line with its command."""
    comment = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    story = _joined(" ".join(comment[1:]))
    return re.split(r"(?<!al)[.:;] (?=[A-Za-z0-9])|[.]$", story, maxsplit=1)[0]


def markdown() -> str:
    """Return the whole reference: recipes, stages, and the groups of settings inside them."""
    parts = [HEAD, "## Recipes\n"]
    inner: dict[str, type[BaseModel]] = {}
    for name, recipe in RECIPES.items():
        story = inspect.getdoc(inspect.getmodule(recipe.compose)) or ""
        parts.append(_section(f"`{name}`", recipe.config, inner, story=story))
    shipped = ", ".join(f"`{name}`" for name in settings.shipped("mathtune.recipes"))
    parts.append(f"Shipped settings, for `--config NAME`: {shipped}.\n")
    parts.append("## Stages\n")
    for stage in STAGES:
        inner.pop(stage.__name__, None)
        parts.append(_section(f"`{stage.kind()}`", stage, inner))
    inner = {name: model for name, model in inner.items() if not issubclass(model, Stage)}
    if inner:
        parts.append("## Groups of settings\n")
        done: set[str] = set()
        while waiting := [name for name in inner if name not in done]:
            for name in waiting:  # a group may hold another
                parts.append(_section(name, inner[name], inner))
                done.add(name)
    return "\n".join(parts)


def schema(recipe: str) -> dict[str, Any]:
    """Return the JSON Schema of a recipe's YAML settings: its own, its stages' and its steps'.

    The steps may depend on the settings, so settings of a step that the recipe's defaults do not
    have are not refused.

    Raises:
        InputError: no such recipe.
    """
    if recipe not in RECIPES:
        raise InputError(f"{recipe}: no such recipe; there are {', '.join(RECIPES)}.")
    config = RECIPES[recipe].config
    models = (config, *STAGES)
    refs, whole = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/$defs/{model}"
    )
    groups = whole["$defs"]
    for stage in STAGES:
        groups[stage.__name__].pop("required", None)  # a step's other settings come from the recipe
    fields = groups["Prepare"]["properties"]
    fields["fields"] = {"anyOf": [fields["fields"], {"type": "string"}]}
    of_recipe = groups.pop(config.__name__)
    properties: dict[str, Any] = {"recipe": {"const": recipe}}
    properties |= of_recipe["properties"]
    properties["data"] = {"anyOf": [{"type": "string"}, refs[Prepare, "validation"]]}
    properties |= {name: fields[name] for name in SHORT}
    for stage in STAGES:
        properties.setdefault(stage.kind(), refs[stage, "validation"])
    for name, kind in _steps(recipe).items():
        properties.setdefault(name, refs[kind, "validation"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Settings of mathtune run {recipe}",
        "type": "object",
        "properties": properties,
        "patternProperties": {r"\.": {}},
        "additionalProperties": {"type": "object"},
        "$defs": groups,
    }


def _steps(recipe: str) -> dict[str, type[Stage[Any]]]:
    """Return the steps of the recipe's defaults, by name; nothing is read or written."""
    found = RECIPES[recipe]
    run = Run(Path("nowhere").absolute(), overrides={})
    found.compose(run, found.config.model_validate({"model": "embedded"}))
    return {name.rpartition("/")[2]: type(step.stage) for name, step in run.steps.items()}


def _section(
    title: str,
    model: type[BaseModel],
    inner: dict[str, type[BaseModel]],
    *,
    story: str | None = None,
) -> str:
    """Return a heading, a model's docstring, and a table of its fields; add their models to
    `inner`.

    `story`: the source of the first paragraph, else the model's own docstring.
    """
    summary = (story or inspect.getdoc(model) or "").partition("\n\n")[0]
    lines = [f"### {title}\n", f"{_joined(summary)}\n"]
    lines += ["| setting | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        for group in _models(field.annotation):
            inner.setdefault(group.__name__, group)
        kind = (_type(field.annotation) + _bounds(field)).replace("|", "\\|")
        meaning = _joined(_description(model, name)).replace("|", "\\|")
        lines.append(f"| `{name}` | {kind} | {_default(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _description(model: type[BaseModel], name: str) -> str:
    """Return a field's docstring, or that of the field it overrides."""
    for kind in model.__mro__:
        fields = getattr(kind, "__pydantic_fields__", {})
        if name in fields and fields[name].description:
            return fields[name].description
    return ""


def _bounds(field: FieldInfo) -> str:
    """Describe the bounds of a number, from its constraints."""
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    found = [
        f"{word} {getattr(limit, key)}"
        for key, word in words.items()
        for limit in field.metadata
        if getattr(limit, key, None) is not None
    ]
    return ", " + " and ".join(found) if found else ""


def _type(annotation: Any) -> str:
    """Return a type in the words of YAML."""
    if annotation is type(None):
        return "null"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, str):
        return f"`{annotation}`"
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Stage):
        return f"text, or settings of `{annotation.kind()}`"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"settings, see {annotation.__name__}"
    if origin is None:
        return getattr(annotation, "__name__", str(annotation))
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0])
    if not isinstance(origin, type) or origin.__name__ in ("UnionType", "Union"):
        return " | ".join(dict.fromkeys(_type(argument) for argument in arguments))
    inside = ", ".join(_type(argument) for argument in arguments if argument is not Ellipsis)
    return f"{'list' if origin in (tuple, list) else origin.__name__} of {inside}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        changed = {
            name: found
            for name, found in value.model_dump(mode="json").items()
            if found != _written(type(value).model_fields[name])
        }
        return f"`{changed}`" if changed else "its defaults"
    return "" if value is None else f"`{_plain(value)}`"


def _written(field: FieldInfo) -> Any:
    """Return a field's default in JSON."""
    return to_jsonable_python(field.get_default(call_default_factory=True))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _joined(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
