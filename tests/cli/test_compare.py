"""compare: paired differences of two rows, by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mathtune.cli import row_sources
from mathtune.cli.compare import CompareSettings, compared, write_page
from mathtune.cli.main import app
from mathtune.cli.row_sources import FileOptions
from mathtune.errors import InputError
from mathtune.metrics.measure import Outcome
from mathtune.report import compare_rows
from mathtune.rows import jsonl
from mathtune.rows.records import Problem


def row(folder: Path, values: dict[str, dict[str, float]]) -> str:
    folder.mkdir()
    jsonl.write(
        folder / "outcomes.jsonl",
        [Outcome(problem_id=i, values=v, picks={}) for i, v in values.items()],
    )
    return str(folder)


@pytest.fixture
def rows(tmp_path: Path) -> tuple[str, str, str]:
    return (
        row(tmp_path / "a", {i: {"Maj1@4": 1.0, "W.RR": 1.0, "x": 0.0} for i in "pqr"}),
        row(tmp_path / "b", {i: {"Maj1@4": float(i == "p"), "W.RR": 1.0} for i in "rqp"}),
        row(tmp_path / "c", {i: {"Maj1@4": float(i != "q"), "W.RR": 0.0} for i in "pqr"}),
    )


def judged_row(folder: Path, areas: dict[str, float | None]) -> str:
    folder.mkdir()
    rows = [
        Outcome(problem_id=i, values={"W.RR": 1.0}, picks={}, within_auc=area)
        for i, area in areas.items()
    ]
    jsonl.write(folder / "outcomes.jsonl", rows)
    return str(folder)


def of(found: dict[str, Any], metric: str) -> dict[str, Any]:
    (one,) = (one for one in found["comparisons"] if one["metric"] == metric)
    return one


def test_every_metric_of_both_by_hand(rows: tuple[str, str, str]) -> None:
    found = compared(rows[:2]).document
    assert [row["name"] for row in found["rows"]] == list(rows[:2])
    assert [one["metric"] for one in found["comparisons"]] == ["Maj1@4", "W.RR"]
    votes = of(found, "Maj1@4")
    assert (votes["a"], votes["b"], votes["problems"]) == (*rows[:2], 3)
    assert (votes["value_a"], votes["value_b"]) == (1.0, pytest.approx(1 / 3, abs=1e-6))
    assert votes["difference"] == pytest.approx(2 / 3, abs=1e-6)
    assert votes["low"] < votes["difference"] <= votes["high"]
    assert votes["p"] == 0.5  # q and r differ: of four assignments of signs two are as extreme
    assert (votes["wins"], votes["ties"], votes["losses"]) == (2, 1, 0)
    assert of(found, "W.RR")["p"] == 1.0
    keys = {"a", "b", "metric", "problems", "difference", "low", "high", "p", "detectable"}
    assert keys <= votes.keys()


def test_two_metrics_of_one_row(rows: tuple[str, str, str]) -> None:
    (one,) = compared([f"{rows[2]}:W.RR", f"{rows[2]}:Maj1@4"]).document["comparisons"]
    assert one["metric"] == "W.RR - Maj1@4"
    assert one["difference"] == pytest.approx(-2 / 3, abs=1e-6)
    (one,) = compared([f"{rows[0]}:W.RR", rows[1]]).document["comparisons"]
    assert one["metric"] == "W.RR"


def test_names_are_the_users(rows: tuple[str, str, str]) -> None:
    found = compared([f"new={rows[0]}", f"old={rows[1]}:Maj1@4"]).document
    assert [row["name"] for row in found["rows"]] == ["new", "old"]
    assert {(one["a"], one["b"]) for one in found["comparisons"]} == {("new", "old")}


def test_several_rows_are_corrected_together(rows: tuple[str, str, str]) -> None:
    found = compared(list(rows)).document
    votes = [one for one in found["comparisons"] if one["metric"] == "Maj1@4"]
    assert [one["p_alone"] for one in votes] == [0.5, 1.0, 1.0]
    assert [one["p"] for one in votes] == [1.0, 1.0, 1.0]  # 3 x 0.5, at most 1


def test_named_metrics_are_one_family(rows: tuple[str, str, str]) -> None:
    """c's W.RR is 1 below a's and below b's on all three problems: two of eight signs each."""
    found = compared([f"{rows[0]}:x", f"{rows[1]}:W.RR", f"{rows[2]}:W.RR"]).document
    pairs = [(one["metric"], one["p_alone"], one["p"]) for one in found["comparisons"]]
    assert pairs == [("x - W.RR", 0.25, 0.75), ("x - W.RR", 1.0, 1.0), ("W.RR", 0.25, 0.75)]


