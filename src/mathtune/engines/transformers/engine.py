"""The transformers engine: a Hugging Face model in this process that samples and scores."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from safetensors import SafetensorError, safe_open

from mathtune.engines import Dtype, prompts
from mathtune.engines.protocol import Candidates, Drafts, Sampling, ScorerName, Scores, Want
from mathtune.engines.transformers import merging, models
from mathtune.engines.transformers.decode import Sampler, forward_of
from mathtune.engines.transformers.scoring import Scorer
from mathtune.engines.transformers.shared_attention import Forward
from mathtune.errors import InputError, one_line
from mathtune.rows import jsonl

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


WEIGHTS = "adapter_model.safetensors"


def load(
    name: str, adapter: Path | None, *, device: str, dtype: Dtype
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load as `models.load` does, and merge a LoRA adapter into the weights if one is given; with
    quantised weights it stays beside them, since merging would round it.

    Raises:
        InputError: the model or the adapter cannot be loaded.
    """
    model, tokenizer = models.load(name, device=device, dtype=dtype)
    if adapter is None:
        return model, tokenizer
    from peft import PeftModel, get_peft_model_state_dict

    adapter_rank(adapter)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft only warns about layers without adapters
            adapted = PeftModel.from_pretrained(model, str(adapter))
        with safe_open(adapter / WEIGHTS, "pt") as saved:
            there = get_peft_model_state_dict(adapted, save_embedding_layers=False)
            strange = [key for key in set(saved.keys()) ^ set(there) if "lora_" in key]
            if strange:
                raise ValueError(f"only one of them has {min(strange)}")
            for key in [key for key in saved.keys() if "lora_" in key]:  # noqa: SIM118 (no mapping)
                # peft silently leaves out those of layers that transformers renames (Laguna).
                there[key].copy_(saved.get_tensor(key))
        if models.quantised(model):
            return adapted.get_base_model().eval(), tokenizer
        merged = merging.merge(adapted)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        reason = one_line(error)
        raise InputError(f"adapter {str(adapter)!r}: does not fit {name!r} ({reason}).") from error
    return merged.eval(), tokenizer


class LoraAdapter(msgspec.Struct):
    """The part of an adapter_config.json that is read."""

    peft_type: Literal["LORA"]
    r: int


def adapter_rank(adapter: Path) -> int:
    """Return the rank of the LoRA adapter in a folder.

    Raises:
        InputError: the folder is no LoRA adapter as peft writes it.
    """
    for file in ("adapter_config.json", WEIGHTS):
        if not (adapter / file).exists():
            raise InputError(f"adapter {str(adapter)!r}: has no {file}; expected a LoRA adapter.")
    return jsonl.read_json(adapter / "adapter_config.json", LoraAdapter).r


class TransformersEngine:
    """A loaded model."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        form: prompts.AnyForm,
    ) -> None:
        self.model, self.tokenizer, self.form = model, tokenizer, form

    @cached_property
    def _forward(self) -> Forward:
        """The forward call of both halves, made once: it may hold a copy of the weights."""
        return forward_of(self.model)

    @cached_property
    def sampler(self) -> Sampler:
        """The half that samples."""
        return Sampler(self.model, self.tokenizer, form=self.form, forward=self._forward)

    @cached_property
    def scorer(self) -> Scorer:
        """The half that scores."""
        return Scorer(self.model, self.tokenizer, form=self.form, forward=self._forward)

    @property
    def tokens(self) -> int:
        """Tokens read so far by `score`."""
        return self.scorer.tokens

    def sample(
        self, wants: Sequence[Want], sampling: Sampling, *, seed: tuple[int, ...]
    ) -> Iterator[Drafts]:
        """Yield the drafts of all wants; wants with equal counts are sampled together."""
        for count in sorted({want.count for want in wants}):
            chosen = [place for place, want in enumerate(wants) if want.count == count]
            texts = [wants[place].prompt for place in chosen]
            how = replace(sampling, n=count)
            yield from zip(chosen, self.sampler.sample(texts, how, seed=seed), strict=True)

    def score(self, groups: Sequence[Candidates], scorer: ScorerName) -> Iterator[Scores]:
        """Yield the scores of all groups, computed at once."""
        yield from enumerate(
            self._evaluate(groups) if scorer == "evaluator" else self._like(groups)
        )

    def _evaluate(self, groups: Sequence[Candidates]) -> list[list[float | None]]:
        return self.scorer.evaluate(
            [
                [
                    prompts.evaluator(
                        group.problem, solution, form=self.form, tokenizer=self.tokenizer
                    )
                    for solution in group.solutions
                ]
                for group in groups
            ]
        )

    def _like(self, groups: Sequence[Candidates]) -> list[list[float | None]]:
        logs = self.scorer.log_likelihoods(
            [
                prompts.solver(group.problem, form=self.form, tokenizer=self.tokenizer)
                for group in groups
            ],
            [group.solutions for group in groups],
        )
        return [[None if log is None else math.exp(log) for log in group] for group in logs]
