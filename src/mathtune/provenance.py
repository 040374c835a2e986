"""What a result was made with: commit, versions, device. Stands beside results, not in them."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mathtune.version import __version__

PACKAGES = ("torch", "transformers", "peft", "accelerate", "datasets", "vllm", "numpy")


def record() -> dict[str, str | int | None]:
    """Versions, commit, device and time, for `step.json`."""
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {**environment(), "finished": finished}


@cache
def environment() -> dict[str, str | int | None]:
    """What to paste into a bug report."""
    return {
        "mathtune": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "device": _device(),
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device() -> str:
    """The accelerator's name where torch is loaded; importing it for this would cost seconds."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "cpu"


def _commit() -> str | None:
    """The commit of a source checkout, None for an installed package."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
