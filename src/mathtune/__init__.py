"""Fine-tune open language models to solve math problems and to judge their own solutions.

What needs no model is here: from a solution's text to its answer, a verdict and clusters. The
rest is in the modules the README lists; nothing here imports torch.
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
    """Import the answers at their first use: `mathtune --version` does without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mathtune import answers

    return getattr(answers, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
