"""The page at `/`: one file, with all its scripts in it. Below app.

What a model wrote reaches it as data alone, and is set as text or handed to KaTeX.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

SCRIPTS = (
    (("mathtune.report", "katex/katex.min.js"),),
    (("mathtune.report", "texts.js"), ("mathtune.cli.serving", "page.js")),
)


@cache
def built(*, model: str, judged: bool, key: bool) -> tuple[str, str]:
    """Return the page, and the policy that lets only its own scripts run."""
    scripts = ["".join(map(_text, parts)) for parts in SCRIPTS]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    environment = Environment(
        loader=PackageLoader("mathtune.cli", "serving"), autoescape=True, undefined=StrictUndefined
    )
    text = environment.get_template("page.html").render(
        css=_text(("mathtune.report", "page.css")),
        scripts=scripts,
        model=model,
        judged=judged,
        key=key,
    )
    return text, policy


def _text(part: tuple[str, str]) -> str:
    package, name = part
    return (files(package) / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
