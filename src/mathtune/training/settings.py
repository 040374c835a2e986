"""The knobs of training, without torch: stages.train shows them, the rest reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from mathtune.engines.settings import PromptSettings
from mathtune.run import trackers

Objective = Literal["mle", "cls-margin", "cls-xent", "ctr", "mul-margin", "mul-xent"]


class Lora(BaseModel):
    """Low-rank adapters on a frozen model."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    rank: PositiveInt = 16
    """Rank of the adapters."""
    alpha: PositiveInt = 32
    """Scale of the adapters: their product counts alpha / rank times."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the adapters' input while training."""
    targets: tuple[str, ...] = ()
    """Names of the linear layers that get adapters; none: every linear layer but the output."""
    merge: bool = True
    """Save the model with the adapters merged into it; false: save in `adapter/`, instead of
    `model/`, the adapters alone, as peft writes them, for `adapter` of sample and score."""


class TrainingSettings(PromptSettings):
    """The settings of a training. Defaults are those of Yuan et al. 2023 if they publish them."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    objective: Objective = "mle"
    """The loss, and with it the kind of row the examples must be: mle takes Example rows;
    cls-margin, ctr and mul-margin take Pair rows; cls-xent and mul-xent take Labelled rows, or Pair
    rows as two."""
    epochs: float = Field(default=3.0, gt=0)
    """Passes over the examples; a fraction ends within a pass."""
    updates: PositiveInt | None = None
    """At most this many optimizer updates."""
    batch_size: PositiveInt = 128
    """Examples (rows; a pair is one) per update."""
    micro_batch_size: PositiveInt | None = None
    """Examples that pass through the model at once, a divisor of the batch size; None: the largest
    one that stays within 2,048 tokens and 2**26 logits, on CUDA four times as many, even with the
    longest examples. It changes memory and speed, not the loss."""
    learning_rate: float = Field(default=2e-5, gt=0)
    """Peak learning rate."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """The learning rate after the warm-up: down to 0 in a half cosine or a line, or constant."""
    warmup: float = Field(default=0.03, ge=0, lt=1)
    """Share of the updates in which the learning rate rises from 0."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decoupled decay of the weight matrices."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's decay rates of the first and second moment; (0.9, 0.98) suits small models."""
    clip: float | None = Field(default=1.0, gt=0)
    """Gradients with a larger norm are scaled down to it; None: never."""
    max_length: PositiveInt = 512
    """Tokens of prompt and target together. A longer solution is cut, and then has no end token to
    learn; an example whose prompt alone is longer, or whose verdict lies beyond, is left out. Both
    are counted in the metrics."""
    margin: float = Field(default=1.0, ge=0)
    """The margin (lambda) of Eq. 8 and Eq. 10, in nats; the paper does not publish its own."""
    alpha: float = Field(default=1.0, ge=0)
    """Weight of the mle term in ctr, mul-margin and mul-xent; the paper publishes none."""
    per_token: bool = False
    """True: Eq. 10 compares log p per token. False: sums, as in the paper."""
    lora: Lora | None = None
    """Train low-rank adapters instead of all weights."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: about a third more work, much less memory."""
    choose: Literal["last", "loss", "accuracy"] = "last"
    """The weights that are saved: the last, or those of the epoch with the least validation loss or
    (not for mle) the best accuracy: the share of validation pairs whose right solution scores
    higher, or of labels that are predicted."""
    patience: PositiveInt | None = None
    """End when so many validations in a row were not better than the best; None: never."""
    report_to: trackers.Names = ()
    """Trackers that losses go to as well (tensorboard, wandb, trackio); tensorboard's files are in
    tensorboard/, the others write where their own environment variables say."""
    save_every: PositiveInt = 200
    """Updates between two checkpoints, from which an interrupted training continues."""
    seed: int = 0
    """Seed of the order of the examples, of dropout and of the adapters' first weights."""


@dataclass(frozen=True)
class Plan:
    """The number of updates, and the way a batch passes through the model."""

    updates: int
    updates_per_epoch: int
    micro_batch_size: int
    bfloat16: bool
    """True: bfloat16 arithmetic; the trained weights stay float32."""
