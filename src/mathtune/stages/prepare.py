"""Stage `prepare`: a source of problems to three splits, and solutions to learn from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from mathtune.data import declared, gsm8k, local, math, prm800k
from mathtune.data.card import CARD, card, read_from, read_metrics, solution_metrics, split_metrics
from mathtune.data.counts import Counts
from mathtune.data.files.texts import UNUSABLE
from mathtune.data.folders import is_data
from mathtune.data.load import Parts, SourceRequest, load, no_split
from mathtune.data.overlap import overlap, report_near
from mathtune.data.problems import Enough, RowOptions, Thoughts, passing
from mathtune.data.sets import overlaps
from mathtune.data.splits import SPLITS, Split, Splits, apart, draw_out, limited, usual_size
from mathtune.data.values import GoldRule
from mathtune.data.where import conditions
from mathtune.errors import InputError, many
from mathtune.rows import jsonl
from mathtune.rows.metrics import PrepareMetrics
from mathtune.rows.records import Example, Problem
from mathtune.run.progress import say
from mathtune.run.stage import Large, Stage, Texts

NAMED = ("arithmetic", "gsm8k", "math", "prm800k")
FEWEST = 100
"""The fewest problems that are split by default; of fewer, all are test problems."""
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Data:
    """The files that prepare writes: problems in three splits, and the solutions of train."""

    train: Path
    validation: Path
    test: Path
    solutions: Path
    validation_solutions: Path
    """Gold solutions of the validation problems, by which a checkpoint of SSFT is chosen."""
    steps: Path
    """Only with PRM800K: beginnings of solutions of train that people rated."""


class Found(NamedTuple):
    """The problems of a source: PRM800K's ratings, counts, the splits before and after limits."""

    release: dict[str, prm800k.Release] | None
    counts: Counts
    splits: Splits
    parts: dict[Split, list[Problem]]


