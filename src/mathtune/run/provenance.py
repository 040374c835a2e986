"""The provenance of results: commit, versions, device. Recorded next to results, not in them."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mathtune.run.cores import usable_cores
from mathtune.run.version import __version__

PACKAGES = (
    *("torch", "transformers", "tokenizers", "peft", "accelerate", "datasets", "vllm", "ray"),
    *("numpy", "pydantic", "math-verify"),
)


TOLD = (
    *("MATHTUNE_DATA", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "HF_HUB_OFFLINE"),
    "TOKENIZERS_PARALLELISM",
)
"""The environment variables that change our behaviour; no others are read or shown."""


def record() -> dict[str, str | int | None]:
    """Return versions, commit, device and time, for `step.json`."""
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {**environment(), "finished": finished}


def environment() -> dict[str, str | int | None]:
    """Return versions, commit and device."""
    return {**_software(), "device": _device(), **_versions()}


def bug_report() -> dict[str, str | int | None]:
    """Return the facts for a bug report: no user, no host, no secret, the home folder as ~.

    Imports torch if it is installed, to ask for its devices and threads.
    """
    found = {**_software(), "memory": _memory()}
    if _version("torch"):
        import torch

        found["torch threads"] = torch.get_num_threads()
        accelerator = torch.accelerator
        if accelerator.is_available():
            count = accelerator.device_count()
            found["accelerators"] = f"{count} x {accelerator.current_accelerator()}"
        if torch.cuda.is_available():
            parts = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
            found["devices"] = "; ".join(
                f"{part.name}, {part.total_memory / 2**30:.0f} GiB" for part in parts
            )
            found["cuda"] = torch.version.cuda
    found["device"] = _device()
    told = {name: os.environ.get(name, "not set").replace(str(Path.home()), "~") for name in TOLD}
    return {**found, **_versions(), **told}


@cache
def _software() -> dict[str, str | int | None]:
    return {
        "mathtune": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": usable_cores(),
    }


@cache
def _versions() -> dict[str, str | int | None]:
    return {name: found for name in PACKAGES if (found := _version(name))}


def _memory() -> str:
    if not hasattr(os, "sysconf"):  # as on Windows
        return "unknown"
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{size / 2**30:.1f} GiB"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _device() -> str:
    """Return the accelerator's name if torch is loaded; importing torch for this costs seconds."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "cpu"


def _commit() -> str | None:
    """Return the commit of a source checkout; None for an installed package.

    In a checkout this file is src/mathtune/run/provenance.py. An installed package may be inside a
    repository, too, but that one is another project's.
    """
    source, root = Path(__file__).parents[2:4]
    if source.name != "src" or not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
