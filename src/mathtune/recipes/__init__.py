"""The recipes by name. A recipe is a function that composes steps, and a config that YAML fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mathtune.errors import InputError, SettingError
from mathtune.recipes.evaluate import Evaluate, evaluate
from mathtune.recipes.liu2023 import Liu2023, liu2023
from mathtune.recipes.miniature import Miniature, miniature
from mathtune.recipes.parts import SHORT, RecipeSettings
from mathtune.recipes.quickstart import Quickstart, quickstart
from mathtune.recipes.rounds import Rounds, rounds
from mathtune.recipes.scaling import Scaling, scaling
from mathtune.recipes.yuan2023 import Yuan2023, yuan2023
from mathtune.run import settings, trackers
from mathtune.run.recipe_run import Overrides, Run
from mathtune.run.settings import merged
from mathtune.run.stage import validated

__all__ = ["RECIPES", "Recipe", "Resolved", "resolve", "settings_of"]


@dataclass(frozen=True)
class Recipe:
    """A recipe's config class and its function, called as `compose(run, config)`."""

    config: type[RecipeSettings]
    compose: Callable[[Run, Any], None]


RECIPES = {
    "quickstart": Recipe(Quickstart, quickstart),
    "liu2023": Recipe(Liu2023, liu2023),
    "yuan2023": Recipe(Yuan2023, yuan2023),
    "scaling": Recipe(Scaling, scaling),
    "miniature": Recipe(Miniature, miniature),
    "rounds": Recipe(Rounds, rounds),
    "evaluate": Recipe(Evaluate, evaluate),
}


@dataclass(frozen=True)
class Resolved:
    """A recipe with its settings, for `planned` and `work` of `mathtune.run.recipe_run`."""

    name: str
    compose: Callable[[Run], None]
    overrides: Overrides
    speed: float | None
    """FLOP/s, for the predicted bill; None: this machine's."""
    report_to: tuple[trackers.Name, ...]
    """The trackers that get the losses, metrics and tables."""


def resolve(asked: str, *, config: str | None, assignments: Sequence[str]) -> Resolved:
    """Find a recipe by its name or by settings that name it, and fill its config.

    Settings with the recipe's own name are its defaults. A setting that is not a field of the
    recipe's config is taken for one of its steps.

    Raises:
        InputError: no such recipe, settings of another recipe, an unknown key or a wrong value.

    Example:
        >>> found = resolve("quickstart", config=None, assignments=["ssft.epochs=2"])
        >>> found.overrides["ssft"]["epochs"]
        2
    """
    config = settings_of(asked, config)
    given = settings.read(config, assignments, package=__name__, heads={"data": "source"})
    name = given.pop("recipe", asked)
    if asked in RECIPES and name != asked:
        raise InputError(f"{config}: settings of recipe {name!r}, not of {asked!r}.")
    if name not in RECIPES:
        known = ", ".join(sorted({*RECIPES, *settings.shipped(__name__)}))
        raise InputError(f"{asked}: no such recipe; there are {known}.")
    recipe = RECIPES[name]
    fields = (*recipe.config.model_fields, *SHORT)
    of_recipe = {key: value for key, value in given.items() if key in fields}
    overrides = _everywhere({key: value for key, value in given.items() if key not in fields})
    for key, value in overrides.items():
        if not isinstance(value, dict):
            raise SettingError(
                key, f"no such setting; settings are {', '.join(fields)}, and those of steps."
            )
    filled = validated(recipe.config, of_recipe)
    report_to = filled.report_to
    if report_to:
        overrides = merged({"train": {"report_to": list(report_to)}}, overrides)
    return Resolved(
        name, lambda run: recipe.compose(run, filled), overrides, filled.speed, report_to
    )


def settings_of(asked: str, config: str | None) -> str | None:
    """Return the settings to read: the named ones, else those shipped under the given name."""
    return config or (asked if asked in settings.shipped(__name__) else None)


def _everywhere(overrides: dict[str, Any]) -> dict[str, Any]:
    """Give `ray: {...}` to every sample, score and grade step; their own settings override it.

    Example:
        >>> _everywhere({"ray": {"actors": 8}, "grade": {"grader": "math"}})["grade"]
        {'ray': {'actors': 8}, 'grader': 'math'}
    """
    if "ray" not in overrides:
        return overrides
    ray = overrides.pop("ray")
    return merged({stage: {"ray": ray} for stage in ("sample", "score", "grade")}, overrides)
