"""Tiny random models with their tokenizers, saved to folders, and rows to train them on."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import isfunction
from pathlib import Path
from types import ModuleType

import jaxtyping
import pytest
import torch
from beartype import BeartypeConf, beartype
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed
from transformers.utils.logging import disable_progress_bar

from mathtune.rows import jsonl
from mathtune.rows.records import Example, Pair
from mathtune.training import batches, objectives


def check_shapes(module: ModuleType) -> None:
    """Let the module's functions raise if a tensor has not the shape that they annotate.

    In tests alone: without jaxtyping and beartype the annotations are text, and cost nothing.
    """
    check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float
    names = {"Tensor": torch.Tensor, "Count": float | torch.Tensor}
    names |= {name: getattr(jaxtyping, name) for name in ("Bool", "Float", "Int")}
    vars(module).update(names)
    for name, value in list(vars(module).items()):
        if isfunction(value) and value.__module__ == module.__name__:
            setattr(module, name, jaxtyping.jaxtyped(value, typechecker=check))


check_shapes(objectives)
check_shapes(batches)

CHARACTERS = [chr(c) for c in range(32, 127)] + ["\n"]


def characters(words: list[str], chat_template: str | None = None) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are ASCII characters and these words; it adds none by itself."""
    vocabulary = ["<pad>", "<eos>", *words, *CHARACTERS]
    model = models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token="?")
    made = Tokenizer(model)
    pattern = "|".join([*map(re.escape, sorted(words, key=len, reverse=True)), "[\\s\\S]"])
    made.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    made.decoder = decoders.Fuse()
    made.add_special_tokens([AddedToken(t, normalized=False) for t in ("<pad>", "<eos>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<eos>", pad_token="<pad>", chat_template=chat_template
    )


def save(
    folder: Path,
    *,
    tokenizer: PreTrainedTokenizerFast | None = None,
    vocabulary: int | None = None,
    tied: bool = True,
) -> None:
    """Write a random Llama and its tokenizer; by default each label word is one token."""
    tokenizer = tokenizer or characters([" correct", " incorrect"])
    set_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary or len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    disable_progress_bar()
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def examples(count: int) -> list[Example]:
    """Sums of growing length, so that lengths differ."""
    return [
        Example(
            problem_id=f"p{i}",
            problem=f"What is {'+'.join(['1'] * (i % 5 + 1))}?",
            solution=f"{i % 5 + 1} ones.\n#### {i % 5 + 1}",
        )
        for i in range(count)
    ]


def pairs(count: int) -> list[Pair]:
    """The examples' solutions beside wrong ones."""
    return [
        Pair(
            problem_id=row.problem_id,
            problem=row.problem,
            right=row.solution,
            wrong=f"{i % 5 + 2} or so.\n#### {i % 5 + 2}",
        )
        for i, row in enumerate(examples(count))
    ]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random two-layer Llama whose label words are one token each."""
    folder = tmp_path_factory.mktemp("tiny")
    save(folder)
    return str(folder)


@pytest.fixture(scope="session")
def save_tiny() -> Callable[..., None]:
    """Write another tiny model into a folder."""
    return save


@pytest.fixture(scope="session")
def character_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    """Make a tokenizer of characters and given words."""
    return characters


@pytest.fixture(scope="session")
def example_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen Example rows."""
    path = tmp_path_factory.mktemp("rows") / "examples.jsonl"
    jsonl.write(path, examples(13))
    return path


@pytest.fixture(scope="session")
def pair_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen Pair rows."""
    path = tmp_path_factory.mktemp("rows") / "pairs.jsonl"
    jsonl.write(path, pairs(13))
    return path
