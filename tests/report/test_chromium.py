"""The page in a real browser: it opens, filters, follows links, and runs nothing of a model's."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mathtune import report
from mathtune.cli.main import app
from mathtune.foreign import Request, measure_file

pytestmark = pytest.mark.slow

EVIL = (
    "<script>document.title = 'owned'</script>",
    "</script></textarea><img src=x onerror=\"document.title = 'owned'\">",
    r"$\href{javascript:document.title='owned'}{x}$ \(\htmlData{a=b}{x}\) \(\url{https://x.example}\)",
    r"\(\includegraphics{https://x.example/a.png}\) $\def\a{\a\a}\a$ $" + "{" * 900 + "$",
    "\u202eright to left\u202c \u200fmark \x00 \x1b[31m broken \ud800 bytes",
    "It costs $5 and then $10, so \\$15 in all.\n#### 15",
    r"We have $\frac{1}{2}$ and \[x^2 + 1 = 2\] so 3 + 4 = 8 and \boxed{7}",
    "x" * 1_000_000,
)


@dataclass
class Opened:
    """A page, with all that went wrong and all that it asked for."""

    page: Any
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, address: str) -> None:
        """Open the address and wait for a problem's details."""
        self.page.goto(address)
        self.page.wait_for_selector("#detail h3")

    def shown(self) -> str:
        """The text of the problem that is open."""
        return self.page.inner_text("#detail")

    def quiet(self) -> bool:
        """Whether there was no error, no message, and no request but for the page itself."""
        return not self.faults and all(one.startswith(("file:", "about:")) for one in self.requests)


@pytest.fixture
def opened(chromium: Any) -> Iterator[Opened]:
    page = chromium.new_page(viewport={"width": 1100, "height": 900})
    found = Opened(page)
    page.on("console", lambda message: found.faults.append(message.text))
    page.on("pageerror", lambda error: found.faults.append(str(error)))
    page.on("request", lambda request: found.requests.append(request.url))
    yield found
    page.close()


