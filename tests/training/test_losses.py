"""The trainer's loss against the same loss written out example by example, without padding."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

torch = pytest.importorskip("torch")

from mathtune.engines.transformers import models
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Labelled, Pair
from mathtune.stages.train import Train
from mathtune.training.curve import CurvePoint
from mathtune.training.losses import ACCURACIES, LOSSES, Read, auc_within_problems, scores
from mathtune.training.settings import TrainingSettings

MARGIN, ALPHA = 0.7, 0.3


def curve(folder: Path, **config: Any) -> list[CurvePoint]:
    folder.mkdir()
    Train(device="cpu", threads=1, margin=MARGIN, alpha=ALPHA, **config).run(folder)
    return list(jsonl.read(folder / "training.jsonl", CurvePoint))


class ByHand:
    """log p of texts, one sequence at a time, from the whole output of the model."""

    def __init__(self, folder: str) -> None:
        self.model, self.tokenizer = models.load(folder, device="cpu", dtype="float32")

    def log_p(self, before: str, after: str, *, end: bool = False) -> tuple[float, int]:
        """Sum of log p of the tokens of `after`, and how many they are."""
        first = self.tokenizer.encode(before)
        target = self.tokenizer.encode(after) + [self.tokenizer.eos_token_id] * end
        with torch.no_grad():
            logits = self.model(torch.tensor([first + target])).logits[0].double()
        table = logits.log_softmax(-1)
        log_p = sum(table[len(first) - 1 + k, token].item() for k, token in enumerate(target))
        return log_p, len(target)

    def solution(self, problem: str, solution: str) -> tuple[float, int]:
        return self.log_p(f"Problem: {problem}\nSolution:\n", solution, end=True)

    def label(self, problem: str, solution: str, label: str) -> float:
        text = f"Here is a math problem: {problem}\nHere is a candidate solution: {solution}\n"
        return self.log_p(f"{text}The above candidate solution is", f" {label}")[0]

    def log_score(self, problem: str, solution: str) -> float:
        correct, incorrect = (
            torch.tensor(self.label(problem, solution, word)).exp()
            for word in ("correct", "incorrect")
        )
        return (correct / (correct + incorrect)).log().item()

    def mle(self, rows: list[tuple[str, str]]) -> float:
        found = [self.solution(*row) for row in rows]
        return -sum(log_p for log_p, _ in found) / sum(tokens for _, tokens in found)

    def cls_margin(self, pairs: list[Pair]) -> float:
        losses = [
            self.log_score(p.problem, p.wrong) - self.log_score(p.problem, p.right) + MARGIN
            for p in pairs
        ]
        return sum(max(0.0, loss) for loss in losses) / len(pairs)

    def cls_xent(self, pairs: list[Pair]) -> float:
        right = sum(self.label(p.problem, p.right, "correct") for p in pairs)
        wrong = sum(self.label(p.problem, p.wrong, "incorrect") for p in pairs)
        return -(right + wrong) / (2 * len(pairs))

    def ctr_margin(self, pairs: list[Pair], *, per_token: bool) -> float:
        total = 0.0
        for pair in pairs:
            right, n = self.solution(pair.problem, pair.right)
            wrong, m = self.solution(pair.problem, pair.wrong)
            total += max(0.0, (wrong / m - right / n if per_token else wrong - right) + MARGIN)
        return total / len(pairs)


def test_accuracy_by_hand() -> None:
    # Log-odds of "correct" of the right and the wrong solution: 2 > 1, -1 < 0, 1 = 1,
    # 3 > 1.
    pairs = torch.tensor(
        [[-1.0, -3, -2, -3], [-3.0, -2, -3, -3], [-2.0, -3, -1, -2], [-1.0, -4, -2, -3]]
    )
    labels = torch.tensor([True, False, False, True])
    accuracies: dict[Any, Any] = dict(ACCURACIES)
    for objective in ("cls-margin", "mul-margin"):
        assert float(accuracies[objective](pairs, labels)) == 1 / 2
    for objective in ("cls-xent", "mul-xent"):  # says correct, incorrect, correct, correct
        assert float(accuracies[objective](pairs[:, :2], labels)) == 3 / 4
    assert float(accuracies["ctr"](pairs[:, :2], labels)) == 3 / 4
    equal = torch.tensor([[-1.0, -1.0]])  # as likely: says incorrect
    assert float(accuracies["cls-xent"](equal, torch.tensor([False]))) == 1.0
    assert accuracies["mle"](pairs, labels) is None


def test_scores_and_their_auc_within_problems_by_hand() -> None:
    # S / (1 - S) = p(correct) / p(incorrect): 3, 1 / 3 and 1; log S is log(3 / 4), and so on.
    log_p = torch.tensor([[0.3, 0.1, 0.2, 0.2], [0.1, 0.3, 0.3, 0.1]]).log()
    (first, second) = scores(log_p, torch.tensor([True, True]))
    assert [right for _, right in first] == [True, False]
    assert [score for score, _ in first] == pytest.approx([math.log(3 / 4), math.log(1 / 2)])
    assert [score for score, _ in second] == pytest.approx([math.log(1 / 4), math.log(3 / 4)])
    ((lone,), _) = scores(log_p[:, :3], torch.tensor([False, True]))
    assert lone == (pytest.approx(math.log(3 / 4)), False)
    assert scores(log_p[:, :1], torch.tensor([True, True])) == [[], []]
    judged = [("a", *one) for one in first] + [("b", *one) for one in second]
    assert auc_within_problems(judged) == 0.5  # 1 in a, 0 in b
    assert auc_within_problems([("a", -1.0, True), ("b", -2.0, False)]) is None
    assert auc_within_problems([]) is None


@pytest.mark.parametrize("objective", ["cls-xent", "mul-xent", "cls-margin", "mul-margin"])
def test_the_validation_auc_by_hand(
    objective: Any, tiny: str, pair_file: Path, by_hand: ByHand, tmp_path: Path
) -> None:
    """Problem by problem; in the validation file each has a right and a wrong solution or more."""
    pairs = [replace_problem(pair, at) for at, pair in enumerate(jsonl.read(pair_file, Pair))]
    jsonl.write(tmp_path / "pairs.jsonl", pairs)
    labelled = [
        Labelled(problem_id=p.problem_id, problem=p.problem, solution=text, correct=text == p.right)
        for p in pairs
        for text in (p.right, p.wrong)
    ]
    jsonl.write(tmp_path / "labelled.jsonl", labelled[1:])  # the first has no right one then
    held = tmp_path / ("labelled.jsonl" if objective.endswith("xent") else "pairs.jsonl")
    config = {"model": tiny, "objective": objective, "examples": (pair_file,), "epochs": 0.1}
    points = curve(tmp_path / "run", **config, validation=(held,), learning_rate=1e-12)
    rows = labelled[1:] if objective.endswith("xent") else labelled
    shares = []
    for problem in dict.fromkeys(row.problem for row in rows):
        own = [row for row in rows if row.problem == problem]
        right, wrong = (
            [by_hand.log_score(problem, row.solution) for row in own if row.correct is kind]
            for kind in (True, False)
        )
        above = [float(one > other) for one in right for other in wrong]
        shares += [sum(above) / len(above)] if above else []
    assert 0 < len(shares) < len(pairs)
    assert points[-1].validation_auc == pytest.approx(sum(shares) / len(shares))


def replace_problem(pair: Pair, at: int) -> Pair:
    """Give every two pairs one problem."""
    return msgspec.structs.replace(pair, problem_id=str(at // 2), problem=f"What is {at // 2}?")


def test_mul_xent_of_a_batch_without_a_correct_solution_is_cls_xent_alone() -> None:
    """Its mle term has no token and no text: 0 / 1, not 0 / 0."""
    settings = TrainingSettings(objective="mul-xent", alpha=0.5)
    label_words = torch.tensor([[-1.0, -2.0, 0.0], [-3.0, -4.0, 0.0]])
    wrong = Read(
        log_p=label_words,
        lengths=torch.ones(2, 3),
        correct=torch.tensor([False, False]),
        items=torch.tensor(2.0),
        tokens=torch.tensor(0.0),
    )
    assert LOSSES["mul-xent"](wrong, settings).item() == (2.0 + 4.0) / 2
    one = replace(
        wrong,
        log_p=torch.tensor([[-1.0, -2.0, -0.75], [-3.0, -4.0, 0.0]]),
        correct=torch.tensor([True, False]),
        tokens=torch.tensor(1.0),
    )
    assert LOSSES["mul-xent"](one, settings).item() == (1.0 + 4.0) / 2 + 0.5 * 0.75 / 1


@pytest.fixture(scope="module")
def by_hand(tiny: str) -> ByHand:
    return ByHand(tiny)


def expected(objective: str, by_hand: ByHand, example_file: Path, pair_file: Path) -> float:
    examples = [(row.problem, row.solution) for row in jsonl.read(example_file, Example)]
    pairs = list(jsonl.read(pair_file, Pair))
    mle = by_hand.mle([(p.problem, p.right) for p in pairs])
    return {
        "mle": lambda: by_hand.mle(examples),
        "cls-margin": lambda: by_hand.cls_margin(pairs),
        "cls-xent": lambda: by_hand.cls_xent(pairs),
        "ctr": lambda: by_hand.ctr_margin(pairs, per_token=False) + ALPHA * mle,
        "ctr per token": lambda: by_hand.ctr_margin(pairs, per_token=True) + ALPHA * mle,
        "mul-margin": lambda: by_hand.cls_margin(pairs) + ALPHA * mle,
        "mul-xent": lambda: by_hand.cls_xent(pairs) + ALPHA * mle,
    }[objective]()


@pytest.mark.parametrize(
    "objective",
    ["mle", "cls-margin", "cls-xent", "ctr", "ctr per token", "mul-margin", "mul-xent"],
)
def test_the_loss_is_the_equation_and_accumulation_changes_nothing(
    objective: str,
    tiny: str,
    by_hand: ByHand,
    example_file: Path,
    pair_file: Path,
    tmp_path: Path,
) -> None:
    config = {
        "model": tiny,
        "examples": example_file if objective == "mle" else pair_file,
        "objective": objective.split()[0],
        "per_token": objective.endswith("per token"),
        "batch_size": 32,  # more than there are: one update sees every example
        "learning_rate": 1e-3,
        "schedule": "constant",
        "warmup": 0,
        "epochs": 2,
    }
    at_once = curve(tmp_path / "once", **config, micro_batch_size=32)
    piece_by_piece = curve(tmp_path / "pieces", **config, micro_batch_size=4)
    assert at_once[0].loss == pytest.approx(
        expected(objective, by_hand, example_file, pair_file), rel=1e-5
    )
    assert len(at_once) == len(piece_by_piece) == 2
    for one, other in zip(at_once, piece_by_piece, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
        assert other.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
    first, second = (point.loss for point in at_once)
    assert first is not None
    assert second is not None
    assert second < first
