"""The metrics of the stages: one struct per stage, the document that its `metrics.json` holds.

Next to the rows. Written by the stages, read by the report and by later stages; that of `study`
holds points, lines and claims, and is in its own module.

    part/metrics.json
    {"problems": 250, "rows": 250, "of_problems": 500}
"""

from __future__ import annotations

from typing import Any

import msgspec


class Metrics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The metrics of a stage: the document that `metrics.json` holds. No time, path or host.

    Each stage has a subclass. A field with the default None is left out if it does not apply.
    """


class NearMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The number of problems near another, and the first few: (training id, test id, likeness)."""

    problems: int
    first: list[tuple[str, str, float]]


class OverlapMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How many problems of a test set are equal to, near, or share a run of words with training
    problems, in any of these ways, and the first pairs: (test id, training id).
    """

    problems: int
    equal: int
    near: int
    shared_run: int
    any: int
    first: list[tuple[str, str]]


class SplitMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """A split's problems, how many of them repeat another, and their length; None: no problem."""

    problems: int
    repeated_within: int
    mean_characters: float | None


class SolutionMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The solutions to learn from, of how many problems, and their length; None: no solution."""

    solutions: int
    problems: int
    mean_characters: float | None


class FirstGold(msgspec.Struct, frozen=True, kw_only=True):
    """The first gold that was read: its row, the rule (None: unchanged), and the value."""

    where: str
    gold: str
    rule: str | None
    text: str


class RowsMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a source that is read row by row.

    `dropped`: reason -> rows, `first_dropped` the first few of each. `fields`: ours -> those of the
    rows. `golds_reduced`: golds that were solutions, reduced to the answer that they mark.
    `bare_solutions`: solutions that are only the answer; they are not learned from.
    """

    read: int
    dropped: dict[str, int]
    first_dropped: dict[str, list[str]]
    fields: dict[str, str]
    first_gold: FirstGold | None
    golds_reduced: int
    bare_solutions: int


class PrepareMetrics(Metrics, frozen=True):
    """The three splits, the solutions, the dropped problems, and those nearly equal to a test
    problem.

    `overlap`: of the test set, and of each set that `against` names, with the training problems.
    `rows`: only of a source that is read row by row. `prm800k_...`: only if PRM800K was read.
    """

    train: SplitMetrics
    validation: SplitMetrics
    test: SplitMetrics
    solutions: SolutionMetrics
    shared_problems_dropped: dict[str, int]
    near_test: NearMetrics
    rows: RowsMetrics | None = None
    overlap: dict[str, OverlapMetrics] | None = None
    prm800k_records: dict[str, int] | None = None
    prm800k_steps: int | None = None


class PartMetrics(Metrics, frozen=True):
    """The number of problems and rows kept, and of problems drawn from."""

    problems: int
    rows: int
    of_problems: int


class HalfMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one half."""

    problems: int
    solutions: int


class HalveMetrics(Metrics, frozen=True):
    """The rows of both halves."""

    half_1: HalfMetrics
    half_2: HalfMetrics


class ExemplarsMetrics(Metrics, frozen=True):
    """The number of solutions drawn from, and the problems drawn."""

    of: int
    problems: list[str]


class TrainMetrics(Metrics, frozen=True):
    """The examples learned from, and the final loss (see `mathtune.training.curve.Ended`)."""

    objective: str
    examples: int
    target_tokens: int
    truncated: int
    left_out: int
    updates: int
    loss: float
    final_loss: float
    validation_loss: float | None = None
    kept_update: int | None = None
    validation_accuracy: float | None = None
    validation_auc: float | None = None


class SampleMetrics(Metrics, frozen=True):
    """The contents of the samples' file: samples, their tokens and how they ended.

    `prompts_too_long`: the problems whose prompts exceed the model's context.
    """

    problems: int
    n: int
    samples: int
    tokens: int
    mean_tokens: float
    finish_reasons: dict[str, int]
    prompts_too_long: list[str]


class GradeMetrics(Metrics, frozen=True):
    """The grader, and the counts of verdicts and of extraction rules."""

    grader: str
    grader_version: str
    extract: str
    samples: int
    verdicts: dict[str, int]
    rules: dict[str, int]


class ScoreMetrics(Metrics, frozen=True):
    """The problems, their scores, the mean score, and how many scores are 0."""

    problems: int
    scores: int
    mean: float
    zero: int


class JudgedMetrics(Metrics, frozen=True):
    """The evaluator rows (pairs or labels) and what was dropped; None: it did not occur."""

    problems: int
    samples: int
    no_answer_dropped: int
    undecided_dropped: int
    duplicate_texts_dropped: int
    rows: int
    left_out: int | None = None
    gold_stands_in: int | None = None
    only_right: int | None = None
    only_wrong: int | None = None
    neither: int | None = None
    problems_used: int | None = None
    beginnings: int | None = None
    right_beginnings_left: int | None = None
    wrong_beginnings_left: int | None = None
    near_test: NearMetrics | None = None


class DrawnMetrics(Metrics, frozen=True):
    """The samples drawn from, the numbers wanted and drawn, and how many are right or gold."""

    of: int
    wanted: int
    drawn: int
    right: int
    gold: int


class BestMetrics(Metrics, frozen=True):
    """The rows' values of a metric, the best row (the first of equal ones), and the last row before
    the first that did not improve.
    """

    metric: str
    values: dict[str, float]
    best: str
    stopped_at: str


class SourceMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One set of samples: correct ones, distinct paths, and paths that no other set has."""

    correct: int
    paths: int
    exclusive_paths: int


