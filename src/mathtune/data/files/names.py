"""The roles that a field's name suggests; `roles` decides by the rows' values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

IDS = (
    "problem_id",
    "question_id",
    "unique_id",
    "doc_id",
    "task_id",
    "native_id",
    "problem_idx",
    "qid",
    "question_idx",
    "idx",
    "id",
    "uid",
    "uuid",
    "custom_id",
    "sample_id",
    "example_id",
    "index",
)
"""Fields that may identify problems, the likeliest first."""

QUESTIONS = (
    "problem",
    "question",
    "prompt",
    "query",
    "instruction",
    "input",
    "problem_text",
    "question_text",
    "user_prompt",
    "user_message",
    "task",
    "messages",
)
ABOUT_A_PASSAGE = ("question", "query")
PASSAGES = ("body", "passage", "context", "story", "background", "scenario")
"""Fields without which the question beside them cannot be answered."""
LEVELS = ("level", "difficulty")
SUBJECTS = ("subject", "type", "category")
SCORES = ("scores", "score")
"""Fields whose numbers are taken for scores by default."""

_REFERENCE = re.compile(
    r"(?:(?:extracted|parsed|normali[sz]ed|cleaned|processed|numeric|final)_)?"
    r"(?:golds?|gts?|g\w{0,8}_?truths?)(?:_(?:extracted|parsed))?"
    r"|(?:gold(?:en)?|gt|g\w{0,8}_?truth|reference|official|expected|true)s?"
    r"_(?:(?:final_)?answers?|solutions?|completions?|responses?|outputs?|results?|values?|numbers?"
    r"|texts?|rationales?|labels?)"
)
"""The data set's own, of which a model's fields have the other half: `ground_truth_completion`."""
_STRONG_GOLD = re.compile(
    r"golds?|gts?|gold(?:en)?_?(?:answers?|solutions?|labels?|targets?)|ground_?truths?(?:_answers?)?"
    r"|gt_?(?:answers?|solutions?)|expected(?:_(?:answers?|outputs?|results?))?"
    r"|references?|ref(?:_?answers?)?|reference_(?:answers?|solutions?|outputs?)|targets?"
    r"|targets?_answers?|labels?|correct_(?:answers?|solutions?)|true_(?:answers?|labels?)|truth"
    r"|answer_key|right_answer|official_(?:answers?|solutions?)|gold_?standard|standard_answer"
)
_WEAK_GOLD = re.compile(r"answers?|solutions?|final_answers?|gt_cot|ans")
_SAMPLE_WORDS = (
    r"generations?|generated|gens?|completions?|responses?|repl(?:y|ies)|outputs?|predictions?"
    r"|predict(?:s|ed)?|preds?|samples?|sampled|rollouts?|candidates?|attempts?|trajector(?:y|ies)"
    r"|hypothes[ie]s|hyps?|continuations?|resps?|model|llm|assistant|student|beams?|trials?|drafts?"
    r"|decoded|choices|paths"
)
_STRONG_SAMPLE = re.compile(rf"(?:\w+_)?(?:{_SAMPLE_WORDS})(?:_\w+|_?\*)?")
_EXTRACTED = re.compile(
    r"preds?|(?:all|normali[sz]ed|extracted|parsed|predicted|pred|final|model|llm|student|sample[sd]?|candidate|gen"
    r"|generated|output|response|extract)s?_?(?:answers?|ans|results?|values?|labels?"
    r"|predictions?)(?:_\w+)?|extracted\w*|parsed\w*|ans|filtered_resps"
)
_WEAK_SAMPLE = re.compile(
    r"texts?|solutions?|answers?|contents?|results?|cot|rationales?|chain_of_thought|message"
    r"|messages|conversations?|code|body"
)
_META = re.compile(
    r"(?:\w+_)?(?:ids?|idx|index|indices|len|lens|lengths?|tokens?|token_ids|counts?|times?|names?"
    r"|scores?|rewards?|advantages?|log_?probs?|reason|types?|paths?|costs?|usage|hash|configs?"
    r"|params|args|kwargs|versions?|lang|language|correct|correctness|is_\w+|urls?|sources?|splits?"
    r"|levels?|subjects?|difficulty|dates?|timestamp|domains?|category|tags?|seeds?|steps?|epoch"
    r"|system(?:_prompt)?|templates?|prefix|stop|status|errors?|refusal|temperature|role|object"
    r"|metadata|notes?|hints?|comments?|feedback|judg\w*|critiques?|explanations?|context|passage"
    r"|datasets?|data_source|ability|style|finish\w*|reasoning\w*|thinking\w*|thoughts?|think|filter"
    r"|metrics?|report|verdicts?|graded?|grader_\w+|raw_input|few_?shots?|examples?|model|models|fingerprint"
    r"|images?|image_\w+)"
)
_ASKED = re.compile(
    r"(?!system)(?:\w+_)?(?:inputs?|prompts?|questions?|problems?|quer(?:y|ies)|instructions?)"
    r"(?:_(?:texts?|content|statement|body|description))?"
)
"""What a model was asked: `model_input`, `variant_problem`, `problem_content`."""
_OPTIONS = re.compile(r"(?:\w+_)?(?:options?|choices)")
_ANSWERS = re.compile(
    r"(?!num_|n_)(?:\w+_)?(?:answers?|preds?|predict(?:ed|s)?|predictions?|outputs?|responses?"
    r"|results?|completions?|generations?|repl(?:y|ies)|hypothes[ie]s|hyps?|resps?)"
)
_STEPS = re.compile(r"(?:\w+_)?steps?(?:_texts?)?")
_THOUGHT = re.compile(r"(?:\w+_)?(?:reasoning|thinking|thoughts?)(?:_\w+)?")


def leaf(path: str) -> str:
    """Return a path's last name in snake case: `text` for `response.body.choices.*.Text`."""
    parts = path.split(".")
    named = [part for part in parts if part not in ("*", "+") and not part.isdigit()]
    last = named[-1] if named else path
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s-]+", "_", last).lower().strip("_")


