"""Sample files that other programs wrote, with golds in them, graded and measured unchanged.

Its files, rows and values are read by `data.files`.

layouts   how known programs write, declared
roles     which field is what (solution_field: by what the rows hold)
gold_file golds from a file of problems
keys      what tells problems apart
read      samples, in order
judged    what was asked for, and each sample with its answer and verdicts
judgments the judged samples as columns
notes     what was read as what, and warnings
grade     `mathtune grade FILE`: accuracy and the most frequent disagreements, in bounded memory
grade_folder  the folder of `mathtune grade FILE --out FOLDER`
convert   foreign samples as our files, for `mathtune collect FILE`
measure   `mathtune measure FILE`: votes and re-ranking, with intervals
"""

from mathtune.foreign.grade import grade_file
from mathtune.foreign.judged import Request
from mathtune.foreign.judgments import Judgments, judge_problems
from mathtune.foreign.measure import measure_file

__all__ = ["Judgments", "Request", "grade_file", "judge_problems", "measure_file"]
