"""The page: complete, offline, the same for the same run, deaf to hostile texts."""

import base64
import json
import re
import shutil
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from mathtune import report
from mathtune.report import page
from mathtune.report.results import Results, read_run
from mathtune.rows import jsonl
from mathtune.rows.records import Problem, Sample
from mathtune.run.fingerprint import content_hash
from mathtune.run.step import execute
from mathtune.stages.grade import Grade
from mathtune.stages.measure import Measure


@pytest.fixture(scope="module")
def built(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "run"
    shutil.copytree(run_folder, folder)
    assert report.build(folder) == folder / "report.html"
    return folder


def test_it_writes_what_it_promises(built: Path) -> None:
    names = {path.stem for path in (built / "figures").glob("*.png")}
    assert {"gap", "ssft-over-n", "ssft-over-k", "ssft-cost", "ssft-roc", "training"} <= names
    assert names == {path.stem for path in (built / "figures").glob("*.svg")}
    text = (built / "report.md").read_text()
    headline = (
        "ssft solves 40.0% of 5 problems with one greedy solution and 60.0% by a majority vote of "
        "4 samples; for 80.0% at least one of these samples is right."
    )
    assert text.startswith(f"# made\n\n{headline}\n\nOn 5 problems, ")
    for name in re.findall(r"\((figures/[^)]+)\)", text):
        assert (built / name).exists()


def test_unfinished_steps_are_named_first(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    plan = json.loads((folder / "plan.json").read_text())
    plan["steps"].append({"name": "later", "stage": "train", "config": {}})
    (folder / "plan.json").write_text(json.dumps(plan))
    text = report.build(folder).read_text()
    assert text.index("Not made yet: later.") < text.index("<h1>")


def test_the_folder_of_a_stage_has_a_report_too(tmp_path: Path) -> None:
    problems, samples = tmp_path / "p.jsonl", tmp_path / "s.jsonl"
    jsonl.write(problems, [Problem(id="a", problem="1 + 1?", answer="2")])
    rows = [
        Sample(problem_id="a", index=n, text=f"#### {n + 2}", finish_reason="stop", tokens=3)
        for n in (0, 1)
    ]
    jsonl.write(samples, rows)
    grades = Grade(problems=problems, samples=(samples,))
    execute(grades, tmp_path / "g", name="g")
    columns = grades.outputs(tmp_path / "g")
    execute(Measure(problems=problems, samples=columns, resamples=100), tmp_path / "m", name="m")
    before, metrics = content_hash(tmp_path / "m"), (tmp_path / "m" / "metrics.json").read_bytes()
    text = report.build(tmp_path / "m").read_text()
    assert "m solves 50.0% of 1 problems with one sample" in text
    assert (tmp_path / "m" / "metrics.json").read_bytes() == metrics
    assert content_hash(tmp_path / "m") == before  # what reads the folder is not made again
    assert "g (grade)" in report.build(tmp_path / "g").read_text()  # its settings and cost


def test_metrics_are_those_of_the_steps(built: Path) -> None:
    metrics = json.loads((built / "metrics.json").read_text())
    step = json.loads((built / "ssft-row" / "metrics.json").read_text())
    assert metrics["ssft-row"] == step
    assert str(built) not in (built / "metrics.json").read_text()


def test_the_same_run_gives_the_same_bytes(built: Path, run_folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(run_folder, again)
    report.build(again)
    for name in ("metrics.json", "report.md", "report.html", "figures/gap.svg", "figures/gap.png"):
        assert (again / name).read_bytes() == (built / name).read_bytes()


def test_nothing_is_fetched_and_only_its_script_runs(built: Path) -> None:
    text = (built / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert not re.search(r"@import|url\(\s*['\"]?https?:", text)
    assert "default-src 'none'" in text
    scripts = re.findall(r"<script(?![^>]*text/x-packed)[^>]*>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(sha256(one.encode()).digest()).decode() for one in scripts]
    policy = re.findall(r"'sha256-([^']+)'", text)
    assert digests == policy
    assert len(policy) == 2  # KaTeX and ours
    opened = re.findall(r"<script(?![^>]*text/x-packed)[^>]*>", text)
    assert opened == ["<script>"] * 2
    packed = re.findall(r'<script type="text/x-packed" id="[\w-]+">([^<]*)</script>', text)
    assert all(re.fullmatch(r"[A-Za-z0-9+/=]+", one) for one in packed)
    assert len(packed) == 1 + 3  # the index, and one block for each of three rows


def test_no_text_of_a_model_stands_in_the_page_as_it_is(built: Path) -> None:
    katex = (files("mathtune.report") / "katex" / "katex.min.js").read_text()
    text = (built / "report.html").read_text()
    assert katex in text
    text = text.replace(katex, "")
    for words in ("owned", "<img", "7 * 7", "\u202e", "<b>"):
        assert words not in text


def test_names_are_escaped() -> None:
    hostile = Results("<script>alert(1)</script>", [])
    text = page.html(hostile, [], {})
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_page_for_samples_from_elsewhere(run_folder: Path, tmp_path: Path) -> None:
    row = read_run(run_folder).rows[0]
    results = report.of_samples(
        "their/samples $x",
        document=row.document,
        outcomes=row.outcomes,
        problems=row.problems,
        groups=row.groups,
    )
    path = report.page_for_samples(results, tmp_path / "mine.html")
    assert path == tmp_path / "mine.html"
    text = path.read_text()
    assert "their/samples $x solves 40.0% of 5 problems with one sample" in text
    pictures = re.findall(r"\((figures/[^)]+)\)", (tmp_path / "mine.md").read_text())
    assert pictures
    assert all((tmp_path / name).exists() for name in pictures)
    assert (tmp_path / "figures" / "mine-their-samples-x-over-n.svg").exists()
