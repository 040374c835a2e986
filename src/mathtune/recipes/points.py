"""The points of a study while a recipe makes them: models that are trained, measured, named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mathtune.metrics.claims import Kind
from mathtune.paths.union import distinct
from mathtune.recipes.parts import Drawing, drawn, greedy
from mathtune.run.names import METRICS
from mathtune.run.recipe_run import Run
from mathtune.stages.collect import Collect
from mathtune.stages.measure import Measure
from mathtune.stages.study import Study, StudyPoint


def labels(models: Sequence[str]) -> dict[str, str]:
    """Return label -> model: the last part of its name, numbered if several share it.

    Example:
        >>> labels(["ladder/64x4-3M", "org/64x4-3M", "embedded"])
        {'64x4-3M': 'ladder/64x4-3M', '64x4-3M-2': 'org/64x4-3M', 'embedded': 'embedded'}
    """
    names = distinct(Path(model).name.removesuffix(".gguf") for model in models)
    return dict(zip(names, models, strict=True))


@dataclass
class StudyPoints:
    """The inputs of the study stage, gathered point by point.

    `test`: the problems all are measured on; `n`: samples for votes, 0 for greedy alone.
    """

    test: Path
    n: int
    how: Drawing
    points: dict[str, StudyPoint] = field(default_factory=dict)
    measured: dict[str, Path] = field(default_factory=dict)
    trained: dict[str, Path] = field(default_factory=dict)
    collected: dict[str, Path] = field(default_factory=dict)
    diversity: dict[str, Path] = field(default_factory=dict)

    def measure(
        self,
        run: Run,
        name: str,
        model: str,
        *,
        point: tuple[str, Kind],
        made_by: Path | None = None,
        against: Mapping[str, Path] | None = None,
        **known: float | int | Kind,
    ) -> Path:
        """Return a point's steps, `<name>-greedy` to `<name>-row`; its handle is that row's folder.

        `point`: the base's label and the kind. `made_by`: the file that the model was trained on,
        if a collect or part step made it. `known`: the point's fraction, k and of.
        """
        base, kind = point
        first = greedy(run, name, model, self.test)
        samples = drawn(run, name, model, self.test, n=self.n, how=self.how) if self.n else first
        measure = Measure(
            problems=self.test, samples=samples, greedy=first, against=dict(against or {})
        )
        folder = run(f"{name}-row", measure)
        key = folder.relative_to(run.folder).as_posix()
        if self.n and kind in ("sft", "rft", "union"):
            count = Collect(problems=self.test, samples=samples, keep="counts")
            self.diversity[key] = run(f"{name}-test-paths", count).parent / METRICS
        self.points[key] = StudyPoint(base=base, kind=kind, **known)  # type: ignore[arg-type]
        self.measured[key] = folder
        if Path(model).is_relative_to(run.folder):
            self.trained[key] = Path(model).parent / METRICS
        if made_by is not None:
            self.collected[key] = made_by.parent / METRICS
        return folder

    def study(self, run: Run, bits: Mapping[str, Path]) -> Path:
        """Return the last step: fits and claims."""
        stage = Study(
            points=self.points,
            measured=self.measured,
            trained=self.trained,
            collected=self.collected,
            diversity=self.diversity,
            bits=dict(bits),
        )
        return run("study", stage)
