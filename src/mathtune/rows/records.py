"""The rows between stages, one struct per kind of row. Everything else imports from here.

A file holds rows of one kind, one JSON object per line. A sample's text is stored once, in the file
that `sample` wrote: `grade` and `score` write narrow files next to it, with the same rows in the
same order; `mathtune.rows.samples.read_samples` joins them.

    samples.jsonl
    {"problem_id":"a1","index":0,"text":"... #### 24","finish_reason":"stop","tokens":31}
    grades.jsonl
    {"problem_id":"a1","index":0,"answer":"24","rule":"hashes","verdict":"correct","cluster":0}
    scores.jsonl
    {"problem_id":"a1","index":0,"score":0.83}
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import msgspec

Reason = Literal["stop", "length", "prompt_too_long", "unknown"]
"""The ways a sample ends.

stop             the model ended the solution
length           it reached max_tokens, or the end of the model's context
prompt_too_long  nothing was sampled: the prompt leaves no room in the context
unknown          another program wrote it; its end and its number of tokens are unknown
"""
UNKNOWN: Literal["unknown"] = "unknown"

Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
"""A count: never negative, nor larger than anything that is counted here."""
Weight = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
"""A score that weighs votes; its bounds keep sums finite."""


class Row(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A row of a file: immutable, its fields named in full, unknown fields refused.

    `written` says what the rows are and what writes them, for messages.
    """

    written: ClassVar[str]


class Verdict(StrEnum):
    """A grader's result for an answer. `undecided`: the comparison hit its limit; never "wrong"."""

    correct = "correct"
    wrong = "wrong"
    no_answer = "no_answer"
    undecided = "undecided"


class Problem(Row, frozen=True):
    """A question with its gold answer and, for training, a gold solution.

    `accepted`: further golds, each of which is as right as `answer`.
    """

    written = "problems, as prepare writes in train.jsonl, validation.jsonl and test.jsonl"

    id: str
    problem: str
    answer: str
    solution: str | None = None
    level: str | None = None
    subject: str | None = None
    accepted: tuple[str, ...] = ()

    @property
    def golds(self) -> tuple[str, ...]:
        """All golds that count as right, `answer` first."""
        return (self.answer, *self.accepted)


class Example(Row, frozen=True):
    """One solution to learn from (objective mle). `source`: "gold", or the samples it came from."""

    written = "solutions to learn from, as prepare writes in solutions.jsonl"

    problem_id: str
    problem: str
    solution: str
    source: str = "gold"


class Pair(Row, frozen=True):
    """A right and a wrong solution of one problem, for the evaluator."""

    written = "pairs, as collect keep=pairs writes"

    problem_id: str
    problem: str
    right: str
    wrong: str


class Labelled(Row, frozen=True):
    """One solution with its label, for the evaluator."""

    written = "labelled solutions, as collect keep=labelled writes"

    problem_id: str
    problem: str
    solution: str
    correct: bool


class Sample(Row, frozen=True):
    """One sampled solution; `index` counts a problem's samples from 0, `tokens` those generated."""

    written = "samples, as sample writes in samples.jsonl"

    problem_id: str
    index: Count
    text: str
    finish_reason: Reason
    tokens: Count


class Graded(Row, frozen=True):
    """A sample's answer (None: none found), the extraction rule, the verdict and its cluster.

    `cluster` numbers the problem's clusters by their earliest sample; None without an answer.
    """

    written = "grades, as grade writes in grades.jsonl"

    problem_id: str
    index: Count
    answer: str | None
    rule: str | None
    verdict: Verdict
    cluster: Count | None


class Scored(Row, frozen=True):
    """A sample's score: the evaluator's S in [0, 1], or a likelihood."""

    written = "scores, as score writes in scores.jsonl"

    problem_id: str
    index: Count
    score: Weight