def _as_mapping(value: Any) -> Any:
    """Read `problem=question,answer=target`, as on the command line, as a mapping."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",")]
    if not all(ours and theirs for ours, _, theirs in pairs):
        raise InputError(
            f"fields: found {value!r}; expected names as in problem=question,answer=target."
        )
    same = {"gold": "answer", "question": "problem"}  # as `mathtune grade --fields` has them
    return {same.get(ours.strip(), ours.strip()): theirs.strip() for ours, _, theirs in pairs}


class Prepare(Stage[Data]):
    """Read problems from a source, split them, and write what the other stages read."""

    revision: ClassVar[int] = 7

    source: Annotated[str, Large()] = "arithmetic"
    """arithmetic, a set that `mathtune data` lists (gsm8k, math, aime24, ...), a YAML file that
    declares one, the id of a hub data set (`owner/name@revision`), a folder, or a file: JSON Lines,
    JSON, CSV, parquet, Arrow, packed or not."""
    subset: str | None = None
    """A hub data set's config ("main"), or a folder inside a folder; None: the only one."""
    split: str | None = None
    """math: original or prm800k (None). A hub id or folder: the one split that train, validation
    and test are drawn from; a split called test stays the test split unless a number is to be
    drawn. None: its own splits.
    """
    folder: Annotated[Path | None, Large()] = None
    """The folder with local copies of the named sets. None: the folder in the environment variable
    MATHTUNE_DATA. Data that it lacks comes from the hub.
    """
    fields: Annotated[dict[str, str], BeforeValidator(_as_mapping)] = Field(default_factory=dict)
    """Our field names -> those of the rows (problem, answer, solution, id, level, subject); on the
    command line `problem=question,answer=target`. Dots reach inside: `extra_info.answer`,
    `messages`; a plus joins texts: `Body+Question`. A field that is named for one role is not used
    for another unless it is named for both.
    """
    where: Texts = ()
    """Conditions that every row must fulfil: `question_type!=proof,level>=3`; several values:
    `source=aime|amc`; characters: `length(solution)<=4000`. Names are those of the rows, or ours.
    """
    unusable: Texts = UNUSABLE
    """Golds that mean "no answer": their rows are dropped. A list replaces the default."""
    gold_rule: GoldRule = "explicit"
    """How the answer is found in a gold that is a text: by its mark (explicit), else by
    last-number, auto (the last number or formula), or without-unit (9 in `9 (apples)`).
    """
    thoughts: Thoughts = "keep"
    """True: solutions to learn from keep a reasoning model's thoughts (`<think>`)."""
    strict: bool = False
    """True: a row that cannot be used ends the run. False: it is dropped, named and counted."""
    train: Count = 500
    """arithmetic: training problems to generate. Other sources give all theirs; see limit."""
    validation: Count | None = None
    """Problems drawn from train if the source has no validation split. None: 200 for arithmetic,
    1,000 for math, as in the paper, otherwise a tenth of train but at most 500.
    """
    test: Count | Literal["all"] | None = None
    """Test problems to generate (arithmetic), or to draw from a source that has no test split.
    None: 400 for arithmetic, otherwise a tenth but at most 500. all: the whole source is a test
    set.
    """
    limit: Count | dict[Split, Count] | None = None
    """The most problems in every split, or per split, drawn at random, to make a run small. Of a
    large source, only as many rows are read as needed.
    """
    families: Texts = ()
    """arithmetic: only problems of these families (`shop`, `tank`, ...; `subject` of a problem);
    none: all families of tasks."""
    solutions: Literal["math", "prm800k", "both"] | None = None
    """The source of the math problems' solutions to learn from (Liu et al. 2023, Table 2). None:
    math.
    """
    against: Texts = ()
    """Test sets to compare with the training problems before any training: names that `mathtune
    data` lists, files, hub ids. Overlap is reported, and nothing is dropped.
    """
    seed: int = 0
    """Seed of every draw: the generated problems, the validation and test problems, the limit."""

    @model_validator(mode="before")
    @classmethod
    def _find_folder(cls, values: Any) -> Any:
        """Put the folder of local data into the config, so that its content is fingerprinted."""
        if not isinstance(values, Mapping):
            return values  # which pydantic refuses
        if values.get("source") in NAMED[1:] and values.get("folder") is None:
            return {**values, "folder": local.root()}
        found = _declared(str(values.get("source")))
        if found is not None:
            given = values.get("folder")
            folder = local.root() if given is None else Path(given)
            return {**values, "folder": declared.local_copy(found, folder)}
        return values

    @model_validator(mode="after")
    def _fits_source(self) -> Prepare:
        if self.source == "math" and self.split is not None and self.split not in math.SPLITS:
            raise no_split("math", self.split, math.SPLITS)
        if self.split is not None and self.source in NAMED and self.source != "math":
            raise InputError(f"split: {self.source} has one split; found {self.split!r}.")
        one_file = Path(self.source).is_file() or is_data(self.source)
        if one_file and self.split is not None:
            raise InputError(
                f"split: {self.source} is one file, without splits; found {self.split!r}."
            )
        for name, value, unfit, others in (
            ("subset", self.subset, self.source in NAMED or one_file, "a hub id or a folder"),
            ("solutions", self.solutions, self.source != "math", "source math"),
            ("families", self.families, self.source != "arithmetic", "source arithmetic"),
        ):
            if value not in (None, ()) and unfit:
                found = value if isinstance(value, str) else value[0]
                raise InputError(
                    f"{name}: found {found!r} with source {self.source!r}; this setting goes with "
                    f"{others}."
                )
        if self.families:
            from mathtune.data.arithmetic import TASKS

            for name in self.families:
                if name not in TASKS:
                    raise InputError(f"families: no family {name!r}; there are {', '.join(TASKS)}.")
        if self.fields and self.source in NAMED:
            raise InputError(f"fields: {self.source} has known fields; expected none.")
        self._reading()
        if is_data(self.source) and not Path(self.source).exists():
            raise InputError(f"{self.source}: no such file; expected problems, one per line.")
        if not _known(self.source):
            raise InputError(
                f"source: found {self.source!r}, which is no file or folder; expected one, a hub "
                f"id (owner/name), arithmetic, or one of {', '.join(declared.shipped())}."
            )
        return self

    def outputs(self, folder: Path) -> Data:
        """Return the paths of the files."""
        names = (*SPLITS, "solutions", "validation_solutions", "steps")
        return Data(*(folder / f"{name}.jsonl" for name in names))

    def read(self) -> Found:
        """Read and split the problems, and say what was read as what; write nothing.

        Raises:
            InputError: as `run`.
        """
        rated = "prm800k" in (self.source, self.solutions) or self.solutions == "both"
        release = prm800k.load(self.folder) if rated else None
        counts = Counts()
        splits = _split(self, release, counts)
        counts.tell()
        counts.refuse_unfound(self.fields)
        parts = {split: self._limited(split, getattr(splits, split)) for split in SPLITS}
        if not parts["train"] and (splits.had_train or not any(parts.values())):
            raise InputError(
                f"{self.source}: no training problem is left; see limit, validation and where."
            )
        return Found(release, counts, splits, parts)

    def run(self, folder: Path) -> PrepareMetrics:
        """Write the three splits, their solutions, and for PRM800K steps.jsonl.

        Raises:
            InputError: the source cannot be read, has no such split, or is too small for the draws.
        """
        release, counts, splits, parts = self.read()
        solutions = _gold(parts["train"])
        if release is not None:
            theirs = release["train"].examples(parts["train"])
            solutions = solutions + theirs if self.solutions == "both" else theirs
        files = self.outputs(folder)
        for split in SPLITS:
            jsonl.write(getattr(files, split), parts[split])
        jsonl.write(files.solutions, solutions)
        jsonl.write(files.validation_solutions, _gold(parts["validation"]))
        shared = overlaps(parts["train"], self.against, self.folder)
        if self.source != "arithmetic":  # its problems share their family's words
            shared["test"] = overlap(parts["train"], parts["test"], what="test")
        jsonl.write_json(folder / CARD, self._card(counts, files))
        records = steps = None
        if release is not None:
            records = dict(sorted(release["train"].counts.items()))
            labelled = release["train"].labelled(parts["train"], seed=self.seed)
            jsonl.write(files.steps, labelled)
            steps = len(labelled)
        sizes = ", ".join(f"{split} {len(parts[split]):,}" for split in SPLITS)
        say(f"  problems: {sizes}; {len(solutions):,} solutions to learn from")
        return PrepareMetrics(
            train=split_metrics(parts["train"]),
            validation=split_metrics(parts["validation"]),
            test=split_metrics(parts["test"]),
            solutions=solution_metrics(solutions),
            shared_problems_dropped=dict(splits.dropped),
            near_test=report_near(parts["train"], parts["test"]),
            rows=read_metrics(counts),
            overlap=shared or None,
            prm800k_records=records,
            prm800k_steps=steps,
        )

    def _card(self, counts: Counts, files: Data) -> dict[str, Any]:
        """Return the data card; PRM800K's steps do not count as problems."""
        written = {name: getattr(files, name) for name in (*SPLITS, "solutions")}
        found = declared.find(self.source)
        origin = read_from(self.source, self.folder)
        name = Path(self.source).name
        chosen = self.changed().keys() | {"seed"}
        settings = self.model_dump(mode="json", include=chosen - {"source", "folder"})
        return card(found, name, settings, counts, written, read_from=origin)

    def _reading(self) -> RowOptions:
        """Return the declared reading of rows, with the settings that differ from the default."""
        names = ("unusable", "gold_rule", "thoughts", "strict")
        given = {name: value for name, value in self.changed().items() if name in names}
        found = _declared(self.source)
        if found is None:
            return RowOptions(fields=self.fields, where=conditions(self.where), **given)
        where = conditions((*found.set.where, *self.where))
        return found.set.reading(fields=self.fields, where=where, **given)

    def _limited(self, split: Split, problems: list[Problem]) -> list[Problem]:
        limit = self.limit.get(split) if isinstance(self.limit, dict) else self.limit
        return limited(problems, limit, seed=self.seed)


