"""Data sets by name, declared as data: `declared.yaml`, and files of the same form.

math500:
  id: HuggingFaceH4/MATH-500
  splits: {test: test}
  fields: {id: unique_id}
  licence: ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from mathtune.data import folders
from mathtune.data.files.texts import UNUSABLE
from mathtune.data.problems import RowOptions, Thoughts
from mathtune.data.splits import Split
from mathtune.data.values import GoldRule
from mathtune.data.where import conditions
from mathtune.errors import InputError
from mathtune.run import settings

ENDINGS = (".yaml", ".yml")


class Prompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words of a set's prompts. `instruction`: for chat models, None: the usual one. `shots`:
    solved problems to show a base model first, of the set's training split, or of the set `of`.
    """

    instruction: str | None = None
    shots: int = 0
    of: str | None = None


class Declared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data set's declaration; the fields are explained in `declared.yaml`."""

    id: str
    about: str = ""
    subset: str | None = None
    revision: str | None = None
    task_id: str | None = None
    licence: str = "unstated"
    splits: dict[Split, str]
    rows: dict[Split, int] = {}
    fields: dict[str, str] = {}
    gold_rule: GoldRule = "explicit"
    where: tuple[str, ...] = ()
    unusable: tuple[str, ...] = UNUSABLE
    thoughts: Thoughts = "keep"
    inner: bool = False
    grader: Literal["math", "prm800k", "math-verify"] = "math"
    prompt: Prompt = Prompt()

    def reading(self, **given: Any) -> RowOptions:
        """Return how its rows are read; the settings `given` override the declaration's."""
        declared = {
            "where": conditions(self.where),
            "unusable": self.unusable,
            "gold_rule": self.gold_rule,
            "thoughts": self.thoughts,
            "inner": self.inner,
        }
        fields = {**self.fields, **given.pop("fields", {})}
        return RowOptions(fields=fields, **{**declared, **given})

    @property
    def source(self) -> str:
        """The hub's id with the revision."""
        return f"{self.id}@{self.revision}" if self.revision else self.id


@dataclass(frozen=True)
class OnHub:
    """A data set as the hub's files of results name it. `split`: the hub's name of the split that
    was measured, which has `rows` problems; `revision`: None if it is unknown; `task_id`: None if
    what was measured is no benchmark there.
    """

    name: str
    id: str
    split: str
    subset: str | None = None
    revision: str | None = None
    task_id: str | None = None
    rows: int | None = None

    def result(self, value: float, problems: int, *, notes: str, date: str) -> dict[str, Any]:
        """Return an entry of a model's `.eval_results/` for a benchmark; `value`: a share."""
        dataset = {"id": self.id, "task_id": self.task_id}
        dataset |= {"revision": self.revision} if self.revision else {}
        of = f" of {self.rows:,}" if self.rows not in (None, problems) else ""
        notes = f"{problems:,}{of} problems, {notes}"
        return {"dataset": dataset, "value": round(100 * value, 2), "date": date, "notes": notes}

    def dataset(self) -> dict[str, Any]:
        """Return the data set of a result in a model card's metadata."""
        found = {"name": self.name, "type": self.id, "config": self.subset, "split": self.split}
        return {key: value for key, value in {**found, "revision": self.revision}.items() if value}


@dataclass(frozen=True)
class NamedSet:
    """A declaration with its name; `folder`: that of the file that declares it."""

    name: str
    set: Declared
    folder: Path | None = None


@cache
def shipped() -> dict[str, Declared]:
    """Return the declarations that come with the package."""
    text = (files(__package__) / "declared.yaml").read_text(encoding="utf-8")
    return parsed(text, where="declared.yaml")


