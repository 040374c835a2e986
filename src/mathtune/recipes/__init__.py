"""The recipes by name. A recipe is a function that composes steps, and a config that YAML fills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mathtune.recipes.liu2023 import Liu2023, liu2023
from mathtune.recipes.quickstart import Quickstart, quickstart
from mathtune.recipes.yuan2023 import Yuan2023, yuan2023
from mathtune.run import Run

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """A recipe's config class and its function, called as `compose(run, config)`."""

    config: type[BaseModel]
    compose: Callable[[Run, Any], None]


RECIPES = {
    "quickstart": Recipe(Quickstart, quickstart),
    "liu2023": Recipe(Liu2023, liu2023),
    "yuan2023": Recipe(Yuan2023, yuan2023),
}
