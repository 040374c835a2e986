"""The accelerate configs in launch/ are ones that accelerate reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("accelerate")

from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

LAUNCH = Path(__file__).parents[1] / "launch"
KINDS = {
    "cpu": "MULTI_CPU",
    "ddp": "MULTI_GPU",
    "fsdp2": "FSDP",
    "deepspeed-zero2": "DEEPSPEED",
    "deepspeed-zero3": "DEEPSPEED",
}


def test_every_config_is_listed() -> None:
    assert {path.stem for path in LAUNCH.glob("*.yaml")} == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_accelerate_reads_it(name: str) -> None:
    path = LAUNCH / f"{name}.yaml"
    config = load_config_from_file(str(path))
    assert str(config.distributed_type).rpartition(".")[2] == KINDS[name]
    assert config.num_processes == (2 if name == "cpu" else 8)
    text = path.read_text()
    assert f"launch/{name}.yaml -m mathtune train" in text
    assert ("Not run here" in text) == (name != "cpu")


@pytest.mark.parametrize("name", ["fsdp2", "deepspeed-zero2", "deepspeed-zero3"])
def test_its_settings_reach_the_launch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["launch"])
    given = ["--config_file", str(LAUNCH / f"{name}.yaml"), "-m", "mathtune", "train"]
    args = launch_command_parser().parse_args(given)
    args, _, _ = _validate_launch_command(args)
    if name == "fsdp2":
        assert args.use_fsdp
        assert str(args.fsdp_version) == "2"
    else:
        assert args.use_deepspeed
        assert str(args.zero_stage) == name[-1]
        # Left to the Trainer: DeepSpeed refuses numbers that are not those of its arguments.
        assert args.gradient_clipping is args.gradient_accumulation_steps is None
