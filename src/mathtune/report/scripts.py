"""The scripts inside a page, and the policy that lets only them run. Under the pages."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

HERE = files("mathtune.report")
KATEX = (HERE / "katex/katex.min.js",)
"""KaTeX (MIT, Khan Academy and others; its licence is next to it), unchanged. It draws MathML,
which needs no fonts.
"""


@dataclass(frozen=True)
class Script:
    """A script's text, and its hash for the page's policy."""

    text: str
    hash: str


def script(*parts: Traversable) -> Script:
    """Return one script of several files, one after the other."""
    text = "".join(part.read_text(encoding="utf-8") for part in parts)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return Script(text, f"sha256-{digest}")


def policy(scripts: Sequence[Script]) -> str:
    """Return the content security policy of a page that fetches nothing and sends nothing.

    Example:
        >>> policy([Script("", "sha256-0")]).split("; ")[2]
        "script-src 'sha256-0'"
    """
    hashes = " ".join(f"'{one.hash}'" for one in scripts)
    run = f"script-src {hashes}; " if scripts else ""
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; {run}img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
