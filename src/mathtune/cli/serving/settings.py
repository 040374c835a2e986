"""The settings of solving a question and of a server, checked before a model is loaded.

`cli.questions` makes them into the options of `solve` and `serve`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from mathtune.answers.extract import ExtractRule
from mathtune.engines import prompts
from mathtune.engines.protocol import Sampling
from mathtune.engines.settings import PromptSettings
from mathtune.errors import InputError
from mathtune.metrics.strategies import Strategy
from mathtune.run.settings import value_of
from mathtune.run.stage import validated

SUMS: tuple[Strategy, ...] = ("Maj1", "W.RR", "W.RR.calculator")
"""The strategies that add up votes or scores over samples, so that a lead can be sure."""
STOP_AT = 0.95
Local = Literal["transformers", "vllm"]
Seen = Literal["read", "drop"]


@dataclass(frozen=True, kw_only=True)
class Solver:
    """The settings of solving a question. Defaults: Liu et al. 2023, with fewer samples."""

    generator: str = "embedded"
    """The model that writes solutions: `embedded`, a hub id, a folder (a train step's too), or the
    address of a server, http://host:8000/v1."""
    evaluator: str | None = None
    """The model that judges them, or `calculator`; None: nothing is judged, votes decide."""
    n: int = 16
    """The most samples."""
    stop_at: float | None = STOP_AT
    """Stop as soon as the leading cluster is ahead with this probability. None: draw all n."""
    strategy: Strategy | None = None
    """The way to pick; None: W.RR with an evaluator, Maj1 without."""
    k: int = 8
    """The K of RR.MajK and W.RR.MajK, and the N of Maj1.TopN."""
    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 512
    seed: int = 0
    rule: ExtractRule = "explicit"
    form: prompts.Form = "auto"
    system: str | None = None
    instruction: str | None = None
    template: str = "{}"
    """Variables of the chat template, in YAML: {enable_thinking: false}."""
    thoughts: Seen = "read"
    """What the evaluator does with a solution's thoughts: read or drop."""
    device: str = "auto"
    engine: Local = "transformers"
    """What runs a model that is here."""
    generator_name: str | None = None
    """What the generator's server calls it; None: its only model."""
    evaluator_name: str | None = None
    evaluator_tokenizer: str | None = None
    """The model folder or hub id of an evaluator on a server: its tokenizer's chat template then
    writes the prompts. None: they are plain."""
    evaluator_logprobs: int = 20
    """The likeliest tokens that an evaluator's server is asked for: both labels must be there."""

    @property
    def picks_by(self) -> Strategy:
        """The strategy, resolved."""
        return self.strategy or ("Maj1" if self.evaluator is None else "W.RR")

    @property
    def wording(self) -> prompts.Wording:
        """The form of the prompts, and what else is said."""
        return prompts.Wording(
            self.form, self.system, self.instruction, self.variables, self.thoughts
        )

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of the chat template.

        Raises:
            InputError: they are no mapping, or one is not the template's to set.
        """
        given = {"template": value_of(self.template, where="--template")}
        return validated(PromptSettings, given).template

    @property
    def most(self) -> int:
        """The most samples; at temperature 0 all are the same, so that one is enough."""
        return self.n if self.temperature > 0 else 1

    @property
    def stops_at(self) -> float | None:
        """The probability at which sampling stops; None if the strategy adds nothing up."""
        return self.stop_at if self.picks_by in SUMS else None

    def sampling(self, n: int) -> Sampling:
        """Return the sampling settings of a wave of n samples."""
        return Sampling(
            n=n, temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens
        )


@dataclass(frozen=True, kw_only=True)
class Address:
    """A server's address, and who may ask."""

    host: str = "127.0.0.1"
    port: int = 8000
    key: str | None = None
    log_prompts: bool = False


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server takes on."""

    queue: int = 256
    """Questions at once, those that wait included; further ones get 429."""
    timeout: float = 120.0
    """Seconds for a question; then its samples are given up, and it gets 504."""
    body: int = 2**20
    """Bytes of a request."""
    prompt: int = 20_000
    """Characters of a question."""
    samples: int = 64
    max_tokens: int = 1024


def check_server(address: Address, limits: Limits) -> None:
    """Refuse a server's settings that are out of range.

    Raises:
        InputError: a number is out of range.
    """
    if not 0 <= address.port < 2**16:
        raise InputError(f"--port: found {address.port}; expected 0 to 65535.")
    for name, value in (
        ("queue", limits.queue),
        ("max-samples", limits.samples),
        ("max-tokens", limits.max_tokens),
    ):
        if value < 1:
            raise InputError(f"--{name}: found {value}; expected at least 1.")
    if not limits.timeout > 0:
        raise InputError(f"--timeout: found {limits.timeout}; expected more than 0 seconds.")


def check(solver: Solver) -> None:
    """Refuse settings that are out of range, or that do not fit together.

    Raises:
        InputError: a number is out of range, or a name is unknown, or a strategy reads scores that
            nobody gives.
    """
    for name, value, least in (
        ("n", solver.n, 1),
        ("k", solver.k, 1),
        ("max-tokens", solver.max_tokens, 1),
        ("evaluator-logprobs", solver.evaluator_logprobs, 2),
        ("seed", solver.seed, 0),
        ("temperature", solver.temperature, 0),
    ):
        if not least <= value < 2**63:
            raise InputError(f"--{name}: found {value}; expected at least {least}.")
    if not 0 < solver.top_p <= 1:
        raise InputError(f"--top-p: found {solver.top_p}; expected above 0 and at most 1.")
    if solver.stop_at is not None and not 0.5 < solver.stop_at <= 1:
        raise InputError(
            f"--stop-at: found {solver.stop_at}; expected above 0.5 and at most 1 (1: only if the "
            "lead cannot be overtaken)."
        )
    for option, found, names in (
        ("extract", solver.rule, get_args(ExtractRule)),
        ("engine", solver.engine, get_args(Local)),
        ("prompt", solver.form, get_args(prompts.Form)),
        ("thoughts", solver.thoughts, get_args(Seen)),
    ):
        if found not in names:
            raise InputError(f"--{option}: found {found!r}; expected {' or '.join(names)}.")
    _ = solver.variables
    strategy = solver.picks_by
    if strategy not in get_args(Strategy):
        known = ", ".join(get_args(Strategy))
        raise InputError(f"--strategy {strategy}: no such strategy; expected {known}.")
    if solver.evaluator is None and strategy != "Maj1":
        raise InputError(
            f"--strategy {strategy}: reads scores; expected a model with --evaluator, or "
            "--evaluator calculator."
        )
