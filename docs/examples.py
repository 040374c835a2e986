"""Docstrings of ours say `Example:`, which griffe knows only in the plural. For mkdocs."""

from __future__ import annotations

from typing import Any

import griffe


class Examples(griffe.Extension):
    """Read `Example:` as `Examples:`, so that its code is shown as code."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section of one object."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("Example:\n", "Examples:\n")
