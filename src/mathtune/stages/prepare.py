"""Stage `prepare`: any source of problems to three splits of problems, and solutions to learn
from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from mathtune.data import gsm8k, hub, local, math, prm800k
from mathtune.data.overlap import report_near
from mathtune.data.rows import SPLIT_NAMES, normalized, read_folder, read_rows, to_problems
from mathtune.data.splits import SPLITS, Split, Splits, apart, draw_out, limited
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import PrepareMetrics, SolutionMetrics, SplitMetrics
from mathtune.rows.records import Example, Problem
from mathtune.run.stage import Input, Stage

NAMED = ("arithmetic", "gsm8k", "math", "prm800k")
FILES = (".jsonl", ".jsonl.gz")
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Data:
    """The files that prepare writes: problems in three splits, and the solutions of train."""

    train: Path
    validation: Path
    test: Path
    solutions: Path
    validation_solutions: Path
    """Gold solutions of the validation problems: what a checkpoint of SSFT is chosen by."""
    steps: Path
    """Only where PRM800K is read: beginnings of solutions of train that people rated."""


def _as_mapping(value: Any) -> Any:
    """Read `problem=question,answer=target`, as on the command line, as a mapping."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",")]
    if not all(ours and theirs for ours, _, theirs in pairs):
        raise InputError(
            f"fields: found {value!r}; expected names as in problem=question,answer=target."
        )
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


class Prepare(Stage[Data]):
    """Read problems from a source, split them, and write what the other stages read."""

    revision: ClassVar[int] = 4

    source: Annotated[str, Input()] = "arithmetic"
    """arithmetic, gsm8k, math, prm800k, the id of a hub data set, a folder or a JSON Lines file."""
    subset: str | None = None
    """What a hub data set calls its config ("main"); None: its only one."""
    split: str | None = None
    """math: original or prm800k (None). A hub id or folder: the one split that train, validation
    and test are drawn from; None: its own splits."""
    folder: Annotated[Path | None, Input()] = None
    """The folder with local copies of gsm8k, math and prm800k. None: the one that the environment
    variable MATHTUNE_DATA names. Data that it lacks comes from the hub."""
    fields: Annotated[dict[str, str], BeforeValidator(_as_mapping)] = Field(default_factory=dict)
    """Our field names -> those of the rows (problem, answer, solution, id, level, subject); on the
    command line `problem=question,answer=target`."""
    train: Count = 500
    """arithmetic: training problems to generate. Other sources give all they have: see limit."""
    validation: Count | None = None
    """Problems drawn from train where the source has no validation split. None: 200 for arithmetic,
    1,000 for math, as in the paper, elsewhere a tenth of train but at most 500."""
    test: Count | None = None
    """Test problems to generate (arithmetic), or to draw from a source that has no test split.
    None: 400 for arithmetic, elsewhere a tenth but at most 500."""
    limit: Count | dict[Split, Count] | None = None
    """At most so many problems in every split, or per split, drawn at random: makes a run small."""
    families: tuple[str, ...] = ()
    """arithmetic: only problems of these families (`shop`, `tank`, ...; `subject` of a problem);
    none: all families of tasks."""
    solutions: Literal["math", "prm800k", "both"] | None = None
    """Whose solutions of math problems are learned from (Liu et al. 2023, Table 2). None: math."""
    seed: int = 0
    """Of every draw: the generated problems, the validation and test problems, the limit."""

    @model_validator(mode="before")
    @classmethod
    def _find_folder(cls, values: Any) -> Any:
        """Name the folder of local data in the config, so that its content is fingerprinted."""
        if not isinstance(values, Mapping):
            return values  # which pydantic refuses
        if values.get("source") in NAMED[1:] and values.get("folder") is None:
            return {**values, "folder": local.root()}
        return values

    @model_validator(mode="after")
    def _fits_source(self) -> Prepare:
        if self.source == "math" and self.split is not None and self.split not in math.SPLITS:
            raise _no_split("math", self.split, math.SPLITS)
        if self.split is not None and self.source in NAMED and self.source != "math":
            raise InputError(f"split: {self.source} has one split; found {self.split!r}.")
        if self.source.endswith(FILES) and self.split is not None:
            raise InputError(
                f"split: {self.source} is one file, without splits; found {self.split!r}."
            )
        if self.subset is not None and (self.source in NAMED or Path(self.source).exists()):
            raise InputError(
                f"subset: found {self.subset!r} with source {self.source!r}; this setting goes "
                "with a hub id."
            )
        if self.solutions is not None and self.source != "math":
            raise InputError(
                f"solutions: found {self.solutions!r} with source {self.source!r}; this setting "
                "goes with source math."
            )
        if self.families:
            self._check_families()
        if self.fields and self.source in NAMED:
            raise InputError(f"fields: {self.source} has known fields; expected none.")
        to_problems((), fields=self.fields)
        if self.source.endswith(FILES) and not Path(self.source).is_file():
            raise InputError(f"{self.source}: no such file; expected problems, one a line.")
        if not _known(self.source):
            raise InputError(
                f"source: found {self.source!r}, which is no file or folder; expected one, a hub "
                f"id (owner/name), or {', '.join(NAMED)}."
            )
        return self

    def _check_families(self) -> None:
        if self.source != "arithmetic":
            raise InputError(
                f"families: found {self.families[0]!r} with source {self.source!r}; this setting "
                "goes with source arithmetic."
            )
        from mathtune.data import arithmetic

        for name in self.families:
            if name not in arithmetic.TASKS:
                raise InputError(
                    f"families: no family {name!r}; there are {', '.join(arithmetic.TASKS)}."
                )

    def outputs(self, folder: Path) -> Data:
        """Return the paths of the files."""
        names = (*SPLITS, "solutions", "validation_solutions", "steps")
        return Data(*(folder / f"{name}.jsonl" for name in names))

    def run(self, folder: Path) -> PrepareMetrics:
        """Write the three splits, their solutions, and for PRM800K steps.jsonl.

        Raises:
            InputError: the source cannot be read, has no such split, or is too small for the draws.
        """
        release = prm800k.load(self.folder) if self._reads_prm800k() else None
        splits = _split(self, release)
        parts = {split: self._limited(split, getattr(splits, split)) for split in SPLITS}
        solutions = _gold(parts["train"])
        if release is not None:
            theirs = release["train"].examples(parts["train"])
            solutions = solutions + theirs if self.solutions == "both" else theirs
        if not parts["train"]:
            raise InputError(
                f"{self.source}: no training problem is left; see limit and validation."
            )
        files = self.outputs(folder)
        for split in SPLITS:
            jsonl.write(getattr(files, split), parts[split])
        jsonl.write(files.solutions, solutions)
        jsonl.write(files.validation_solutions, _gold(parts["validation"]))
        records = steps = None
        if release is not None:
            records = dict(sorted(release["train"].counts.items()))
            labelled = release["train"].labelled(parts["train"], seed=self.seed)
            jsonl.write(files.steps, labelled)
            steps = len(labelled)
        return PrepareMetrics(
            **{split: _counts(parts[split]) for split in SPLITS},
            solutions=_solution_counts(solutions),
            shared_problems_dropped=dict(splits.dropped),
            near_test=report_near(parts["train"], parts["test"]),
            prm800k_records=records,
            prm800k_steps=steps,
        )

    def _reads_prm800k(self) -> bool:
        return self.source == "prm800k" or self.solutions in ("prm800k", "both")

    def _limited(self, split: Split, problems: list[Problem]) -> list[Problem]:
        limit = self.limit.get(split) if isinstance(self.limit, dict) else self.limit
        return limited(problems, limit, seed=self.seed)


