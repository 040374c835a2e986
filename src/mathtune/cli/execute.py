"""A recipe from its name to its report: planned, priced, executed, shown: `mathtune run`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mathtune import report
from mathtune.cli import forecast
from mathtune.cli.device import device
from mathtune.cli.options import continues
from mathtune.engines.model_names import refuse_absent_models
from mathtune.errors import FailedStepsError
from mathtune.recipes import Resolved, resolve, settings_of
from mathtune.run import settings, trackers
from mathtune.run.names import STEP
from mathtune.run.progress import output, say
from mathtune.run.recipe_run import Run, planned, work
from mathtune.run.stopping import stoppable


def run_recipe(
    recipe: str,
    config: str | None,
    given: Sequence[str],
    folder: Path,
    *,
    redo: frozenset[str],
    dry_run: bool,
) -> None:
    """Plan a recipe and print its bill; unless `dry_run`, execute it and print its tables.

    Raises:
        InputError: a setting, a model, an input or the folder does not fit.
        FailedStepsError: steps failed; the others are made and shown.
    """
    failed: FailedStepsError | None = None
    with stoppable(partial(continues, folder)):
        found, run = _planned(recipe, config, given, folder, redo)
        try:
            if not carry_out(found, run, redo=redo, dry_run=dry_run):
                return
        except FailedStepsError as error:
            failed = error
            if not any((folder / name / STEP).exists() for name in run.steps):
                raise
    page = report.build(folder)
    for table in report.terminal(folder):
        output.print(table)
    say(f"report: {page}")
    report.tell(folder, found.report_to)
    if failed is not None:
        raise failed


def carry_out(found: Resolved, run: Run, *, redo: frozenset[str], dry_run: bool) -> bool:
    """Print a plan's bill; execute the plan and return True unless `dry_run`.

    Raises:
        InputError: a model does not exist, or as `work`.
    """
    here = device(found.speed)
    costs = forecast.expected(run, here)
    say(f"{found.name}: {len(run.steps)} steps, {forecast.total(costs, here)}")
    if dry_run:
        output.print(forecast.table(run, costs, here))
        return False
    for name, step in run.steps.items():
        refuse_absent_models(
            step.stage,
            lambda model: Path(model).is_relative_to(run.folder),
            finished=(run.folder / name / STEP).exists(),
        )
    bill, seconds = forecast.document(costs, here), forecast.shares(costs, here)
    work(run, found.compose, name=found.name, redo=redo, forecast=bill, seconds=seconds)
    return True


def _planned(
    recipe: str, config: str | None, given: Sequence[str], folder: Path, redo: frozenset[str]
) -> tuple[Resolved, Run]:
    with settings.placed(settings_of(recipe, config), given, package="mathtune.recipes"):
        found = resolve(recipe, config=config, assignments=given)
        return found, plan_of(found, folder, redo)


def plan_of(found: Resolved, folder: Path, redo: frozenset[str]) -> Run:
    """Plan and check a recipe's steps.

    Raises:
        InputError: a tracker is not installed, or a setting, an input or the folder does not fit.
    """
    trackers.require(found.report_to)
    return planned(
        found.compose, name=found.name, folder=folder, overrides=found.overrides, redo=redo
    )
