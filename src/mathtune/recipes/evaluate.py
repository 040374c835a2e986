"""A model on sets of problems: greedy and n samples, graded, voted on, re-ranked by a judge if any.

    mathtune evaluate embedded                          the embedded problems
    mathtune evaluate MODEL --data gsm8k,math500 -n 8   sets that `mathtune data` lists
    mathtune evaluate MODEL --data mine.jsonl           every problem of a file of one's own

The prompt is the set's declared one: solved problems first for a model without a chat template,
the usual instruction for others. `sample.system`, `sample.instruction` and so on replace it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from mathtune.answers import Grader
from mathtune.data import declared
from mathtune.data.declared import Prompt
from mathtune.engines import opener, prompts
from mathtune.engines.model_names import packages
from mathtune.engines.prompts import Form
from mathtune.errors import InputError
from mathtune.paths import calculator
from mathtune.recipes.parts import (
    Count,
    Drawing,
    RecipeSettings,
    Seeds,
    each_seed,
    refuse_repeats,
)
from mathtune.rows.samples import Columns
from mathtune.run import extras
from mathtune.run.recipe_run import Run
from mathtune.run.stage import Texts
from mathtune.stages.exemplars import Exemplars
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure
from mathtune.stages.prepare import Data, Prepare
from mathtune.stages.sample import Sample
from mathtune.stages.score import Score

EMBEDDED = "embedded"
LONGEST = 160
"""The most tokens of an embedded problem's solution."""
EXEMPLARS_OF = 50
"""The number of training problems that exemplars are drawn from."""


class Evaluate(RecipeSettings):
    """Settings of `evaluate`."""

    data: Prepare = Prepare()
    """Settings of `prepare` for every set, such as `data.where` or `data.seed`; the sets are in
    `sets`. `limit=50` takes 50 test problems of each."""
    sets: Texts = ()
    """The sets to evaluate on: names that `mathtune data` lists, files, folders, hub ids. None: the
    embedded problems for the embedded model, else gsm8k."""
    n: Count = 8
    """Samples per problem, besides the greedy one."""
    evaluator: str | None = None
    """A model that judges the samples, for re-ranking, or `calculator`; None: votes alone."""
    shots: int | None = Field(default=None, ge=0)
    """Solved problems before each problem. None: as the set declares for models without a chat
    template (4 of GSM8K's or MATH's own), none for the others and for those of a server."""
    how: Drawing = Drawing()
    """Temperature and top-p of the samples."""
    seeds: Seeds = (0,)
    """Seeds of sampling; the problems and the solved ones before them stay the same."""

    @model_validator(mode="after")
    def _check(self) -> Evaluate:
        refuse_repeats(sets=[_short(name) for name in self.chosen])
        return self

    @property
    def chosen(self) -> tuple[str, ...]:
        """Return the sets, or the default one."""
        return self.sets or (("arithmetic",) if self.model == EMBEDDED else ("gsm8k",))


def evaluate(run: Run, c: Evaluate) -> None:
    """Evaluate each set in its own folder: problems, greedy solutions, samples, verdicts, a row."""
    known = {name: declared.find(name) for name in c.chosen}
    prompted = any(found is not None and found.set.prompt != Prompt() for found in known.values())
    form = _form(run, c) if prompted else None
    for name, found in known.items():
        _evaluated(run.within(_short(name)), c, name, found, form)


def _evaluated(
    run: Run, c: Evaluate, name: str, found: declared.NamedSet | None, form: Form | None
) -> None:
    limit: Any = c.data.limit
    if isinstance(limit, int):
        limit = {"test": limit, "train": EXEMPLARS_OF}
    sizes = {"train": 0, "validation": 0} if name == "arithmetic" else {"test": "all"}
    given = {"source": name, "folder": c.data.folder, "limit": limit, **sizes}
    data = run("data", Prepare(**{**c.data.changed(), **given}))
    read_as: dict[str, Any] = {"max_tokens": LONGEST} if name == "arithmetic" else {}
    prompt = Prompt() if found is None else found.set.prompt
    if form == "chat" and prompt.instruction is not None:
        read_as |= {"instruction": prompt.instruction}
    shots = (0 if form in ("chat", None) else prompt.shots) if c.shots is None else c.shots
    if shots:
        read_as |= {"few_shot": _exemplars(run, c, found, data.solutions, shots), "shots": shots}
    grader = "math" if found is None else found.set.grader
    for seeded in each_seed(run, c.seeds):
        _measured(seeded, c, f"{_short(name)}-row", data, grader, read_as)


def _measured(
    run: Run, c: Evaluate, row: str, data: Data, grader: Grader, read_as: dict[str, Any]
) -> None:
    """Grade, judge and measure greedy solutions and samples of the test problems."""

    def graded(step: str, **drawing: Any) -> Columns:
        sample = Sample(model=c.model, problems=data.test, **drawing, **read_as)
        samples = run(step, sample)
        return run(f"{step}-grades", Grade(problems=data.test, samples=samples, grader=grader))

    first = graded("greedy", greedy=True)
    samples = graded("samples", n=c.n, temperature=c.how.temperature, top_p=c.how.top_p)
    if c.evaluator is not None:
        samples = run("scores", _judge(c.evaluator, data.test, samples))
    run(row, Measure(problems=data.test, samples=samples, greedy=first))


def _judge(evaluator: str, problems: Path, samples: Columns) -> Score:
    """Return the stage that scores the samples: by a model, or by the calculator without one."""
    if evaluator == calculator.NAME:
        return Score(scorer=calculator.NAME, problems=problems, samples=samples)
    return Score(model=evaluator, problems=problems, samples=samples)


def _form(run: Run, c: Evaluate) -> Form | None:
    """Return the form of the prompts; None: unknown, for a server or an unreachable model."""
    sample = run.with_settings("samples", Sample(model=c.model, problems=Path("problems.jsonl")))
    assert isinstance(sample, Sample)
    extras.require(packages(sample))
    try:
        form = opener.form_of(sample, sample.wording)
        return prompts.resolve(form, opener.solver_tokenizer(sample))
    except InputError:  # the sample step reports the fault
        return None


def _exemplars(
    run: Run, c: Evaluate, found: declared.NamedSet | None, solutions: Path, shots: int
) -> Path:
    """Add a step that draws exemplars from the set's training problems, or its declared ones."""
    has_train = found is None or "train" in found.set.splits
    if found is not None and found.set.prompt.of is not None and not has_train:
        limit: Any = {"train": 10 * EXEMPLARS_OF, "test": 1, "validation": 1}
        source = Prepare(source=found.set.prompt.of, folder=c.data.folder, limit=limit)
        solutions = run("exemplar-data", source).solutions
    return run("exemplars", Exemplars(solutions=solutions, shots=shots))


def _short(name: str) -> str:
    """Return a set's name as that of a folder.

    >>> _short("numinamath-1.5"), _short("data/mine.jsonl.gz"), _short("sets.yaml:easy")
    ('numinamath-1.5', 'mine', 'easy')
    """
    if name in declared.shipped():
        return name
    last = name.rpartition(":")[2].rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w-]", "-", last.split(".")[0] or last)