def on_hub(
    source: str, split: str = "test", *, theirs: str | None = None, copied: bool = False
) -> OnHub | None:
    """Return a split of a set that comes with the package as the hub names it; None: it has none.

    A split that a set lacks is drawn from its training problems, or from the hub's split `theirs`.
    `copied`: the rows come from a local copy, whose revision is unknown.

    Example:
        >>> found = on_hub("aime24")
        >>> found.id, found.split, found.task_id
        ('HuggingFaceH4/aime_2024', 'train', None)
    """
    one = shipped().get(source)
    if one is None:
        return None
    names = {str(ours): name for ours, name in one.splits.items()}
    found = theirs or names.get(split) or names.get("train") or next(iter(names.values()))
    whole = split == "test" and found == names.get("test")
    return OnHub(
        name=source,
        id=one.id,
        split=found,
        subset=one.subset,
        revision=None if copied else one.revision,
        task_id=one.task_id if whole else None,
        rows=one.rows.get("test") if whole else None,
    )


def find(name: str) -> NamedSet | None:
    """Return the declared set of this name; of a YAML file, its only set, or that after a colon.

    `mine.yaml:easy` is the set `easy` of the file. None: there is no such set.

    Raises:
        InputError: the file cannot be read, has no such set, or several and none is named.
    """
    path, colon, inner = (name, "", "") if name.endswith(ENDINGS) else name.rpartition(":")
    if path.endswith(ENDINGS):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read ({error}).") from None
        sets = parsed(text, where=path)
        if (colon and inner not in sets) or (not colon and len(sets) != 1):
            raise InputError(
                f"{name}: expected one of its sets, {', '.join(f'{path}:{one}' for one in sets)}."
            )
        found = inner or next(iter(sets))
        return NamedSet(found, sets[found], Path(path).parent)
    return NamedSet(name, shipped()[name]) if name in shipped() else None


def parsed(text: str, *, where: str) -> dict[str, Declared]:
    """Read declarations.

    Raises:
        InputError: no valid YAML, or a declaration with an unknown key, field or condition.
    """
    sets = {}
    for name, values in settings.parse(text, where=where).items():
        try:
            sets[name] = msgspec.convert(values, Declared)
            sets[name].reading()
        except (msgspec.ValidationError, InputError) as error:
            raise InputError(f"{where}, {name}: {str(error).rstrip('.')}.") from None
    if not sets:
        raise InputError(f"{where}: declares no data set; expected `name: {{id: ..., ...}}`.")
    return sets


def local_copy(found: NamedSet, folder: Path | None) -> Path | None:
    """Return the set's local files in a folder: `NAME.jsonl`, `NAME/`, or the id as a path.

    The set's own id may be a path relative to the folder of the file that declares it.
    """
    by_id = (found.folder or Path()) / found.set.id
    if found.folder is not None and by_id.exists():
        return by_id
    if folder is None:
        return None
    names = (found.name, found.set.id.rpartition("/")[2])
    if folder.is_file() or folder.name in names:
        return folder
    return next((path for path in _copies(found, folder) if path.exists()), None)


def _copies(found: NamedSet, folder: Path) -> Iterator[Path]:
    owner, _, name = found.set.id.rpartition("/")
    for inner in (folder, folder / "problems"):
        yield inner / owner / name
        yield inner / f"{owner}__{name}"
        for stem in dict.fromkeys((found.name, name)):
            yield inner / stem
            for kind in folders.KINDS:
                for packed in folders.PACKED:
                    yield inner / f"{stem}.{kind}{packed}"


def ours(found: Declared, names: Mapping[str, object]) -> dict[str, str]:
    """Return our splits -> the source's, as declared or as a local copy names them.

    A single file is the set's only split, or its training split.
    """
    declared = {ours: theirs for ours, theirs in found.splits.items() if theirs in names}
    if declared:
        return {str(split): name for split, name in declared.items()}
    known = {split: name for name in names if (split := folders.ours(name)) in found.splits}
    if known:
        return {str(split): name for split, name in known.items()}
    if len(names) == 1:
        return {next(iter(found.splits)): next(iter(names))}
    return {}
