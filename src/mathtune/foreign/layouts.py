"""How other programs write their samples, declared: a row of `LAYOUTS` per writer and format.

A layout is recognised by the paths in `needs` (see `paths`), which a row must have. `solution`,
`gold`, `problem` and `question` are paths in the order they are tried; without a gold the golds
come from `--problems`. `rows`: the key of a document that holds the rows. `once_per`: the writer
logs a sample once per filter, and one copy per value of this path counts.

docs/grade_other_samples.md shows this table; tests/foreign/layouts has a file for each entry.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """One writer's rows; see the module."""

    writer: str
    needs: tuple[str, ...]
    solution: tuple[str, ...]
    gold: tuple[str, ...] = ()
    problem: tuple[str, ...] = ()
    question: tuple[str, ...] = ()
    score: str | None = None
    once_per: str | None = None
    file: str = ""
    """The file or option of the writer."""
    example: str = ""
    """The test file of this entry."""
    common: bool = False
    """True if other files have fields of these names, so that another gold is sought."""


LAYOUTS = (
    Layout(
        "OpenAI batch, vLLM run-batch",
        ("custom_id", "response"),
        (
            "response.body.choices.*.message.content",
            "response.body.choices.*.text",
            "response.body.output",
            "response.choices.*.message.content",
        ),
        problem=("custom_id",),
        file="the output file of a batch; `--problems FILE` has the golds",
        example="openai_batch.jsonl",
    ),
    Layout(
        "Anthropic batch",
        ("custom_id", "result.type"),
        ("result.message.content",),
        problem=("custom_id",),
        file="the results of a message batch; `--problems FILE` has the golds",
        example="anthropic_batch.jsonl",
    ),
    Layout(
        "inspect_ai",
        ("output", "epoch", "target"),
        ("output.completion", "output.choices.*.message.content"),
        gold=("target",),
        problem=("id",),
        question=("input",),
        file="logs, `.eval` and `.json`",
        example="inspect.json",
    ),
    Layout(
        "evalscope 1, reviews",
        ("sample_score.score",),
        ("sample_score.score.prediction",),
        gold=("target",),
        problem=("sample_score.group_id", "index"),
        question=("input", "messages"),
        file="`reviews/MODEL/TASK.jsonl`",
        example="evalscope1_reviews.jsonl",
    ),
    Layout(
        "evalscope 1, predictions",
        ("model_output.choices", "index"),
        ("model_output.choices.*.message.content",),
        problem=("index",),
        question=("messages",),
        file="`predictions/MODEL/TASK.jsonl`; `--problems FILE` has the golds",
        example="evalscope1_predictions.jsonl",
    ),
    Layout(
        "evalscope 0, reviews",
        ("choices.*.review.gold",),
        ("choices.*.message.content",),
        gold=("choices.0.review.gold",),
        problem=("index",),
        question=("raw_input.question", "raw_input.problem"),
        file="`reviews/MODEL/TASK.jsonl`",
        example="evalscope0_reviews.jsonl",
    ),
    Layout(
        "lm-evaluation-harness",
        ("doc_id", "resps", "target"),
        ("resps",),
        gold=("target",),
        problem=("doc_id",),
        question=("doc.question", "doc.problem", "doc.query", "doc.input"),
        once_per="doc_id",
        file="`--log_samples`",
        example="lm_eval.jsonl",
    ),
    Layout(
        "lighteval",
        ("doc.choices", "doc.gold_index", "model_response.text"),
        ("model_response.text",),
        gold=("doc.choices.{doc.gold_index}",),
        problem=("doc.id",),
        question=("doc.query",),
        file="`--save-details`, parquet",
        example="lighteval.parquet",
    ),
    Layout(
        "lighteval before 0.8",
        ("predictions", "gold", "full_prompt"),
        ("predictions",),
        gold=("gold",),
        question=("example", "full_prompt"),
        file="`--save-details`, parquet",
        example="lighteval_old.jsonl",
    ),
    Layout(
        "verl, rollouts and validation",
        ("input", "output", "gts"),
        ("output",),
        gold=("gts",),
        problem=("uid",),
        question=("input",),
        score="score",
        file="`trainer.rollout_data_dir`, `trainer.validation_data_dir`",
        example="verl_rollouts.jsonl",
    ),
    Layout(
        "verl, generations",
        ("responses", "reward_model.ground_truth"),
        ("responses",),
        gold=("reward_model.ground_truth",),
        question=("prompt",),
        file="`main_generation`, parquet",
        example="verl_generations.parquet",
    ),
    Layout(
        "OpenCompass, predictions",
        ("origin_prompt", "prediction"),
        ("prediction",),
        gold=("gold",),
        problem=("idx",),
        question=("origin_prompt",),
        file="`predictions/MODEL/TASK.json`",
        example="opencompass.json",
    ),
    Layout(
        "OpenCompass, details",
        ("origin_prediction", "references"),
        ("origin_prediction",),
        gold=("references",),
        problem=("idx",),
        question=("prompt", "origin_prompt"),
        file="`results/MODEL/TASK.json` with `--dump-eval-details`",
        example="opencompass_details.json",
    ),
    Layout(
        "HELM",
        ("instance.references", "result.completions"),
        ("result.completions.*.text",),
        gold=("instance.references",),
        problem=("instance.id",),
        question=("instance.input.text",),
        file="`scenario_state.json`",
        example="helm.json",
    ),
    Layout(
        "olmes",
        ("doc_id", "model_output", "label"),
        ("model_output.*.continuation",),
        gold=("label",),
        problem=("native_id", "doc_id"),
        file="`task-*-predictions.jsonl`",
        example="olmes.jsonl",
    ),
    Layout(
        "MathArena, outputs",
        ("messages", "gold_answer", "idx"),
        ("messages",),
        gold=("gold_answer",),
        problem=("idx",),
        question=("problem",),
        file="`outputs/COMPETITION/MODEL/*.json`",
        example="matharena.json",
    ),
    Layout(
        "MathArena, published outputs",
        ("problem_idx", "idx_answer", "answer", "gold_answer"),
        ("answer",),
        gold=("gold_answer",),
        problem=("problem_idx",),
        question=("problem", "user_message"),
        file="data sets `*_outputs`, parquet",
        example="matharena_outputs.jsonl",
    ),
    Layout(
        "NeMo-Skills",
        ("generation", "expected_answer"),
        ("generation",),
        gold=("expected_answer",),
        problem=("id", "unique_id"),
        question=("problem", "question"),
        file="`output-rs*.jsonl`: one sample per file and problem",
        example="nemo_skills.jsonl",
        common=True,
    ),
    Layout(
        "Qwen2.5-Math",
        ("code", "gt", "idx"),
        ("code",),
        gold=("gt",),
        problem=("idx",),
        question=("question", "problem"),
        file="`math_eval` outputs",
        example="qwen25_math.jsonl",
    ),
    Layout(
        "search-and-learn",
        ("completions", "answer", "pred"),
        ("completions",),
        gold=("answer",),
        problem=("unique_id",),
        question=("problem",),
        score="scores",
        file="`test_time_compute.py` outputs",
        example="search_and_learn.jsonl",
        common=True,
    ),
    Layout(
        "TRL",
        ("prompt", "completion", "step"),
        ("completion",),
        gold=("solution", "ground_truth", "answer"),
        question=("prompt",),
        file="`log_completions`, `completions_*.parquet`",
        example="trl_completions.parquet",
        common=True,
    ),
    Layout(
        "LLaMA-Factory",
        ("predict", "label"),
        ("predict",),
        gold=("label",),
        question=("prompt",),
        file="`generated_predictions.jsonl`",
        example="llama_factory.jsonl",
        common=True,
    ),
    Layout(
        "ms-swift",
        ("response", "labels", "messages"),
        ("response",),
        gold=("labels",),
        question=("messages",),
        file="`swift infer` results",
        example="ms_swift.jsonl",
        common=True,
    ),
    Layout(
        "mathtune, graded elsewhere",
        ("problem_id", "text", "gold_answer"),
        ("text",),
        gold=("gold_answer",),
        problem=("problem_id",),
        question=("problem", "question"),
        score="score",
        file="our rows with golds",
        example="one_per_row.jsonl",
    ),
    Layout(
        "mathtune solve",
        ("problem_id", "solution", "gold_answer", "strategy", "samples_used"),
        ("solution",),
        gold=("gold_answer",),
        problem=("problem_id",),
        question=("problem",),
        file="`mathtune solve FILE --out`: the chosen sample of each problem",
        example="solve.jsonl",
    ),
    Layout(
        "lists per problem",
        ("samples", "gold_answer"),
        ("samples",),
        gold=("gold_answer",),
        problem=("problem_id",),
        question=("problem", "question"),
        score="scores",
        file="one row per problem, a list of samples, a list of scores",
        example="lists.jsonl",
    ),
)
"""The most specific first: the first that fits is taken."""


def markdown() -> str:
    """Return the table of the layouts, as docs/grade_other_samples.md shows it."""
    lines = [
        "| written by | file | solution | gold | problem |",
        "|---|---|---|---|---|",
    ]
    for layout in LAYOUTS:
        gold = f"`{layout.gold[0]}`" if layout.gold else "`--problems FILE`"
        problem = " or ".join(f"`{path}`" for path in (*layout.problem, *layout.question)[:2])
        file = layout.file.partition("; ")[0]
        lines.append(f"| {layout.writer} | {file} | `{layout.solution[0]}` | {gold} | {problem} |")
    return "\n".join(lines) + "\n"
