"""Every command of README and docs: parsed, its settings resolved; those marked `run` are run."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from mathtune.cli import evaluate, main
from mathtune.cli.settings_reference import STAGES
from mathtune.recipes import resolve
from mathtune.run import recipe_run, settings
from mathtune.run.stage import validated

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
KINDS = {stage.kind(): stage for stage in STAGES}
PROGRAM = get_command(main.app)


def commands(page: Path, *, marked: str = "") -> list[str]:
    """The lines of a page's blocks that start our program."""
    return [
        line.partition("  #")[0].strip()
        for mark, text in FENCE.findall(page.read_text())
        if marked in mark
        for line in text.replace("\\\n", " ").splitlines()
        if line.startswith("mathtune ")
    ]


ALL = [
    pytest.param(command, id=f"{page.name}: {command}")
    for page in PAGES
    for command in commands(page)
]
RUN = [page for page in PAGES if commands(page, marked="sh run")]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in: Callable[[Path], Path]) -> Path:
    """A folder with the files that the guides call the reader's own."""
    problems = [
        {"question": f"What is {n} + 1?", "target": f"{n + 1}", "steps": f"#### {n + 1}"}
        for n in range(40)
    ]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems))
    outputs = [
        {"problem_id": "a", "gold_answer": "7", "samples": ["#### 7", "#### 8", "it is 7"]},
        {"problem_id": "b", "gold_answer": "1", "samples": ["#### 2", "#### 1", "#### 1"]},
    ]
    lines = "".join(json.dumps({**row, "scores": [0.9, 0.5, 0.1]}) + "\n" for row in outputs)
    (tmp_path / "outputs.jsonl").write_text(lines)
    (tmp_path / "outputs.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    guide = (ROOT / "docs" / "fine_tune.md").read_text()
    (tmp_path / "mine.yaml").write_text(dict(FENCE.findall(guide))["yaml"])
    study = settings.read("scaling-small", [], package="mathtune.recipes")
    for model in (study["model"], *study["models"]):  # by `make ladder`
        stand_in(tmp_path / model)
    (tmp_path / study["text"]).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guides_are_there() -> None:
    assert {page.name for page in RUN} >= {
        *("fine_tune.md", "grade_other_samples.md", "train_a_judge.md", "rft.md"),
        "read_the_report.md",
    }
    assert len(ALL) > 30


@pytest.mark.parametrize("command", ALL)
def test_it_is_a_command_whose_settings_resolve(command: str, desk: Path) -> None:
    words = shlex.split(command)[1:]
    if words[0].startswith("-"):
        assert PROGRAM.make_context("mathtune", words, resilient_parsing=True)
        return
    name, *rest = words
    shell = rest.index(">") if ">" in rest else len(rest)
    program = PROGRAM.get_command(None, name)  # type: ignore[attr-defined]
    given = program.make_context(name, rest[:shell]).params
    if name == "run":
        found = resolve(
            given["recipe"], config=given["config"], assignments=given["assignments"] or []
        )
        planned = recipe_run.planned(
            found.compose, name=found.name, folder=desk / "runs", overrides=found.overrides
        )
        assert len(planned.steps) > 10
    elif name == "evaluate":
        asked = evaluate.EvaluateOptions(
            given["model"], given["data"], given["n"], given["evaluator"], given["settings"] or ()
        )
        assert evaluate.resolved(asked).name == "evaluate"
    elif name == "collect" and "problems=" not in command:
        assert given["arguments"][0] == "generations.parquet", "the reader's own file"
    elif name in KINDS:
        first, *others = given["arguments"]
        if name in ("grade", "measure") and not others and "=" not in first:
            assert first in ("outputs.jsonl", "outputs.jsonl.gz"), "the reader's own file"
            return
        (positional,) = re.findall(r"The file given first is `(\w+)`", program.help)
        arguments = [first if "=" in first else f"{positional}={first}", *others]
        validated(KINDS[name], settings.read(given["config"], arguments, package=None))


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
@pytest.mark.slow
def test_it_runs(
    page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in commands(page, marked="sh run"):
        monkeypatch.setattr("sys.argv", shlex.split(command))
        with pytest.raises(SystemExit) as stopped:
            main.main()
        assert stopped.value.code in (0, None), (command, capsys.readouterr().err)
    assert any(desk.iterdir())


def test_the_yaml_of_the_guides_is_yaml() -> None:
    blocks = [
        text for page in PAGES for mark, text in FENCE.findall(page.read_text()) if mark == "yaml"
    ]
    assert len(blocks) >= 2
    assert all(isinstance(yaml.safe_load(text), dict) for text in blocks)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