class PathsMetrics(Metrics, frozen=True):
    """Correct samples and distinct paths, what was kept and dropped; None: it did not occur.

    `histogram`: number of distinct paths -> problems that have so many.
    """

    problems: int
    samples: int
    correct: int
    distinct_paths: int
    false_equation_dropped: int
    without_equations: int
    repeated_path_dropped: int
    rows: int
    correct_per_problem: float
    paths_per_problem: float
    histogram: dict[str, int]
    sources: dict[str, SourceMetrics]
    left_out: int | None = None
    over_most_dropped: int | None = None
    gold: int | None = None
    gold_with_false_equation: int | None = None
    without_gold_solution: int | None = None
    kept: int | None = None
    near_test: NearMetrics | None = None


class Shape(Metrics, frozen=True):
    """The figures that FLOPs depend on."""

    parameters: int
    without_embeddings: int
    layers: int
    width: int


class BitsMetrics(Metrics, frozen=True):
    """The loss on the text, the counts of what was read (`left_out`: too long), and the shape."""

    bits_per_byte: float
    loss_per_token: float
    bytes: int
    tokens: int
    left_out: int
    parameters: int
    without_embeddings: int
    layers: int
    width: int


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The K (or N) of each strategy, where it was chosen, and the best strategy there.

    `optimistic`: chosen on the problems that are measured. Of several seeds k is a text, "5, 3".
    """

    on: str
    optimistic: bool
    k: dict[str, int | str]
    best: str


class MeasureMetrics(Metrics, frozen=True, kw_only=True):
    """The metrics of a measured set of samples, their curves and comparisons.

    An interval is `value, low, high`, a difference `difference, low, high, p`. `metrics` and
    `over_maj1` have one per metric; `curves` has lists of them; `against` one per metric for each
    other measure. With scores: `chosen`, `over_calculator`, `matched_compute`, `evaluator`,
    `weights` (the rule that makes weights of scores) and `oracle` (the metrics whose scores are the
    verdicts themselves). `mean_by_rule`: the mean by extraction rule, if it depends on the rule.
    `clusters`: the number of groups that problems were drawn in. `golds`: see
    `mathtune.metrics.agreement`. An average over seeds and
    a measure of an earlier version lack some of the fields.
    """

    grader: str = ""
    problems: int
    n: int
    samples_per_problem: dict[str, int] | None = None
    too_few_samples: int | None = None
    counts: dict[str, int] | None = None
    ties: dict[str, Any] | None = None
    golds: dict[str, Any] | None = None
    metrics: dict[str, dict[str, Any]]
    over_maj1: dict[str, dict[str, Any]]
    curves: dict[str, dict[str, Any]]
    early_stopping: list[dict[str, Any]] | None = None
    clusters: int | None = None
    weights: str | None = None
    oracle: list[str] | None = None
    mean_by_rule: dict[str, float] | None = None
    chosen: Chosen | None = None
    over_calculator: dict[str, dict[str, Any]] | None = None
    matched_compute: list[dict[str, Any]] | None = None
    evaluator: dict[str, Any] | None = None
    groups: dict[str, dict[str, dict[str, Any]]] | None = None
    against: dict[str, dict[str, dict[str, Any]]]


class FindingsMetrics(Metrics, frozen=True, kw_only=True):
    """The results of a study's models: a row per label, comparisons, curves over data and loss."""

    problems: int
    seeds: int
    rows: list[dict[str, Any]]
    compared: list[dict[str, Any]]
    data_curve: dict[str, Any]
    loss_curve: dict[str, Any]
