"""Pre-train the bases of the scaling study, each in a process of its own, on one text.

    python -m pretraining.ladder --out models/ladder --together 2         two CPU cores
    python -m pretraining.ladder --out runs/ladder --device cuda --processes 16 --tars
    python -m pretraining.ladder --out runs/ladder --tiny                 a minute, to try it

The text is made once. Sizes and tokens are chosen so that neither alone orders the losses. Each
rung is a finished model: its learning rate has come down to zero. `--out` gets a model folder per
rung (or, with `--tars`, a NAME.tar of it), `heldout.jsonl` and `log.txt`.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated

import typer

from mathtune.data.arithmetic.puzzle import write
from mathtune.rows import jsonl
from mathtune.rows.records import Example
from pretraining import text
from pretraining.documents import SOLVED
from pretraining.schooling import draw


@dataclass(frozen=True, kw_only=True)
class Rung:
    """A base: its shape, and at most so many tokens (millions; 0: as long as the time allows)."""

    width: int
    layers: int
    millions: int
    batch: int
    lr: float = 4e-3

    @property
    def name(self) -> str:
        """`96x4` for the one that ends with the time, `96x4-30M` for the others."""
        return f"{self.width}x{self.layers}" + f"-{self.millions}M" * bool(self.millions)


RUNGS = (
    Rung(width=96, layers=4, millions=0, batch=32768, lr=6e-3),
    Rung(width=128, layers=6, millions=200, batch=65536, lr=6e-3),
    Rung(width=96, layers=4, millions=30, batch=8192),
    Rung(width=64, layers=4, millions=40, batch=16384),
    Rung(width=96, layers=4, millions=8, batch=4096),
)
"""The first one ships: it trains as long as the time allows."""
ON_CPU = (
    Rung(width=96, layers=4, millions=8, batch=4096),
    Rung(width=96, layers=4, millions=3, batch=2048),
    Rung(width=64, layers=4, millions=12, batch=4096),
    Rung(width=64, layers=4, millions=4, batch=2048),
)
"""What two CPU cores do in less than an hour."""
TINY = (
    Rung(width=32, layers=2, millions=0, batch=4096),
    Rung(width=16, layers=1, millions=1, batch=4096),
)


def held_out(count: int) -> Iterator[Example]:
    """Yield schooling text that no base has read, families in turn, for the pre-training loss."""
    rng = random.Random("held-out text")
    names, seen = list(SOLVED), set[str]()
    while len(seen) < count:
        puzzle = draw("test", names[len(seen) % len(names)], rng)
        if puzzle.text not in seen:
            seen.add(puzzle.text)
            yield Example(
                problem_id=f"held-out-{len(seen)}", problem=puzzle.text, solution=write(puzzle, rng)
            )


def command(rung: Rung, out: Path, source: Path, *, device: str, seconds: float) -> list[str]:
    """Pre-train one rung."""
    options = {
        "out": out / rung.name,
        "source": source,
        "width": rung.width,
        "layers": rung.layers,
        "tokens": rung.millions * 1_000_000,
        "seconds": seconds,
        "batch": rung.batch,
        "lr": rung.lr,
        "device": device,
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "pretraining.pretrain", *given]


def main(
    out: Annotated[Path, typer.Option(help="Folder of the rungs.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seconds: Annotated[float, typer.Option(help="The most that any rung trains; 0: any.")] = 0.0,
    unique: Annotated[int, typer.Option(help="Tokens of text; 0: 8 M, on a GPU 80 M.")] = 0,
    processes: Annotated[int, typer.Option(help="Processes that make the text.")] = 2,
    together: Annotated[int, typer.Option(help="Rungs trained at once; 0: all.")] = 0,
    tars: Annotated[bool, typer.Option(help="Write a .tar per rung.")] = False,
    tiny: Annotated[bool, typer.Option(help="Two very small rungs, 20 seconds.")] = False,
) -> None:
    """Make the text, train every rung, pack what they made."""
    rungs = TINY if tiny else RUNGS if device == "cuda" else ON_CPU
    unique = unique or (80_000_000 if device == "cuda" else 8_000_000)
    if tiny:
        unique, seconds = 200_000, 20.0
    if not seconds and any(not rung.millions for rung in rungs):
        seconds = 150.0
    out.mkdir(parents=True, exist_ok=True)
    jsonl.write(out / "heldout.jsonl", held_out(400))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = work / "text.npz"
        text.save(source, text.make(unique, seed=0, processes=processes))
        typer.echo(f"text: {time.monotonic() - began:.0f} s")
        commands = {r.name: command(r, work, source, device=device, seconds=seconds) for r in rungs}
        with (out / "log.txt").open("w") as log:
            failed = []
            for name, status in finished(commands, log, together or len(rungs)):
                typer.echo(f"{name}: {time.monotonic() - began:.0f} s")
                if status:
                    failed.append(name)
                    continue
                if tars:
                    with tarfile.open(out / f"{name}.tar", "w") as packed:
                        packed.add(work / name, arcname=name)
                else:
                    shutil.copytree(work / name, out / name, dirs_exist_ok=True)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; see {out / 'log.txt'}")


def finished(
    commands: Mapping[str, list[str]], log: IO[str], together: int
) -> Iterator[tuple[str, int]]:
    """Run the commands, some at once; yield each one's name and exit status when it ends."""
    waiting, running = dict(commands), dict[str, subprocess.Popen[bytes]]()
    while waiting or running:
        while waiting and len(running) < together:
            name = next(iter(waiting))
            running[name] = subprocess.Popen(waiting.pop(name), stdout=log, stderr=log)
        ended = [name for name, process in running.items() if process.poll() is not None]
        for name in ended:
            yield name, running.pop(name).wait()
        time.sleep(0.2)


if __name__ == "__main__":
    typer.run(main)