def _split(c: Prepare, release: dict[str, prm800k.Release] | None, counts: Counts) -> Splits:
    """Read the source and split it."""
    if c.source == "arithmetic":
        from mathtune.data import arithmetic

        sizes = generated(c)
        families = {name: arithmetic.TASKS[name] for name in c.families or arithmetic.TASKS}
        made: Parts = {
            s: arithmetic.generate(s, sizes[s], c.seed, families) for s in SPLITS if sizes[s]
        }
        passed = _passing(c, made, counts)
        three = (passed.get(split, []) for split in SPLITS)
        return apart(*three, had_train=sizes["train"] > 0)
    if c.source == "gsm8k":
        return _drawn(c, _passing(c, gsm8k.load(c.folder), counts))
    if c.source == "math":
        return _drawn(c, _passing(c, math.load(c.folder, split=c.split or "prm800k"), counts))
    if c.source == "prm800k":
        assert release is not None
        parts = {split: part.as_problems() for split, part in release.items()}
        return _drawn(c, _passing(c, parts, counts))
    found = _declared(c.source)
    asked = SourceRequest(
        c.source if found is None else str(c.folder or found.set.source),
        subset=c.subset or (found.set.subset if found is not None and c.folder is None else None),
        declared=None if found is None or c.split is not None else found.set,
        split=c.split,
        draws=c.test not in (None, "all") or c.validation is not None,
        reading=c._reading(),
        enough=lambda split, drawn: _enough(c, split, drawn),
        stream=c.limit is not None,
    )
    return _drawn(c, load(asked, counts))