def test_seeds_are_trainings(rows: tuple[str, str, str]) -> None:
    found = compared([f"{rows[1]},{rows[2]}", rows[0]]).document
    votes = of(found, "Maj1@4")
    assert votes["seeds"] == [2, 1]
    # p: (1 + 1) / 2; q: 0; r: (0 + 1) / 2
    assert votes["value_a"] == 0.5
    assert of(found, "W.RR")["value_a"] == 0.5
    assert votes["over_problems"]["low"] >= votes["low"]
    assert found["rows"][0]["metrics"]["Maj1@4"]["over_seeds"]["seeds"] == [2]


def test_equality_is_shown_and_not_assumed(tmp_path: Path) -> None:
    def made(name: str, shift: int) -> str:
        values = {f"p{i}": {"mean": ((i + shift) % 10 < 5) / 1} for i in range(2000)}
        return row(tmp_path / name, values)

    same = compared([made("a", 0), made("b", 0)]).document["comparisons"][0]
    assert same["equivalence"]["equivalent"]
    few = compared([made("c", 0), made("d", 5)], settings=CompareSettings(within=0.02)).document
    assert not few["comparisons"][0]["equivalence"]["equivalent"]  # the sides are all swapped


def test_groups_and_thirds(tmp_path: Path) -> None:
    a, b = (
        row(tmp_path / name, {f"p{i}": {"mean": value(i)} for i in range(9)})
        for name, value in (("a", lambda i: i / 8), ("b", lambda i: max(0, i - 3) / 8))
    )
    problems = [
        Problem(id=f"p{i}", problem=f"{i}?", answer="1", subject="odd" if i % 2 else "even")
        for i in range(9)
    ]
    for folder in (a, b):
        jsonl.write(Path(folder) / "problems.jsonl", problems)
    one = compared([a, b]).document["comparisons"][0]
    assert set(one["groups"]) == {"subject", "difficulty"}
    assert one["groups"]["subject"]["odd"]["problems"] == 4
    assert list(one["groups"]["difficulty"]) == ["hard", "middle", "easy"]
    hard = one["groups"]["difficulty"]["hard"]
    assert (hard["problems"], hard["wins"], hard["ties"]) == (3, 2, 1)  # p0 is 0 in both
    together = compared([a, b], reading=FileOptions(cluster_by="subject")).document["comparisons"][
        0
    ]
    assert together["high"] - together["low"] > one["high"] - one["low"]


def test_a_difference_of_few_families_is_said_in_the_headline(tmp_path: Path) -> None:
    names = [f"{family}{at}" for family in ("coins", "ages", "sums", "trains") for at in range(10)]
    folders = [
        row(tmp_path / name, {i: {"mean": float(i in solved)} for i in names})
        for name, solved in (("a", {*names[:10], "ages0"}), ("b", {"ages0", "sums0"}))
    ]
    for folder in folders:
        problems = [Problem(id=i, problem=i, answer="1", subject=i[:-1]) for i in names]
        jsonl.write(Path(folder) / "problems.jsonl", problems)
    said = compare_rows.sentence(compared(folders).document)
    assert "), nearly all of it in subject coins: better on 10 problems, worse on 1." in said


def test_sample_files_of_any_program(tmp_path: Path) -> None:
    def file(name: str, answers: dict[str, list[str]]) -> str:
        lines = [
            json.dumps({"problem_id": i, "problem": f"{i}?", "gold_answer": "1", "samples": texts})
            for i, texts in answers.items()
        ]
        path = tmp_path / name
        path.write_text("\n".join(lines))
        return str(path)

    a = file("a.jsonl", {"x": ["#### 1", "#### 1", "#### 2"], "y": ["#### 2"] * 3})
    b = file("b.jsonl", {"y": ["#### 1", "#### 2"], "x": ["#### 3", "#### 2"]})
    page = tmp_path / "page.html"
    found = compared([a, b])
    mean = of(found.document, "mean")
    assert mean["difference"] == pytest.approx((2 / 3 - 0 + 0 - 1 / 2) / 2, abs=1e-6)
    assert "Maj1@2" in found.document["rows"][0]["metrics"]  # both at the smaller number
    read = found.document["rows"][0]["read"]
    assert list(read) == [a]
    assert (read[a]["solution"], read[a]["gold"]) == ("samples[]", "gold_answer")
    write_page(found, page)
    html = page.read_text()
    assert "2 problems are solved by one" in html
    assert "#### 3" in html
    assert page.with_suffix(".md").read_text().startswith("# ")
    assert compared([a, str(row_of(tmp_path))], shared=True).document["left_out"] == 1


