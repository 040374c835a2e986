"""Fine-tune open language models to solve math problems and to judge their own solutions.

What needs no model is here: from a solution's text to its answer, a verdict and clusters. The
rest is in the modules the README lists; nothing here imports torch.
"""

from mathtune.answers import (
    Answer,
    Verdict,
    cluster,
    compare,
    compare_many,
    equivalent,
    extract,
    grade,
    grade_many,
    reward,
)
from mathtune.run.version import __version__

__all__ = [
    "Answer",
    "Verdict",
    "__version__",
    "cluster",
    "compare",
    "compare_many",
    "equivalent",
    "extract",
    "grade",
    "grade_many",
    "reward",
]
