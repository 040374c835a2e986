"""A small model as the judge of a large one's samples: part `judge` of cuda.sh.

    python benchmarks/cuda_judge.py --out OUT --work WORK --model models/smollm2

Public samples of Llama-3.1-8B-Instruct, 24 of each of GSM8K's first 700 test problems. Judges learn
from pairs of a right and a wrong solution of the same problem: 400 of the first 500 problems, the
other 100 are for validation, which says after every epoch how far the judge tells a problem's right
samples from its wrong ones (AUC within problems). The epoch that is best there scores the samples
of the other 200 problems, which are read once.

    xent, margin   the loss: cls-xent or cls-margin
    any, hard      wrong solutions of pairs: any, or those of the most frequent wrong answers
    seed           of the pairs and of the training

Each epoch is a line of OUT/judge.jsonl; scores are in WORK/judge/NAME/scores.jsonl. What W.RR and
the others make of them is measured afterwards, on a CPU, by `mathtune measure`.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lines as results
import msgspec
import numpy as np
import torch
from lines import Lines, refuse_without
from transformers import TrainerCallback
from transformers.trainer_utils import SaveStrategy

from mathtune.engines.transformers import models
from mathtune.metrics.calibration import within_auc
from mathtune.rows import jsonl
from mathtune.rows.records import Graded, Labelled, Problem, Sample, Scored, Verdict
from mathtune.rows.samples import read_groups, read_problems
from mathtune.stages.collect import Collect
from mathtune.stages.grade import Grade
from mathtune.stages.score import Score
from mathtune.training import fit, objectives
from mathtune.training.batches import collate
from mathtune.training.examples import Encoder, Item, read_rows
from mathtune.training.reading import PACKED
from mathtune.training.settings import TrainingSettings
from mathtune.training.trainer import Trainer

SAMPLES = "gsm8k_llama31_8b_n24_first700.jsonl.gz"
TRAINING, VALIDATION_EVERY = 500, 5
EPOCHS, RATE, PAIRS, MOST = 3, 1e-4, 16, 10
"""Epochs; the peak learning rate; pairs per update; the most pairs of a problem."""
AT_ONCE = 48
"""Candidates read in one forward call when judges are tried."""
MAX_LENGTH = 1024


@dataclass(frozen=True)
class Judge:
    """One judge: its loss, its wrong solutions, its seed, the model that it starts from."""

    loss: str
    wrong: str
    seed: int
    start: str = "base"

    @property
    def name(self) -> str:
        return f"{self.loss}-{self.wrong}-{self.start}-{self.seed}"


QUEUE = [
    *(Judge("xent", "any", seed) for seed in (0, 1, 2)),
    *(Judge("margin", "any", seed) for seed in (0, 1, 2)),
    *(Judge("xent", "hard", seed) for seed in (0, 1, 2)),
    *(Judge("xent", "any", seed, "ssft") for seed in (0, 1, 2)),
]
"""All judges, the most wanted first; `ssft` is what part `gsm8k` trained, if it is there."""


class Foreign(msgspec.Struct):
    """A row of the samples' file."""

    problem_id: str
    problem: str
    gold_answer: str
    samples: list[str]


def main() -> int:
    """Train the judges and let them score; 1 if one failed."""
    args = results.arguments(__doc__.splitlines()[0]).parse_args()
    refuse_without(args.device)
    torch.set_num_threads(4)
    work = args.work / "judge"
    prepared(work, 12 if args.tiny else None)
    lines = Lines(args.out / "judge.jsonl")
    lines.check("untrained", partial(untrained, args, work, "evaluator"))
    lines.check("likelihood", partial(untrained, args, work, "likelihood"))
    for judge in QUEUE[: 2 if args.tiny else None]:
        start = start_of(judge, args)
        if start is not None:
            lines.check(judge.name, partial(trained, judge, start, args, work, lines))
    return lines.finish()


def start_of(judge: Judge, args: Namespace) -> str | None:
    """Return the model that a judge starts from; None: it is not there."""
    if judge.start == "base":
        return args.model
    folder = args.work / "gsm8k" / "seed-0" / judge.start / "model"
    return str(folder) if folder.exists() else None


