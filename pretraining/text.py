"""Make the pre-training text with several processes, and keep it in one file.

python -m pretraining.text --out runs/text.npz --tokens 60000000 --processes 16
"""

from __future__ import annotations

import json
import random
import re
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from transformers import PreTrainedTokenizerFast

from mathtune.data.arithmetic.puzzle import write
from mathtune.engines import prompts
from pretraining import tokenizer as words
from pretraining.documents import Rows, pool, rows_of
from pretraining.schooling import FAMILIES

WORDS = Path(__file__).parent / "words.json"
"""The vocabulary's words, the most frequent first."""
AT_ONCE = 8192
"""Documents that a process makes at a time, at most."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer for the words in words.json; always the same."""
    return words.build(json.loads(WORDS.read_text()))


def written_words() -> list[str]:
    """Return the words of problems, solutions and prompts, from which words.json was made once.

    Those of the tasks are among them: they are tokens of their own, and are met in dictations.
    """
    rng = random.Random("tokenizer")
    texts = ["Problem:", "Solution:", "Copy:"]
    for index in range(16000):
        puzzle = FAMILIES[list(FAMILIES)[index % len(FAMILIES)]](rng)
        if puzzle is not None:
            texts += [puzzle.text, write(puzzle, rng)]
    texts += ["Here is a math problem:", "Here is a candidate solution:"]
    texts += ["The above candidate solution is" + prompts.CORRECT + prompts.INCORRECT]
    return words.collect(texts)


def known_words(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """The words of the vocabulary that are written after a space: what dictations are made of."""
    found = (re.fullmatch(r"Ġ([A-Za-z]{2,})", piece) for piece in tokenizer.get_vocab())
    return sorted(match[1] for match in found if match)


def make(tokens: int, *, seed: int, processes: int) -> dict[int, Rows]:
    """At least so many tokens of text, by width; depends on seed and processes."""
    share = tokens // processes
    asked = [(share, f"{seed}-{part}-of-{processes}") for part in range(processes)]
    if processes == 1:
        return _joined([_make(*asked[0])])
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
        return _joined(list(workers.map(_make, *zip(*asked, strict=True))))


def _make(tokens: int, seed: str) -> dict[int, Rows]:
    tokenizer, rng = build_tokenizer(), random.Random(seed)
    known, parts, made = known_words(tokenizer), [], 0
    while made < tokens:
        count = min(AT_ONCE, tokens // 64 + 2)
        parts.append(rows_of(list(pool(rng, count, known, tokenizer)), tokenizer))
        made += sum(rows.tokens.size for rows in parts[-1].values())
    return _joined(parts)


def _joined(parts: list[dict[int, Rows]]) -> dict[int, Rows]:
    widths = sorted({width for part in parts for width in part})
    return {
        width: Rows(
            *(
                np.concatenate([getattr(part[width], name) for part in parts if width in part])
                for name in ("tokens", "weights", "so_far")
            )
        )
        for width in widths
    }


def save(path: Path, text: dict[int, Rows]) -> None:
    """Write the text to one uncompressed file."""
    named = {f"{n}-{w}": getattr(r, n) for w, r in text.items() for n in r.__dataclass_fields__}
    np.savez(path, **named)


def load(path: Path) -> dict[int, Rows]:
    """Read the text that `save` wrote."""
    with np.load(path) as saved:
        widths = sorted({int(name.rpartition("-")[2]) for name in saved})
        names = Rows.__dataclass_fields__
        return {width: Rows(*(saved[f"{name}-{width}"] for name in names)) for width in widths}


def main(
    out: Annotated[Path, typer.Option(help="The file to write, .npz.")],
    tokens: Annotated[int, typer.Option(help="Tokens to make, padding included.")] = 40_000_000,
    processes: Annotated[int, typer.Option(help="Processes that make them.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of the text.")] = 0,
) -> None:
    """Make the text and say how long it took."""
    began = time.monotonic()
    text = make(tokens, seed=seed, processes=processes)
    save(out, text)
    count = sum(rows.tokens.size for rows in text.values())
    typer.echo(f"{count:,} tokens in {time.monotonic() - began:.0f} s: {out}")


if __name__ == "__main__":
    typer.run(main)
