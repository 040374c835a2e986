"""The memory that a training needs on each device, by calculation. No torch.

The plan of docs/scaling.md; a test compares it with the memory that small models really take.
"""

from __future__ import annotations

from dataclasses import dataclass

FLOAT32, BFLOAT16 = 4, 2
ADAMW = 8
"""The bytes of AdamW's state per trained parameter: two float32 moments."""


@dataclass(frozen=True)
class Shape:
    """A model of Llama's shape: the number of its layers, and their widths in numbers per token."""

    layers: int
    width: int
    kv_width: int
    feed_forward: int
    vocabulary: int
    tied: bool = False

    @property
    def parameters(self) -> int:
        """The number of all weights.

        Example:
            >>> Shape(32, 4096, 4096, 11008, 32000).parameters
            6738415616
        """
        d = self.width
        layer = 2 * d * d + 2 * d * self.kv_width + 3 * d * self.feed_forward + 2 * d
        return self.layers * layer + self.embeddings + d

    @property
    def embeddings(self) -> int:
        """The number of weights that read and that predict tokens: the same ones if they are tied.

        Example:
            >>> Shape(32, 4096, 4096, 11008, 32000).embeddings
            262144000
        """
        return (1 if self.tied else 2) * self.vocabulary * self.width

    def adapters(self, rank: int) -> int:
        """Return the number of weights of adapters on every linear layer but the output.

        Example:
            >>> Shape(32, 4096, 4096, 11008, 32000).adapters(16)
            39976960
        """
        d, kv, f = self.width, self.kv_width, self.feed_forward
        return self.layers * rank * (2 * (d + d) + 2 * (d + kv) + 3 * (d + f))


@dataclass(frozen=True)
class Memory:
    """The bytes on each device."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """The sum, without the libraries' own memory."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def planned(
    shape: Shape,
    *,
    tokens: int,
    targets: int,
    adapters: int = 0,
    shards: int = 1,
    fused: bool = False,
    checkpointing: bool = False,
) -> Memory:
    """Return the memory per device for `tokens` at once, of which `targets` are learned.

        weights      trained ones in float32, 4 P / shards; under adapters the rest in bfloat16, 2 P
        gradients    4 P_trained / shards                    optimizer    8 P_trained / shards
        activations  b tokens layers a,    a = 5 D + 2 K + 2 F fused, 9 D + 2 K + 4 F otherwise;
                     recomputed: b tokens (layers D + a)
        logits       b' targets V: the logits and their gradient, with a float32 copy where b is 2

    D, K, F are width, kv_width and feed_forward; b is the bytes of a number: 4 for fused layers (on
    CPUs), else 2. Sharded weights are gathered layer by layer, in bfloat16, two layers at a time.

    Example:
        >>> needs = planned(Shape(32, 4096, 4096, 11008, 32000), tokens=2048, targets=1536,
        ...                 adapters=39976960, checkpointing=True)
        >>> round(needs.total / 2**30, 1)
        14.4
    """
    d, k, f = shape.width, shape.kv_width, shape.feed_forward
    trained = adapters or shape.parameters
    weights = (FLOAT32 * trained + (BFLOAT16 * shape.parameters if adapters else 0)) / shards
    if shards > 1:
        layer = (shape.parameters - shape.embeddings) / shape.layers
        weights += BFLOAT16 * (2 * layer + shape.vocabulary * d)
    number = FLOAT32 if fused else BFLOAT16
    kept = 5 * d + 2 * k + 2 * f if fused else 9 * d + 2 * k + 4 * f
    per_token = shape.layers * d + kept if checkpointing else shape.layers * kept
    per_logit = 2 * FLOAT32 + (0 if fused else BFLOAT16)
    return Memory(
        weights=weights,
        gradients=FLOAT32 * trained / shards,
        optimizer=ADAMW * trained / shards,
        activations=number * tokens * per_token,
        logits=per_logit * targets * shape.vocabulary,
    )