def called(paths: Iterable[str], known: Sequence[str]) -> list[str]:
    """Return the paths that have one of the known names in any spelling, in the names' order.

    >>> called(["Answer", "doc.id", "Problem ID", "ID"], ("problem_id", "id"))
    ['Problem ID', 'ID', 'doc.id']
    """
    there = [path for path in paths if leaf(path) in known]
    return sorted(there, key=lambda path: (path.count("."), known.index(leaf(path))))


def are_steps(path: str) -> bool:
    """Return whether a name marks the steps of one solution: `reasoning_steps`."""
    return _STEPS.fullmatch(leaf(path)) is not None


def is_strong_gold(path: str) -> bool:
    """Return whether a name marks the gold: `ground_truth`, `target.value`."""
    name = leaf(path)
    if name in ("value", "text", "answer", "content"):
        outer = path.rpartition(".")[0]
        return bool(outer) and is_strong_gold(outer)
    return any(known.fullmatch(name) is not None for known in (_STRONG_GOLD, _REFERENCE))


def asks(path: str) -> bool:
    """Return whether a name marks what a model was asked: `variant_problem`."""
    return _ASKED.fullmatch(leaf(path)) is not None


def is_beside(path: str, other: str) -> bool:
    """Return whether two paths are of the same field of two objects: two models' samples.

    >>> is_beside("gpt.solution", "qwen.solution"), is_beside("gpt.gold", "qwen.solution")
    (True, False)
    """
    one, two = path.rpartition("."), other.rpartition(".")
    return bool(one[0] and two[0]) and one[0] != two[0] and one[2] == two[2]


def are_options(path: str) -> bool:
    """Return whether a name may mark the answers that a problem offers: `choices`."""
    return _OPTIONS.fullmatch(leaf(path)) is not None


def holds_answers(path: str) -> bool:
    """Return whether numbers under a name can be answers: `predictions`, not `num_samples`.

    >>> [holds_answers(name) for name in ("output", "n_outputs", "attempts", "output_entropy")]
    [True, False, False, False]
    """
    return is_weak_gold(path) or _ANSWERS.fullmatch(leaf(path)) is not None


def is_weak_gold(path: str) -> bool:
    """Return whether a name may be a gold's or a sample's: `answer`."""
    return _WEAK_GOLD.fullmatch(leaf(path)) is not None


def sample_rank(path: str) -> int:
    """Return how strongly a name suggests a sample.

    3: a sample (`responses`); 2: the answer extracted from one; 1: a sample or a reference; 0:
    nothing, or steps, which give way to a whole text; -1: something else.

    >>> [sample_rank(name) for name in ("model_outputs", "pred", "solution", "qwen", "level")]
    [3, 2, 1, 0, -1]
    >>> sample_rank("candidates.*.steps.+.text"), sample_rank("steps.+.rating")
    (0, -1)
    """
    name = leaf(path)
    if path.endswith("+"):
        return 0
    if ".+." in path:
        return 0 if sample_rank(name) > 0 else -1
    if name in IDS or name in QUESTIONS[:-1] or _THOUGHT.fullmatch(name):
        return -1
    if _EXTRACTED.fullmatch(name):
        return -1 if _REFERENCE.fullmatch(name) else 2
    if _META.fullmatch(name.removesuffix("*").removesuffix("_")) or asks(path):
        return -1
    if is_strong_gold(path):
        return -1
    if _STRONG_SAMPLE.fullmatch(name):
        return 3
    # `doc.answer` belongs to the data set; `response.text` to the model.
    if _WEAK_SAMPLE.fullmatch(name):
        outer = [part for part in path.split(".")[:-1] if part != "*" and not part.isdigit()]
        return 3 if any(_STRONG_SAMPLE.fullmatch(leaf(part)) for part in outer) else 1
    return 0
