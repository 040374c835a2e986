"""Interrupt a small quickstart wherever it can be hit, until every file is proved whole.

    python benchmarks/torture.py                      # make torture: 20 minutes
    python benchmarks/torture.py --seconds 60         # a sample of it
    python benchmarks/torture.py --kills 20 --seed 7  # at least so many kills, other moments

One run is left alone. Others are interrupted again and again: SIGKILL just before a file of the run
folder is opened, renamed or removed, SIGKILL, SIGTERM and SIGINT after some CPU time, and
a full disk (Linux, as root: a small tmpfs; elsewhere no file may grow beyond a limit). Between two
attempts the folder may move, its files' times may change, and the clock may go back years. A run
that is complete must have every file of rows, every model and metrics.json byte for byte as the one
left alone, and nothing else. No attempt may end in a traceback.

Attempts are forked from this process, which has imported everything once: an attempt costs what it
works. The moments come from `--seed`; with CPU time as their clock, another machine has others.
"""

from __future__ import annotations

import argparse
import contextlib
import json
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
from typing import Any

from mathtune.run.documents import read_plan
from mathtune.run.finished import STEP
from mathtune.run.step import STARTED

SMALL = (
    *("data.train=8", "data.validation=4", "data.test=5", "n=3", "n_rows=2", "n_train=2"),
    *("train.epochs=1", "train.batch_size=4", "train.save_every=1", "pairs.per_problem=2"),
    *("pairs.right_from=gold", "measure.resamples=100", "compare_judges=false"),
    *(
        "sample.max_tokens=24",
        "drafts.max_tokens=136",
        "sample.workers=1",
        "score.workers=1",
        "score.block_size=2",
    ),
    *("sample.block_size=2", "drafts.block_size=2", "validation-samples.block_size=2"),
)
WRITES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
"""The audit events at which an attempt may be killed, if they concern the run folder."""
OUR_NAMES = (".lock", "plan.json", "forecast.json")
"""Written by every attempt, before it goes on from where the last one was."""
TMPFS = 64 * 2**20
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


@dataclass(frozen=True)
class Blow:
    """What happens to an attempt: at the so many-th write, after so much CPU time, or a disk on
    which so many bytes are left. None of them: nothing happens.
    """

    kind: str
    number: int = signal.SIGKILL
    write: int | None = None
    cpu_s: float | None = None
    room: int | None = None
    clock_s: float = 0.0


def attempt(folder: Path, blow: Blow, log: Path) -> int:
    """Fork an attempt and deal the blow; return how it ended, as `subprocess` does."""
    child = os.fork()
    if child == 0:
        _work(folder, blow, log)
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


def _work(folder: Path, blow: Blow, log: Path) -> None:
    """In the child: run the recipe as the command line does, and leave."""
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    code: Any = 70
    try:
        if blow.write is not None:
            _kill_before(blow.write, folder)
        if blow.room is not None and not os.path.ismount(folder.parent):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (blow.room, resource.RLIM_INFINITY))
        if blow.clock_s:
            now = time.time
            time.time = lambda: now() - blow.clock_s
        sys.argv = ["mathtune", "run", "quickstart", *SMALL, "--out", str(folder)]
        from mathtune.__main__ import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _kill_before(number: int, folder: Path) -> None:
    inside, seen = str(folder), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in WRITES or not isinstance(arguments[0], str | os.PathLike):
            return
        path = os.fspath(arguments[0])
        if not path.startswith(inside) or path.endswith(OUR_NAMES):
            return
        if event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        seen += 1
        if seen == number:
            os.killpg(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _cpu_s(process: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def under_way(folder: Path) -> str:
    """Name what an interrupted run was doing: a stage, or planning, or the report."""
    if not (folder / "plan.json").exists():
        return "planning"
    steps = read_plan(folder).steps
    for step in steps:
        if (folder / step.name / STARTED).exists():
            return step.stage
    done = [step for step in steps if (folder / step.name / STEP).exists()]
    return "report" if len(done) == len(steps) else "between steps"


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
    count, begun = Count(), time.monotonic()
    whole, log = place / "whole", place / "log"
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    if (code := attempt(whole, Blow("none"), log)) != 0:
        raise SystemExit(f"the run that is left alone ended with {code}:\n{log.read_text()}")
    again = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = again.ru_utime + again.ru_stime - usage.ru_utime - usage.ru_stime
    tell(f"left alone: {cost:.1f} CPU-s, {len(read_plan(whole).steps)} steps")
    with _disk(place / "disk") as disk:
        while time.monotonic() - begun < seconds or count.kills < kills:
            _one_run(disk, whole, log, cost, count, draw)
            tell(f"{time.monotonic() - begun:.0f} s: {count.runs} runs, {count.kills} kills")
            if count.faults:
                break
    return count


def _one_run(
    disk: Path, whole: Path, log: Path, cost: float, count: Count, draw: random.Random
) -> None:
    """Interrupt one run until it is complete; compare it with the one left alone."""
    folder, number, stalled = disk / "run-0", 0, 0
    done = -1
    while True:
        blow = _drawn(draw, cost, stalled)
        with _filled(disk, blow.room):
            code = attempt(folder, blow, log)
        said = log.read_text(errors="replace")
        if code == 0 and under_way(folder) == "report":
            break  # a training that is asked to stop leaves with 0, too
        count.tried[blow.kind] += 1
        count.hit[under_way(folder) if folder.exists() else "planning"] += 1
        if "Traceback" in said:
            count.faults.append(f"{blow}: {said[-3000:]}")
            return
        count.survived[blow.kind] += 1
        now = sum(1 for _ in folder.rglob(STEP)) if folder.exists() else 0
        stalled, done = (stalled + 1, done) if now <= done else (0, now)
        number += 1
        folder = _between(folder, disk / f"run-{number}", count, draw)
    count.runs += 1
    if wrong := differences(whole, folder):
        count.faults.append(f"run {count.runs} is not as the one left alone: {wrong[:8]}")
        return
    shutil.rmtree(folder)


def _drawn(draw: random.Random, cost: float, stalled: int) -> Blow:
    """Draw a blow; after attempts that finished no step, later ones."""
    clock = draw.choice([0.0, 0.0, 1e8])
    kind = draw.random()
    if kind < 0.5:
        return Blow("SIGKILL before a write", write=draw.randint(1, 8 + 8 * stalled), clock_s=clock)
    if kind < 0.9:
        name = draw.choice(["SIGKILL", "SIGTERM", "SIGINT"])
        late = (draw.uniform(0.01, 0.05) + 0.02 * stalled) * cost
        return Blow(f"{name} at any time", getattr(signal, name), cpu_s=late, clock_s=clock)
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
    """The figures as a Markdown table."""
    lines = ["| interruption | tried | survived |", "|---|---:|---:|"]
    lines += [
        f"| {kind} | {n} | {count.survived[kind]} |" for kind, n in sorted(count.tried.items())
    ]
    lines += ["", "| during | interruptions |", "|---|---:|"]
    lines += [f"| {name} | {n} |" for name, n in sorted(count.hit.items())]
    lines += [
        "",
        f"{count.kills} kills; {count.runs} runs completed and compared; between attempts: ",
    ]
    lines[-1] += ", ".join(f"{name} {n} times" for name, n in sorted(count.between.items()))
    return "\n".join(lines)


def main() -> int:
    """Torture, print the figures; 1 if something was lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--kills", type=int, default=0, help="at least so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
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
    if options.json:
        print(json.dumps({"tried": count.tried, "survived": count.survived, "hit": count.hit}))
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
