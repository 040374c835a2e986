"""Stage `bits`: a model's loss on held-out text in bits per byte, and its shape.

Bytes do not depend on the tokenizer, so models of different families can be compared. Yuan et al.
2023 take this "pre-training loss" from other papers; here it is measured.
"""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import asdict
from pydantic import Field

from mathtune.engines import prompts
from mathtune.engines.model_names import ModelName
from mathtune.engines.token_ids import token_ids
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import BitsMetrics, Shape
from mathtune.run import bill
from mathtune.run.stage import File, Stage

if TYPE_CHECKING:
    from mathtune.engines.transformers.text_loss import Span


class Bits(Stage[Path]):
    """Measure bits per byte of a held-out text. Handle: the folder; the figures are its metrics."""

    model: ModelName
    """The model whose loss is measured."""
    text: File
    """The held-out text. A `.jsonl` file of problems or examples: their solutions are predicted,
    given the problem in the plain form. Any other file: the whole text."""
    max_length: int = Field(default=512, ge=8)
    """Tokens per pass; in a long text half of them are context."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """The device; auto: the first available of cuda, mps and cpu."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the arithmetic; auto: bfloat16 on cuda, float32 elsewhere."""

    @property
    def on_device(self) -> bool:
        """True: it holds a model."""
        return True

    def outputs(self, folder: Path) -> Path:
        """Return the folder."""
        return folder

    def run(self, folder: Path) -> BitsMetrics:  # noqa: ARG002 (it writes no file)
        """Read the text; return bits per byte, the counts of what was read, and the model's shape.

        Raises:
            InputError: the text is empty, or a row has no solution.
        """
        from mathtune.engines.transformers import models
        from mathtune.engines.transformers.text_loss import surprise

        model, tokenizer = models.load(self.model, device=self.device, dtype=self.dtype)
        spans, size, cut = self._spans(tokenizer)
        nats = surprise(model, spans)
        tokens = sum(len(span.ids) - span.start for span in spans)
        bill.add(read_tokens=sum(len(span.ids) for span in spans))
        return BitsMetrics(
            bits_per_byte=round(nats / log(2) / size, 6),
            loss_per_token=round(nats / tokens, 6),
            bytes=size,
            tokens=tokens,
            left_out=cut,
            **asdict(shape(model)),
        )

    def _spans(self, tokenizer: Any) -> tuple[list[Span], int, int]:
        """Return the spans to predict, their bytes, and the count of rows over `max_length`."""
        from mathtune.engines.transformers.text_loss import Span, windows

        if not self.text.name.endswith((".jsonl", ".jsonl.gz")):
            text = self.text.read_text(encoding="utf-8")
            ids = token_ids(text, tokenizer)
            if len(ids) < 2:
                raise InputError(f"{self.text}: fewer than two tokens; give a longer text.")
            first = len(tokenizer.decode(ids[:1]).encode())
            return windows(ids, self.max_length), len(text.encode()) - first, 0
        spans, size, cut = [], 0, 0
        for number, row in enumerate(jsonl.read(self.text, Solved), start=1):
            if not row.solution:
                raise InputError(
                    f"{self.text}, row {number}, field 'solution': missing; expected a solution."
                )
            prompt = prompts.FIXED["plain"].replace("{problem}", row.problem)
            before = token_ids(prompt, tokenizer, special_tokens=True)
            target = token_ids(row.solution, tokenizer)
            if len(before) + len(target) > self.max_length:
                cut += 1
                continue
            spans.append(Span([*before, *target], len(before)))
            size += len(row.solution.encode())
        if not spans:
            raise InputError(f"{self.text}: every row is longer than max_length.")
        return spans, size, cut


class Solved(msgspec.Struct):
    """A problem with its solution: a row of a problem or an example file."""

    problem: str
    solution: str | None = None


def shape(model: Any) -> Shape:
    """Count a model's parameters, with and without embeddings, its layers and their width."""
    config = model.config.get_text_config()
    tables = {id(p): p.numel() for p in model.get_input_embeddings().parameters()}
    head = model.get_output_embeddings()
    tables |= {id(p): p.numel() for p in head.parameters()} if head is not None else {}
    every = {id(p): p.numel() for p in model.parameters()}
    return Shape(
        parameters=sum(every.values()),
        without_embeddings=sum(every.values()) - sum(tables.values()),
        layers=config.num_hidden_layers,
        width=config.hidden_size,
    )
