"""Interrupt small runs of three recipes at every kind of step, and prove each file whole.

    python benchmarks/torture.py                      # make torture: 20 minutes
    python benchmarks/torture.py --seconds 60         # a sample of it
    python benchmarks/torture.py --kills 20 --seed 7  # at least so many kills, other moments

One run of each recipe is left alone. Others are interrupted again and again: SIGKILL, SIGTERM or
SIGINT just before a file of the run folder is opened, renamed or removed (anywhere, or in the kind
of step that was hit least; the report is a kind, too), or after some CPU time, and a full disk
(Linux, as root: a small tmpfs; elsewhere no file may grow beyond a limit). Between two attempts the
folder may move, its files' times may change, and the clock may go back years. A complete run must
have every file of rows, every model and metrics.json byte for byte as the one left alone, and
nothing else. No attempt may end in a traceback.

Attempts are forked from this process, which has imported everything once: an attempt costs what it
works. The moments come from `--seed`; with CPU time as their clock, another machine has others.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torture_attempt import ALONE, RECIPES, Blow, attempt

from mathtune.run.documents import read_plan
from mathtune.run.names import STARTED, STEP

TMPFS = 64 * 2**20
PER_RUN = 70
"""Interruptions of one run; then it is left alone, so that many are completed and compared."""
RESUME_S = 0.03
"""CPU seconds that an attempt needs for each step that is finished."""
REPORT, REPORT_FILES = "report", ("report.", ".report.", "metrics.json", "figures")
AHEAD = 4
"""Steps among which a blow chooses."""
COMPARED = (".jsonl", ".safetensors", "metrics.json", "plan.json")


@dataclass
class Count:
    """What was tried, by kind, what survived, and what each kill hit."""

    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    between: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    runs: int = 0

    @property
    def kills(self) -> int:
        """Attempts that were ended by a signal."""
        return sum(count for kind, count in self.tried.items() if kind.startswith("SIG"))


def under_way(folder: Path, blow: Blow) -> str:
    """Name what an interrupted run was doing: a stage, or planning, or the report."""
    if not (folder / "plan.json").exists():
        return "planning"
    steps = read_plan(folder).steps
    for step in steps:
        if (folder / step.name / STARTED).exists():
            return step.stage
    left = [step for step in steps if not (folder / step.name / STEP).exists()]
    if not left:
        return REPORT
    return left[0].stage if f"{left[0].name}/" in blow.below else "between steps"


def aims(folder: Path) -> list[tuple[str, tuple[str, ...]]]:
    """The next things that a run will write: the stage of each, and how their paths begin."""
    if not (folder / "plan.json").exists():
        return [("planning", ("",))]
    steps = read_plan(folder).steps
    left = [step for step in steps if not (folder / step.name / STEP).exists()]
    found: list[tuple[str, tuple[str, ...]]] = [(REPORT, REPORT_FILES)] if len(left) < AHEAD else []
    return [*found, *((step.stage, (f"{step.name}/",)) for step in left[:AHEAD])]


def differences(whole: Path, folder: Path) -> list[str]:
    """Name the files that are not as in the run that was left alone."""
    files = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    wrong = [f"{name}: not in the other run" for name in sorted(files ^ found)]
    for name in sorted(files & found):
        if name.endswith(COMPARED) and (whole / name).read_bytes() != (folder / name).read_bytes():
            wrong.append(f"{name}: differs")
    return wrong


def torture(
    place: Path, *, seconds: float, kills: int, draw: random.Random, tell: Callable[[str], None]
) -> Count:
    """Interrupt runs in `place` for so many seconds, and until there were so many kills."""
    count, begun, costs = Count(), time.monotonic(), {}
    log = place / "log"
    for recipe in RECIPES:
        before = _children_s()
        if (code := attempt(recipe, place / recipe, ALONE, log)) != 0:
            raise SystemExit(f"the {recipe} left alone ended with {code}:\n{log.read_text()}")
        costs[recipe] = _children_s() - before
        steps = read_plan(place / recipe).steps
        tell(f"{recipe} left alone: {costs[recipe]:.1f} CPU-s, {len(steps)} steps")

    def enough() -> bool:
        return time.monotonic() - begun >= seconds and count.kills >= kills

    with _disk(place / "disk") as disk:
        for recipe in itertools.cycle(RECIPES):
            if enough():
                break
            _one_run(recipe, disk, costs[recipe], count, draw, enough=enough)
            tell(f"{time.monotonic() - begun:.0f} s: {count.runs} runs, {count.kills} kills")
            if count.faults:
                break
    return count


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _one_run(
    recipe: str,
    disk: Path,
    cost: float,
    count: Count,
    draw: random.Random,
    *,
    enough: Callable[[], bool],
) -> None:
    """Interrupt one run until it is complete; compare it with the one left alone."""
    log = disk.parent / "log"
    folder, number, stalled = disk / "run-0", 0, 0
    done = -1
    while True:
        over = number >= PER_RUN or enough()
        blow = ALONE if over else _drawn(folder, cost, (stalled, done), count, draw)
        with _filled(disk, blow.room):
            code = attempt(recipe, folder, blow, log)
        where = under_way(folder, blow)
        if code == 0 and where == REPORT:
            break  # a training that is asked to stop leaves with 0, too
        if blow.room is None and code in (1, 2, 70):  # no blow ends so: it refused what it found
            count.faults.append(f"{blow}, ended with {code}: {log.read_text()[-3000:]}")
            return
        count.tried[blow.kind] += 1
        count.hit[where] += 1
        if "Traceback" in (said := log.read_text(errors="replace")):
            count.faults.append(f"{blow}: {said[-3000:]}")
            return
        count.survived[blow.kind] += 1
        now = sum(1 for _ in folder.rglob(STEP)) if folder.exists() else 0
        stalled, done = (stalled + 1, done) if now <= done else (0, now)
        number += 1
        folder = _between(folder, disk / f"run-{number}", count, draw)
    count.runs += 1
    if wrong := differences(log.parent / recipe, folder):
        count.faults.append(f"run {count.runs} is not as the one left alone: {wrong[:8]}")
        return
    shutil.rmtree(folder)


def _drawn(
    folder: Path, cost: float, at: tuple[int, int], count: Count, draw: random.Random
) -> Blow:
    """Draw a blow, half of them where the fewest were. `at`: attempts that finished no step, and
    steps that are finished.
    """
    stalled, done = at
    clock = draw.choice([0.0, 0.0, 1e8])
    number = draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    kind = draw.random()
    if kind < 0.5:
        _, below = min(aims(folder), key=lambda aim: (count.hit[aim[0]], draw.random()))
        name = f"{number.name} before a write, aimed"
        return Blow(name, number, write=draw.randint(1, 8), below=below, clock_s=clock)
    if kind < 0.65:
        name = f"{number.name} before a write"
        return Blow(name, number, write=draw.randint(1, 8 + 8 * stalled), clock_s=clock)
    if kind < 0.9:
        late = draw.uniform(0.0, 0.06) * cost + RESUME_S * done
        return Blow(f"{number.name} at any time", number, cpu_s=late, clock_s=clock)
    return Blow("disk full", room=draw.randrange(1 << 18 if draw.random() < 0.5 else 2 << 20))


def _between(folder: Path, other: Path, count: Count, draw: random.Random) -> Path:
    """Move the folder, or change its files' times, or leave it."""
    if not folder.exists():
        return folder
    if draw.random() < 0.3:
        folder.rename(other)
        count.between["folder moved"] += 1
        folder = other
    if draw.random() < 0.3:
        for path in folder.rglob("*"):
            when = draw.randrange(2**31)
            os.utime(path, (when, when))
        count.between["times of files changed"] += 1
    return folder


