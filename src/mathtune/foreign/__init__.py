"""Samples from elsewhere: other programs' files, golds in them, graded and measured as they are.

judged    what was asked for, and each sample of a file with its answer and verdicts
grading   `mathtune grade FILE`: accuracy and the most frequent disagreements, in bounded memory
grades    the folder of `mathtune grade FILE --out FOLDER`
measuring `mathtune measure FILE`: votes and re-ranking, with intervals
"""

from mathtune.foreign.grade import grade_file
from mathtune.foreign.judged import Request
from mathtune.foreign.measure import measure_file

__all__ = ["Request", "grade_file", "measure_file"]
