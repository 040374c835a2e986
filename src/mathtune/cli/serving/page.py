"""The page at `/`: one file, with all its scripts in it. Below app.

What a model wrote reaches it as data alone, and is set as text or handed to KaTeX.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from mathtune.report.scripts import HERE as REPORT
from mathtune.report.scripts import KATEX, policy, script

SCRIPTS = (KATEX, (REPORT / "texts.js", files("mathtune.cli.serving") / "page.js"))


@cache
def built(*, model: str, judged: bool, key: bool) -> tuple[str, str]:
    """Return the page, and the policy that lets only its own scripts run and ask this server."""
    scripts = [script(*parts) for parts in SCRIPTS]
    environment = Environment(
        loader=PackageLoader("mathtune.cli", "serving"), autoescape=True, undefined=StrictUndefined
    )
    text = environment.get_template("page.html").render(
        css=(REPORT / "page.css").read_text(encoding="utf-8"),
        scripts=scripts,
        model=model,
        judged=judged,
        key=key,
    )
    return text, f"{policy(scripts)}; connect-src 'self'; frame-ancestors 'none'"
