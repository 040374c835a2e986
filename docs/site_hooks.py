"""What mkdocs does not do by itself: examples as code, a search that loads nothing from elsewhere.

An extension of griffe (`Examples`) and two hooks of mkdocs; mkdocs.yml names them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

SHIM = re.compile(r"https://[\w./-]+/iframe-worker/shim")
"""What lets the search work from the file system; ours is in assets/, with its licence."""


class Examples(griffe.Extension):
    """Show examples as code: `Example:` as the section `Examples:`, bare doctests in a fence."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            text = obj.docstring.value.replace("Example:\n", "Examples:\n")
            obj.docstring.value = re.sub(
                r"^>>> .*(?:\n.+)*", lambda found: f"```python\n{found[0]}\n```", text, flags=re.M
            )


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Load the search's shim from the site itself."""
    up = "../" * page.url.count("/")
    return SHIM.sub(f"{up}assets/iframe-worker.js", output)


def on_post_build(config: Any) -> None:
    """Remove the page for addresses that are not there: a folder has no server to show it."""
    (Path(config["site_dir"]) / "404.html").unlink(missing_ok=True)
