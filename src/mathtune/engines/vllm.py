"""Sample and score with vLLM in this process. All samples of a prompt are one request, and common
beginnings of prompts are read once.

vLLM orders the work itself, so that only greedy samples are the same in every run. The engine has
one seed: seeds of single requests fail on a CPU.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from mathtune.engines import embedded_model, prompts
from mathtune.engines.protocol import (
    TOO_LONG,
    Candidates,
    Draft,
    Drafts,
    EngineChoice,
    Sampling,
    ScorerName,
    Scores,
    Want,
    share,
)
from mathtune.engines.thought_budget import opened, text_of, thought_end
from mathtune.engines.transformers import models
from mathtune.errors import InputError
from mathtune.rows import jsonl

SMALLEST_HEAD = 32
"""The smallest attention head that vLLM supports on a CPU; a smaller one fails at a prompt."""
IN_FLIGHT = 4096
"""The most requests that wait in vLLM; the rest wait here."""


@dataclass(frozen=True)
class LogProbRequest:
    """One prompt to read, and the tokens whose log p is wanted, by position.

    With `next`, they are alternatives for the next token; without, they are part of the prompt.
    """

    tokens: tuple[int, ...]
    wanted: tuple[tuple[int, int], ...]
    next: bool


class VLLM:
    """A model loaded in vLLM.

    Raises:
        InputError: vLLM is not installed, or it cannot run the model.
    """

    def __init__(self, choice: EngineChoice, *, form: prompts.AnyForm, seed: int) -> None:
        self.tokenizer, self.form = models.load_tokenizer(choice.model), form
        self.tokens = 0
        on_cpu = models.resolve_device(choice.device) == "cpu"
        if on_cpu:
            # Read by vLLM when it is imported. One process: nothing waits for a GPU here.
            os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(choice.vllm.cpu_memory)
            os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        try:
            import vllm
            from vllm.lora.request import LoRARequest
        except ImportError as error:
            raise InputError(
                f"engine vllm: cannot be imported ({error}); install it with "
                "pip install 'mathtune[vllm]' on CUDA, or make vllm-env on a CPU."
            ) from None
        self._vllm, self._lora, options = vllm, None, dict[str, Any]()
        if choice.adapter is not None:
            from mathtune.engines.transformers.engine import adapter_rank

            self._lora = LoRARequest("adapter", 1, str(choice.adapter))
            # vLLM must know the rank beforehand.
            options = {"enable_lora": True, "max_lora_rank": adapter_rank(choice.adapter)}
        name = str(embedded_model.path()) if choice.model == "embedded" else choice.model
        head = _head_size(Path(name))
        if on_cpu and head is not None and head < SMALLEST_HEAD:
            raise InputError(
                f"engine vllm: model {choice.model!r} has attention heads of {head} numbers, and "
                f"vLLM supports {SMALLEST_HEAD} or more on a CPU; use engine=transformers."
            )
        try:
            self._engine = vllm.LLM(
                model=name,
                dtype="float32" if on_cpu and choice.dtype == "auto" else choice.dtype,
                seed=seed,
                tensor_parallel_size=choice.vllm.tensor_parallel,
                gpu_memory_utilization=choice.vllm.memory,
                max_model_len=choice.vllm.max_length,
                enable_prefix_caching=True,
                enforce_eager=on_cpu,
                quantization=choice.vllm.quantization,
                trust_remote_code=False,
                **{**options, **choice.vllm.extra},
            ).llm_engine
        except (ValueError, OSError, RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())[-400:]
            raise InputError(
                f"engine vllm: cannot run model {choice.model!r} ({reason})."
            ) from error
        self.context = int(self._engine.model_config.max_model_len)
        self._numbers = count()
        # vLLM knows the tokenizer's end token and those of the generation config, no template's.
        self._ends: list[int] = []
        if prompts.resolve(form, self.tokenizer) == "chat":
            prompts.refuse_shared_end(self.tokenizer, form=form)
            self._ends = [prompts.end_token(self.tokenizer, form=form)]

    def sample(
        self,
        wants: Sequence[Want],
        sampling: Sampling,
        *,
        seed: tuple[int, ...],  # noqa: ARG002 (the engine has its seed)
    ) -> Iterator[Drafts]:
        """Yield a prompt's drafts as soon as all of them are finished; with a budget of thoughts
        each by itself.
        """
        todo = deque[tuple[Any, list[int], Any]]()
        end = thought_end(self.tokenizer) if sampling.thought_tokens else None
        most = sampling.thought_tokens or sampling.max_tokens
        for place, want in enumerate(wants):
            ids = prompts.encode(want.prompt, form=self.form, tokenizer=self.tokenizer)
            room = min(most, self.context - len(ids))
            if room < 1:
                yield place, [TOO_LONG] * want.count
                continue
            how = self._drawing(sampling, n=want.count, most=room, end=end)
            todo.append(((place, ids, None), ids, how))
        for (place, prompt, begun), found in self._answers(todo):
            if end is None or begun is not None:
                drafts = [self._draft(out, sampling, begun or []) for out in found.outputs]
                yield place, opened(drafts, wants[place].prompt)
                continue
            for out in found.outputs:
                thoughts = _thoughts(out, sampling, end)
                if thoughts and (room := self.context - len(prompt) - len(thoughts)) > 0:
                    how = self._drawing(sampling, n=1, most=min(sampling.max_tokens, room))
                    todo.append(((place, prompt, thoughts), [*prompt, *thoughts], how))
                else:
                    yield place, opened([self._draft(out, sampling, [])], wants[place].prompt)

    def score(self, groups: Sequence[Candidates], scorer: ScorerName) -> Iterator[Scores]:
        """Yield a group's scores as soon as all are known; equal candidates are read once."""
        read = self._judged if scorer == "evaluator" else self._solved
        wanted = [
            {text: read(group.problem, text) for text in dict.fromkeys(group.solutions)}
            for group in groups
        ]
        logs: list[dict[LogProbRequest, list[float]]] = [{} for _ in groups]
        left: list[int] = []
        keys: list[tuple[int, LogProbRequest]] = []
        todo = deque[tuple[Any, list[int], Any]]()
        for place, texts in enumerate(wanted):
            rows = dict.fromkeys(row for rows in texts.values() for row in rows if self._fits(row))
            left.append(len(rows))
            for row in rows:
                todo.append((len(keys), list(row.tokens), self._reading(row)))
                keys.append((place, row))
        for place, group in enumerate(groups):
            if not left[place]:
                yield place, [None for _ in group.solutions]
        for number, found in self._answers(todo):
            place, row = keys[number]
            logs[place][row] = _logs(row, found)
            self.tokens += len(row.tokens)
            left[place] -= 1
            if not left[place]:
                scores = {text: _score(rows, logs[place]) for text, rows in wanted[place].items()}
                yield place, [scores[text] for text in groups[place].solutions]

    def _answers(self, todo: deque[tuple[Any, list[int], Any]]) -> Iterator[tuple[Any, Any]]:
        """Yield finished requests with their keys, and keep the engine supplied with new ones; what
        is put into `todo` meanwhile is done, too.
        """
        keys = dict[str, Any]()
        try:
            while todo or keys:
                while todo and len(keys) < IN_FLIGHT:
                    key, ids, how = todo.popleft()
                    number = str(next(self._numbers))
                    self._engine.add_request(
                        number, {"prompt_token_ids": ids}, how, lora_request=self._lora
                    )
                    keys[number] = key
                for found in self._engine.step() if keys else ():
                    if found.finished:
                        yield keys.pop(found.request_id), found
        finally:
            if keys:
                self._engine.abort_request(list(keys))

    def _drawing(self, sampling: Sampling, *, n: int, most: int, end: int | None = None) -> Any:
        """Return the request's settings; `end` is a further token that ends a sample."""
        return self._params(
            n=n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            max_tokens=most,
            stop=sampling.stop,
            stop_token_ids=[*self._ends, *([] if end is None else [end])],
        )

    def _params(self, **options: Any) -> Any:
        kind = self._vllm.sampling_params.RequestOutputKind.FINAL_ONLY
        return self._vllm.SamplingParams(
            output_kind=kind, detokenize=bool(options.get("stop")), **options
        )

    def _reading(self, row: LogProbRequest) -> Any:
        if row.next:
            return self._params(max_tokens=1, logprob_token_ids=[token for _, token in row.wanted])
        return self._params(max_tokens=1, prompt_logprobs=0)

    def _draft(self, output: Any, sampling: Sampling, begun: list[int]) -> Draft:
        """Return a draft of what was drawn after the tokens `begun`."""
        stopped = output.finish_reason == "stop"
        ended = stopped and not isinstance(output.stop_reason, str)  # by a token, not a text
        ids = [*begun, *list(output.token_ids)[: -1 if ended else None]]
        text = sampling.cut(text_of(ids, self.tokenizer))
        return Draft(text, "stop" if stopped else "length", len(ids))

    def _fits(self, row: LogProbRequest) -> bool:
        return len(row.tokens) < self.context

    def _judged(self, problem: str, solution: str) -> list[LogProbRequest]:
        """Return one request if each label is one token after the same text, else one per label.

        The request for ` correct` comes first.
        """
        text = prompts.evaluator(problem, solution, form=self.form, tokenizer=self.tokenizer)
        start, *both = prompts.labelled(text, form=self.form, tokenizer=self.tokenizer)
        right, wrong = map(tuple, both)
        if len(right) == len(wrong) == start + 1:
            words = (start, right[start]), (start, wrong[start])
            return [LogProbRequest(right[:start], words, next=True)]
        return [
            LogProbRequest(ids, tuple((at, ids[at]) for at in range(start, len(ids))), next=False)
            for ids in (right, wrong)
        ]

    def _solved(self, problem: str, solution: str) -> list[LogProbRequest]:
        """Return the request for a solution after its prompt, with the end token."""
        text = prompts.solver(problem, form=self.form, tokenizer=self.tokenizer)
        prompt = prompts.encode(text, form=self.form, tokenizer=self.tokenizer)
        target = prompts.target(solution, form=self.form, tokenizer=self.tokenizer, prompt=text)
        ids = (*prompt, *target)
        return [
            LogProbRequest(
                ids, tuple((at, ids[at]) for at in range(len(prompt), len(ids))), next=False
            )
        ]


