"""The raw PRM800K release (Lightman et al. 2023): correct step-by-step solutions to learn from.

Liu et al. 2023 train on them as well as on those of MATH (their Table 2). One record is
one labelling of one solution, step by step, each step with the completions the model offered, their
ratings, and the chosen one or the labeller's own text instead:

    {"question": {"problem": "...", "ground_truth_answer": "468"},
     "label": {"finish_reason": "solution", "steps": [
         {"completions": [{"text": "7.8 minutes is ...", "rating": 1}],
          "human_completion": null, "chosen_completion": 0}, ...]}}

Phase 1 offers several completions at every step; phase 2 labels a whole solution written
beforehand and offers alternatives only at its first wrong step. The last step
ends in `# Answer` and the answer.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mathtune.answers import compare, extract
from mathtune.data import local
from mathtune.data.rows import normalized, stable_id
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Labelled, Problem

SOURCE = "prm800k"
RELEASE = "https://github.com/openai/prm800k"


class Completion(msgspec.Struct):
    """One text for a step. `rating`: 1 good, 0 neutral, -1 wrong, None not rated (human texts)."""

    text: str
    rating: int | None = None


class LabelledStep(msgspec.Struct):
    """One step: the model's offers, and the choice."""

    completions: list[Completion] | None = None
    human_completion: Completion | None = None
    chosen_completion: int | None = None


class Label(msgspec.Struct):
    """The labelling: its steps, and "solution", "found_error", "give_up", "bad_problem" or None."""

    steps: list[LabelledStep]
    finish_reason: str | None


class Question(msgspec.Struct):
    """The problem and its gold answer (None for some screening questions)."""

    problem: str
    ground_truth_answer: str | None = None


class Record(msgspec.Struct):
    """One line of the release; other fields (labeler, timestamp, generation, ...) are not read."""

    question: Question
    label: Label


@dataclass
class Release:
    """A part of the release: correct solutions by normalised problem text, and every count."""

    problems: dict[str, Question] = field(default_factory=dict)
    solutions: dict[str, list[str]] = field(default_factory=dict)
    steps: dict[str, dict[str, bool]] = field(default_factory=dict)
    """By normalised problem text: a solution up to a step -> True if it is right so far."""
    counts: Counter[str] = field(default_factory=Counter)

    def examples(self, problems: Iterable[Problem]) -> list[Example]:
        """Return the solutions of these problems, as examples to learn from."""
        return [
            Example(problem_id=p.id, problem=p.problem, solution=text, source=SOURCE)
            for p in problems
            for text in self.solutions.get(normalized(p.problem), [])
        ]

    def labelled(self, problems: Iterable[Problem], *, seed: int) -> list[Labelled]:
        """Label beginnings of solutions by people's ratings, for the evaluator.

        Equally many right and wrong ones per problem are drawn at random.
        """
        rows = []
        for p in problems:
            known = self.steps.get(normalized(p.problem), {})
            right = [text for text, good in known.items() if good]
            wrong = [text for text, good in known.items() if not good]
            count = min(len(right), len(wrong))
            rng = random.Random(f"{seed} {p.id}")
            drawn = zip(rng.sample(right, count), rng.sample(wrong, count), strict=True)
            rows += [
                Labelled(problem_id=p.id, problem=p.problem, solution=text, correct=good)
                for pair in drawn
                for text, good in zip(pair, (True, False), strict=True)
            ]
        return rows

    def as_problems(self) -> list[Problem]:
        """Return the problems that have a correct solution, the first of them as gold."""
        return [
            Problem(
                id=f"{SOURCE}/{stable_id(question.problem)}",
                problem=question.problem,
                answer=question.ground_truth_answer or "",
                solution=self.solutions[key][0],
            )
            for key, question in self.problems.items()
            if key in self.solutions
        ]


def load(folder: Path | None) -> dict[str, Release]:
    """Return the train and the test part of the release, both phases together.

    Raises:
        InputError: no file of the release is found, one is a Git-LFS pointer, or a line is no
        record.
    """
    parts = {
        split: local.find(folder, f"phase1_{split}*.jsonl", f"phase2_{split}*.jsonl")
        for split in ("train", "test")
    }
    if not parts["train"]:
        raise InputError(
            f"{folder or 'folder'}: no phase1_train.jsonl or phase2_train.jsonl of PRM800K; "
            f"expected the files of {RELEASE} (fetched with git lfs pull), named by folder=."
        )
    return {split: read(files) for split, files in parts.items()}


def read(paths: Sequence[Path]) -> Release:
    """Read records and keep the correct solutions, each text once.

    Every record is counted under one reason.

    Raises:
        InputError: a line is no record of the release.
    """
    release = Release()
    for path in paths:
        local.refuse_pointer(path)
        for record in jsonl.read(path, Record):
            key = normalized(record.question.problem)
            release.problems.setdefault(key, record.question)
            known = release.steps.setdefault(key, {})
            for step, right in steps(record):  # of different ratings of a text the worse counts
                known[step] = known.get(step, True) and right
            text, reason = solution(record)
            if text is not None:
                kept = release.solutions.setdefault(key, [])
                if text in kept:
                    reason = "repeated"
                else:
                    kept.append(text)
            release.counts[reason] += 1
    return release


def solution(record: Record) -> tuple[str | None, str]:
    """Return the record's solution if it is correct, and the reason it counts under.

    Correct: the labelling ended in a solution, no step taken is rated wrong (neutral is not wrong,
    human steps are right), and the final answer equals the gold answer. A chosen completion takes
    precedence over one that a labeller began and abandoned.
    """
    label, gold = record.label, record.question.ground_truth_answer
    if label.finish_reason != "solution":
        return None, label.finish_reason or "unknown_ending"
    if not gold:
        return None, "no_gold_answer"
    taken = [_taken(step) for step in label.steps]
    texts = [completion.text.strip() for completion in taken if completion is not None]
    if len(texts) < len(taken):
        return None, "step_missing"
    if any(completion is not None and completion.rating == -1 for completion in taken):
        return None, "wrong_step"
    text = "\n".join(texts)
    answer = extract(text)
    if answer is None:
        return None, "no_answer"
    verdict = compare(answer.text, gold)
    return (text, "kept") if verdict == "correct" else (None, f"answer_{verdict}")


def steps(record: Record) -> list[tuple[str, bool]]:
    """Return the solution up to each rated step, and whether it is right so far.

    Every rated completion is appended to the steps chosen before it: 1 and 0 (neutral is not wrong)
    are right so far, -1 is wrong. After a wrong or an unrated step nothing is known, except that a
    human step is right.
    """
    found: list[tuple[str, bool]] = []
    before: list[str] = []
    for step in record.label.steps:
        for completion in step.completions or []:
            if completion.rating is not None:
                text = "\n".join((*before, completion.text.strip()))
                found.append((text, completion.rating >= 0))
        taken = _taken(step)
        if taken is None or taken.rating == -1:
            break
        human = taken is step.human_completion
        if taken.rating is None and not human:
            break
        before.append(taken.text.strip())
        if human:
            found.append(("\n".join(before), True))
    return found


def _taken(step: LabelledStep) -> Completion | None:
    offered = step.completions or []
    if step.chosen_completion is None or step.chosen_completion >= len(offered):
        return step.human_completion
    return offered[step.chosen_completion]
