"""The label words under three families of real tokenizers, made here from a few sentences.

p(word) is the product over all its tokens: a plain loop over single forward calls, the engine's
Scorer and the examples that training reads must agree, whatever the words are cut into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from mathtune.engines import prompts
from mathtune.engines.transformers.scoring import Scorer
from mathtune.rows.records import Labelled
from mathtune.training.examples import Encoder
from mathtune.training.objectives import log_score, text_log_p, token_log_p

TEXT = [
    "Here is a math problem: Tom has 5 apples and buys 7 more.",
    "Here is a candidate solution: 5 + 7 = 12\n#### 12",
    "The above candidate solution is correct.",
    "The above candidate solution is incorrect. It is not correct.",
]
ROW = Labelled(problem_id="a", problem="What is 5 + 7?", solution="5 + 7 = 12", correct=True)


def byte_level(size: int) -> Tokenizer:
    """As GPT-2, Llama 3 and Qwen: bytes merged into pieces, a space at the start of a word."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(TEXT * 3, trainer)
    return core


def sentencepiece(size: int) -> Tokenizer:
    """As Llama 2, T5 and Gemma: pieces of a unigram model, a mark for each space, <s> in front."""
    core = Tokenizer(models.Unigram())
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    core.decoder = decoders.Metaspace()
    alphabet = sorted({c for line in TEXT for c in line} | set("What?+=#\n0123456789"))
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        special_tokens=["<s>", "</s>", "<unk>"],
        initial_alphabet=alphabet,
        unk_token="<unk>",
        show_progress=False,
    )
    core.train_from_iterator(TEXT * 3, trainer)
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return core


def character(size: int) -> Tokenizer:
    """As ByT5 and CANINE: one token a character, those of ASCII."""
    names = ["<s>", "</s>", "\n", *(chr(code) for code in range(32, size))]
    core = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="?"))
    core.pre_tokenizer = pre_tokenizers.Split("", behavior="isolated")
    core.decoder = decoders.Fuse()
    return core


FAMILIES: dict[str, tuple[Callable[[int], Tokenizer], int, int]] = {
    # name -> how it is made, vocabulary, tokens of " incorrect" where that is fixed
    "byte-level words": (byte_level, 420, 1),
    "byte-level pieces": (byte_level, 290, 0),
    "sentencepiece": (sentencepiece, 90, 0),
    "character": (character, 127, 10),
}


@pytest.fixture(params=list(FAMILIES))
def loaded(request: pytest.FixtureRequest) -> tuple[Any, LlamaForCausalLM, int]:
    make, size, tokens = FAMILIES[request.param]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=make(size), eos_token="</s>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=1,
    )
    return tokenizer, LlamaForCausalLM(config).eval(), tokens


def plain_log_p(tokenizer: Any, model: LlamaForCausalLM, prompt: str, word: str) -> float:
    """log p(word | prompt), a forward call for each token behind what both words share."""
    right, wrong = (
        tokenizer.encode(prompt + label) for label in (prompts.CORRECT, prompts.INCORRECT)
    )
    start = next(i for i, (a, b) in enumerate(zip(right, wrong, strict=False)) if a != b)
    ids = tokenizer.encode(prompt + word)
    total = 0.0
    with torch.no_grad():
        for at in range(start, len(ids)):
            logits = model(torch.tensor([ids[:at]])).logits[0, -1]
            total += float(logits.double().log_softmax(-1)[ids[at]])
    return total


def test_score_is_the_share_of_the_whole_words(loaded: tuple[Any, Any, int]) -> None:
    tokenizer, model, tokens = loaded
    prompt = prompts.evaluator(ROW.problem, ROW.solution, form="plain", tokenizer=tokenizer)
    assert prompt.endswith("is")
    words = [plain_log_p(tokenizer, model, prompt, w) for w in (" correct", " incorrect")]
    expected = float(torch.tensor(words).softmax(0)[0])
    ((found,),) = Scorer(model, tokenizer, form="plain").evaluate([[prompt]])
    assert found == pytest.approx(expected, abs=1e-5)
    if tokens:
        whole = tokenizer.encode(prompt + " incorrect")
        assert len(whole) - len(tokenizer.encode(prompt)) == tokens


def test_training_reads_the_same_words(loaded: tuple[Any, Any, int]) -> None:
    tokenizer, model, _ = loaded
    (item,) = Encoder(tokenizer, "plain", 512).items([("row", ROW)], "cls-xent")
    logs, columns = [], []
    with torch.no_grad():
        for reading in item.readings:
            logits = model(torch.tensor(reading.ids[None].astype("int64"))).logits[0]
            rows = logits[torch.tensor(reading.positions.astype("int64"))]
            logs.append(token_log_p(rows, torch.tensor(reading.tokens.astype("int64"))))
            columns.append(torch.tensor(reading.texts.astype("int64")))
    words = text_log_p(torch.cat(logs), torch.cat(columns), count=2)
    prompt = prompts.evaluator(ROW.problem, ROW.solution, form="plain", tokenizer=tokenizer)
    ((score,),) = Scorer(model, tokenizer, form="plain").evaluate([[prompt]])
    assert score is not None
    assert log_score(words[:1], words[1:]).exp().item() == pytest.approx(score, abs=1e-5)
