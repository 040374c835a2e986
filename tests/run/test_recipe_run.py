"""The run folder's promises: skip the finished, refuse the changed, continue the cut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel

from mathtune.errors import FailedStepsError, InputError
from mathtune.run.documents import read_plan
from mathtune.run.fingerprint import fingerprint
from mathtune.run.recipe_run import Overrides, Run, planned, work
from mathtune.run.stage import File, Free, Stage
from mathtune.run.step import grown_from


def perform(
    recipe: Callable[[Run], None],
    *,
    name: str = "r",
    folder: Path,
    overrides: Overrides,
    redo: frozenset[str] = frozenset(),
) -> None:
    """Plan and work, as the command `run` does."""
    steps = planned(recipe, name=name, folder=folder, overrides=overrides, redo=redo)
    work(steps, recipe, name=name, redo=redo)


class Write(Stage[Path]):
    """Write a text to a file."""

    text: str = "one"

    def outputs(self, folder: Path) -> Path:
        return folder / "text.txt"

    def run(self, folder: Path) -> dict[str, Any]:
        (folder / "text.txt").write_text(self.text)
        return {"characters": len(self.text)}


class Double(Stage[Path]):
    """Write a file's text twice, a letter a call, so that it can be cut off."""

    source: File
    die_after: int = -1

    def outputs(self, folder: Path) -> Path:
        return folder / "double.txt"

    def run(self, folder: Path) -> dict[str, Any]:
        text = self.source.read_text() * 2
        target = folder / "double.txt"
        done = target.read_text() if target.exists() else ""
        for letter in text[len(done) :]:
            if len(done) == FUSE["at"]:
                raise KeyboardInterrupt
            done += letter
            target.write_text(done)
            FUSE["letters"] += 1
        return {"characters": len(done)}


FUSE = {"at": -1, "letters": 0}


def recipe(run: Run) -> None:
    first = run("first", Write())
    run("second", Double(source=first))
    run("other", Write(text="other"))


def go(folder: Path, *, redo: tuple[str, ...] = (), **overrides: dict[str, Any]) -> None:
    perform(recipe, name="r", folder=folder, overrides=overrides, redo=frozenset(redo))


@pytest.fixture(autouse=True)
def _fuse() -> None:
    FUSE.update(at=-1, letters=0)


def test_executes_in_order_and_writes_step_json_last(tmp_path: Path) -> None:
    go(tmp_path)
    assert (tmp_path / "second/double.txt").read_text() == "oneone"
    assert json.loads((tmp_path / "second/metrics.json").read_text()) == {"characters": 6}
    step = json.loads((tmp_path / "second/step.json").read_text())
    assert (step["stage"], step["revision"]) == ("double", 1)
    assert not (tmp_path / "second/started.json").exists()
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert [s["name"] for s in plan["steps"]] == ["first", "second", "other"]
    assert plan["steps"][1]["reads"] == ["first"]
    assert plan["steps"][1]["config"]["source"] == "first/text.txt"


def test_finished_steps_are_skipped(tmp_path: Path) -> None:
    go(tmp_path)
    go(tmp_path)
    assert FUSE["letters"] == 6


def test_a_kill_before_the_rename_of_the_record_leaves_a_step_that_can_be_made(
    tmp_path: Path,
) -> None:
    FUSE["at"] = 4
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path)
    (tmp_path / "second/step.json.partial").write_text("{")
    (tmp_path / "second/best.partial").mkdir()
    FUSE["at"] = -1
    go(tmp_path)
    go(tmp_path)  # the record names files that are there
    found = {path.name for path in (tmp_path / "second").iterdir()}
    assert found == {"double.txt", "metrics.json", "step.json"}


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_record_of_work_under_way_names_its_remedy(tmp_path: Path, content: str) -> None:
    FUSE["at"] = 4
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path)
    (tmp_path / "second/started.json").write_text(content)
    with pytest.raises(InputError, match=r"started\.json: not a JSON object.*--redo second makes"):
        go(tmp_path)
    FUSE["at"] = -1
    go(tmp_path, redo=("second",))
    assert (tmp_path / "second/double.txt").read_text() == "oneone"


