"""Sampling, scoring and losses on a second device that is not there: tensors that say they are on
cuda:0, and lie on the CPU.

They refuse what a CUDA device refuses: to be computed with a tensor on the CPU, other than a single
number, an index, or a copy. So code that mixes devices fails here as it would there, on any
machine; what the kernels of a real device do, this cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from mathtune.engines import prompts
from mathtune.engines.protocol import Draft, Sampling
from mathtune.engines.transformers import models, shared_attention
from mathtune.engines.transformers.decode import Sampler, forward_of
from mathtune.engines.transformers.scoring import Scorer
from mathtune.rows.records import Pair
from mathtune.training import objectives, segment_attention
from mathtune.training.batches import Batch, collate
from mathtune.training.examples import Encoder

DEVICE = torch.device("cuda", 0)
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
INDEXED = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default)


class Far(Tensor):
    """A tensor on the second device; `here` holds its numbers."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> Far:
        # As `meta`, because torch would ask a CUDA build for the streams of a tensor on cuda.
        made = Tensor._make_wrapper_subclass(
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device="meta",
        )
        made.here = here
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE

    def tolist(self) -> Any:
        return self.here.tolist()

    def __repr__(self, **_: Any) -> str:
        return f"Far({self.here})"

    @classmethod
    def __torch_dispatch__(
        cls, call: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _computed(call, args, kwargs or {})


class _Everywhere(TorchDispatchMode):
    """Lets calls that only name the second device make tensors there."""

    def __torch_dispatch__(
        self, call: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _computed(call, args, kwargs or {})


def _computed(call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a call gives, where it would give it."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    away = [tensor for tensor in tensors if isinstance(tensor, Far)]
    there = bool(away)
    if call is torch.ops.aten.copy_.default:
        there = isinstance(args[0], Far)
    if kwargs.get("device") is not None:
        there = _is_there(kwargs["device"])
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if away and call not in COPIES:
        free = args[1] if call in INDEXED and isinstance(args[0], Far) else ()
        for tensor in tensors:
            at_home = not isinstance(tensor, Far) and tensor.dim() > 0
            assert not at_home or any(tensor is index for index in free), f"{call}: two devices"
    args, kwargs = tree_map(lambda x: x.here if isinstance(x, Far) else x, (args, kwargs))
    found = call(*args, **kwargs)
    if not there:
        return found
    changed = {id(tensor.here): tensor for tensor in away}  # in place: the tensor itself

    def sent(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        return changed[id(x)] if id(x) in changed else Far(x)

    return tree_map(sent, found)


def _is_there(device: Any) -> bool:
    return torch.device(device).type in ("cuda", "meta")


def send(model: nn.Module) -> None:
    """Move a model's weights there, in place; tied ones stay tied."""
    sent: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, weight in list(module._parameters.items()):
            if weight is not None:
                moved = nn.Parameter(Far(weight.detach().clone()))
                module._parameters[name] = sent.setdefault(id(weight), moved)
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = Far(buffer)


@contextmanager
def present() -> Iterator[None]:
    """Let the second device be there."""
    make, move = torch.tensor, Tensor.to

    def tensor(data: Any, *, device: Any = None, **more: Any) -> Tensor:
        made = make(data, **more)
        return Far(made) if device is not None and _is_there(device) else made

    def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        given = [*args[:1], kwargs.get("device")]
        named = [x for x in given if isinstance(x, (str, torch.device))]
        if not named or not _is_there(named[0]):
            return move(self, *args, **kwargs)
        dtype = kwargs.get("dtype") or next((x for x in args if isinstance(x, torch.dtype)), None)
        self = self if dtype is None else move(self, dtype)
        return self if isinstance(self, Far) else Far(self)

    with pytest.MonkeyPatch.context() as patch, _Everywhere():
        # Both would ask the device in C++ before any call is dispatched.
        patch.setattr(torch, "tensor", tensor)
        patch.setattr(Tensor, "to", to)
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "mem_get_info", lambda _: (2**30, 2**31))
        yield


PROBLEMS = ("A cat has 4 legs. How many legs do 3 cats have?", "What is 3 + 5?")
SOLUTIONS = (("3 * 4 = 12\n#### 12", "3 * 4 = 13"), ("3 + 5 = 8\n#### 8", "no idea", "8"))


@pytest.fixture
def loaded() -> tuple[Any, Any]:
    return models.load("embedded", device="cpu", dtype="float32")


def forward(model: Any, way: str) -> shared_attention.Forward:
    return forward_of(model) if way == "fused" else shared_attention.ModelForward(model)


def test_devices_are_not_mixed() -> None:
    far, near = Far(torch.arange(3.0)), torch.arange(3.0)
    with present():
        assert far.add(1).tolist() == [1, 2, 3]
        assert far.add(far.cpu().to(DEVICE)).tolist() == [0, 2, 4]
        assert far[torch.tensor([2, 0])].tolist() == [2, 0]
        assert torch.zeros(2, device=far.device).device == DEVICE
        for mixed in (lambda: far + near, lambda: near[far.long()], lambda: far.mul_(near)):
            with pytest.raises(AssertionError, match="two devices"):
                mixed()


@pytest.mark.parametrize("way", ["fused", "model"])
@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_samples_are_those_of_the_cpu(loaded: tuple[Any, Any], way: str, top_p: float) -> None:
    model, tokenizer = loaded
    how = Sampling(n=5, temperature=1.0, top_p=top_p, max_tokens=12, stop="\n####")
    texts = [prompts.solver(text, form="plain", tokenizer=tokenizer) for text in PROBLEMS]

    def drawn() -> list[list[Draft]]:
        engine = Sampler(model, tokenizer, form="plain", forward=forward(model, way))
        return engine.sample(texts, how, seed=(0, 0))

    near = drawn()
    send(model)
    with present():
        assert drawn() == near


@pytest.mark.parametrize("way", ["fused", "model"])
def test_scores_are_those_of_the_cpu(loaded: tuple[Any, Any], way: str) -> None:
    model, tokenizer = loaded
    texts = [prompts.solver(text, form="plain", tokenizer=tokenizer) for text in PROBLEMS]
    groups = [
        [prompts.evaluator(text, own, form="plain", tokenizer=tokenizer) for own in solutions]
        for text, solutions in zip(PROBLEMS, SOLUTIONS, strict=True)
    ]

    def read() -> list[float | None]:
        scorer = Scorer(model, tokenizer, form="plain", forward=forward(model, way))
        found = [*scorer.evaluate(groups), *scorer.log_likelihoods(texts, SOLUTIONS)]
        return [value for group in found for value in group]

    near = read()
    send(model)
    with present():
        assert read() == pytest.approx(near, rel=1e-5)


def test_losses_and_gradients_are_those_of_the_cpu(loaded: tuple[Any, Any]) -> None:
    model, tokenizer = loaded
    rows = [
        (text, Pair(problem_id=text, problem=text, right=right, wrong=wrong))
        for text, (right, wrong, *_) in zip(PROBLEMS, SOLUTIONS, strict=True)
    ]
    items = Encoder(tokenizer, "plain", 512).items(rows, "cls-margin")
    batch = collate(items, texts=4, packed=True, idle=items[0])
    model.set_attn_implementation(segment_attention.NAME)

    def learn(batch: Batch) -> tuple[Tensor, list[Tensor]]:
        given: dict[str, Any] = {
            name: batch[name] for name in ("input_ids", "position_ids", "segments")
        }
        logits = model(**given, use_cache=False).logits[0, batch["positions"]]
        log_p = objectives.token_log_p(logits, batch["tokens"])
        sums = objectives.text_log_p(log_p, batch["texts"], count=8).view(2, 4)
        right, wrong = (objectives.log_score(*sums[:, at : at + 2].T) for at in (0, 2))
        loss = objectives.cls_margin(right, wrong, margin=0.5, pairs=torch.tensor(2.0))
        loss.backward()
        weights = [weight.grad for weight in model.parameters()]
        return loss.detach(), [weight for weight in weights if weight is not None]

    loss, gradients = learn(batch)
    send(model)
    with present():
        sent: Any = {
            name: Far(value) if isinstance(value, Tensor) else value
            for name, value in batch.items()
        }
        far_loss, far_gradients = learn(sent)
    assert isinstance(far_loss, Far)
    torch.testing.assert_close(far_loss.here, loss)
    for far, near in zip(far_gradients, gradients, strict=True):
        assert isinstance(far, Far)
        torch.testing.assert_close(far.here, near, rtol=1e-4, atol=1e-5)