def test_auc_is_compared_on_problems_with_right_and_wrong_samples(tmp_path: Path) -> None:
    a = judged_row(tmp_path / "a", {"p": 1.0, "q": 0.5, "r": None, "s": 0.0})
    b = judged_row(tmp_path / "b", {"p": 0.5, "q": 0.25, "r": 0.75, "s": 0.0})
    none = judged_row(tmp_path / "none", dict.fromkeys("pqrs"))
    odd = judged_row(tmp_path / "odd", {"p": None, "q": None, "r": 0.5, "s": None})
    document = compared([f"{a}:AUC", f"{b}:AUC"]).document
    auc = of(document, "AUC")
    assert (auc["problems"], document["without_auc"]) == (3, 1)
    assert (auc["value_a"], auc["value_b"], auc["difference"]) == (0.5, 0.25, 0.25)
    assert (auc["wins"], auc["ties"], auc["losses"]) == (2, 1, 0)
    assert "1 problem without right and wrong samples" in compare_rows.rows(document).note
    assert "without_auc" not in compared([a, b]).document
    assert [one["metric"] for one in compared([a, b]).document["comparisons"]] == ["W.RR"]
    with pytest.raises(InputError, match="none:AUC: no problem has an AUC"):
        compared([f"{a}:AUC", f"{none}:AUC"])
    with pytest.raises(InputError, match="in all rows; AUC needs both"):
        compared([f"{a}:AUC", f"{odd}:AUC"])


