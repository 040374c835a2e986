"""The settings of a training, without torch. Under stages.train, which adds its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel, Field, PositiveInt

from mathtune.engines.prompts import Thoughts, Wording
from mathtune.engines.settings import PromptSettings
from mathtune.errors import InputError
from mathtune.run import trackers
from mathtune.run.stage import STRICT, Texts

Objective = Literal["mle", "cls-margin", "cls-xent", "ctr", "mul-margin", "mul-xent"]
SOLVERS: tuple[Objective, ...] = ("mle", "ctr")
"""Objectives that only teach to solve; the others teach to judge."""


class Lora(BaseModel):
    """Low-rank adapters on a frozen model."""

    model_config = STRICT

    rank: PositiveInt = 16
    """Rank of the adapters."""
    alpha: PositiveInt = 32
    """Scale of the adapters: their product is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the adapters' input during training."""
    targets: Texts = ()
    """Names of the linear layers that get adapters; none: every linear layer but the output.
    """
    dora: bool = False
    """Learn the length of each weight vector separately from its direction (DoRA)."""
    rslora: bool = False
    """Scale by alpha / sqrt(rank) instead of alpha / rank (rank-stabilised)."""
    modules_to_save: Texts = ()
    """Names of modules, such as lm_head, that are trained whole and saved with the adapters."""
    bits: Literal[4, 8] | None = None
    """Hold the frozen model in this many bits (QLoRA; needs bitsandbytes, and merge=false)."""
    merge: bool = True
    """Save the model with the adapters merged into it; false: save only the adapters, as peft
    writes them, in `adapter/` instead of `model/`, for `adapter` of sample and score.
    """


class TrainingSettings(PromptSettings):
    """The settings of a training. Defaults are those of Yuan et al. 2023, if published."""

    model_config = STRICT

    objective: Objective = "mle"
    """The loss, which determines the kind of row that it learns from: mle takes Example rows;
    cls-margin, ctr and mul-margin take Pair rows; cls-xent and mul-xent take Labelled rows, or Pair
    rows as two of them.
    """
    epochs: float = Field(default=3.0, gt=0)
    """Passes over the examples; a fraction ends within a pass."""
    updates: PositiveInt | None = None
    """At most this many optimizer updates."""
    batch_size: PositiveInt = 128
    """Examples per update; a pair is one example."""
    micro_batch_size: PositiveInt | None = None
    """Examples that pass through the model at once, a divisor of the batch size; None: the largest
    one within 2,048 tokens and 2**26 logits (on CUDA four times as many), even with the longest
    examples. It changes memory and speed, not the loss.
    """
    learning_rate: float = Field(default=2e-5, gt=0)
    """Peak learning rate."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """The learning rate after the warm-up: a half cosine or a line down to 0, or constant."""
    warmup: float = Field(default=0.03, ge=0, lt=1)
    """Share of the updates in which the learning rate rises from 0."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decoupled decay of the weight matrices."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's decay rates of the first and second moment; (0.9, 0.98) suits small models."""
    clip: float | None = Field(default=1.0, gt=0)
    """Gradients with a larger norm are scaled down to it; None: never."""
    max_length: PositiveInt = 512
    """Tokens of prompt and target together. A longer solution is cut and then has no end token to
    learn; an example whose prompt alone is longer, or whose verdict does not fit, is left out. Both
    are counted in the metrics.
    """
    thoughts: Thoughts = "learn"
    """The thoughts in solutions, up to </think>: learned like any text; read but not learned; or
    dropped. Solutions that end with them, finished or cut off, are left out and counted; a judge
    that does not drop thoughts reads them.
    """
    margin: float = Field(default=1.0, ge=0)
    """The margin (lambda) of Eq. 8 and Eq. 10, in nats; the paper does not publish its own."""
    alpha: float = Field(default=1.0, ge=0)
    """Weight of the mle term in ctr, mul-margin and mul-xent; the paper publishes none."""
    per_token: bool = False
    """True: Eq. 10 compares log p per token. False: it compares sums, as in the paper."""
    lora: Lora | None = None
    """Train low-rank adapters instead of all weights."""
    optimizer: Literal["adamw", "adamw_8bit"] = "adamw"
    """adamw_8bit holds its moments in 8 bits, a quarter of the memory (needs bitsandbytes)."""
    save_dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Precision of the saved weights; None: the one in which they are trained."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    """auto: ours, without padding, if it fits the model. Other names: transformers' attention of
    this name, over padded rows (flash_attention_2 needs flash-attn).
    """
    liger: bool = False
    """Use Liger's kernels in the model's layers, on a GPU (needs liger-kernel)."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: about a third more work for much less memory."""
    choose: Literal["last", "loss", "accuracy"] = "last"
    """The weights to save: the last, or those of the epoch with the lowest validation loss or (not
    for mle) the best accuracy, which is the share of validation pairs whose right solution scores
    higher, or of labels that are predicted.
    """
    patience: PositiveInt | None = None
    """End after this many validations in a row that are not better than the best; None: never."""
    validate_every: PositiveInt | None = None
    """Updates between two validations; None: one after every epoch."""
    tracker_run: str | None = None
    """The run's name in the trackers; None: the step's folder."""
    report_to: trackers.Names = ()
    """Trackers that also get the losses (tensorboard, wandb, trackio). Tensorboard's files are in
    tensorboard/; the others follow their own environment variables.
    """
    save_every: PositiveInt = 200
    """Updates between two checkpoints; an interrupted training continues from the last one."""
    seed: int = 0
    """Seed of the examples' order, of dropout and of the adapters' first weights."""

    def require_libraries(self) -> None:
        """Raise InputError for a setting whose library, or a setting that it needs, is missing."""
        if self.lora is not None and self.lora.bits == 8 and self.lora.dora:
            raise InputError(
                "lora.dora: found true with lora.bits=8, whose layers peft cannot take apart; "
                "expected lora.bits=4, or no dora."
            )
        for setting, wanted, module, package in (
            ("optimizer", self.optimizer == "adamw_8bit", "bitsandbytes", "bitsandbytes"),
            ("lora.bits", self.lora is not None and self.lora.bits, "bitsandbytes", "bitsandbytes"),
            ("attention", self.attention == "flash_attention_2", "flash_attn", "flash-attn"),
            ("liger", self.liger, "liger_kernel", "liger-kernel"),
        ):
            if wanted and find_spec(module) is None:
                raise InputError(
                    f"{setting}: needs {package}, which is not installed; install it with pip "
                    f"install {package}, or leave the setting out."
                )
        if self.lora is not None and self.lora.bits and self.lora.merge:
            raise InputError(
                "lora.merge: found true with lora.bits; merging into rounded weights would "
                "round the adapters; expected lora.merge=false."
            )

    @property
    def wording(self) -> Wording:
        """The form and the words of the prompts."""
        return replace(super().wording, thoughts=self.thoughts)


@dataclass(frozen=True)
class Plan:
    """The number of updates, and how a batch passes through the model."""

    updates: int
    updates_per_epoch: int
    micro_batch_size: int
    bfloat16: bool
    """True: bfloat16 arithmetic; the trained weights stay float32."""