def test_the_place_of_a_run_does_not_matter(tmp_path: Path) -> None:
    go(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    go(tmp_path / "b")
    assert FUSE["letters"] == 6


def test_a_changed_setting_is_refused_with_its_name(tmp_path: Path) -> None:
    go(tmp_path)
    with pytest.raises(InputError, match=r"first: .*text was one, now two.*--redo first"):
        go(tmp_path, first={"text": "two"})
    assert (tmp_path / "first/text.txt").read_text() == "one"


def test_redo_makes_a_step_and_what_hangs_on_it_again(tmp_path: Path) -> None:
    go(tmp_path)
    go(tmp_path, redo=("first",), first={"text": "two"})
    assert (tmp_path / "second/double.txt").read_text() == "twotwo"
    assert (tmp_path / "other/text.txt").read_text() == "other"


def test_a_file_edited_after_its_step_is_named_as_edited(tmp_path: Path) -> None:
    go(tmp_path)
    path = tmp_path / "first/text.txt"
    path.write_text("tampered")
    edited = r"first/text.txt: was changed after the step finished on 20.*--redo first"
    with pytest.raises(InputError, match=edited):
        go(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"first/text.txt: is missing: it was removed after"):
        go(tmp_path)
    path.write_text("one")  # what the step wrote, at another time
    go(tmp_path)
    path.write_text("tampered")
    go(tmp_path, redo=("first",))
    assert (tmp_path / "second/double.txt").read_text() == "oneone"


def test_a_changed_file_from_outside_is_named_as_an_input(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("one")

    def double(run: Run) -> None:
        run("double", Double(source=tmp_path / "text"))

    perform(double, folder=tmp_path / "run", overrides={})
    (tmp_path / "text").write_text("two")
    with pytest.raises(InputError, match="double: finished and read other files: source had"):
        perform(double, folder=tmp_path / "run", overrides={})


@pytest.mark.parametrize(
    "content",
    ["", "{}", '{"stage": "wr', "[]", '{"config": 3}', '{"revision":1,"bill":{},"made_with":{}}'],
)
def test_a_damaged_record_is_named_with_its_remedy(tmp_path: Path, content: str) -> None:
    go(tmp_path)
    (tmp_path / "first/step.json").write_text(content)
    with pytest.raises(InputError, match=r"first/step.json.*--redo first makes"):
        go(tmp_path)
    go(tmp_path, redo=("first",))
    assert (tmp_path / "second/double.txt").read_text() == "oneone"


@pytest.mark.parametrize("content", ["", "{}", '{"recipe": "r"}'])
def test_a_damaged_plan_is_written_anew(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    go(tmp_path)
    plan = (tmp_path / "plan.json").read_bytes()
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(InputError, match=r"plan\.json.*the command that made the run writes it"):
        read_plan(tmp_path)
    go(tmp_path)
    assert (tmp_path / "plan.json").read_bytes() == plan
    assert "damaged, written again" in capsys.readouterr().err


def test_a_plan_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    go(tmp_path / "run")
    path = tmp_path / "run/plan.json"
    path.write_text(path.read_text().replace('"first"', '"../first"'))
    with pytest.raises(InputError, match=r"step '\.\./first' lies outside the run folder"):
        read_plan(tmp_path / "run")


def test_a_step_folder_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    go(tmp_path / "run")
    (tmp_path / "run/first").rename(tmp_path / "elsewhere")
    (tmp_path / "run/first").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="run/first: is a link that leads out of the run folder"):
        go(tmp_path / "run", redo=("first",))
    assert (tmp_path / "elsewhere/text.txt").exists()


class Break(Stage[Path]):
    """Fail while a file is there."""

    source: File
    while_there: Path

    def outputs(self, folder: Path) -> Path:
        return folder / "text.txt"

    def run(self, folder: Path) -> dict[str, Any]:
        (folder / "begun").touch()
        if self.while_there.exists():
            raise InputError("nothing is right; right_from=gold takes gold solutions.")
        self.outputs(folder).write_text(self.source.read_text())
        return {}


def test_independent_steps_are_made_where_one_fails(tmp_path: Path) -> None:
    fuse = tmp_path / "fuse"
    fuse.touch()

    def breaking(run: Run) -> None:
        first = run("first", Write())
        broken = run("broken", Break(source=first, while_there=fuse))
        second = run("second", Double(source=broken))
        run("third", Double(source=second))
        run("other", Double(source=first))

    run = tmp_path / "run"
    sentence = (
        r"step broken failed: nothing is right; right_from=gold takes gold solutions\. "
        r"Not made because they need it: second, third\. The same command tries again\."
    )
    for _ in range(2):
        with pytest.raises(FailedStepsError, match=sentence):
            perform(breaking, folder=run, overrides={})
        assert (run / "other/step.json").exists()
        assert not (run / "second").exists()
        assert json.loads((run / "broken/failed.json").read_text())["reason"].startswith("nothing")
    fuse.unlink()
    perform(breaking, folder=run, overrides={})
    assert (run / "third/double.txt").read_text() == "oneoneoneone"
    assert sorted(path.name for path in (run / "broken").iterdir()) == [
        *("begun", "metrics.json", "step.json", "text.txt")
    ]
    fuse.touch()
    with pytest.raises(FailedStepsError):
        perform(breaking, folder=run, overrides={}, redo=frozenset({"broken"}))
    assert not (run / "third").exists()  # made from what was to be made again


def test_a_run_whose_first_step_fails_leaves_nothing(tmp_path: Path) -> None:
    def breaking(run: Run) -> None:
        run("second", Double(source=run("first", Refuse())))

    with pytest.raises(InputError, match=r"^no\.$"):
        perform(breaking, folder=tmp_path / "run", overrides={})
    assert not (tmp_path / "run").exists()


class Refuse(Stage[Path]):
    """Fail before anything is written."""

    def outputs(self, folder: Path) -> Path:
        return folder / "text.txt"

    def run(self, folder: Path) -> dict[str, Any]:
        raise InputError("no." if folder.exists() else "the folder is not there.")


class Gather(Stage[Path]):
    """Put the texts that there are into one file."""

    gathers: ClassVar[tuple[str, ...]] = ("labels",)

    texts: dict[str, File]
    labels: tuple[str, ...] = ()
    separator: str = " "

    def outputs(self, folder: Path) -> Path:
        return folder / "text.txt"

    def run(self, folder: Path) -> dict[str, Any]:
        text = self.separator.join(path.read_text() for path in self.texts.values())
        self.outputs(folder).write_text(text)
        return {}


def gathering(names: str) -> Callable[[Run], None]:
    def recipe(run: Run) -> None:
        texts = {name: run(name, Write(text=name)) for name in names}
        run("all", Gather(texts=texts, labels=tuple(names)))

    return recipe


def test_what_only_gathers_is_made_again_when_there_is_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for names, text in (("ab", "a b"), ("abc", "a b c"), ("ad", "a d")):
        perform(gathering(names), folder=tmp_path, overrides={})
        assert (tmp_path / "all/text.txt").read_text() == text
    said = capsys.readouterr().err.splitlines()
    assert said.count("all: labels, texts changed, made again") == 2
    assert "a: finished before, skipped" in said
    perform(gathering("ad"), folder=tmp_path, overrides={})
    assert "all: finished before, skipped" in capsys.readouterr().err
    with pytest.raises(InputError, match="all: finished with other settings: separator was"):
        perform(gathering("ad"), folder=tmp_path, overrides={"all": {"separator": "-"}})
    assert (tmp_path / "all/text.txt").read_text() == "a d"


def test_interrupted_goes_on_from_what_it_wrote(tmp_path: Path) -> None:
    FUSE["at"] = 4
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path)
    assert not (tmp_path / "second/step.json").exists()
    FUSE["at"] = -1
    go(tmp_path)
    assert (tmp_path / "second/double.txt").read_text() == "oneone"
    assert FUSE["letters"] == 6


def test_interrupted_with_other_settings_starts_afresh(tmp_path: Path) -> None:
    FUSE["at"] = 4
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path)
    FUSE["at"] = -1
    go(tmp_path, redo=("first",), first={"text": "abc"})
    assert (tmp_path / "second/double.txt").read_text() == "abcabc"