@pytest.fixture(scope="module")
def built(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "run"
    shutil.copytree(run_folder, folder)
    return report.build(folder)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of samples that try to break it."""
    folder = tmp_path_factory.mktemp("hostile")
    row = {
        "problem_id": "<b>evil</b>",
        "problem": EVIL[0],
        "gold_answer": "7",
        "samples": EVIL,
        "level": "</textarea>",
        "subject": "代数 $x \u202e\x00<script>document.title = 'owned'</script>",
    }
    plain = {**row, "problem_id": "plain", "level": "1", "subject": "a"}
    (folder / "f.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(plain) + "\n")
    measure_file(Request((folder / "f.jsonl",)), page=folder / "report.html")
    return folder / "report.html"


def test_a_run_filters_links_and_keys(built: Path, opened: Opened) -> None:
    opened.go(built.as_uri())
    page = opened.page
    assert page.title() == "made – mathtune"
    assert page.evaluate("scrollY") == 0  # the answer first
    assert page.inner_text("#count") == "5 of 5 problems"
    page.select_option("#filters select >> nth=1", "missed")
    assert page.inner_text("#count") == "1 of 5 problems"
    assert page.inner_text("#where") == "not in the filtered list"
    page.click("#list a")
    page.wait_for_url("**#row=ssft&problem=saved")
    page.locator("#where", has_text="1 of 1").wait_for()
    assert opened.shown().startswith("saved")
    assert "RR.All: sample 2 ✓ correct" in opened.shown()
    page.select_option("#filters select >> nth=1", "all")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.wait_for_url("**#row=ssft&problem=never")
    page.locator("#detail h3", has_text="never").first.wait_for()
    page.keyboard.press("1")
    page.locator("#detail", has_text="Solutions (1)").wait_for()
    page.keyboard.press("0")
    page.locator("#detail", has_text="Solutions (4)").wait_for()
    page.fill("#search", "mixed")
    assert page.inner_text("#count") == "1 of 5 problems"
    page.click('nav a[href="#bill"]')
    assert page.evaluate("document.getElementById('bill').getBoundingClientRect().top") < 900
    assert opened.quiet(), (opened.faults, opened.requests)


@pytest.mark.parametrize("address", ["#row=ssft&problem=saved", "#saved"])
def test_a_link_opens_its_problem(address: str, built: Path, opened: Opened) -> None:
    opened.go(built.as_uri() + address)
    opened.page.locator("#detail h3", has_text="saved").first.wait_for()
    top = "document.getElementById('solutions').getBoundingClientRect().top"
    assert opened.page.evaluate(top) < 200
    assert opened.quiet()


def test_hostile_texts_are_shown_and_do_nothing(hostile: Path, opened: Opened) -> None:
    opened.go(hostile.as_uri())
    page = opened.page
    for button in iter(lambda: page.query_selector("#detail .solution .text > button"), None):
        button.click()
    text = opened.shown()
    assert "<b>evil</b>" in text
    assert EVIL[0] in text
    assert EVIL[1] in text
    assert "javascript:document.title" in text  # KaTeX is not trusted: as it stands
    for mark in ("U+202E", "U+200F", "U+0000", "U+001B"):
        assert mark in text
    assert "980,000 more characters stand in the run's files only" in text
    assert page.query_selector("#detail img, #detail script, #detail a[href*=x]") is None
    drawn = page.locator("#curves svg text", has_text="代数 $x ").first.inner_html()
    assert "&lt;script&gt;document" in drawn
    assert "\u202e" not in drawn
    assert page.title() == "f – mathtune"
    assert opened.quiet(), (opened.faults, opened.requests)


def test_levels_and_subjects_of_samples_from_elsewhere(tmp_path: Path, opened: Opened) -> None:
    rows = [
        {"problem_id": f"{n}", "problem": f"{n}?", "gold_answer": "7", "samples": ["#### 7"] * 2,
         "level": f"Level {n % 3}", "type": ("Algebra", "Geometry")[n % 2]}
        for n in range(12)
    ]  # fmt: skip
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    measure_file(Request((tmp_path / "f.jsonl",)), page=tmp_path / "report.html")
    opened.go((tmp_path / "report.html").as_uri())
    page = opened.page
    assert "f by level" in page.inner_text("#tables")
    assert "f by subject" in page.inner_text("#tables")
    for name, value, left in (("level", "Level 1", 4), ("subject", "Geometry", 2)):
        label = page.locator("label", has_text=re.compile(f"^{name}"))
        label.locator("select").select_option(value)
        assert page.inner_text("#count") == f"{left} of 12 problems"
    page.click("#list a")
    page.locator("#detail", has_text="Gold answer: 7 · Geometry, Level 1").wait_for()
    assert opened.quiet(), (opened.faults, opened.requests)


def test_formulas_money_and_equations(hostile: Path, opened: Opened) -> None:
    opened.go(hostile.as_uri())
    page = opened.page
    article = page.locator("#detail .solution").filter(has_text="sample 6")
    assert article.locator("math").count() == 3
    assert article.locator("math mfrac").count() == 1
    path = article.locator(".equations li")
    assert [path.nth(n).inner_text() for n in range(path.count())][-1] == "✗ 3+4=8"
    money = page.locator("#detail .solution").filter(has_text="sample 5")
    assert money.locator("math").count() == 0
    assert "It costs $5 and then $10, so $15 in all." in money.inner_text()
    page.keyboard.press("t")
    page.locator("#detail math").first.wait_for(state="detached")
    assert r"$\frac{1}{2}$" in opened.shown()


def test_real_samples(shared_data: Path, tmp_path: Path, opened: Opened) -> None:
    """500 problems x 32 samples of Qwen2.5-7B-Instruct with a process reward model's scores."""
    path = tmp_path / "report.html"
    file = shared_data / "samples" / "gsm8k_qwen_n32_prm.jsonl.gz"
    measure_file(Request.parse(file, grader="prm800k", rule="last-number"), page=path)
    assert path.stat().st_size < 10_000_000
    opened.go(path.as_uri())
    page = opened.page
    assert page.inner_text("#count") == "500 of 500 problems"
    page.select_option("#filters select >> nth=0", "disagree")
    count = int(page.inner_text("#count").split()[0])
    assert 0 < count < 500
    assert page.locator("#list a").count() == min(count, 50)
    page.click("#list a >> nth=2")
    page.wait_for_url("**problem=**")
    page.wait_for_selector("#detail .solution")
    assert " tokens" not in opened.shown()  # samples from elsewhere do not say how many
    page.select_option("#filters select >> nth=0", "all")
    opened.go(path.as_uri() + "#gsm8k/test/12")
    page.locator("#detail h3", has_text=re.compile(r"^gsm8k/test/12$")).first.wait_for()
    assert page.locator("#detail math").count() > 0
    shown = page.locator(".list [aria-current]").bounding_box()
    assert shown is not None
    assert 0 < shown["y"] < shown["y"] + shown["height"] <= 900  # the chosen problem is seen
    assert opened.quiet(), (opened.faults, opened.requests)


@pytest.mark.parametrize("width", [400, 700, 1000, 1400])
def test_no_table_is_clipped_at_any_width(
    built: Path, hostile: Path, chromium: Any, width: int
) -> None:
    """The page itself never scrolls sideways; what is wider scrolls in a box that can be reached.

    On a screen of 1,400 pixels no table of a run needs that.
    """
    page = chromium.new_page(viewport={"width": width, "height": 900})
    for path in (built, hostile):
        page.goto(path.as_uri())
        page.wait_for_selector("#detail h3")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        boxes = page.evaluate(
            """[...document.querySelectorAll("table")].map(table => {
                const box = table.closest(".scroll"), style = box && getComputedStyle(box);
                return {wide: table.scrollWidth > (box || table.parentElement).clientWidth + 1,
                        scrolls: !!box && style.overflowX === "auto" && box.tabIndex === 0,
                        inside: (box || table).getBoundingClientRect().right <= innerWidth + 1};
            })"""
        )
        assert len(boxes) >= 2
        assert all(box["inside"] and (box["scrolls"] or not box["wide"]) for box in boxes), path
        assert width < 1400 or not any(box["wide"] for box in boxes), path
    page.close()


def test_figures_can_be_read_on_a_phone(built: Path, chromium: Any) -> None:
    """No text of a figure is drawn smaller than 8 pixels; the figure scrolls in its own box."""
    page = chromium.new_page(viewport={"width": 400, "height": 900})
    page.goto(built.as_uri())
    sizes = page.evaluate(
        """[...document.querySelectorAll("figure svg text")].map(text => {
            const scale = text.getScreenCTM().a;
            return parseFloat(getComputedStyle(text).fontSize) * scale;
        }).filter(size => size > 0)"""
    )
    assert len(sizes) > 20
    assert min(sizes) >= 8.0
    page.close()


def test_bold_in_markdown_is_bold(tmp_path: Path, opened: Opened) -> None:
    row = {"problem_id": "a", "problem": "?", "gold_answer": "7"}
    samples = ["**Step 1:** 2 ** 3 and **<i>x</i>** so\n#### 7", "a ** b ** c, *plain*\n#### 7"]
    (tmp_path / "f.jsonl").write_text(json.dumps({**row, "samples": samples}) + "\n")
    measure_file(Request((tmp_path / "f.jsonl",)), page=tmp_path / "report.html")
    opened.go((tmp_path / "report.html").as_uri())
    strong = opened.page.eval_on_selector_all(
        "#detail strong", "found => found.map(one => one.textContent)"
    )
    assert strong == ["Step 1:", "<i>x</i>"]
    assert "a ** b ** c, *plain*" in opened.shown()
    assert opened.quiet()


def test_long_names_do_not_widen_a_comparison(chromium: Any, tmp_path: Path) -> None:
    names = ["a" * 70, "b" * 70]
    for name, right in zip(names, ("7", "8"), strict=True):
        row = {"problem_id": "p", "gold_answer": "7", "samples": [f"#### {right}"]}
        (tmp_path / name).with_suffix(".jsonl").write_text(json.dumps(row) + "\n")
    given = [str(tmp_path / f"{name}.jsonl") for name in names]
    done = CliRunner().invoke(app, ["compare", *given, "--report", str(tmp_path / "c.html")])
    assert done.exit_code == 0, done.output
    page = chromium.new_page(viewport={"width": 400, "height": 900})
    page.goto((tmp_path / "c.html").as_uri())
    assert names[0] in page.inner_text("h1")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()