def test_clusters_by_any_field_of_sample_files(tmp_path: Path) -> None:
    """Four templates of five problems each, solved as a whole or not: four draws, not twenty."""
    files = []
    for name, solved in (("a", (0, 1, 2)), ("b", (0,))):
        lines = [
            {"problem_id": f"p{at}", "problem": f"{at}?", "gold_answer": "1", "template": at // 5,
             "samples": ["#### 1" if at // 5 in solved else "#### 2"]}
            for at in range(20)
        ]  # fmt: skip
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("\n".join(map(json.dumps, lines)))
    texts = [str(file) for file in files]
    (alone,) = compared(texts).document["comparisons"][:1]
    (together,) = compared(texts, reading=FileOptions(cluster_by="template")).document[
        "comparisons"
    ][:1]
    assert alone["difference"] == together["difference"] == 0.5
    document = compared(texts, reading=FileOptions(cluster_by="template")).document
    assert document["clusters"] == 4
    assert "over 4 clusters of problems" in compare_rows.rows(document).note
    assert alone["p"] < 0.01
    assert together["p"] == 0.5  # two templates changed, both for the better
    assert together["high"] - together["low"] > 1.5 * (alone["high"] - alone["low"])
    with pytest.raises(InputError, match="'passage', which no row has"):
        compared(texts, reading=FileOptions(cluster_by="passage"))
    with pytest.raises(InputError, match="no row has this field of problem"):
        compared([row_of(tmp_path), row_of(tmp_path)], reading=FileOptions(cluster_by="template"))


IDS = [f"{level}{at}" for level in "abc" for at in range(4)]


def row_of(tmp_path: Path) -> str:
    folder = tmp_path / "one"
    return str(folder) if folder.exists() else row(folder, {"x": {"mean": 0.5}})


def test_rows_measured_in_clusters_are_compared_in_clusters(tmp_path: Path) -> None:
    """As their own table says, without --cluster-by; both rows must have clusters."""
    problems = [Problem(id=name, problem=f"{name}?", answer="1", level=name[0]) for name in IDS]
    steps = []
    for name, by in (("a", "level"), ("b", "level"), ("c", None)):
        row(tmp_path / name, {one: {"mean": float(one[0] < name)} for one in IDS})
        config: dict[str, Any] = {"problems": "problems.jsonl", "samples": [], "cluster_by": by}
        steps.append({"name": name, "stage": "measure", "config": config})
    jsonl.write(tmp_path / "problems.jsonl", problems)
    jsonl.write_json(tmp_path / "plan.json", {"recipe": "r", "steps": steps})
    folders = [str(tmp_path / name) for name in "abc"]
    together = compared(folders[:2]).document
    assert together["clusters"] == 3
    named = compared(folders[:2], reading=FileOptions(cluster_by="level")).document
    assert together == named
    assert "clusters" not in compared(folders[1:]).document


def test_what_cannot_be_compared_is_one_sentence(
    rows: tuple[str, str, str], tmp_path: Path
) -> None:
    other = row(tmp_path / "d", {"z": {"Maj1@4": 1.0}})
    none = row(tmp_path / "e", {i: {"mean": 1.0} for i in "pqr"})
    for ours, theirs, sentence in (
        (str(tmp_path / "nothing"), rows[0], "nothing: no such file, folder or row"),
        (str(tmp_path), rows[0], "no measured row"),
        (rows[0], other, "is in only one of"),
        (f"{rows[0]},{other}", rows[0], "seeds of different problems"),
        (f"{rows[0]}:RR.All", rows[0], "no metric 'RR.All'; there are Maj1@4, W.RR, x"),
        (rows[0], none, "no metric in common"),
        (f"{rows[0]}:x", rows[1], "no metric in common"),
    ):
        with pytest.raises(InputError, match=sentence):
            compared([ours, theirs])
    with pytest.raises(InputError, match="no problem in common"):
        compared([rows[0], other], shared=True)
    with pytest.raises(InputError, match="do not contain their problems"):
        compared(rows[:2], reading=FileOptions(cluster_by="subject"))
    with pytest.raises(InputError, match="expected two or more"):
        compared(rows[:1])


def test_another_question_under_the_same_name_is_refused(tmp_path: Path) -> None:
    folders = [row(tmp_path / name, {"p": {"mean": 1.0}}) for name in ("a", "b")]
    for folder, question in zip(folders, ("1 + 1?", "1 + 2?"), strict=True):
        problems = [Problem(id="p", problem=question, answer="2")]
        jsonl.write(Path(folder) / "problems.jsonl", problems)
    with pytest.raises(InputError, match="another question or answer"):
        compared(folders)


def test_the_command_prints_tables_or_json(rows: tuple[str, str, str], tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["compare", rows[0], rows[1]])
    assert shown.exit_code == 0
    assert "p=0.500" in shown.stdout
    assert "cannot tell" in shown.stdout.replace("\n", " ")
    page = tmp_path / "page.html"
    asked = ["compare", rows[0], rows[1], "--json", "--report", str(page)]
    found = json.loads(CliRunner().invoke(app, asked).stdout)
    assert found == compared(rows[:2]).document
    assert page.is_file()
    *others, thirds = compare_rows.groups(compared(rows[:2]).document)
    assert thirds.note.endswith("thirds of the problems by the mean of the two rows.")
    assert all("95 % intervals over the problems of each group" in one.note for one in others)


@pytest.mark.skipif(os.name == "nt", reason="no file of Windows has such a name")
@pytest.mark.parametrize(
    ("text", "name", "paths", "metric"),
    [
        ("a:b.jsonl", None, ["a:b.jsonl"], None),
        ("a:b.jsonl:Maj1@4", None, ["a:b.jsonl"], "Maj1@4"),
        ("a:b.jsonl,c=d.jsonl", None, ["a:b.jsonl", "c=d.jsonl"], None),
        ("c=d.jsonl", None, ["c=d.jsonl"], None),
        ("c=d.jsonl:mean", None, ["c=d.jsonl"], "mean"),
        ("mine=e,f.jsonl", "mine", ["e,f.jsonl"], None),
        ("mine=e,f.jsonl,a:b.jsonl:mean", "mine", ["e", "f.jsonl", "a:b.jsonl"], "mean"),
        ("gone.jsonl:mean", None, ["gone.jsonl"], "mean"),
        ("x=gone.jsonl,too:mean", "x", ["gone.jsonl", "too"], "mean"),
    ],
)
def test_a_path_may_hold_the_signs_of_a_row(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    name: str | None,
    paths: list[str],
    metric: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("a:b.jsonl", "c=d.jsonl", "e,f.jsonl"):
        Path(file).touch()
    found = row_sources.RowRequest.of(text)
    assert (found.name, found.metric) == (name or text, metric)
    assert [str(path) for path in found.paths] == paths