def test_overrides_reach_a_step_or_every_step_of_a_stage(tmp_path: Path) -> None:
    go(tmp_path, write={"text": "all"}, other={"text": "only"})
    assert (tmp_path / "first/text.txt").read_text() == "all"
    assert (tmp_path / "other/text.txt").read_text() == "only"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"frist": {"text": "x"}}, "frist: no such step"),
        ({"first": {"txt": "x"}}, r"first\.txt: no such setting; settings are text"),
        ({"first": {"text": 3}}, r"first\.text: found 3"),
    ],
)
def test_bad_settings_are_found_before_any_work(
    tmp_path: Path, overrides: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        go(tmp_path / "run", **overrides)
    assert not (tmp_path / "run").exists()


def test_a_missing_input_is_found_before_any_work(tmp_path: Path) -> None:
    def missing(run: Run) -> None:
        run("first", Write())
        run("second", Double(source=tmp_path / "none.txt"))

    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        perform(missing, name="r", folder=tmp_path / "run", overrides={})
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_recipe_is_refused(tmp_path: Path) -> None:
    go(tmp_path)
    with pytest.raises(InputError, match="holds a run of recipe 'r', not 's'"):
        perform(recipe, name="s", folder=tmp_path, overrides={})


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="holds no run"):
        go(tmp_path)


