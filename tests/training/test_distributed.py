"""Two processes on a CPU (gloo) train to the losses and weights of one, for every objective."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file

from mathtune.rows import jsonl
from mathtune.stages.train import Train
from mathtune.training.curve import CurvePoint

OBJECTIVES = ["mle", "cls-margin", "cls-xent", "ctr", "mul-margin", "mul-xent"]
LAUNCH = Path(__file__).parents[2] / "launch"


def config(tiny: str, objective: str, examples: Path, pairs: Path) -> dict[str, Any]:
    rows = str(examples if objective == "mle" else pairs)
    return {
        "model": tiny,
        "objective": objective,
        "examples": [rows],
        "validation": [rows],
        "choose": "loss",
        # 13 rows in batches of 8, two at once: the last batch of an epoch has 5, so that one
        # process of two has an empty turn.
        "batch_size": 8,
        "micro_batch_size": 2,
        "epochs": 2,
        "learning_rate": 1e-3,
        "save_every": 1,
        "device": "cpu",
        "threads": 1,
    }


def launch(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )


def numbers(point: CurvePoint) -> list[float]:
    """What a row of the curve holds."""
    values = (getattr(point, name) for name in CurvePoint.__struct_fields__)
    return [value for value in values if value is not None]


TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.slow
def test_two_processes_train_as_one(
    tiny: str, example_file: Path, pair_file: Path, tmp_path: Path
) -> None:
    configs = {name: config(tiny, name, example_file, pair_file) for name in OBJECTIVES}
    configs["adapters"] = {**configs["mul-margin"], "lora": {"rank": 2}}
    (tmp_path / "configs.json").write_text(json.dumps(configs))
    script = str(Path(__file__).with_name("launched.py"))
    done = launch(*TORCHRUN, script, str(tmp_path), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for name, values in configs.items():
        alone, together = tmp_path / "alone" / name, tmp_path / "launched" / name
        alone.mkdir(parents=True)
        Train(**values).run(alone)
        assert sorted(p.name for p in together.iterdir()) == [
            "README.md",
            "model",
            "training.jsonl",
        ]
        curves = [list(jsonl.read(f / "training.jsonl", CurvePoint)) for f in (alone, together)]
        assert len(curves[0]) >= 4 + 2  # updates and validations
        for one, two in zip(*curves, strict=True):
            assert one.update == two.update
            for a, b in zip(numbers(one), numbers(two), strict=True):
                assert b == pytest.approx(a, rel=1e-4, abs=1e-6), name
        weights = [load_file(f / "model" / "model.safetensors") for f in (alone, together)]
        for key, weight in weights[0].items():
            # AdamW's first updates are of the size of the rate whatever the gradient's: where a
            # gradient is nothing but rounding, so is its sign.
            assert (weights[1][key] - weight).abs().mean() < 1e-5, (name, key)


@pytest.mark.slow
def test_sigterm_to_one_of_two_processes_ends_both_after_the_same_update(
    tiny: str, example_file: Path, tmp_path: Path
) -> None:
    settings = {**config(tiny, "mle", example_file, example_file), "epochs": 5000}
    (tmp_path / "configs.json").write_text(json.dumps({"long": settings}))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    script = str(Path(__file__).with_name("launched.py"))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    both = []
    for rank in ("0", "1"):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        both.append(
            subprocess.Popen([sys.executable, script, str(tmp_path)], env=environment | place)
        )
    curve = tmp_path / "launched" / "long" / "training.jsonl"
    while not (curve.exists() and curve.read_bytes().count(b"\n") > 3):
        assert [process.poll() for process in both] == [None, None]
        time.sleep(0.05)
    both[1].send_signal(signal.SIGTERM)
    try:
        assert [process.wait(timeout=120) for process in both] == [0, 0]
    finally:
        for process in both:
            process.kill()
    (saved,) = (curve.parent / "checkpoints").iterdir()
    last = max(point.update for point in jsonl.read(curve, CurvePoint))
    assert saved.name == f"checkpoint-{last}"
    assert sorted(file.name for file in saved.glob("random-*")) == [
        "random-0.safetensors",
        "random-1.safetensors",
    ]


@pytest.mark.slow
def test_the_command_in_two_processes(tiny: str, example_file: Path, tmp_path: Path) -> None:
    settings = [f"model={tiny}", "batch_size=4", "epochs=1", "device=cpu", "--out", "out"]
    train = ("-m", "mathtune", "train", str(example_file), *settings)
    done = launch(*TORCHRUN, *train, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "step.json").exists()
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["updates"] == 4
    assert done.stderr.count("13 examples, 4 updates of 4") == 1
    again = launch(
        "accelerate.commands.launch",
        "--config_file",
        str(LAUNCH / "cpu.yaml"),
        *train,
        folder=tmp_path,
    )
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("finished before, skipped") == 1
    refused = launch(
        *TORCHRUN, "-m", "mathtune", "run", "quickstart", "--out", "run", folder=tmp_path
    )
    assert refused.returncode != 0
    assert "launched as 2 processes: a recipe runs in one" in refused.stderr
    assert not (tmp_path / "run").exists()
