"""The accelerate configs in launch/ are ones that accelerate reads."""

from __future__ import annotations

import os
import re
import socket
import subprocess
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


def listening() -> socket.socket:
    """Something that listens at a port a job can have."""
    for port in range(20000, 40000):
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    raise AssertionError("no port is free")


def test_a_server_takes_a_port_that_is_free(tmp_path: Path) -> None:
    """With stand-ins for what the script calls; another program listens at the job's own port."""
    (tmp_path / "bin").mkdir()
    stand_ins = {"vllm": "exec sleep 60", "curl": "", "mathtune": 'echo "$@"', "activate": ""}
    for name, body in stand_ins.items():
        (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    with listening() as taken:
        port = taken.getsockname()[1]
        environment = {
            "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
            "MATHTUNE_VENV": str(tmp_path),
            "SLURM_JOB_ID": str(port - 20000),
        }
        said = subprocess.run(
            ["bash", LAUNCH / "slurm_server.sbatch", "small", "sample", "p.jsonl"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    found = re.search(r"^sample p.jsonl model=small server.url=http://127.0.0.1:(\d+)/v1 ", said)
    assert found is not None
    assert int(found[1]) > port
