"""Open the engine that the settings choose, with the tokenizers that its prompts need."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache, partial

from mathtune.engines import prompts
from mathtune.engines.model_names import is_here
from mathtune.engines.protocol import Engine, EngineChoice
from mathtune.errors import InputError


def form_of(choice: EngineChoice, form: prompts.AnyForm) -> prompts.AnyForm:
    """Resolve the form of the prompts for a server, which does not show its chat template.

    Raises:
        InputError: `auto`, and no local folder shows whether the served model has a chat template.
    """
    wording = prompts.worded(form)
    if choice.engine != "openai" or wording.form != "auto":
        return form
    if not is_here(choice.model):
        raise InputError(
            f"prompt: found 'auto' with engine openai and model {choice.model!r}, which is no "
            "folder here, so it is unknown whether it has a chat template; expected prompt=chat or "
            "prompt=plain."
        )
    return replace(wording, form=prompts.resolve(form, _own_tokenizer(choice.model)))


def solver_tokenizer(choice: EngineChoice) -> prompts.ChatTokenizer:
    """Return the tokenizer for a solver's prompts: the model's, or one that leaves chats to a
    server.

    Raises:
        InputError: the model has no usable tokenizer.
    """
    if choice.engine == "openai":
        from mathtune.engines.openai import Unrendered

        return Unrendered()
    return _own_tokenizer(choice.model)


def judge_tokenizer(choice: EngineChoice, form: prompts.AnyForm) -> prompts.ChatTokenizer:
    """Return the tokenizer for an evaluator's prompts: the model's, if there is a chat to render.

    Raises:
        InputError: the model has no usable tokenizer, or a needed tokenizer is not on this machine.
    """
    if choice.engine != "openai" or prompts.worded(form).form != "chat":
        return solver_tokenizer(choice)
    if not is_here(choice.model):
        raise InputError(
            f"prompt: found 'chat' for scoring with engine openai and model {choice.model!r}; the "
            "evaluator's last sentence is part of the assistant's turn, which needs the model's "
            "tokenizer: expected model=FOLDER with server.model as its name, or prompt=plain."
        )
    return _own_tokenizer(choice.model)


def _own_tokenizer(model: str) -> prompts.EndingTokenizer:
    from mathtune.engines.transformers import models

    return models.load_tokenizer(model)


def open_engine(choice: EngineChoice, form: prompts.AnyForm, *, seed: int = 0) -> Engine:
    """Load the model, start vLLM or engines on a cluster, or connect to the server.

    `form` is the result of `form_of`.

    Raises:
        InputError: the model or the server cannot be used, or the engine is not installed.
    """
    if choice.ray is None:
        many = _vllm_engines(choice) if choice.engine == "vllm" else 1
        return (
            open_here(choice, form, seed=seed) if many == 1 else _several(choice, form, seed, many)
        )
    if choice.engine == "openai":
        raise InputError(
            "ray: found with engine openai, which needs no cluster; expected one of them "
            "(server.concurrency says how many requests are in flight)."
        )
    from mathtune.engines.ray import Cluster

    opened = partial(open_here, choice, form, seed=seed)
    return Cluster(opened, choice.ray, gpus_each=choice.vllm.tensor_parallel)


def open_here(choice: EngineChoice, form: prompts.AnyForm, *, seed: int) -> Engine:
    """Open one engine in this process.

    Raises:
        InputError: as `open_engine`.
    """
    return _OPEN[choice.engine](choice, form, seed)


def _vllm_engines(choice: EngineChoice) -> int:
    """Return the number of engine processes: the setting, else one per `tensor_parallel` GPUs."""
    if choice.vllm.engines is not None:
        return choice.vllm.engines
    import torch

    return max(1, torch.cuda.device_count() // choice.vllm.tensor_parallel)


def _several(choice: EngineChoice, form: prompts.AnyForm, seed: int, many: int) -> Engine:
    """Open several engines, each in its own process with its share of the GPUs."""
    import torch

    from mathtune.engines.replicas import Replicas

    each, there = choice.vllm.tensor_parallel, torch.cuda.device_count()
    if there and many * each > there:
        raise InputError(
            f"vllm.engines: found {many} engines of {each} GPUs; expected at most the "
            f"{there} GPUs of this machine."
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    names = visible if len(visible) == there else [str(number) for number in range(there)]
    devices = [",".join(names[at * each : (at + 1) * each]) for at in range(many)]
    return Replicas(partial(open_here, choice, form, seed=seed), devices)


def _transformers(choice: EngineChoice, form: prompts.AnyForm, seed: int) -> Engine:  # noqa: ARG001
    from mathtune.engines.transformers import engine

    model, tokenizer = engine.load(
        choice.model, choice.adapter, device=choice.device, dtype=choice.dtype
    )
    return engine.TransformersEngine(model, tokenizer, form=form)


def _openai(choice: EngineChoice, form: prompts.AnyForm, seed: int) -> Engine:  # noqa: ARG001
    from mathtune.engines.openai import OpenAI

    if choice.adapter is not None:
        raise InputError(
            "adapter: found with engine openai; expected a server that was started with it, and "
            "its name there as server.model."
        )
    judge, tokenizer = judge_tokenizer(choice, "plain"), None
    if is_here(choice.model):
        tokenizer = cache(partial(_own_tokenizer, choice.model))
        if prompts.worded(form).form == "chat":
            judge = tokenizer()
    return OpenAI(choice.model, choice.server, form=form, judge=judge, tokenizer=tokenizer)


def _vllm(choice: EngineChoice, form: prompts.AnyForm, seed: int) -> Engine:
    from mathtune.engines.vllm import VLLM

    return VLLM(choice, form=form, seed=seed)


_OPEN = {"transformers": _transformers, "openai": _openai, "vllm": _vllm}