@contextlib.contextmanager
def _disk(place: Path) -> Iterator[Path]:
    """A small disk to fill, where one can be mounted; else a folder."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS}", "none", str(place)]
    mounted = subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield place
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


@contextlib.contextmanager
def _filled(disk: Path, room: int | None) -> Iterator[None]:
    """Leave only `room` bytes of the disk during the block."""
    filler = disk / "filler"
    if room is not None and os.path.ismount(disk):
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        with filler.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, free - room))
    yield
    filler.unlink(missing_ok=True)


def table(count: Count) -> str:
    """Return the figures as Markdown tables."""
    lines = ["| interruption | tried | survived |", "|---|---:|---:|"]
    lines += [f"| {kind} | {n} | {count.survived[kind]} |" for kind, n in _sorted(count.tried)]
    lines += ["", "| during | interruptions |", "|---|---:|"]
    lines += [f"| {name} | {n} |" for name, n in _sorted(count.hit)]
    between = ", ".join(f"{name} {n} times" for name, n in _sorted(count.between))
    ended = f"{count.kills} kills; {count.runs} runs completed and compared"
    return "\n".join([*lines, "", f"{ended}; between attempts: {between}"])


def _sorted(counter: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counter.items())


def main() -> int:
    """Torture, print the figures; 1 if something was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--kills", type=int, default=0, help="at least so many")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the disk is unmounted
    preload()
    with tempfile.TemporaryDirectory(prefix="torture-") as place:
        count = torture(
            Path(place).resolve(),
            seconds=options.seconds,
            kills=options.kills,
            draw=random.Random(options.seed),
            tell=lambda line: print(line, file=sys.stderr, flush=True),
        )
    print(table(count))
    for fault in count.faults:
        print(f"LOST: {fault}", file=sys.stderr)
    return 1 if count.faults else 0


def preload() -> None:
    """Import what attempts need; no thread may be started before they are forked."""
    import torch

    import mathtune.cli.main
    import mathtune.cli.stages
    import mathtune.engines.transformers.preload
    import mathtune.report.page
    import mathtune.training.fit  # noqa: F401
    from mathtune.engines import embedded_model
    from mathtune.engines.transformers.models import load
    from mathtune.run.fingerprint import content_hash

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core: no step goes on beside
    torch.set_num_threads(1)
    content_hash(embedded_model.path())
    load("embedded", device="cpu")


if __name__ == "__main__":
    sys.exit(main())
