"""Write report.html (one file that works offline) and report.md from a run's results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from mathtune.report import browser, cells, cost, papers, study, tables
from mathtune.report.cells import plain
from mathtune.report.gap import Closed, closed, headline, sentence
from mathtune.report.results import Results
from mathtune.report.scripts import HERE, KATEX, Script, policy, script
from mathtune.report.seeds import over_seeds
from mathtune.rows import jsonl

GAP = "gap"
SCRIPTS = (KATEX, (HERE / "texts.js", HERE / "page.js"))
"""The page's scripts, each the files one after the other."""


def write(results: Results, folder: Path, *, name: str = "report") -> Path:
    """Write `name`.html, `name`.md and figures/ into `folder`; return the page's path.

    The files in figures/ begin with the name if it is not `report`.
    """
    results = over_seeds(results)
    found = closed(results)
    from mathtune.report import figures, study_figures  # matplotlib only if something is drawn

    drawn = {**study_figures.draw(results), **figures.draw(results, found)}
    prefix = "" if name == "report" else f"{figures.file_name(name)}-"
    pictures = figures.save(drawn, folder / "figures", prefix=prefix)
    captions = {key: caption for key, (caption, _) in drawn.items()}
    inlined = {
        key: {"caption": captions[key], "svg": figures.inline(svg)} for key, svg in pictures.items()
    }
    page = folder / f"{name}.html"
    jsonl.write_text(page, html(results, found, inlined))
    jsonl.write_text(folder / f"{name}.md", markdown(results, found, captions, prefix))
    return page


def html(results: Results, found: list[Closed], pictures: dict[str, dict[str, str]]) -> str:
    """Return the page: everything in it, nothing fetched, and only its own scripts may run."""
    return rendered(
        "page.html",
        title=results.title,
        missing=results.missing,
        sentence=study.sentence(results) or headline(results),
        details=None if study.found(results) else sentence(results, found),
        scripts=[script(*parts) for parts in SCRIPTS],
        gap=pictures.get(GAP),
        figures=[picture for key, picture in pictures.items() if key != GAP],
        tables=[*study.tables(results), *tables.accuracy_tables(results, found)],
        papers=papers.tables_of(results),
        papers_note=papers.NOTE,
        pages=browser.pages(_in_order(results)),
        bill=cost.table(results, by_stage=True) if results.steps else None,
        each_step=cost.table(results),
        made_with=results.made_with,
        steps=[
            {"name": step.name, "stage": step.stage, "config": _pretty(step.config)}
            for step in results.steps
        ],
    )


def rendered(template: str, *, scripts: Sequence[Script] = (), **values: Any) -> str:
    """Return a page: every value escaped, but for the style, our scripts and our figures."""
    environment = Environment(
        loader=PackageLoader("mathtune", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["kept"] = _kept
    css = (HERE / "page.css").read_text(encoding="utf-8")
    page = environment.get_template(template).render(
        css=css, scripts=scripts, policy=policy(scripts), **values
    )
    return page.lstrip()


def _kept(cell: str) -> str:
    """Return a cell whose line may break between its numbers, but not inside an interval or a p.

    Example:
        >>> _kept("23.5 [19.5, 27.8] p=0.04").split(" ")
        ['23.5', '[19.5,\xa027.8]', 'p=0.04']
    """
    return re.sub(r"\[[^\]]*\]", lambda found: found[0].replace(" ", "\u00a0"), cell)


def markdown(results: Results, found: list[Closed], captions: dict[str, str], prefix: str) -> str:
    """Return the same in Markdown, without the solutions."""
    parts = [f"# {plain(results.title)}\n"]
    parts += [f"**{plain(one)}**\n" for one in results.missing]
    if answer := study.sentence(results):
        parts.append(f"{plain(answer)}\n")
    else:
        parts += [f"{plain(headline(results))}\n", f"{plain(sentence(results, found))}\n"]
    parts += [picture(prefix + GAP, captions[GAP])] if GAP in captions else []
    shown = [*study.tables(results), *tables.accuracy_tables(results, found)]
    parts += [cells.markdown(table) for table in shown]
    theirs = papers.tables_of(results)
    parts += [f"## Next to the papers\n\n{papers.NOTE}\n"] if theirs else []
    parts += [cells.markdown(table) for table in theirs]
    parts += [picture(prefix + name, caption) for name, caption in captions.items() if name != GAP]
    if results.steps:
        parts.append(cells.markdown(cost.table(results, by_stage=True)))
        parts.append(cells.markdown(cost.table(results)))
    made_with = [f"{key} {value}" for key, value in results.made_with.items() if value]
    parts += [f"Made with {plain('; '.join(made_with))}.\n"] if made_with else []
    return "\n".join(parts)


def picture(name: str, caption: str) -> str:
    """Return a picture of figures/ with its caption, in Markdown."""
    caption = plain(caption)
    return f"![{caption}](figures/{name}.png)\n\n{caption}.\n"


def _in_order(results: Results) -> list[Any]:
    """Return the rows for the browser, the most informative first; those that do not fit are left
    out.
    """
    reference = results.reference
    rest = [row for row in results.rows if row is not reference]
    ordered = ([reference] if reference is not None else []) + rest
    return [part for row in ordered for part in row.each]


def _pretty(config: Mapping[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(config), indent=2).decode("utf-8")
