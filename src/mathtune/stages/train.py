"""Stage `train`: examples of one objective and a model in, a model out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from msgspec.structs import asdict
from pydantic import PositiveInt

from mathtune.engines import prompts
from mathtune.engines.model_names import ModelName
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.metrics import TrainMetrics
from mathtune.run import ranks, trackers
from mathtune.run.cores import usable_cores
from mathtune.run.names import METRICS
from mathtune.run.progress import say, say_once
from mathtune.run.stage import Columns, Stage
from mathtune.training.settings import SOLVERS, TrainingSettings

if TYPE_CHECKING:
    from mathtune.training.examples import Encoder

MODEL, ADAPTER = "model", "adapter"
GUESSING = 0.95 * log(2)
"""A judge whose mean loss (cls-xent) ends above this has learned next to nothing: to guess costs
log 2.
"""


class Train(TrainingSettings, Stage[str]):
    """Fine-tune a model. Writes `model/` (safetensors, tokenizer), `training.jsonl` (losses) and a
    card, README.md.
    """

    revision: ClassVar[int] = 9
    costly: ClassVar[bool] = True

    model: ModelName
    """The model to start from."""
    examples: Columns
    """Files of rows to learn from, one after the other; the objective determines their kind."""
    validation: Columns | None = None
    """Files of validation rows, whose loss is measured after every epoch."""
    equal_updates_to: ModelName | None = None
    """The model folder of another train step: make exactly as many updates as it did, in as many
    epochs as needed, with the schedule stretched to fit. `epochs` and `updates` are then ignored.
    """
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """The device; auto: the first available of cuda, mps and cpu."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the arithmetic; auto: bfloat16 on cuda, float32 elsewhere. Weights that are
    trained stay float32."""
    threads: PositiveInt | None = None
    """CPU threads; None: torch's default. The last bits of the weights depend on it. With fewer
    threads than cores, a recipe continues with steps that do not need the model.
    """

    @property
    def on_device(self) -> bool:
        """True: it holds a model."""
        return True

    def outputs(self, folder: Path) -> str:
        """Return the folder of the trained model, or of its adapters alone."""
        alone = self.lora is not None and not self.lora.merge
        return str(folder / (ADAPTER if alone else MODEL))

    def leaves_cores(self) -> bool:
        """Return True on a CPU with fewer `threads` than cores and without trackers."""
        free = self.threads is not None and self.threads < usable_cores()
        if not free or self.report_to or ranks.count() > 1:
            return False
        from mathtune.engines.transformers import models

        return models.resolve_device(self.device) == "cpu"

    def run(self, folder: Path) -> TrainMetrics | None:
        """Train and save; return counts of the examples and the final losses."""
        for name, value in (
            ("choose", self.choose),
            ("patience", self.patience),
            ("validate_every", self.validate_every),
        ):
            if value not in ("last", None) and self.validation is None:
                raise InputError(
                    f"{name}: found {value!r} without validation examples; expected them."
                )
        if self.choose == "accuracy" and self.objective == "mle":
            raise InputError(
                "choose: found 'accuracy' with objective 'mle', which has none; expected 'loss'."
            )
        trackers.require(self.report_to)
        self.require_libraries()
        equal_to = None if self.equal_updates_to is None else _updates_of(self.equal_updates_to)
        from mathtune.training.examples import read_rows

        rows = list(read_rows(self.examples, self.objective))
        held_out = list(read_rows(self.validation or (), self.objective))
        with _threads(self.threads):
            return self._train(rows, held_out, equal_to, folder)

    def _train(
        self, rows: list[Any], held_out: list[Any], equal_to: int | None, folder: Path
    ) -> TrainMetrics | None:
        from mathtune.engines.transformers import models
        from mathtune.training import card, curve, fit
        from mathtune.training.examples import Encoder, shown
        from mathtune.training.saving import ModelFolder, judge_card

        model, tokenizer = self._load()
        longest = min(self.max_length, models.context_length(model) or self.max_length)
        if longest < self.max_length:
            say(f"  max_length: {longest}, the model's context, instead of {self.max_length}")
        encoder, held = (Encoder(tokenizer, self.wording, longest) for _ in range(2))
        items = encoder.items(rows, self.objective)
        validation = held.items(held_out, self.objective) if held_out else []
        readings = [r for item in (*items, *validation) for r in item.readings]
        models.refuse_unknown(
            model, tokenizer, ([int(r.ids.max()), int(r.tokens.max())] for r in readings)
        )
        device = model.device.type
        bfloat16 = self.dtype == "bfloat16" or (self.dtype == "auto" and device == "cuda")
        vocabulary = model.get_input_embeddings().num_embeddings
        plan = fit.planned(
            self, items, equal_to=equal_to, vocabulary=vocabulary, bfloat16=bfloat16, device=device
        )
        self._announce(plan.updates, len(items), encoder)
        if validation:
            cut = f"{held.truncated} truncated, {held.left_out} left out"
            say(f"  validation: {len(validation)} examples; {cut}")
            _say_unanswered(held)
        say_once(
            f"train {self.objective} {self.prompt}",
            f"  first example, target in brackets:\n{shown(items[0], tokenizer)}",
        )
        end = prompts.end_token(tokenizer, form=self.wording)
        saved = ModelFolder(Path(self.outputs(folder)), tokenizer, end)
        if self.objective not in SOLVERS:
            saved.card = judge_card(tokenizer, self.wording)
        fit.fit(model, items, validation, settings=self, plan=plan, saved=saved)
        if not ranks.first():
            return None
        fit.clear(folder)
        metrics = TrainMetrics(
            objective=self.objective,
            examples=len(items),
            target_tokens=sum(item.target_tokens for item in items),
            truncated=encoder.truncated,
            left_out=encoder.left_out,
            **asdict(curve.ended(folder, self)),
        )
        self._warn(metrics)
        here = Path(self.model).expanduser().exists()
        given = self.described(relative_to=folder.parent)
        facts = card.Trained(self.model, given, metrics, defaults(), local=here)
        (folder / card.CARD).write_text(card.text(facts), encoding="utf-8")
        return metrics

    def _warn(self, metrics: TrainMetrics) -> None:
        """Print a warning if a judge ends at the loss of guessing."""
        if self.objective == "cls-xent" and metrics.loss > GUESSING:
            say(
                f"  warning: the loss of the last updates is {metrics.loss:.2f}, and that of "
                "guessing is 0.69: this judge has learned next to nothing; try more epochs or a "
                "larger batch_size"
            )

    def _load(self) -> tuple[Any, Any]:
        """Load the model and its tokenizer, each process of a launch on its own GPU.

        Raises:
            InputError: the model cannot be loaded, or trained.
        """
        from mathtune.engines.transformers import models, probe
        from mathtune.training import segment_attention

        # Trained weights are kept in float32 for any arithmetic: an update of 1e-5 of a weight is
        # lost in bfloat16. Under adapters the model itself is frozen.
        dtype = self.dtype if self.lora is not None else "float32"
        if ranks.count() > 1 and models.resolve_device(self.device) == "cuda":
            take_gpu()
        bits = None if self.lora is None else self.lora.bits
        model, tokenizer = models.load(self.model, device=self.device, dtype=dtype, bits=bits)
        if models.quantised(model) and self.lora is None:
            raise InputError(
                f"model {self.model!r}: its weights are quantised and cannot be trained; expected "
                "lora, or a checkpoint in bfloat16 or float32."
            )
        if models.quantised(model) and self.lora is not None and self.lora.merge:
            raise InputError(
                f"lora.merge: found true with model {self.model!r}, whose weights are quantised; "
                "merging would round the adapters; expected lora.merge=false."
            )
        if self.liger and model.device.type == "cpu":
            raise InputError("liger: found true on a CPU; its kernels need a GPU.")
        if not segment_attention.fits(model):  # those that fit read from left to right
            probe.checked_logits(model)
        return model, tokenizer

    def _announce(self, updates: int, examples: int, encoder: Encoder) -> None:
        """Print the numbers of examples and updates; warn if one batch holds all examples."""
        say(
            f"  {self.objective}: {examples} examples, {updates} updates of {self.batch_size}; "
            f"{encoder.truncated} truncated, {encoder.left_out} left out"
        )
        _say_unanswered(encoder)
        if encoder.unthought:
            say(
                "  the prompt opens a thought; solutions without one, which are learned after an "
                f"empty thought: {encoder.unthought}"
            )
        if encoder.rethought:
            say(
                "  warning: the prompt ends the thoughts; solutions with thoughts of their own: "
                f"{encoder.rethought}; expected thoughts=drop, or another setting of template"
            )
        if examples < self.batch_size:
            say(
                f"  warning: {examples} examples are fewer than one batch of {self.batch_size}, so "
                f"every update sees all of them and the training ends after {updates}; "
                "expected a smaller batch_size or more epochs"
            )


def _say_unanswered(encoder: Encoder) -> None:
    if encoder.unanswered:
        say(
            "  left out, since a solution ends with its thoughts, finished or cut off: "
            f"{encoder.unanswered}"
        )


def defaults() -> dict[str, Any]:
    """Return the settings of a training that have a default, as JSON."""
    named = {name for name, field in Train.model_fields.items() if not field.is_required()}
    return Train(model="", examples=()).model_dump(mode="json", include=named)


def _updates_of(model: str) -> int:
    """Read the number of updates that the train step of this model folder made."""
    path = Path(model).parent / METRICS
    metrics = jsonl.read_json(path)
    if not isinstance(metrics.get("updates"), int):
        raise InputError(
            f"{path}, field 'updates': missing; expected the metrics of a train step, since "
            f"equal_updates_to names its model."
        )
    return metrics["updates"]


def take_gpu() -> None:
    """Give each process of this machine a GPU of its own."""
    import torch

    gpu, count = ranks.local_rank(), torch.cuda.device_count()
    if gpu >= count:
        raise InputError(
            f"launched as {gpu + 1} processes or more on a machine with {count} GPUs; expected one "
            "process per GPU, or device=cpu."
        )
    torch.cuda.set_device(gpu)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Use this number of CPU threads during the block; restore the former number afterwards."""
    import torch

    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
