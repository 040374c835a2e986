"""Seeds are averaged within each problem: by hand, and nothing changes where there is one seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from mathtune.metrics.measure import Outcome
from mathtune.metrics.seeds import difference_over_seeds
from mathtune.report import cost
from mathtune.report.cells import bounds
from mathtune.report.gap import closed, sentence
from mathtune.report.groups import grouped
from mathtune.report.results import Measured, Results, read_run
from mathtune.report.seeds import averaged, over_seeds
from mathtune.report.tables import accuracy_tables, strategies


@pytest.fixture(scope="module")
def one(run_folder: Path) -> Results:
    return read_run(run_folder)


def seeded(results: Results) -> Results:
    """`ssft` and `again` twice; in the second seed greedy is right everywhere."""
    base, *trained = results.rows
    first = [replace(row, name=f"seed-0/{row.name}") for row in trained]
    second = [_perfect(replace(row, name=f"seed-1/{row.name}")) for row in trained]
    steps = [replace(step, name=f"seed-{n}/{step.name}") for n in (0, 1) for step in results.steps]
    return replace(results, rows=[base, *first, *second], steps=steps)


def _perfect(row: Measured) -> Measured:
    outcomes = {
        name: Outcome(problem_id=name, values={**found.values, "Pass@1": 1.0}, picks=found.picks)
        for name, found in row.outcomes.items()
    }
    return replace(row, outcomes=outcomes)


def test_one_seed_is_left_alone(one: Results) -> None:
    assert averaged(one.rows) == one.rows


def test_two_seeds_by_hand(one: Results) -> None:
    """ssft: greedy 2 of 5 and 5 of 5, mean 0.7; again: 3 of 5 and 5 of 5, mean 0.8."""
    results = over_seeds(seeded(one))
    assert [row.name for row in results.rows] == ["base", "ssft", "again"]
    _, ssft, again = results.rows
    assert ssft.metrics["Pass@1"]["value"] == pytest.approx(0.7)
    assert ssft.outcomes["saved"].values["Pass@1"] == 0.5
    assert again.metrics["Pass@1"]["value"] == pytest.approx(0.8)
    found = again.document.against["ssft"]["Pass@1"]
    assert found["difference"] == pytest.approx(0.1)
    assert [part.name for part in ssft.each] == ["seed-0/ssft", "seed-1/ssft"]


def test_the_auc_within_problems_is_compared_too(one: Results) -> None:
    """Where both rows have one: here the same rows, so the difference is nothing."""
    base, ssft, _ = one.rows
    inside = [found.within_auc for found in ssft.outcomes.values() if found.within_auc is not None]
    twin = replace(ssft, name="twin", document=structs.replace(ssft.document, against={"ssft": {}}))
    rows = [replace(row, name=f"seed-{n}/{row.name}") for n in (0, 1) for row in (ssft, twin)]
    _, _, again = averaged([base, *rows])
    found = again.document.against["ssft"]["within_auc"]
    assert (found["difference"], found["problems"]) == (0.0, len(inside))


def test_a_judge_minus_the_calculator_has_an_interval_over_seeds_too(one: Results) -> None:
    """The second judge is right everywhere; the calculator is the same."""
    _, ssft, _ = one.rows
    better = {
        name: structs.replace(found, values={**found.values, "W.RR": 1.0})
        for name, found in ssft.outcomes.items()
    }
    rows = [replace(ssft, name="seed-0/ssft"), replace(ssft, name="seed-1/ssft", outcomes=better)]
    (row,) = averaged(rows)
    ours, theirs = (
        np.array([[found.values[name] for found in one.outcomes.values()] for one in rows])
        for name in ("W.RR", "calculator")
    )
    assert row.document.over_calculator is not None
    found = row.document.over_calculator["W.RR"]
    assert found["difference"] == pytest.approx((ours - theirs).mean(), abs=1e-6)
    expected = difference_over_seeds(ours, theirs)
    assert expected is not None
    both = (found["over_seeds"]["low"], found["over_seeds"]["high"])
    assert both == pytest.approx((expected.low, expected.high), abs=1e-6)
    table = strategies(row, [])
    shown = next(cells for cells in table.rows if cells[0] == "W.RR")
    assert ", seeds [" in shown[3]
    assert "includes other training seeds" in table.note


def test_the_main_sentence_has_the_interval_over_seeds(one: Results) -> None:
    base, ssft, _ = one.rows
    assert ssft.chosen_by is not None
    assert ssft.chosen_by.chosen is not None
    metric = ssft.chosen_by.chosen.best
    better = {
        name: structs.replace(found, values={**found.values, metric: 1.0})
        for name, found in ssft.outcomes.items()
    }
    rows = [replace(ssft, name="seed-0/ssft"), replace(ssft, name="seed-1/ssft", outcomes=better)]
    results = over_seeds(replace(one, rows=[base, *rows]))
    gain = results.rows[1].document.over_maj1[metric]
    wide = bounds(gain["over_seeds"]["low"], gain["over_seeds"]["high"], "+")
    assert wide != bounds(gain["low"], gain["high"], "+")
    points = f"{metric} gains {100 * gain['difference']:+.1f} points"
    said = sentence(results, closed(results))
    assert f"{points} {wide}" in said
    assert "parts of the gap are over problems" in said
    assert "parts of the gap are over problems" not in sentence(one, closed(one))


def test_the_tables_say_so(one: Results) -> None:
    results = over_seeds(seeded(one))
    tables = {table.title: table for table in accuracy_tables(results, closed(results))}
    assert "means over 2 seeds" in tables["Models"].note
    row = next(row for row in tables["Models"].rows if row[0] == "ssft")
    assert row[2].startswith("70.0 [")
    assert [row[0] for row in tables["Evaluators"].rows][:2] == ["seed-0/ssft", "seed-1/ssft"]
    bill = cost.table(results)
    assert "Sums over the seeds." in bill.note
    assert len(bill.rows) == len(one.steps) + 1
    assert "ssft solves 70.0% greedily" in sentence(results, closed(results))


def test_clusters_of_problems_are_one_draw_in_every_table(one: Results) -> None:
    """Averages of seeds, groups, differences to controls, the closed part of the gap."""
    alone = seeded(one)
    names = list(alone.rows[0].outcomes)
    cluster = dict.fromkeys(names, "a") | {names[0]: "b"}
    together = replace(alone, rows=[replace(row, cluster=cluster) for row in alone.rows])
    (_, ssft, again), (_, before, other) = averaged(together.rows), averaged(alone.rows)
    first, second = (row.metrics["Pass@1"] for row in (ssft, before))
    assert first["low"] < second["low"]
    assert first["over_seeds"]["parts"]["problems"] > second["over_seeds"]["parts"]["problems"]
    pairs = [row.document.against["ssft"]["Pass@1"] for row in (again, other)]
    assert pairs[0]["difference"] == pairs[1]["difference"]
    assert pairs[0]["high"] != pairs[1]["high"]
    (wide, *_), (narrow, *_) = (grouped(row, "subject")[1][0].metrics for row in (ssft, before))
    assert (wide.low, wide.high) != (narrow.low, narrow.high)
    parts = [closed(Results("", rows))[0].part for rows in ([ssft], [before])]
    assert parts[0].value == parts[1].value
    assert (parts[0].low, parts[0].high) != (parts[1].low, parts[1].high)
