"""Fine-tune open language models to solve math problems and to judge their own solutions.

This module offers what needs no model: a solution's answer, verdict and clusters. Nothing
here imports torch. docs/api.md lists the other modules that users may import; the rest is private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mathtune.run.version import __version__

if TYPE_CHECKING:
    from mathtune.answers import (
        Answer,
        Verdict,
        cluster,
        compare,
        compare_many,
        equivalent,
        explain,
        extract,
        grade,
        grade_many,
        reward,
    )

__all__ = [
    "Answer",
    "Verdict",
    "__version__",
    "cluster",
    "compare",
    "compare_many",
    "equivalent",
    "explain",
    "extract",
    "grade",
    "grade_many",
    "reward",
]


def __getattr__(name: str) -> Any:
    """Import the answers at their first use: `mathtune --version` does not need them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mathtune import answers

    return getattr(answers, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
