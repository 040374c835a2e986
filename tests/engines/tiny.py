"""Tiny random models of several families, and a tiny tokenizer, for the engines' tests."""

from __future__ import annotations

from pathlib import Path

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
    "Problem: What is 12 + 30? Tom has 5 apples and buys 7 more.\nSolution:\n5 + 7 = <<5+7=12>>12\n"
    "#### 12\nHere is a math problem: Here is a candidate solution: "
    "The above candidate solution is correct. The above candidate solution is incorrect."
)


def tokenizer(*, words: bool = True) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer; `words`: ` correct` and ` incorrect` are one token each."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300 if not words else 400,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([TEXT] * (1 if not words else 3), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>")


def model(family: str, vocabulary: int, *, seed: int = 0, context: int = 256) -> PreTrainedModel:
    """A random model of a family, its weights large enough that its probabilities differ."""
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": context,
        "initializer_range": 0.3,
        "bos_token_id": None,
        "eos_token_id": 0,
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
    return AutoModelForCausalLM.from_config(configs[family]).eval()


def save(folder: Path, family: str = "llama", *, seed: int = 0, context: int = 256) -> str:
    """Save a model with its tokenizer; its folder's name."""
    own = tokenizer()
    model(family, len(own), seed=seed, context=context).save_pretrained(folder)
    own.save_pretrained(folder)
    return str(folder)
