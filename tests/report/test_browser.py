"""The browser's data: unpacked as the page does, filters by hand, hostile and huge texts."""

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mathtune.metrics.measure import Outcome
from mathtune.report import browser
from mathtune.report.results import Measured, read_run
from mathtune.rows.metrics import MeasureMetrics
from mathtune.rows.records import Graded, Problem, Sample, Verdict
from mathtune.rows.samples import Joined


def unpack(packed: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(packed), -zlib.MAX_WBITS))


def test_pack_is_raw_deflate_and_base64() -> None:
    value = [{"text": "</script> ✓ \u202e"}]
    packed = browser.pack(value)
    assert unpack(packed) == value
    assert set(packed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def test_the_index_says_what_the_filters_need(run_folder: Path) -> None:
    pages = browser.pages(read_run(run_folder).rows[1:2])
    (row,) = unpack(pages.index)
    assert (row["name"], row["n"]) == ("ssft", 4)
    found = {one["id"]: one for one in row["problems"]}
    assert {name: one["verdict"] for name, one in found.items()} == {
        "all": "correct",
        "saved": "wrong",
        "never": "wrong",
        "mixed": "correct",
        'a"<b>|/ü#': "correct",
    }
    assert found["all"]["flags"] == []
    assert found["saved"]["flags"] == ["disagree", "missed"]
    assert "never" in found["never"]["flags"]
    assert [found[name]["right"] for name in found] == [4, 1, 0, 2, 1]


def test_a_block_holds_clusters_and_solutions(run_folder: Path) -> None:
    pages = browser.pages(read_run(run_folder).rows[1:2])
    block = {one["id"]: one for one in unpack(pages.blocks[0])}
    saved = block["saved"]
    assert [(c["answer"]["text"], c["votes"], c["verdict"]) for c in saved["clusters"]] == [
        ("2", 2, "wrong"),
        ("1", 1, "correct"),
        ("3", 1, "wrong"),
    ]
    assert saved["clusters"][0]["score"] == pytest.approx(0.3)
    assert saved["picks"]["RR.All"] == 2
    assert saved["greedy"]["answer"]["text"] == "2"
    assert saved["samples"][1]["text"]["text"].startswith("</script></textarea>")
    assert block['a"<b>|/ü#']["samples"][3]["answer"] is None


def measured(texts: Sequence[str], *, problems: int = 1) -> Measured:
    def groups() -> Any:
        for number in range(problems):
            yield (
                f"{number}",
                [
                    Joined(
                        Sample(
                            problem_id=f"{number}",
                            index=index,
                            text=text,
                            finish_reason="length",
                            tokens=1,
                        ),
                        Graded(
                            problem_id=f"{number}",
                            index=index,
                            answer=None,
                            rule=None,
                            verdict=Verdict.no_answer,
                            cluster=None,
                        ),
                        None,
                    )
                    for index, text in enumerate(texts)
                ],
            )

    names = [f"{number}" for number in range(problems)]
    return Measured(
        "x",
        MeasureMetrics(
            problems=problems, n=len(texts), metrics={}, over_maj1={}, curves={}, against={}
        ),
        {name: Outcome(problem_id=name, values={}, picks={}) for name in names},
        {name: Problem(id=name, problem="p", answer="1") for name in names},
        groups,
    )


def test_a_megabyte_is_cut_and_says_so() -> None:
    pages = browser.pages([measured(["x" * 1_000_000])])
    text = unpack(pages.blocks[0])[0]["samples"][0]["text"]
    assert len(text["text"]) == browser.TEXT_LIMIT
    assert text["length"] == 1_000_000
    (row,) = unpack(pages.index)
    assert row["problems"][0]["verdict"] == "no_answer"
    assert row["problems"][0]["flags"] == ["never", "cut"]


def test_lone_surrogates_do_not_stop_the_page() -> None:
    pages = browser.pages([measured(["broken \ud800 text"])])
    assert unpack(pages.blocks[0])[0]["samples"][0]["text"]["text"] == "broken ? text"


def test_blocks_are_numbered_across_rows() -> None:
    pages = browser.pages([measured(["a"], problems=9), measured(["b"], problems=9)])
    assert len(pages.blocks) == 4
    first, second = unpack(pages.index)
    assert [one["block"] for one in first["problems"]] == [0] * 8 + [1]
    assert [one["block"] for one in second["problems"]] == [2] * 8 + [3]


def test_what_does_not_fit_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "PAGE_LIMIT", 300)
    pages = browser.pages([measured(["a"]), measured(["abcdefgh" * 3] * 40)])
    assert len(pages.rows) == 1
    assert pages.left_out == ["x"]