def generated(c: Prepare) -> dict[Split, int]:
    """Return how many problems of each split are generated (arithmetic)."""
    return {
        "train": c.train,
        "validation": 200 if c.validation is None else c.validation,
        "test": c.test if isinstance(c.test, int) else 400,
    }


def _passing(c: Prepare, parts: Parts, counts: Counts) -> Parts:
    """Return the problems of a named source that fulfil the conditions."""
    where = conditions(c.where)
    return {s: passing(found, where, counts) if where else found for s, found in parts.items()}


def _enough(c: Prepare, split: str, drawn: bool) -> Enough | None:
    """Return the number of rows after which reading a split may stop; None: read all."""
    limits = c.limit if isinstance(c.limit, dict) else dict.fromkeys(SPLITS, c.limit)
    read = [limits.get(name) for name in SPLITS if drawn or name == split]
    known = [limit for limit in read if limit is not None]
    if len(known) < len(read):
        return None
    most = max(known)
    draws = (n if isinstance(n, int) else 10 * min(most, 500) for n in (c.test, c.validation))
    return Enough(2 * most + (sum(draws) if drawn else 0))


def _drawn(c: Prepare, found: Parts) -> Splits:
    """Draw the splits that the source lacks from its training problems."""
    if "train" not in found:
        return apart([], found.get("validation", []), found.get("test", []), had_train=False)
    train, drawn = found["train"], {}
    if c.test == "all":
        if "test" in found:
            return apart(train, found.get("validation", []), found["test"], had_train=False)
        return apart([], [], train, had_train=False)
    asked = c.test is not None or c.validation is not None
    if not asked and len(found) == 1 and len(train) < FEWEST:
        say(
            f"  {many(len(train), 'problem', 'problems')}, fewer than {FEWEST}: all of them are "
            "test problems. To train on them, set validation=NUMBER and test=NUMBER."
        )
        return apart([], [], train, had_train=False)
    for split in ("test", "validation"):
        if split in found:
            drawn[split] = found[split]
            continue
        count = c.test if split == "test" else c.validation
        if count is None:
            count = usual_size(c.source, split, of=len(train))
        train, drawn[split] = draw_out(train, count, seed=c.seed, what=split)
    return apart(train, drawn["validation"], drawn["test"])


def _gold(problems: Sequence[Problem]) -> list[Example]:
    return [
        Example(problem_id=p.id, problem=p.problem, solution=p.solution)
        for p in problems
        if p.solution
    ]


def _declared(source: str) -> declared.NamedSet | None:
    """Return the declared set of this name; None for sets that have code of their own."""
    return None if source in NAMED else declared.find(source)


def _known(source: str) -> bool:
    return (
        source in NAMED
        or _declared(source) is not None
        or is_data(source)
        or Path(source).exists()
        or re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w.-]+)?", source) is not None
    )