def prepared(work: Path, most: int | None) -> None:
    """Write problems, samples and grades of three splits, unless they are there."""
    folder = Path(os.environ.get("MATHTUNE_DATA", "../shared/data")) / "samples"
    if (work / "test" / "grades.jsonl").exists():
        return
    with jsonl.open_bytes(folder / SAMPLES) as stream:
        rows = [msgspec.json.decode(line, type=Foreign) for line in stream]
    first, others = rows[:TRAINING], rows[TRAINING:]
    splits = {
        "train": [row for at, row in enumerate(first) if at % VALIDATION_EVERY],
        "validation": first[::VALIDATION_EVERY],
        "test": others,
    }
    for name, own in splits.items():
        (work / name).mkdir(parents=True, exist_ok=True)
        own = own[:most]
        paths = [work / name / f"{kind}.jsonl" for kind in ("problems", "samples")]
        jsonl.write(
            paths[0],
            [Problem(id=r.problem_id, problem=r.problem, answer=r.gold_answer) for r in own],
        )
        jsonl.write(
            paths[1],
            [
                Sample(problem_id=r.problem_id, index=i, text=t, finish_reason="unknown", tokens=0)
                for r in own
                for i, t in enumerate(r.samples)
            ],
        )
        # Over half of these samples end in a sentence, with no mark of the answer.
        Grade(problems=paths[0], samples=(paths[1],), extract="auto").run(work / name)


def columns(work: Path, split: str) -> tuple[Path, Path]:
    """Return a split's samples and grades."""
    return work / split / "samples.jsonl", work / split / "grades.jsonl"


def candidates(work: Path, split: str) -> tuple[list[Labelled], list[Graded]]:
    """Return every candidate of a split with its label, and its grade."""
    known = read_problems(work / split / "problems.jsonl")
    labelled, grades = [], []
    for problem_id, rows in read_groups(columns(work, split)):
        for row in rows:
            assert row.grade is not None
            labelled.append(
                Labelled(
                    problem_id=problem_id,
                    problem=known[problem_id].problem,
                    solution=row.sample.text,
                    correct=row.grade.verdict is Verdict.correct,
                )
            )
            grades.append(row.grade)
    return labelled, grades


def untrained(args: Namespace, work: Path, scorer: Any) -> dict[str, Any]:
    """Return the untrained model's scores of the test problems' samples."""
    folder = work / f"untrained-{scorer}"
    folder.mkdir(exist_ok=True)
    stage = Score(
        model=args.model,
        problems=work / "test" / "problems.jsonl",
        samples=columns(work, "test"),
        scorer=scorer,
        prompt="plain",
        device=args.device,
        workers=1,
        block_size=64,
    )
    (folder / "scores.jsonl").unlink(missing_ok=True)
    return msgspec.to_builtins(stage.run(folder))


def trained(judge: Judge, start: str, args: Namespace, work: Path, lines: Lines) -> dict[str, Any]:
    """Train one judge, choose its epoch on validation, score the test problems' samples."""
    folder = work / judge.name
    if (folder / "found.json").exists():
        return {"note": "complete before", **jsonl.read_json(folder / "found.json")}
    folder.mkdir(exist_ok=True)
    collect = Collect(
        problems=work / "train" / "problems.jsonl",
        samples=(columns(work, "train"),),
        keep="pairs",
        per_problem=MOST,
        wrong_from="frequent" if judge.wrong == "hard" else "any",
        seed=judge.seed,
    )
    kept = msgspec.to_builtins(collect.run(folder))
    settings = settings_of(judge, args)
    rows = list(read_rows((folder / "pairs.jsonl",), settings.objective))
    model, tokenizer = models.load(start, device=args.device, dtype="float32")
    items = Encoder(tokenizer, "plain", MAX_LENGTH).items(rows, settings.objective)
    plan = fit.planned(
        settings,
        items,
        equal_to=None,
        vocabulary=model.get_input_embeddings().num_embeddings,
        bfloat16=args.device.startswith("cuda"),
        device=args.device.split(":")[0],
    )
    form = fit.batch_form(model, settings, plan)
    arguments = fit.arguments(settings, plan, folder, model=model, validate=False)
    arguments.save_strategy = SaveStrategy.NO  # or the last update would write a checkpoint
    with fit.installed(model, form):
        epochs = Epochs(judge, work, tokenizer, lines)
        trainer = Trainer(
            model,
            arguments,
            settings=settings,
            items=items,
            validation=[],
            callbacks=[epochs],
            form=form,
        )
        epochs.trainer = trainer
        trainer.train()
        model.load_state_dict(epochs.best)
        test = Tried(work, "test", tokenizer)
        logits = test.logits(trainer)
    jsonl.write(folder / "scores.jsonl", test.scored(logits))
    found = {
        "pairs": kept["rows"],
        "problems_used": kept["problems_used"],
        "tokens": sum(len(reading.ids) for item in items for reading in item.readings),
        "updates": plan.updates,
        "validation_auc": epochs.curve,
        "best_epoch": int(np.argmax(epochs.curve)),
        "test_auc": test.auc(logits),
    }
    jsonl.write_json(folder / "found.json", found)
    return found


