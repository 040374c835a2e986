"""What a release consists of: links for the index, the built site, transcripts, one version."""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import mathtune

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def script(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / name))


def test_the_readme_of_an_index_has_no_relative_links() -> None:
    page = script("release/index_page.py")
    text = page["absolute"]((ROOT / "README.md").read_text("utf-8"), "https://h.example/o/r", "v1")
    assert "](docs/" not in text
    assert "![" in text
    assert "](https://h.example/o/r/raw/v1/docs/browser.png)" in text
    assert "](https://h.example/o/r/blob/v1/docs/results.md)" in text
    whole = (ROOT / "pyproject.toml").read_text("utf-8")
    urls = tomllib.loads(page["with_urls"](whole, "https://h.example/o/r", "v1"))["project"]["urls"]
    assert urls["Changelog"] == "https://h.example/o/r/blob/v1/CHANGELOG.md"


def test_the_site_check_finds_what_is_wrong(tmp_path: Path) -> None:
    faults = script("docs/check_site.py")["faults"]
    good = '<a href="b.html#here">b</a><img src="p.png"><a href="https://x.example">x</a>'
    (tmp_path / "a.html").write_text(good)
    (tmp_path / "b.html").write_text('<h1 id="here">b</h1>')
    (tmp_path / "p.png").touch()
    assert faults(tmp_path) == []
    bad = '<a href="c.html">c</a><a href="b.html#there">b</a><script src="https://x.example/y.js">'
    (tmp_path / "a.html").write_text(bad)
    assert faults(tmp_path) == [
        "a.html: loads https://x.example/y.js",
        "a.html: c.html is not there",
        "a.html: b.html#there names no part of that page",
    ]
    assert faults(tmp_path / "nothing")


def test_a_transcript_must_show_what_the_page_says() -> None:
    renewed = script("docs/transcripts.py")["renewed"]
    text = '<!-- transcript of `mathtune --version`, with "mathtune" -->\n```\nold\n```\nafter\n'
    assert renewed(text) == text.replace("old", f"mathtune {mathtune.__version__}")
    with pytest.raises(SystemExit, match="does not print 'nothing'"):
        renewed(text.replace('"mathtune"', '"nothing"'))


def test_the_picture_shows_the_figures_of_the_results(tmp_path: Path) -> None:
    page = script("docs/results_picture.py")
    weak, strong = page["JUDGED"].values()
    assert 100 * page["values"](weak, "Maj1@24").mean() == pytest.approx(57.0, abs=0.05)
    assert 100 * page["values"](strong, "W.RR.calculator").mean() == pytest.approx(81.7, abs=0.05)
    page["main"](tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "|57.0 [" in text
    assert "|81.7 [" in text


def test_the_numbers_are_those_of_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    script("docs/results_numbers.py")["main"]()
    printed = capsys.readouterr().out
    text = " ".join((ROOT / "docs" / "miniature.md").read_text(encoding="utf-8").split())
    shown = {
        "| rft-u600 | mean | 43.3 [36.2, 50.5] |": "43.3 (45.8, 43.5, 40.8)",
        "| rft-u600 | 1.13 | 1.24, 1.21,": "| 1.13 | -1.2 [-3.7, +1.2] |",
        "| 0.997 [0.984, 0.999] | +16.0 [+14.6, +17.4] |": (
            "R^2 .997 [.984, .999], +16.0 [+14.6, +17.4] per doubling"
        ),
        "per doubling of the pairs: +0.041 [+0.021, +0.062]": "+.041 [+.021, +.062]",
        "| union-five-u1800 | 1.41 |": "**1.41**",
        "57.0, 50.0, 55.0 | -4.3 [-14.4, +5.7] |": "-4.3 [-14.4, +5.7]",
    }
    assert [key for key in shown if key not in printed] == []
    assert [value for value in shown.values() if value not in text] == []


def test_there_are_transcripts() -> None:
    block = script("docs/transcripts.py")["BLOCK"]
    shown = [found[2] for page in (ROOT / "docs").glob("*.md") for found in
             block.finditer(page.read_text(encoding="utf-8"))]  # fmt: skip
    assert any(command.startswith("mathtune solve") for command in shown)
    assert any(command.startswith("mathtune measure") for command in shown)


def test_one_version_and_the_pythons_that_are_tested() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == mathtune.__version__
    assert len(citation["references"]) == 2
    checks = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text(encoding="utf-8"))
    tested = set(checks["jobs"]["tests"]["strategy"]["matrix"]["python"])
    prefix = "Programming Language :: Python :: 3."
    named = {"3." + line.removeprefix(prefix) for line in PROJECT["classifiers"]
             if line.startswith(prefix)}  # fmt: skip
    assert tested == named
    assert f"python{PROJECT['requires-python']}" == f"python>={min(tested)}"


def test_every_page_is_in_the_sites_menu() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}\n" in text, page.name