def _thoughts(output: Any, sampling: Sampling, end: int) -> list[int] | None:
    """Return the thoughts of a sample that goes on after them; None: it is finished.

    The last token of a budget that is used up is the thoughts' end.
    """
    ids = list(output.token_ids)
    if output.finish_reason == "length" and len(ids) == sampling.thought_tokens:
        return [*ids[:-1], end]
    if output.finish_reason == "stop" and output.stop_reason == end:
        return ids
    return None


def _logs(row: LogProbRequest, found: Any) -> list[float]:
    """Return log p of each alternative for the next token, or of all wanted tokens together."""
    if row.next:
        (alternatives,) = found.outputs[0].logprobs
        logs = [alternatives[token].logprob for _, token in row.wanted]
    else:
        logs = [math.fsum(found.prompt_logprobs[at][token].logprob for at, token in row.wanted)]
    if any(map(math.isnan, logs)):
        raise InputError(
            "engine vllm: the model's logits are not finite numbers, so nothing can be scored; "
            "expected undamaged weights, and dtype=float32 if the model overflows."
        )
    return logs


def _score(rows: list[LogProbRequest], logs: dict[LogProbRequest, list[float]]) -> float | None:
    """Return S from log p of both labels, or the likelihood from one; None: a row was too long."""
    if not all(row in logs for row in rows):
        return None
    found = [log for row in rows for log in logs[row]]
    if len(found) == 1:
        return math.exp(found[0])
    return share(*found)


def _head_size(folder: Path) -> int | None:
    """Return the head size in a model folder's config.json; None if it has none."""
    file = folder / "config.json"
    config = jsonl.read_json(file) if file.exists() else {}
    if config.get("head_dim"):
        return int(config["head_dim"])
    if config.get("hidden_size") and config.get("num_attention_heads"):
        return int(config["hidden_size"]) // int(config["num_attention_heads"])
    return None
