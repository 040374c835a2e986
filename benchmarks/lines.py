"""Results that are written as they come: one JSON object per line, and checks that catch their own
errors, so that one run finds every fault. Used by the parts of cuda.sh.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


class Lines:
    """A file of JSON lines. Each line is flushed as it is written, and printed.

    Attributes:
        failed: the names of the checks that did not hold.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("a")
        self._start = time.monotonic()
        self.failed: list[str] = []

    @property
    def seconds(self) -> float:
        """Seconds since the part began."""
        return time.monotonic() - self._start

    def write(self, name: str, **values: Any) -> None:
        """Write one line, the seconds since the start in it."""
        row = {"name": name, "at": round(self.seconds, 1), **values}
        self._stream.write(json.dumps(row) + "\n")
        self._stream.flush()
        print(json.dumps(row), flush=True)

    def check(self, name: str, run: Callable[[], dict[str, Any]]) -> None:
        """Write what `run` found; `ok` in it says whether the check held. An error is a line."""
        start = time.monotonic()
        try:
            found = run()
        except Exception as error:
            trace = traceback.format_exc().splitlines()[-14:]
            found = {"ok": False, "error": f"{type(error).__name__}: {error}"[:600], "trace": trace}
            del error
        if not found.get("ok", True):
            self.failed.append(name)
        self.write(name, took=round(time.monotonic() - start, 2), **found)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def finish(self) -> int:
        """Write which checks failed; the exit code."""
        self.write("finished", failed=self.failed)
        return 1 if self.failed else 0


def arguments(description: str) -> argparse.ArgumentParser:
    """Return the options that all parts have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the results")
    parser.add_argument("--work", type=Path, required=True, help="the folder of models and rows")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu for a rehearsal")
    parser.add_argument("--tiny", action="store_true", help="as small as a rehearsal may be")
    parser.add_argument("--model", default="models/smollm2", help="a model folder, or embedded")
    return parser


def refuse_without(device: str) -> None:
    """Leave with a sentence if the device is not there."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        print(f"--device {device}: torch finds none on this machine.", file=sys.stderr)
        raise SystemExit(2)


def synchronized(device: str) -> float:
    """Return the clock once the device has finished its work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()