def settings_of(judge: Judge, args: Namespace) -> TrainingSettings:
    """Return the settings of a judge's training: equally many pairs per update for any loss."""
    rows = PAIRS * (2 if judge.loss == "xent" else 1)
    return TrainingSettings(
        objective="cls-xent" if judge.loss == "xent" else "cls-margin",
        epochs=EPOCHS,
        batch_size=4 if args.tiny else rows,
        micro_batch_size=4 if args.tiny else rows // 2,
        learning_rate=RATE,
        warmup=0.05,
        max_length=MAX_LENGTH,
        prompt="plain",
        seed=judge.seed,
    )


class Tried:
    """All candidates of a split, read in batches by a model that is being trained."""

    def __init__(self, work: Path, split: str, tokenizer: Any) -> None:
        labelled, self.grades = candidates(work, split)
        encoder = Encoder(tokenizer, "plain", 8 * MAX_LENGTH)
        named = [(row.problem_id, row) for row in labelled]
        self.items = encoder.items(named, "cls-xent")
        if encoder.left_out:
            raise ValueError(f"{encoder.left_out} candidates are too long")
        self.right = np.array([row.correct for row in labelled])
        self.problem = np.unique([row.problem_id for row in labelled], return_inverse=True)[1]

    @torch.no_grad()
    def logits(self, trainer: Trainer) -> np.ndarray:
        """log p(correct) - log p(incorrect) of every candidate."""
        trainer.trained.eval()
        found = np.zeros(len(self.items))
        order = np.argsort([item.length for item in self.items], kind="stable")
        for start in range(0, len(order), AT_ONCE):
            chosen = order[start : start + AT_ONCE]
            found[chosen] = self._read(trainer, [self.items[at] for at in chosen])
        trainer.trained.train()
        return found

    def _read(self, trainer: Trainer, items: Sequence[Item]) -> np.ndarray:
        packed = trainer.form in PACKED
        batch: Any = collate(items, texts=2, packed=packed, idle=items[0])
        batch = trainer._prepare_inputs(batch)
        log_p = trainer._log_p(trainer.model_wrapped, batch)
        sums = objectives.text_log_p(log_p, batch["texts"], count=2 * len(items)).view(-1, 2)
        return (sums[:, 0] - sums[:, 1]).double().cpu().numpy()

    def auc(self, logits: np.ndarray) -> float:
        """Return its mean within the problems that have right and wrong samples."""
        return float(np.mean(list(within_auc(logits, self.right, self.problem).values())))

    def scored(self, logits: np.ndarray) -> Iterator[Scored]:
        """Yield rows of scores."""
        for grade, score in zip(self.grades, 1 / (1 + np.exp(-logits)), strict=True):
            yield Scored(problem_id=grade.problem_id, index=grade.index, score=float(score))


class Epochs(TrainerCallback):
    """After every epoch: the AUC within the validation problems; the best weights are kept."""

    trainer: Trainer

    def __init__(self, judge: Judge, work: Path, tokenizer: Any, lines: Lines) -> None:
        self.judge, self.lines = judge, lines
        self.tried = Tried(work, "validation", tokenizer)
        self.curve: list[float] = []
        self.best: dict[str, Any] = {}

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._try()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self._try()

    def _try(self) -> None:
        self.curve.append(self.tried.auc(self.tried.logits(self.trainer)))
        self.lines.write(self.judge.name, epoch=len(self.curve) - 1, auc=self.curve[-1])
        if self.curve[-1] == max(self.curve):
            state = self.trainer.trained.state_dict()
            self.best = {name: value.detach().clone() for name, value in state.items()}


if __name__ == "__main__":
    sys.exit(main())