def test_scopes_hold_the_same_steps_with_other_fields(tmp_path: Path) -> None:
    def scoped(run: Run) -> None:
        for letter in "ab":
            inner = run.within(letter, text=letter, unknown=3)
            text = inner("first", Write())
            inner("second", Double(source=text))

    perform(scoped, name="r", folder=tmp_path, overrides={})
    assert (tmp_path / "b/second/double.txt").read_text() == "bb"
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert [(s["name"], s["reads"]) for s in plan["steps"][2:]] == [
        ("b/first", []),
        ("b/second", ["b/first"]),
    ]
    again = {"first": {"text": "c"}}
    perform(
        scoped, name="r", folder=tmp_path, overrides=again, redo=frozenset({"a/first", "b/first"})
    )
    assert (tmp_path / "a/second/double.txt").read_text() == "cc"


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    planned(recipe, name="r", folder=tmp_path / "run", overrides={})
    assert not (tmp_path / "run").exists()


class Count(Stage[Path]):
    """Write the numbers below `most`; more of them are added to those that are there."""

    grows: ClassVar[str | None] = "most"
    most: int = 3
    first: int = 0

    def outputs(self, folder: Path) -> Path:
        return folder / "numbers.txt"

    def run(self, folder: Path) -> dict[str, Any]:
        (folder / "grown.txt").write_text(" ".join(map(str, grown_from(folder))))
        path = folder / "numbers.txt"
        lines = path.read_text().split() if path.exists() else []
        for number in range(self.first + len(lines), self.first + self.most):
            if number == FUSE["at"]:
                raise KeyboardInterrupt
            FUSE["letters"] += 1
            lines.append(str(number))
            path.write_text("\n".join(lines))
        return {"numbers": len(lines)}


class Learn(Double):
    """A step that is dear to make."""

    costly: ClassVar[bool] = True


