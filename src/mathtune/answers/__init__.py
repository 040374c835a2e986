"""From a solution's text to an answer, a verdict and a cluster. No torch in here."""

from mathtune.answers.equivalence import cluster, equivalent
from mathtune.answers.explain import explain
from mathtune.answers.extract import Answer, extract, gold_answer
from mathtune.answers.graders.table import (
    Grader,
    compare,
    compare_accepted,
    compare_many,
    grade,
    grade_many,
    grader_version,
)
from mathtune.answers.reward import reward
from mathtune.rows.records import Verdict

__all__ = [
    "Answer",
    "Grader",
    "Verdict",
    "cluster",
    "compare",
    "compare_accepted",
    "compare_many",
    "equivalent",
    "explain",
    "extract",
    "gold_answer",
    "grade",
    "grade_many",
    "grader_version",
    "reward",
]
