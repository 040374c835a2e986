"""One attempt at a run, and the blow that it is dealt. Under torture.

An attempt is forked from a process that has imported everything once: it costs what it works.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import cpu_s

SMALL = (
    *("data.train=8", "data.validation=4", "data.test=5"),
    *("train.epochs=1", "train.batch_size=4", "train.save_every=1", "measure.resamples=100"),
    *("sample.max_tokens=24", "sample.workers=1", "sample.block_size=2"),
)
JUDGED = ("score.workers=1", "score.block_size=2")
RECIPES = {
    "quickstart": (
        *("n=3", "n_rows=2", "n_train=2", "compare_judges=false", *JUDGED),
        *("pairs.per_problem=2", "pairs.right_from=gold"),
        *("drafts.max_tokens=136", "drafts.block_size=2", "validation-samples.block_size=2"),
    ),
    "rounds": (
        *("model=embedded", "data=arithmetic", "rounds=1", "k=2", "n=2", *JUDGED),
        *("round-1-drafts.max_tokens=136", "round-1-pairs.right_from=gold"),
    ),
    "yuan2023": (
        *("model=embedded", "data=arithmetic", "k=2", "n=2", "shots=1", "dedup_control=false"),
        "sft-drafts.max_tokens=136",
    ),
}
"""Together, all stages but `halve`, `findings` and `part`."""
WRITES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
"""The audit events at which an attempt may be interrupted."""
OUR_NAMES = (".lock", "plan.json", "forecast.json")
"""Written by every attempt, before it continues."""


@dataclass(frozen=True)
class Blow:
    """What happens to an attempt: a signal at the so many-th write to a path that begins with
    one of `below`, or after so much CPU time; or a disk on which so many bytes are left.
    """

    kind: str
    number: int = signal.SIGKILL
    write: int | None = None
    below: tuple[str, ...] = ("",)
    cpu_s: float | None = None
    room: int | None = None
    clock_s: float = 0.0


ALONE = Blow("none")


def attempt(recipe: str, folder: Path, blow: Blow, log: Path) -> int:
    """Fork an attempt and deal the blow; return how it ended, as `subprocess` does."""
    child = os.fork()
    if child == 0:
        _work(recipe, folder, blow, log)
    try:
        while (
            blow.cpu_s is not None
            and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        ):
            if _cpu_s(child) >= blow.cpu_s:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, blow.number)
                break
            time.sleep(0.02)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except BaseException:  # this process is stopped: the attempt ends with it
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        raise


def _work(recipe: str, folder: Path, blow: Blow, log: Path) -> None:
    """In the child: run the recipe as the command line does, and leave."""
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    code: Any = 70
    try:
        if blow.write is not None:
            _strike_at(blow.write, blow, folder)
        if blow.room is not None and not os.path.ismount(folder.parent):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (blow.room, resource.RLIM_INFINITY))
        if blow.clock_s:
            now = time.time
            time.time = lambda: now() - blow.clock_s
        sys.argv = ["mathtune", "run", recipe, *SMALL, *RECIPES[recipe], "--out", str(folder)]
        from mathtune.__main__ import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _strike_at(write: int, blow: Blow, folder: Path) -> None:
    """Send the signal at the so many-th write; in a place with fewer, at the next elsewhere."""
    inside, seen = f"{folder}/", 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in WRITES or not isinstance(arguments[0], str | os.PathLike):
            return
        path = os.fspath(arguments[0])
        if not path.startswith(inside) or path.endswith(OUR_NAMES):
            return
        if event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if f"{path[len(inside) :]}/".startswith(blow.below):
            seen += 1
        elif 0 < seen < write:
            seen = write
        if seen == write:
            seen += 1  # once
            os.killpg(os.getpid(), blow.number)

    sys.addaudithook(hook)


def _cpu_s(process: int) -> float:
    with contextlib.suppress(OSError):
        return cpu_s(process)
    return 0.0