def _split(c: Prepare, release: dict[str, prm800k.Release] | None) -> Splits:
    """Read the source and split it."""
    if c.source == "arithmetic":
        from mathtune.data import arithmetic

        sizes = {
            "train": c.train,
            "validation": 200 if c.validation is None else c.validation,
            "test": 400 if c.test is None else c.test,
        }
        return apart(
            *(
                arithmetic.generate(s, sizes[s], c.seed, c.families) if sizes[s] else []
                for s in SPLITS
            )
        )
    if c.source == "gsm8k":
        return _drawn(c, gsm8k.load(c.folder))
    if c.source == "math":
        return _drawn(c, math.load(c.folder, split=c.split or "prm800k"))
    if c.source == "prm800k":
        assert release is not None
        return _drawn(c, {split: part.as_problems() for split, part in release.items()})
    return _drawn(c, _from_rows(c))


def _from_rows(c: Prepare) -> dict[str, list[Problem]]:
    """Read the problems of a file, a folder or a hub data set, by our names of the splits."""
    path = Path(c.source)
    if path.is_file() or c.source.endswith(FILES):
        return {"train": to_problems(read_rows(path), fields=c.fields)}
    files = read_folder(path) if path.is_dir() else {}
    found: dict[str, Any] = files or hub.load(c.source, subset=c.subset)
    if c.split is not None:
        if c.split not in found:
            raise _no_split(c.source, c.split, found)
        names = {"train": c.split}
    else:
        names = {
            ours: name for ours, theirs in SPLIT_NAMES.items() for name in theirs if name in found
        }
        if "train" not in names:
            raise _no_split(c.source, "train", found)
    return {
        ours: to_problems(read_rows(files[name]) if files else found[name], fields=c.fields)
        for ours, name in names.items()
    }


def _drawn(c: Prepare, found: dict[str, list[Problem]]) -> Splits:
    """Draw the splits that the source lacks from its training problems."""
    train, drawn = found["train"], {}
    for split in ("test", "validation"):
        if split in found:
            drawn[split] = found[split]
            continue
        count = c.test if split == "test" else c.validation
        if count is None:
            paper = c.source == "math" and split == "validation"
            count = 1000 if paper else min(500, len(train) // 10)
            if count == 0:
                raise InputError(
                    f"{c.source}: {len(train)} problems, a tenth of which would be for {split}; "
                    f"expected at least 10, or the setting {split}=NUMBER."
                )
        train, drawn[split] = draw_out(train, count, seed=c.seed, what=split)
    return apart(train, drawn["validation"], drawn["test"])


def _gold(problems: Sequence[Problem]) -> list[Example]:
    return [
        Example(problem_id=p.id, problem=p.problem, solution=p.solution)
        for p in problems
        if p.solution
    ]


def _counts(problems: Sequence[Problem]) -> SplitMetrics:
    repeated = len(problems) - len({normalized(p.problem) for p in problems})
    return SplitMetrics(
        problems=len(problems),
        repeated_within=repeated,
        mean_characters=round(fmean(len(p.problem) for p in problems), 1) if problems else None,
    )


def _solution_counts(solutions: Sequence[Example]) -> SolutionMetrics:
    mean = round(fmean(len(s.solution) for s in solutions), 1) if solutions else None
    return SolutionMetrics(
        solutions=len(solutions),
        problems=len({s.problem_id for s in solutions}),
        mean_characters=mean,
    )


def _known(source: str) -> bool:
    return (
        source in NAMED
        or source.endswith(FILES)
        or Path(source).exists()
        or re.fullmatch(r"[\w.-]+/[\w.-]+", source) is not None
    )


def _no_split(source: str, name: str, known: Sequence[str] | dict[str, Any]) -> InputError:
    return InputError(f"{source}: no split {name!r}; there are {', '.join(known)}.")
