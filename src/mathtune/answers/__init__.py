"""From a solution's text to an answer, a verdict and a cluster. No torch in here."""

from mathtune.answers.equivalence import cluster, equivalent
from mathtune.answers.extract import Answer, extract
from mathtune.answers.grading import compare, grade
from mathtune.records import Verdict

__all__ = ["Answer", "Verdict", "cluster", "compare", "equivalent", "extract", "grade"]
