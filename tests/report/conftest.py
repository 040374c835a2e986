"""A small finished run, measured for real: hand-made samples, hostile texts among them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mathtune.rows import jsonl
from mathtune.rows.metrics import (
    NearMetrics,
    PrepareMetrics,
    SampleMetrics,
    SolutionMetrics,
    SplitMetrics,
    TrainMetrics,
)
from mathtune.rows.records import Graded, Problem, Sample, Scored, Verdict
from mathtune.stages.measure import Measure

HOSTILE = (
    "<script>document.title = 'owned'</script>",
    "</script></textarea><img src=x onerror=\"document.title = 'owned'\">",
    "\u202eright to left\u202c \u200fmark\u200e and a \x00 control \x1b[31m",
    "broken UTF-8 was here: \ufffd\ufffd; {{ 7 * 7 }} {% raw %} ]]> --> &lt;b&gt;",
)

# Per problem: the answers of four samples and of the greedy solution, and the scores; gold is 1.
TEST = {
    "all": ("1111", "1", (0.9, 0.8, 0.7, 0.6)),
    "saved": ("2213", "2", (0.1, 0.2, 0.9, 0.3)),
    "never": ("2345", "2", (0.4, 0.3, 0.2, 0.1)),
    "mixed": ("1122", "1", (0.2, 0.1, 0.3, 0.1)),
    'a"<b>|/ü#': ("12--", "2", (0.6, 0.5, 0.5, 0.5)),
}
VALIDATION = {
    "v1": ("2213", "", (0.1, 0.2, 0.9, 0.3)),
    "v2": ("1123", "", (0.9, 0.8, 0.1, 0.2)),
}


class Maker:
    """Writes the steps of a run folder one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: list[dict[str, Any]] = []

    def step(self, name: str, stage: str, config: dict[str, Any], metrics: dict[str, Any]) -> None:
        place = self.folder / name
        place.mkdir(exist_ok=True)
        jsonl.write_json(place / "metrics.json", metrics)
        bill = {"wall_s": 1.5, "cpu_s": 2.25, "sampled_tokens": 1000}
        made_with = {"mathtune": "0.1.0", "device": "cpu", "commit": None}
        record = {"revision": Measure.revision, "bill": bill, "made_with": made_with}
        jsonl.write_json(place / "step.json", record)
        self.steps.append({"name": name, "stage": stage, "reads": [], "config": config})

    def problems(self, split: str, ids: dict[str, Any]) -> str:
        path = self.folder / "data" / f"{split}.jsonl"
        path.parent.mkdir(exist_ok=True)
        rows = [
            Problem(id=name, problem=f"What is {n}? {HOSTILE[0]}", answer="1", level=f"{n % 2}")
            for n, name in enumerate(ids)
        ]
        jsonl.write(path, rows)
        return f"data/{split}.jsonl"

    def samples(self, name: str, model: str, answers: dict[str, str]) -> list[str]:
        """Steps `<name>-samples` and `<name>-grades`; "-" stands for no answer."""
        samples, grades = [], []
        for problem_id, given in answers.items():
            for index, answer in enumerate(given):
                text = f"{HOSTILE[index]}\n#### {answer}"
                key: dict[str, Any] = {"problem_id": problem_id, "index": index}
                samples.append(Sample(**key, text=text, finish_reason="stop", tokens=9))
                found = answer != "-"
                grades.append(
                    Graded(
                        **key,
                        answer=answer if found else None,
                        rule="hashes" if found else None,
                        verdict=_verdict(answer),
                        cluster=given.index(answer) if found else None,
                    )
                )
        config = {"model": model, "few_shot": None}
        self.step(f"{name}-samples", "sample", config, _sampled(len(samples)))
        self.step(f"{name}-grades", "grade", {}, {})
        jsonl.write(self.folder / f"{name}-samples" / "samples.jsonl", samples)
        jsonl.write(self.folder / f"{name}-grades" / "grades.jsonl", grades)
        return [f"{name}-samples/samples.jsonl", f"{name}-grades/grades.jsonl"]

    def trained(self, name: str, start: str, objective: str, examples: str, updates: int) -> None:
        """Step `<name>`, a train step whose model has 6 parameters that are no embeddings."""
        config = {"model": start, "objective": objective, "examples": [examples]}
        done = TrainMetrics(
            objective=objective,
            examples=9,
            target_tokens=90,
            truncated=0,
            left_out=0,
            updates=updates,
            loss=0.5,
            final_loss=0.4,
        )
        self.step(name, "train", config, msgspec.to_builtins(done))
        model = self.folder / name / "model"
        model.mkdir()
        jsonl.write_json(model / "config.json", {"num_hidden_layers": 1, "hidden_size": 3})
        tensors = {"model.embed_tokens.weight": [5, 3], "layers.0.up.weight": [2, 3]}
        head = json.dumps({name: {"shape": shape} for name, shape in tensors.items()}).encode()
        (model / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head)

    def scores(self, name: str, given: dict[str, tuple[float, ...]]) -> str:
        rows = [
            Scored(problem_id=problem_id, index=index, score=score)
            for problem_id, scores in given.items()
            for index, score in enumerate(scores)
        ]
        self.step(f"{name}-scores", "score", {"model": "evaluator/model"}, {})
        jsonl.write(self.folder / f"{name}-scores" / "scores.jsonl", rows)
        return f"{name}-scores/scores.jsonl"

    def measure(self, name: str, config: dict[str, Any]) -> None:
        """Step `<name>-row`, measured by the stage itself."""
        full = {
            "greedy": None,
            "choose_on": None,
            "cluster_by": None,
            "against": {},
            "k": 2,
            "resamples": 200,
        } | config
        here = self.folder

        def placed(value: Any) -> Any:
            if isinstance(value, str):
                return here / value
            if isinstance(value, dict):
                return {key: placed(item) for key, item in value.items()}
            return [placed(item) for item in value] if isinstance(value, list) else value

        place = here / f"{name}-row"
        place.mkdir()
        metrics = Measure(**{key: placed(value) for key, value in full.items()}).run(place)
        self.step(f"{name}-row", "measure", full, msgspec.to_builtins(metrics))


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run: base, ssft (scored, K chosen on validation), and `again` beside its control ssft."""
    make = Maker(tmp_path_factory.mktemp("run"))
    test = make.problems("test", TEST)
    validation = make.problems("validation", VALIDATION)
    split = SplitMetrics(problems=9, repeated_within=0, mean_characters=101.6)
    prepared = PrepareMetrics(
        train=split,
        validation=split,
        test=split,
        solutions=SolutionMetrics(solutions=12, problems=9, mean_characters=None),
        shared_problems_dropped={},
        near_test=NearMetrics(problems=0, first=[]),
    )
    make.step("data", "prepare", {"source": "made"}, msgspec.to_builtins(prepared))
    answers = {name: given for name, (given, _, _) in TEST.items()}
    greedy = {name: one for name, (_, one, _) in TEST.items()}

    columns = make.samples("base", "embedded", answers)
    make.measure("base", {"problems": test, "samples": columns})

    make.trained("ssft", "embedded", "mle", "data/solutions.jsonl", 12)
    make.trained("evaluator", "ssft/model", "cls-margin", "pairs/pairs.jsonl", 4)
    make.trained("again", "evaluator/model", "mle", "data/solutions.jsonl", 5)
    points = [b'{"update":%d,"loss":%f,"learning_rate":0.1}\n' % (n, 3 / n) for n in range(1, 13)]
    points.append(b'{"update":12,"validation_loss":0.5}\n')
    (make.folder / "ssft" / "training.jsonl").write_bytes(b"".join(points))

    chosen = make.samples("validation", "x", {name: row[0] for name, row in VALIDATION.items()})
    chosen.append(make.scores("validation", {name: row[2] for name, row in VALIDATION.items()}))
    make.measure("validation", {"problems": validation, "samples": chosen})

    columns = make.samples("ssft", "ssft/model", answers)
    columns.append(make.scores("ssft", {name: row[2] for name, row in TEST.items()}))
    first = make.samples("ssft-greedy", "ssft/model", greedy)
    config = {"problems": test, "samples": columns, "greedy": first}
    make.measure("ssft", {**config, "choose_on": "validation-row"})

    better = dict(greedy, saved="1")
    columns = make.samples("again", "again/model", answers)
    first = make.samples("again-greedy", "again/model", better)
    config = {"problems": test, "samples": columns, "greedy": first}
    make.measure("again", {**config, "against": {"ssft": "ssft-row"}})

    jsonl.write_json(make.folder / "plan.json", {"recipe": "made", "steps": make.steps})
    return make.folder


def _sampled(samples: int) -> dict[str, Any]:
    metrics = SampleMetrics(
        problems=5,
        n=samples // 5,
        samples=samples,
        tokens=9 * samples,
        mean_tokens=9.0,
        finish_reasons={"stop": samples, "length": 0, "prompt_too_long": 0},
        prompts_too_long=[],
    )
    return msgspec.to_builtins(metrics)


def _verdict(answer: str) -> Verdict:
    if answer == "-":
        return Verdict.no_answer
    return Verdict.correct if answer == "1" else Verdict.wrong
