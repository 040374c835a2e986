"""Open the generator and the judge that the settings name. Above models and their three kinds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any

from mathtune.cli.run_models import model_in
from mathtune.cli.serving.models import Judge, Models
from mathtune.cli.serving.settings import Solver
from mathtune.engines import prompts, trained_wording
from mathtune.engines.model_names import packages, refuse_absent
from mathtune.engines.protocol import Engine
from mathtune.engines.settings import ModelChoice, Server
from mathtune.errors import InputError
from mathtune.paths import calculator
from mathtune.run import extras

WIDTH = 256
"""Requests in flight on a server that a generator or a judge is on."""


@contextmanager
def opened(
    solver: Solver, *, timeout: float = 600.0, longest: int | None = None
) -> Iterator[Models]:
    """Open the models, and close them at the end. `longest`: most tokens of any sample.

    Raises:
        InputError: a model or a server cannot be used.
    """
    judged = solver.evaluator not in (None, calculator.NAME)
    judge_is_here = judged and not is_address(str(solver.evaluator))
    judge: Any = None
    with ExitStack() as to_close:
        if is_address(solver.generator):
            generator = _remote_generator(solver, timeout)
        elif solver.engine == "transformers":
            generator, judge = _loaded(solver, judge_is_here, longest or solver.max_tokens)
        else:
            generator, judge = _vllm(solver, judge_is_here)
        to_close.callback(generator.close)
        if judged and judge is None:
            judge = _local_judge(solver) if judge_is_here else _remote_judge(solver, timeout)
            to_close.callback(judge.close)
        yield Models(generator, judge)


def is_address(name: str) -> bool:
    """Return whether a model's name is a server's address.

    Example:
        >>> is_address("http://127.0.0.1:8000/v1"), is_address("runs/quickstart/ssft")
        (True, False)
    """
    return name.startswith(("http://", "https://"))


def _judge_name(solver: Solver) -> str:
    return model_in(str(solver.evaluator), "evaluator")


def _loaded(solver: Solver, judges: bool, longest: int) -> tuple[Any, Judge | None]:
    """Return a generator in this process, and its judge unless that must be opened by itself."""
    from mathtune.cli.serving.batched import Batched
    from mathtune.cli.serving.continuous import Continuous
    from mathtune.engines.transformers.one_by_one import OneByOne

    name = model_in(solver.generator)
    refuse_absent(name)
    other = _judge_name(solver) if judges else None
    if other is not None:
        refuse_absent(other)
    engine = _engine(name, solver, "solver")
    if other == name:
        _check_words(name, solver.wording, engine.tokenizer, "evaluator")
    sampler = engine.sampler
    if isinstance(sampler.forward, OneByOne) or sampler.steady is not None:
        # Its samples cannot, or not always, share a decode loop.
        batched = Batched(engine, form=solver.wording, tokenizer=engine.tokenizer)
        return batched, batched if other == name else None
    judge = engine if other == name else None
    if judge is None and other is not None:
        judge = _engine(other, solver, "evaluator")
    loop = Continuous(engine, judge, longest=longest)
    return loop, loop if judges else None


def _engine(name: str, solver: Solver, role: trained_wording.Role) -> Any:
    """Load a model; warn if it was trained on other prompts for its role.

    Raises:
        InputError: its chat template refuses the words of its prompts.
    """
    from mathtune.engines.transformers.engine import TransformersEngine, load

    model, tokenizer = load(name, None, device=solver.device, dtype="auto")
    wording = solver.wording if role == "solver" else judges_wording(name, solver)
    _check_words(name, wording, tokenizer, role)
    return TransformersEngine(model, tokenizer, form=wording)


def judges_wording(name: str, solver: Solver) -> prompts.Wording:
    """Return the words of a judge that is another model than the generator: those it was taught, if
    its train step says so, else the generator's, in the form that is its own.
    """
    taught = trained_wording.taught_to(name, role="evaluator")
    if taught is None:
        return replace(solver.wording, form="auto")
    return replace(taught, thoughts=solver.thoughts)


def _check_words(
    name: str, wording: prompts.Wording, tokenizer: Any, role: trained_wording.Role
) -> None:
    """Warn if a model was trained on other prompts; raise InputError if it cannot have these."""
    trained_wording.warn(name, wording, tokenizer, role=role)
    trained_wording.shown(wording, tokenizer, role)


def _vllm(solver: Solver, judges: bool) -> tuple[Any, Judge | None]:
    from mathtune.cli.serving.batched import Batched
    from mathtune.engines import opener

    name = model_in(solver.generator)
    asked = ModelChoice(name, "vllm", solver.device)
    extras.require(packages(asked))
    from mathtune.engines.transformers import models

    if judges and _judge_name(solver) != name:
        raise InputError(
            f"evaluator: found {solver.evaluator!r} with another generator in vLLM, which holds "
            "one model; expected the generator itself, or a server's address."
        )
    engine: Engine = opener.open_engine(asked, solver.wording, seed=solver.seed)
    batched = Batched(engine, form=solver.wording, tokenizer=models.load_tokenizer(name))
    return batched, batched if judges else None


def _local_judge(solver: Solver) -> Any:
    """Return a judge in this process, apart from the generator."""
    from mathtune.cli.serving.batched import Batched

    engine = _engine(_judge_name(solver), solver, "evaluator")
    return Batched(engine, form=engine.form, tokenizer=engine.tokenizer)


def _remote_generator(solver: Solver, timeout: float) -> Any:
    from mathtune.engines.openai import Unrendered

    wording = solver.wording
    if wording.form == "auto":
        wording = replace(wording, form="chat")
    server = _server(solver.generator, timeout=timeout)
    return _remote(server, solver.generator_name, wording, Unrendered())


def _remote_judge(solver: Solver, timeout: float) -> Any:
    """Return a judge on a server; a tokenizer that is here renders the prompts if it chats."""
    from mathtune.engines.openai import Unrendered

    tokenizer: Any = Unrendered()
    wording = replace(solver.wording, form="plain")
    if solver.evaluator_tokenizer is not None:
        from mathtune.engines.transformers import models  # torch, which servers alone do not need

        name = model_in(solver.evaluator_tokenizer, "evaluator")
        tokenizer, wording = models.load_tokenizer(name), judges_wording(name, solver)
        _check_words(name, wording, tokenizer, "evaluator")
        wording = replace(wording, form=prompts.resolve(wording, tokenizer))
    server = _server(str(solver.evaluator), timeout=timeout, top_logprobs=solver.evaluator_logprobs)
    return _remote(server, solver.evaluator_name, wording, tokenizer)


def _server(url: str, **settings: Any) -> Server:
    try:
        return Server(url=url, concurrency=WIDTH, retries=2, **settings)
    except ValueError:
        raise InputError(
            f"{url}: no server's address; expected one such as http://127.0.0.1:8000/v1, without "
            "a user or a password."
        ) from None


def _remote(
    server: Server, name: str | None, wording: prompts.Wording, judge: prompts.ChatTokenizer
) -> Any:
    from mathtune.cli.serving.remote import Remote
    from mathtune.engines.openai import OpenAI
    from mathtune.engines.server import Client, listed

    if name is None:
        with closing(Client(server)) as client:
            there = client.models()
        if len(there) != 1:
            raise InputError(
                f"{server.url}: serves {listed(there)}; expected the name of one of them, with "
                "--generator-name or --evaluator-name."
            )
        name = there[0]
    engine = OpenAI(name, server, form=wording, judge=judge)
    return Remote(engine, wording=wording, width=WIDTH)
