"""Tiny random models of several families and a tiny tokenizer, made here: no network, no files."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GemmaConfig,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

TEXT = (
    "Problem: What is 12 + 30? Tom has 5 apples and buys 7 more.\nSolution:\n5 + 7 = 12\n#### 12\n"
    "Here is a math problem: Here is a candidate solution: "
    "The above candidate solution is correct. The above candidate solution is incorrect."
)

MakeTokenizer = Callable[..., PreTrainedTokenizerFast]
MakeModel = Callable[..., PreTrainedModel]


@pytest.fixture(scope="session")
def make_tokenizer() -> MakeTokenizer:
    """A byte-level tokenizer; with `words`, ` correct` and ` incorrect` are one token each."""

    def make(*, words: bool = True) -> PreTrainedTokenizerFast:
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400 if words else 300,
            special_tokens=["<|end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        core.train_from_iterator([TEXT] * 3, trainer)
        return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>")

    return make


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """A random model of a family; its weights are large, so that its probabilities differ."""

    def make(family: str, vocabulary: int, *, seed: int = 0, context: int = 512) -> PreTrainedModel:
        shape = {
            "vocab_size": vocabulary,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": context,
            "initializer_range": 0.3,
            "bos_token_id": None,
            "eos_token_id": [0, 7, 8, 9, 10, 11, 12],
            "pad_token_id": None,
        }
        configs: dict[str, PreTrainedConfig] = {
            "llama": LlamaConfig(**shape, num_key_value_heads=2),
            "qwen2": Qwen2Config(**shape, num_key_value_heads=2),
            "qwen3": Qwen3Config(**shape, num_key_value_heads=2, head_dim=8),
            "gpt_neox": GPTNeoXConfig(**shape),
            "gemma": GemmaConfig(**shape, num_key_value_heads=1, head_dim=8),
        }
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(configs[family]).eval()
        for name, weight in model.named_parameters():
            if name.endswith("bias") or "norm" in name:  # zeros and ones would hide a mistake
                weight.data += 0.1 * torch.randn_like(weight)
        return model

    return make