def growing(run: Run) -> None:
    numbers = run("numbers", Count())
    run("double", Double(source=numbers))
    run("other", Write())


def learning(run: Run) -> None:
    run("learnt", Learn(source=run("numbers", Count())))


def grow(folder: Path, most: int, recipe: Any = growing, redo: tuple[str, ...] = ()) -> None:
    overrides = {"count": {"most": most}}
    perform(recipe, name="r", folder=folder, overrides=overrides, redo=frozenset(redo))


def test_asking_for_more_adds_to_a_finished_step_and_remakes_what_hangs_on_it(
    tmp_path: Path,
) -> None:
    grow(tmp_path, 3)
    other = (tmp_path / "other/step.json").read_bytes()
    FUSE["letters"] = 0
    grow(tmp_path, 5)
    assert (tmp_path / "numbers/numbers.txt").read_text().split() == list("01234")
    assert (tmp_path / "numbers/grown.txt").read_text() == "3"
    assert FUSE["letters"] == 2 + len("0\n1\n2\n3\n4") * 2
    assert json.loads((tmp_path / "double/metrics.json").read_text()) == {"characters": 18}
    assert (tmp_path / "other/step.json").read_bytes() == other
    assert json.loads((tmp_path / "numbers/step.json").read_text())["config"]["most"] == 5


def test_growth_that_is_cut_off_goes_on(tmp_path: Path) -> None:
    grow(tmp_path, 3)
    FUSE["at"] = 4
    with pytest.raises(KeyboardInterrupt):
        grow(tmp_path, 6)
    assert not (tmp_path / "numbers/step.json").exists()
    assert not (tmp_path / "double").exists()  # what hung on three numbers
    with pytest.raises(KeyboardInterrupt):
        grow(tmp_path, 7)  # and further, before it was finished
    FUSE["at"] = -1
    grow(tmp_path, 7)
    assert (tmp_path / "numbers/numbers.txt").read_text().split() == list("0123456")
    assert (tmp_path / "numbers/grown.txt").read_text() == "3 6"
    assert json.loads((tmp_path / "double/metrics.json").read_text()) == {"characters": 26}


def test_fewer_than_before_and_other_changes_are_refused(tmp_path: Path) -> None:
    grow(tmp_path, 3)
    with pytest.raises(InputError, match="most was 3, now 2"):
        grow(tmp_path, 2)
    overrides = {"count": {"most": 4, "first": 1}}
    with pytest.raises(InputError, match="first was 0, now 1"):
        perform(growing, name="r", folder=tmp_path, overrides=overrides)
    assert (tmp_path / "numbers/numbers.txt").read_text().split() == list("012")


def test_what_is_dear_is_made_again_only_when_asked(tmp_path: Path) -> None:
    grow(tmp_path, 3, learning)
    learnt = (tmp_path / "learnt/double.txt").read_text()
    with pytest.raises(InputError, match="learnt would be made again from it; add --redo learnt"):
        grow(tmp_path, 4, learning)
    assert (tmp_path / "learnt/double.txt").read_text() == learnt
    assert (tmp_path / "numbers/numbers.txt").read_text().split() == list("012")
    grow(tmp_path, 4, learning, redo=("learnt",))
    assert (tmp_path / "learnt/double.txt").read_text() == "0\n1\n2\n30\n1\n2\n3"


def test_where_and_how_fast_is_no_part_of_the_fingerprint() -> None:
    class Place(BaseModel):
        url: Annotated[str, Free()] = "a"
        longest: int = 1

    class Ask(Stage[Path]):
        place: Place = Place()
        hurry: Annotated[bool, Free()] = False

    def mark(**fields: Any) -> dict[str, Any]:
        return fingerprint(Ask(**fields))

    assert mark() == mark(hurry=True, place=Place(url="b"))
    assert mark()["config"] == {"place": {"longest": 1}}
    assert mark() != mark(place=Place(longest=2))
