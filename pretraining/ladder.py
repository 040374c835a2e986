"""Pre-train a ladder of tiny base models with different losses, for the scaling study.

    make ladder            (python -m pretraining.ladder --out models/ladder)

Three sizes; each is one run of `pretrain`, stopped at some numbers of tokens. At every stop the
learning rate has come down, so that a rung is a finished model, and the next stretch warms up no
more: it goes on with the rate that a run to its own end would have there. Sizes and tokens are
chosen so that neither alone orders the losses. Interrupt it at any time: the same command goes on.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from mathtune.data.arithmetic import FAMILIES, WORDINGS, split_of
from mathtune.data.arithmetic.puzzle import write
from mathtune.rows import jsonl
from mathtune.rows.records import Example
from pretraining.pretrain import pretrain

HELD_OUT = "heldout.jsonl"
PEAK = 4e-3
NEVER = 1.0  # own samples only teach to judge, which the study does not need


@dataclass(frozen=True)
class Size:
    """A width, a number of layers, and the numbers of tokens (millions) to stop at."""

    width: int
    layers: int
    stops: tuple[int, ...]

    def rungs(self) -> dict[str, int]:
        """Folder name -> tokens.

        Example:
            >>> Size(64, 4, (3, 8)).rungs()
            {'64x4-3M': 3000000, '64x4-8M': 8000000}
        """
        return {f"{self.width}x{self.layers}-{stop}M": stop * 1_000_000 for stop in self.stops}


SIZES = (Size(128, 8, (2, 4, 6)), Size(96, 6, (4, 8)), Size(64, 4, (8, 16)))
"""The largest first: it takes as long as the two others together, on a core of its own. With half
of the least tokens, no rung solves anything, before or after fine-tuning."""


def climb(size: Size, out: Path, *, seed: int) -> None:
    """Make the rungs of one size that are not there yet."""
    work = out / "work" / f"{size.width}x{size.layers}"
    for name, tokens in size.rungs().items():
        if (out / name).exists():
            continue
        shape = (size.width, size.layers)
        pretrain(work, seed=seed, tokens=tokens, lr=PEAK, shape=shape, own_from=NEVER)
        partial = out / f"{name}.part"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(work / "model", partial)
        partial.rename(out / name)


def held_out(count: int) -> Iterator[Example]:
    """Text that no model has seen, in the wordings of the pre-training text.

    Problems of the validation split, families in turn: their shapes and numbers are never in the
    pre-training text.

    Example:
        >>> [row.problem_id for row in held_out(2)]
        ['held-out-0', 'held-out-1']
    """
    rng = random.Random("held-out text")
    names, seen = list(FAMILIES), set[str]()
    while len(seen) < count:
        puzzle = FAMILIES[names[len(seen) % len(names)]](rng, WORDINGS["pretrain"])
        if puzzle is None or split_of(puzzle) != "validation" or puzzle.text in seen:
            continue
        yield Example(
            problem_id=f"held-out-{len(seen)}", problem=puzzle.text, solution=write(puzzle, rng)
        )
        seen.add(puzzle.text)


def main(
    out: Annotated[Path, typer.Option(help="Folder of the rungs, a model folder each.")],
    seed: Annotated[int, typer.Option(help="Weights and text hang on it.")] = 0,
) -> None:
    """Make every rung, two sizes at a time, and the held-out text."""
    out.mkdir(parents=True, exist_ok=True)
    jsonl.write(out / HELD_OUT, held_out(400))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(climb, size, out, seed=seed) for size in SIZES]:
            done.result()
    shutil.rmtree(out / "work")


if __name__ == "__main__":
    typer.run(main)
